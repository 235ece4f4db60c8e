"""Transforms of functions: closed forms, nesting, containers, and who keeps what kind."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import func, nn
from tinygrad_lite.errors import DtypeError, ShapeError, StateError

A = np.array([[2.0, 1.0, 0.5], [0.0, 3.0, -1.0], [1.0, 0.0, 1.0]])
x = np.array([0.3, -0.7, 1.1])


def quadratic(x: Any) -> Any:
    return x @ A @ x


def test_derivatives_of_a_float_are_floats_to_any_order() -> None:
    f, values = (lambda x: x ** 4), []
    for _ in range(5):
        values.append(f(2.0))
        f = func.grad(f)
    assert values == [16, 32, 48, 48, 24]
    assert type(values[1]) is float


def test_nested_variables_are_not_confused() -> None:
    assert func.grad(lambda x: x * func.grad(lambda y: x + y)(1.0))(1.0) == 1
    assert func.grad(lambda x: x * func.grad(lambda y: x * y)(1.0))(3.0) == 6
    assert func.grad(lambda x: func.grad(lambda x: x * x)(x) * x)(3.0) == 12


def test_hessian_and_products_of_a_quadratic_form() -> None:
    H = A + A.T
    np.testing.assert_allclose(func.grad(quadratic)(x), H @ x, rtol=1e-14)
    np.testing.assert_allclose(func.hessian(quadratic)(x), H, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(func.jacfwd(func.grad(quadratic))(x), H, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(func.hvp(quadratic, (x,), (np.array([0.0, 1.0, 0.0]),)), H[:, 1], rtol=1e-13)


def test_jacobians_forward_and_reverse_are_one() -> None:
    def f(x: Any) -> Any:
        return np.sin(x)[:, None] * np.stack([x, x * x], axis=1)  # (3, 2)

    backward, forward = func.jacrev(f)(x), func.jacfwd(f)(x)
    assert backward.shape == forward.shape == (3, 2, 3)
    np.testing.assert_allclose(backward, forward, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(backward[:, 0], np.diag(np.cos(x) * x + np.sin(x)), rtol=1e-13)
    v = np.array([1.0, -2.0, 0.5])
    out, slope = func.jvp(f, (x,), (v,))
    np.testing.assert_allclose(slope, backward @ v, rtol=1e-13)
    np.testing.assert_array_equal(out, f(x))
    out, push = func.linearize(f, x)
    for w in (v, 2 * v, np.zeros(3)):
        np.testing.assert_allclose(push(w), backward @ w, rtol=1e-13, atol=1e-15)
    out, pull = func.vjp(f, x)
    u = np.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(pull(u), np.einsum("ij,ijk->k", u, backward), rtol=1e-13)
    np.testing.assert_allclose(pull(u), pull(u))  # as often as one likes


def test_containers_go_in_and_come_out() -> None:
    def loss(p: Any, scale: float) -> Any:
        return (p["w"] @ p["layers"][0]).sum() * scale + p["b"] ** 2

    p = {"w": np.ones((2, 3)), "layers": [np.arange(3.0)], "b": 3.0}
    value, g = func.value_and_grad(loss)(p, 2.0)
    assert value == 2 * 6 + 9
    assert g["w"].tolist() == [[0, 2, 4], [0, 2, 4]]
    assert g["layers"][0].tolist() == [4, 4, 4]
    assert g["b"] == 6
    gp, gs = func.grad(loss, argnums=(0, 1))(p, 2.0)
    assert gs == 6
    assert gp["b"] == 6
    jac = func.jacrev(lambda x: {"square": x * x, "sum": x.sum()})(x)
    np.testing.assert_allclose(jac["square"], np.diag(2 * x))
    assert jac["sum"].tolist() == [1, 1, 1]


def test_auxiliary_values_pass_through() -> None:
    def f(x: Any) -> Any:
        return (x * x).sum(), {"n": len(x)}

    g, aux = func.grad(f, has_aux=True)(x)
    assert aux == {"n": 3}
    (value, aux), g = func.value_and_grad(f, has_aux=True)(x)
    np.testing.assert_allclose(g, 2 * x)
    assert func.vjp(f, x, has_aux=True)[2] == func.jacrev(f, has_aux=True)(x)[1] == func.jvp(f, (x,), (x,), has_aux=True)[2] == {"n": 3}


def test_arrays_give_arrays_and_tensors_give_tensors() -> None:
    assert type(func.grad(quadratic)(x)) is np.ndarray
    t = tl.tensor(x)
    g = func.grad(quadratic)(t)
    assert isinstance(g, tl.Tensor)
    assert not g.requires_grad
    w = tl.tensor(x, requires_grad=True)
    g = func.grad(quadratic)(w)
    assert g.requires_grad  # w is tracked outside: the gradient is part of its graph
    g.sum().backward()
    np.testing.assert_allclose(w.grad.data, (A + A.T).sum(axis=0), rtol=1e-13)


def test_nobodys_grad_is_touched() -> None:
    w = tl.tensor(x, requires_grad=True)
    func.hessian(lambda v: (v * w * v).sum())(x)
    func.grad(quadratic)(w)
    func.vmap(func.grad(lambda v: (v * w).sum()))(np.ones((2, 3)))
    assert w.grad is None


def test_parameters_in_the_closure_stay_connected() -> None:
    w = tl.tensor(x, requires_grad=True)
    g = func.grad(lambda v: (v * v * w).sum())(x)  # 2 v w: depends on w
    g.sum().backward()
    np.testing.assert_allclose(w.grad.data, 2 * x)


def test_float32_stays_float32() -> None:
    v = x.astype(np.float32)
    f = lambda v: np.tanh(v * 2.0).sum()  # noqa: E731
    assert func.grad(f)(v).dtype == func.hessian(f)(v).dtype == func.jvp(f, (v,), (v,))[1].dtype == func.jacfwd(np.tanh)(v).dtype == np.float32


def test_vmap_is_the_loop_it_stands_for() -> None:
    X = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(func.vmap(quadratic)(X), [quadratic(row) for row in X])
    np.testing.assert_allclose(func.vmap(lambda a, b: a * b, in_dims=(1, None), out_dims=1)(X, np.ones(2)), X)
    per_sample = func.vmap(func.grad(lambda w, v: np.tanh(w @ v)), in_dims=(None, 0))(x, X)
    np.testing.assert_allclose(per_sample, (1 - np.tanh(X @ x) ** 2)[:, None] * X, rtol=1e-13)
    g = func.grad(lambda X: func.vmap(quadratic)(X).sum())(X)
    np.testing.assert_allclose(g, X @ (A + A.T), rtol=1e-13)
    out = func.vmap(lambda p: {"s": p["a"].sum(), "t": p["a"] * 2})({"a": X})
    assert out["s"].tolist() == [3, 12]
    np.testing.assert_allclose(func.vmap(func.hessian(quadratic))(X), [A + A.T] * 2, rtol=1e-13, atol=1e-14)


def test_a_module_is_a_function_of_its_parameters() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.layers = [nn.Linear(3, 4), nn.Linear(4, 1)]
            self.tied = self.layers[0]

        def forward(self, v: Any) -> Any:
            return self.layers[1](np.tanh(self.tied(v)))

    net = Net().to(np.float64)
    parameters = {name: tl.tensor(p) for name, p in net.named_parameters()}
    before, inputs = net.state_dict(), tl.tensor(np.ones((2, 3)))

    def loss(p: Any) -> Any:
        return (func.functional_call(net, p, inputs) ** 2).mean()

    g = func.grad(loss)(parameters)
    (net(inputs) ** 2).mean().backward()
    for name, p in net.named_parameters():
        np.testing.assert_allclose(g[name].data, p.grad.data, rtol=1e-13)
    shifted = func.functional_call(net, {"layers.1.bias": parameters["layers.1.bias"] + 1}, inputs)
    np.testing.assert_allclose(shifted.data, net(inputs).data + 1)
    assert all(np.array_equal(a, before[name]) for name, a in net.state_dict().items())
    assert isinstance(net.tied.weight, nn.Parameter)
    with pytest.raises(StateError, match="has no bias"):
        func.functional_call(net, {"bias": inputs}, inputs)
    with pytest.raises(ShapeError, match=r"layers.1.bias is \(1,\), got \(2, 3\)"):
        func.functional_call(net, {"layers.1.bias": inputs}, inputs)
    with pytest.raises(ShapeError, match="Linear 'layers.0'"):
        func.functional_call(net, parameters, tl.ones(2, 7))
    assert isinstance(net.tied.weight, nn.Parameter), "put back after an error too"


def test_misuse_is_refused() -> None:
    with pytest.raises(DtypeError, match="write 3.0 for 3"):
        func.grad(lambda n: n * n)(3)
    with pytest.raises(ShapeError, match="returns one number"):
        func.grad(np.sin)(x)
    with pytest.raises(ValueError, match="names argument 1, but 1 were given"):
        func.grad(quadratic, argnums=1)(x)
    with pytest.raises(ShapeError, match="cotangents have shapes"):
        func.vjp(np.sin, x)[1](np.ones(2))
    with pytest.raises(ShapeError, match="tangents have shapes"):
        func.jvp(np.sin, (x,), (np.ones(2),))
    with pytest.raises(ShapeError, match="tangents"):
        func.hvp(quadratic, (x,), (np.ones(2),))
    with pytest.raises(ShapeError, match="axes of one length"):
        func.vmap(lambda a, b: a + b)(np.ones(2), np.ones(3))
    with pytest.raises(ShapeError, match="length 0"):
        func.vmap(quadratic)(np.ones((0, 3)))
    with pytest.raises(ValueError, match="2 arguments and 1 in_dims"):
        func.vmap(lambda a, b: a, in_dims=(0,))(x, x)


def test_what_does_not_depend_on_the_argument_has_gradient_zero() -> None:
    assert func.grad(lambda v: (x * 2).sum() + 0 * v.sum())(x).tolist() == [0, 0, 0]
    assert func.jacrev(lambda v: np.ones(2))(x).tolist() == [[0, 0, 0]] * 2
    assert func.jvp(lambda v: np.ones(2), (x,), (x,))[1].tolist() == [0, 0]
