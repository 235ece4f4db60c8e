"""Function, PyTorch's class form of an op; checkpoint, the graph made again in the backward pass."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, verify
from tinygrad_lite.autograd import Function
from tinygrad_lite.engine import newest_first
from tinygrad_lite.errors import ShapeError
from tinygrad_lite.func import vmap
from tinygrad_lite.utils import checkpoint


class Cube(Function):
    """x^3, saving its input."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class Exp(Function):
    """e^x, saving its output."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = np.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.saved_tensors[0]


class ScaledPair(Function):
    """(k x, x + y): two outputs, an argument that is no Tensor, an attribute on ctx."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any, k: float) -> Any:
        ctx.k = k
        return x * k, x + y

    @staticmethod
    def backward(ctx: Any, g1: Any, g2: Any) -> Any:
        return g1 * ctx.k + g2, g2 if ctx.needs_input_grad[1] else None, None


@pytest.mark.parametrize("function", [Cube, Exp])
def test_values_and_gradients_to_third_order(function: Any) -> None:
    x = tl.tensor([0.5, 2.0], np.float64, requires_grad=True)
    y, found = function.apply(x), []
    for _ in range(3):
        (y,) = tl.autograd.grad(y.sum(), x, create_graph=True)
        found.append(y.data)
    v = x.data
    expected = [3 * v ** 2, 6 * v, [6, 6]] if function is Cube else [np.exp(v)] * 3
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    assert verify.gradcheck(function.apply, x)
    assert verify.gradgradcheck(function.apply, x)


def test_the_record_bears_its_name() -> None:
    y = Cube.apply(tl.tensor([1.0], requires_grad=True))
    assert [node.op.name for node in newest_first([y])] == ["Cube"]
    assert "op=Cube" in repr(y)
    assert not Cube.apply(tl.tensor([1.0])).requires_grad
    with tl.no_grad():
        assert not Cube.apply(tl.tensor([1.0], requires_grad=True)).requires_grad


def test_several_outputs_and_plain_arguments() -> None:
    x, y = tl.tensor([1.0, 2.0], requires_grad=True), tl.tensor([3.0, 4.0])
    a, b = ScaledPair.apply(x, y, 5.0)
    (a.sum() + 2 * b.sum()).backward()
    assert x.grad.tolist() == [7, 7]
    x.grad = None
    ScaledPair.apply(x, y, 5.0)[1].sum().backward()  # the first output dropped
    assert x.grad.tolist() == [1, 1]


def test_a_wrong_number_of_gradients_is_an_error() -> None:
    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x * y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    x = tl.tensor([1.0], requires_grad=True)
    with pytest.raises(ShapeError, match="Wrong.backward returned 1 gradients for 2 arguments"):
        Wrong.apply(x, x).backward()


# ---- checkpoint

def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8, generator=np.random.default_rng(0)), nn.Tanh(), nn.Linear(8, 1, generator=np.random.default_rng(1)))


def noisy(net: Any, x: Any) -> Any:
    """A layer with multiplicative noise, as dropout is."""
    return net(x * (1 + tl.randn(*x.shape, dtype=x.dtype)))


def test_checkpoint_changes_no_number_and_repeats_the_draws() -> None:
    results = []
    for wrapped in (False, True):
        net = model()
        x = tl.tensor(np.ones((4, 3)), np.float32, requires_grad=True)
        tl.manual_seed(7)
        h = checkpoint(lambda x: noisy(net, x), x * 2) if wrapped else noisy(net, x * 2)  # noqa: B023
        loss = (h * h).mean()
        after = tl.randn(1).item()  # the stream goes on from where it was
        loss.backward()
        results.append([loss.item(), after, x.grad.tolist(), *[p.grad.tolist() for p in net.parameters()]])
    assert results[0] == results[1]


def test_the_inside_is_not_kept() -> None:
    net, x = model(), tl.tensor(np.ones((4, 3)), np.float32)
    assert len(newest_first([net(x).sum()])) == 4
    assert [node.op.name for node in newest_first([checkpoint(net, x).sum()])] == ["sum", "checkpoint"]


def test_second_order_through_a_checkpoint() -> None:
    x = tl.tensor([0.3, 0.7], np.float64, requires_grad=True)
    w = tl.tensor([2.0, 3.0], np.float64, requires_grad=True)
    (g,) = tl.autograd.grad(checkpoint(lambda x: (np.sin(x * w) * x).sum(), x), x, create_graph=True)
    (e,) = tl.autograd.grad((np.sin(x * w) * x).sum(), x, create_graph=True)
    for target in (x, w):
        np.testing.assert_allclose(tl.autograd.grad(g.sum(), target)[0].data, tl.autograd.grad(e.sum(), target)[0].data, rtol=1e-13)


def test_checkpoint_refuses_and_passes_through() -> None:
    x = tl.tensor([1.0], requires_grad=True)
    with pytest.raises(TypeError, match="returns one Tensor; it returned tuple"):
        checkpoint(lambda x: (x, x), x)
    with tl.no_grad():
        assert not checkpoint(lambda x: x * 2, x).requires_grad
    assert not checkpoint(lambda x: x * 2, tl.tensor([1.0])).requires_grad


class Square(Function):
    """x^2, saving its input."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g


@pytest.mark.parametrize("square", [Square.apply, lambda x: checkpoint(lambda r: r * r, x), lambda x: vmap(lambda r: r * r)(x)])
def test_one_array_of_cotangents_may_be_used_again_with_other_numbers(square: Any) -> None:
    x = tl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y, v = square(x), np.ones(3)
    np.testing.assert_array_equal(tl.autograd.grad(y, x, v)[0].data, [2, 4, 6])
    v[...] = 10
    np.testing.assert_array_equal(tl.autograd.grad(y, x, v)[0].data, [20, 40, 60])


def test_checkpoint_of_a_function_that_uses_other_tensors_is_verified() -> None:
    x, w = [tl.tensor(np.arange(1.0, 4.0) * c, requires_grad=True) for c in (1, 0.3)]
    assert verify.audit(checkpoint(lambda q: (tl.sin(q) * w).sum(), x)).ok
    verify.gradcheck(lambda x, w: checkpoint(lambda q: (tl.sin(q) * w).sum(), x), (x, w))
