"""Transforms of a small network equal torch.func's."""

from typing import Any

import numpy as np
import pytest

from tinygrad_lite import func

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]  # PyTorch warns of its own jvp and linearize

rng = np.random.default_rng(4)
W1, b1, W2 = rng.standard_normal((5, 3)), rng.standard_normal(5), rng.standard_normal((2, 5))
x, v = rng.standard_normal(3), rng.standard_normal(3)
X = rng.standard_normal((4, 3))


def ours(x: Any) -> Any:
    return W2 @ np.tanh(W1 @ x + b1) * x[:2]


def theirs(x: Any) -> Any:
    return torch.tensor(W2) @ torch.tanh(torch.tensor(W1) @ x + torch.tensor(b1)) * x[:2]


def near(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-12, atol=1e-13)  # float64, sums of a few terms in another order


def test_jacobians_and_products() -> None:
    t, u = torch.tensor(x), torch.tensor(v)
    near(func.jacrev(ours)(x), torch.func.jacrev(theirs)(t))
    near(func.jacfwd(ours)(x), torch.func.jacfwd(theirs)(t))
    near(func.jvp(ours, (x,), (v,))[1], torch.func.jvp(theirs, (t,), (u,))[1])
    near(func.vjp(ours, x)[1](np.ones(2)), torch.func.vjp(theirs, t)[1](torch.ones(2, dtype=torch.float64))[0])
    near(func.linearize(ours, x)[1](v), torch.func.linearize(theirs, t)[1](u))


def test_second_and_third_order() -> None:
    t = torch.tensor(x)
    near(func.hessian(lambda x: ours(x).sum())(x), torch.func.hessian(lambda x: theirs(x).sum())(t))
    near(func.hessian(ours)(x), torch.func.hessian(theirs)(t))
    near(func.jacrev(func.hessian(lambda x: ours(x).sum()))(x), torch.func.jacrev(torch.func.hessian(lambda x: theirs(x).sum()))(t))
    near(func.jacfwd(func.jacrev(func.jacfwd(lambda x: ours(x).sum())))(x), torch.func.jacfwd(torch.func.hessian(lambda x: theirs(x).sum()))(t))


def test_per_sample_gradients() -> None:
    def loss(w: Any, x: Any, lib: Any) -> Any:
        return (lib.tanh(w @ x) ** 2).sum()

    near(func.vmap(func.grad(lambda w, x: loss(w, x, np)), in_dims=(None, 0))(W1, X),
         torch.func.vmap(torch.func.grad(lambda w, x: loss(w, x, torch)), in_dims=(None, 0))(torch.tensor(W1), torch.tensor(X)))
