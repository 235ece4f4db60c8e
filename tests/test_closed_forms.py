"""Formulas worked out by hand as the witness: high derivatives, complex steps, Hessians, and the edge of float64."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case

import tinygrad_lite as tl
from tinygrad_lite.autograd import grad
from tinygrad_lite.ops import table

X = np.array([0.3, 0.7, 1.1, 1.4])  # inside every domain below, where no derivative is near a zero of its own
SIGNED = np.array([-1.2, -0.4, 0.3, 0.9])


def derivative(y: Any, x: Any, n: int) -> Any:
    """The n-th derivative of y by x, entry by entry; 0 once nothing depends on x any more."""
    for _ in range(n):
        if not y.requires_grad:
            return np.zeros(x.shape)
        found, = grad(y.sum(), x, create_graph=True, allow_unused=True)
        if found is None:
            return np.zeros(x.shape)
        y = found
    return y.data


# ---- third and fourth derivatives. s = sec^2, u = sech^2; the logistic function is (1 + tanh(x/2)) / 2

def sec2(x: Any) -> Any:
    return 1 / np.cos(x) ** 2


def sech2(x: Any) -> Any:
    return 1 / np.cosh(x) ** 2


def tanh_3(x: Any) -> Any:
    return 4 * sech2(x) - 6 * sech2(x) ** 2


def tanh_4(x: Any) -> Any:
    return 8 * np.tanh(x) * sech2(x) * (3 * sech2(x) - 1)


HIGH: dict[str, tuple[Callable[..., Any], Any, Callable[..., Any], Callable[..., Any]]] = {  # f, x, f''', f''''
    "exp": (tl.exp, SIGNED, np.exp, np.exp),
    "expm1": (tl.expm1, SIGNED, np.exp, np.exp),
    "log": (tl.log, X, lambda x: 2 / x**3, lambda x: -6 / x**4),
    "log1p": (tl.log1p, SIGNED / 2, lambda x: 2 / (1 + x) ** 3, lambda x: -6 / (1 + x) ** 4),
    "sin": (tl.sin, SIGNED, lambda x: -np.cos(x), np.sin),
    "cos": (tl.cos, SIGNED, np.sin, np.cos),
    "tan": (tl.tan, SIGNED, lambda x: 6 * sec2(x) ** 2 - 4 * sec2(x),
            lambda x: 8 * np.tan(x) * sec2(x) * (3 * sec2(x) - 1)),
    "sinh": (tl.sinh, SIGNED, np.cosh, np.sinh),
    "cosh": (tl.cosh, SIGNED, np.sinh, np.cosh),
    "tanh": (tl.tanh, SIGNED, tanh_3, tanh_4),
    "arctan": (tl.arctan, SIGNED, lambda x: (6 * x**2 - 2) / (1 + x**2) ** 3,
               lambda x: 24 * x * (1 - x**2) / (1 + x**2) ** 4),
    "sigmoid": (table["sigmoid"], SIGNED, lambda x: tanh_3(x / 2) / 16, lambda x: tanh_4(x / 2) / 32),
    "softplus": (table["softplus"], SIGNED, lambda x: -np.tanh(x / 2) * sech2(x / 2) / 4, lambda x: tanh_3(x / 2) / 16),
    "sqrt": (tl.sqrt, X, lambda x: 3 / 8 * x**-2.5, lambda x: -15 / 16 * x**-3.5),
    "reciprocal": (tl.reciprocal, SIGNED, lambda x: -6 / x**4, lambda x: 24 / x**5),
    "square": (tl.square, SIGNED, np.zeros_like, np.zeros_like),
    "negative": (tl.negative, SIGNED, np.zeros_like, np.zeros_like),
    "x^2.5": (lambda x: x**2.5, X, lambda x: 1.875 * x**-0.5, lambda x: -0.9375 * x**-1.5),
    "x^5": (lambda x: x**5, SIGNED, lambda x: 60 * x**2, lambda x: 120 * x),
    "x^3": (lambda x: x**3, SIGNED, lambda x: np.full_like(x, 6), np.zeros_like),
    "x^-1": (lambda x: x**-1, SIGNED, lambda x: -6 / x**4, lambda x: 24 / x**5),
    "2^x": (lambda x: 2.0**x, SIGNED, lambda x: math.log(2) ** 3 * 2.0**x, lambda x: math.log(2) ** 4 * 2.0**x),
    "x^x": (lambda x: x**x, X, lambda x: x**x * ((np.log(x) + 1) ** 3 + 3 * (np.log(x) + 1) / x - 1 / x**2),
            lambda x: x**x * ((np.log(x) + 1) ** 4 + 6 * (np.log(x) + 1) ** 2 / x - 4 * (np.log(x) + 1) / x**2
                              + 3 / x**2 + 2 / x**3)),
    "x x x x": (lambda x: x * x * x * x, SIGNED, lambda x: 24 * x, lambda x: np.full_like(x, 24)),
    "2 / x": (lambda x: 2 / x, SIGNED, lambda x: -12 / x**4, lambda x: 48 / x**5),
    "x / (1 + x)": (lambda x: x / (1 + x), X, lambda x: 6 / (1 + x) ** 4, lambda x: -24 / (1 + x) ** 5),
}


@pytest.mark.parametrize("name", HIGH)
@pytest.mark.parametrize("order", [3, 4])
def test_third_and_fourth_derivatives_are_the_closed_forms(name: str, order: int) -> None:
    f, start, third, fourth = HIGH[name]
    x = tl.tensor(start, requires_grad=True)
    expected = (third, fourth)[order - 3](start)
    # the recorded expressions add dozens of terms of alternating sign: two to four digits of sixteen, and two to spare
    np.testing.assert_allclose(derivative(f(x), x, order), expected, rtol=1e-10, atol=1e-10 * np.max(np.abs(expected)))


def test_every_smooth_function_of_one_variable_has_its_high_derivatives_here() -> None:
    of_one = {case.op for case in CASES if case.elementwise and len(case.inputs) == 1 and table[case.op].differentiable}
    assert of_one - {"abs", "sign", "relu", "copy"} <= set(HIGH)


# ---- complex step: f(x + ih) = f(x) + ih f'(x) - h^2 f''(x) / 2 ...: Im f(x + ih) / h has no error but rounding

H = 1e-30
NO_COMPLEX_FORM = {
    "abs": "a kink", "sign": "a step", "relu": "a kink", "maximum": "a kink", "minimum": "a kink", "clip": "kinks",
    "where": "a choice", "arctan2": "NumPy has no complex form", "remainder": "a step", "max": "ties", "min": "ties",
    "softplus": "its safe form takes abs(x)", "sigmoid": "its safe form takes abs(x)", "logsumexp": "takes max(x)",
    "var": "NumPy's is |x - mean|^2", "std": "NumPy's is |x - mean|^2", "astype": "to a real dtype",
}
STEPPED = [case for case in CASES if table[case.op].differentiable and case.op not in NO_COMPLEX_FORM]
IN_OTHER_WORDS: dict[str, Callable[..., Any]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softplus": lambda x: np.log(1 + np.exp(x)),
    "logsumexp": lambda x, axis=None, keepdims=False: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
    "var": lambda x, axis=None, ddof=0, keepdims=False: _plain_var(x, axis, ddof, keepdims),
    "std": lambda x, axis=None, ddof=0, keepdims=False: np.sqrt(_plain_var(x, axis, ddof, keepdims)),
}
SAID_AGAIN = [case for case in CASES if case.op in IN_OTHER_WORDS]


def _plain_var(x: Any, axis: Any, ddof: float, keepdims: bool) -> Any:
    d = x - np.mean(x, axis=axis, keepdims=True)
    n = x.size / np.mean(x, axis=axis).size
    return np.sum(d * d, axis=axis, keepdims=keepdims) / (n - ddof)


@pytest.mark.parametrize("case", STEPPED + SAID_AGAIN, ids=lambda case: case.id)
def test_gradient_is_the_complex_step(case: Case) -> None:
    op = table[case.op]
    forward = IN_OTHER_WORDS.get(case.op, op.forward)
    floats = [isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in case.inputs]
    xs = [tl.tensor(x, requires_grad=True) if f else x for x, f in zip(case.inputs, floats, strict=True)]
    ys = op(*xs, **case.params)
    ys = list(ys) if isinstance(ys, tuple | list) else [ys]
    vs = [np.random.default_rng(1).uniform(0.5, 1.5, y.shape) for y in ys]
    for i, x in enumerate(case.inputs):
        if not floats[i] or x.size > 2000:
            continue
        recorded = grad(ys, xs[i], vs)[0].data
        stepped = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            moved = [a.astype(complex) if f else a for a, f in zip(case.inputs, floats, strict=True)]
            moved[i][index] += 1j * H
            result = forward(*moved, **case.params)
            parts = result if isinstance(result, tuple | list) else [result]
            stepped[index] = sum(float(np.sum(v * np.imag(part))) for v, part in zip(vs, parts, strict=True)) / H
        # both are products and sums of some tens of rounded numbers; eps is 2e-16
        np.testing.assert_allclose(recorded, stepped, rtol=2e-14, atol=1e-14 * np.max(np.abs(stepped)))


def test_every_row_is_stepped_or_says_why_not() -> None:
    differentiable = {case.op for case in CASES if table[case.op].differentiable}  # the rows of the core; other rooms have their own witnesses
    assert differentiable == {case.op for case in STEPPED} | set(NO_COMPLEX_FORM)


# ---- second derivatives in several variables

def hessian(y: Any, x: Any) -> Any:
    first, = grad(y, x, create_graph=True)
    flat = first.reshape(-1)
    return np.array([grad(flat[i], x)[0].data.ravel() for i in range(x.size)])


def test_hessian_of_a_quadratic_form_is_a_plus_a_transposed() -> None:
    A = np.random.default_rng(0).standard_normal((4, 4))
    x = tl.tensor(X, requires_grad=True)
    for form in (x @ A @ x, tl.einsum("i,ij,j->", x, A, x), (x * (A @ x)).sum(), tl.dot(x, tl.dot(A, x))):
        np.testing.assert_allclose(hessian(form, x), A + A.T, rtol=1e-14)  # one sum of two products for each entry


def test_gradient_of_a_quadratic_loss_by_its_matrix() -> None:
    """L = |X W - Y|^2: dL/dW = 2 X^T (X W - Y), and the Hessian is 2 X^T X for each column of W."""
    rng = np.random.default_rng(1)
    A, Y = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    W = tl.tensor(rng.standard_normal((3, 2)), requires_grad=True)
    loss = ((A @ W - Y) ** 2).sum()
    np.testing.assert_allclose(grad(loss, W)[0].data, 2 * A.T @ (A @ W.data - Y), rtol=1e-13)  # six products an entry
    np.testing.assert_allclose(hessian(loss, W), np.kron(2 * A.T @ A, np.eye(2)), rtol=1e-13, atol=1e-13)


def test_mixed_partials_of_arctan2() -> None:
    a, b = (tl.tensor(v, requires_grad=True) for v in (SIGNED, X))
    r2 = SIGNED**2 + X**2
    by_a, by_b = grad(tl.arctan2(a, b).sum(), [a, b], create_graph=True)
    aa, ab = grad(by_a.sum(), [a, b], create_graph=True)
    ba, bb = grad(by_b.sum(), [a, b], create_graph=True)
    aab, = grad(aa.sum(), b)
    mixed = (SIGNED**2 - X**2) / r2**2
    for found, expected in ((by_a, X / r2), (by_b, -SIGNED / r2), (ab, mixed), (ba, mixed),
                            (aa, -2 * SIGNED * X / r2**2), (bb, 2 * SIGNED * X / r2**2),
                            (aab, 2 * SIGNED * (3 * X**2 - SIGNED**2) / r2**3)):
        np.testing.assert_allclose(found.data, expected, rtol=1e-12)  # a^2 - b^2 loses two digits at most here


def test_all_partials_of_a_quotient() -> None:
    """f = a / b: f_abb = 2 / b^3, f_bbb = -6 a / b^4; f_aab = 0."""
    a, b = (tl.tensor(v, requires_grad=True) for v in (SIGNED, X))
    by_b, = grad((a / b).sum(), b, create_graph=True)
    bb, = grad(by_b.sum(), b, create_graph=True)
    abb, bbb = grad(bb.sum(), [a, b])
    np.testing.assert_allclose(abb.data, 2 / X**3, rtol=1e-14)
    np.testing.assert_allclose(bbb.data, -6 * SIGNED / X**4, rtol=1e-14)


@pytest.mark.parametrize("shift", [0.0, 1000.0, -1000.0])
def test_logsumexp_has_gradient_s_and_hessian_diag_s_minus_s_s(shift: float) -> None:
    x = tl.tensor(SIGNED + shift, requires_grad=True)
    s = np.exp(SIGNED) / np.exp(SIGNED).sum()
    y = tl.logsumexp(x)
    assert y.item() == pytest.approx(shift + math.log(np.exp(SIGNED).sum()), rel=1e-15, abs=0)
    # x - y is known to eps |shift|: 1e-13 at 1000, and e^(x - y) to the same relative error
    np.testing.assert_allclose(grad(y, x)[0].data, s, rtol=1e-12)
    np.testing.assert_allclose(hessian(y, x), np.diag(s) - np.outer(s, s), rtol=1e-11, atol=1e-13)


# ---- numbers at the edge of float64, without a warning (every warning is an error in these tests)

def test_sigmoid_far_out() -> None:
    x = tl.tensor(np.array([-1000.0, -40.0, 0.0, 40.0, 1000.0, -np.inf, np.inf]), requires_grad=True)
    y = table["sigmoid"](x)
    y.backward(np.ones(7))
    assert y.data[[0, 2, 4, 5, 6]].tolist() == [0, 0.5, 1, 0, 1]
    assert y.data[1] == pytest.approx(math.exp(-40), rel=1e-15, abs=0)  # 1 / (1 + e^40) = e^-40 (1 - 4e-18)
    assert table["sigmoid"](np.array(-700.0)) == pytest.approx(math.exp(-700), rel=1e-15, abs=0)
    assert y.data[3] == 1.0
    assert x.grad.data[[0, 2, 4, 5, 6]].tolist() == [0, 0.25, 0, 0, 0]
    assert x.grad.data[1] == pytest.approx(math.exp(-40), rel=1e-15, abs=0)


def test_softplus_far_out() -> None:
    x = tl.tensor(np.array([-1000.0, -40.0, 0.0, 40.0, 1000.0, -np.inf, np.inf]), requires_grad=True)
    y = table["softplus"](x)
    y.backward(np.ones(7))
    assert y.data[[0, 4, 5, 6]].tolist() == [0, 1000, 0, np.inf]
    assert y.data[1] == pytest.approx(math.exp(-40), rel=1e-15, abs=0)  # ln(1 + e) = e - e^2 / 2
    assert y.data[2:4].tolist() == pytest.approx([math.log(2), 40 + math.exp(-40)], rel=1e-15, abs=0)
    assert x.grad.data[[0, 2, 4, 5, 6]].tolist() == [0, 0.5, 1, 0, 1]


def test_tanh_and_expm1_and_log1p_keep_their_digits() -> None:
    for f, at, slope in ((tl.tanh, 1e-20, 1.0), (tl.expm1, 1e-20, 1.0), (tl.log1p, 1e-20, 1.0), (tl.tanh, 1000.0, 0.0)):
        x = tl.tensor(np.array(at), requires_grad=True)
        y = f(x)
        y.backward()
        assert y.item() == (at if at < 1 else 1)
        assert x.grad.item() == slope


def test_logsumexp_of_infinities() -> None:
    inf = math.inf
    x = tl.tensor(np.array([[-inf, 0.0, 0.0], [-inf, -inf, -inf], [-inf, -inf, 5.0]]), requires_grad=True)
    y = tl.logsumexp(x, axis=1)
    assert y.tolist() == [math.log(2), -inf, 5]
    first, = grad(y.sum(), x, create_graph=True)
    np.testing.assert_allclose(first.data, [[0, 0.5, 0.5], [0, 0, 0], [0, 0, 1]], rtol=1e-15)
    first[0].sum().backward()  # 1 for every x, so its gradient is 0
    np.testing.assert_allclose(x.grad.data, np.zeros((3, 3)), atol=1e-15)


def test_logsumexp_with_one_plus_inf_is_inf_and_the_others_get_no_gradient() -> None:
    x = tl.tensor(np.array([1.0, math.inf, -math.inf]), requires_grad=True)
    y = tl.logsumexp(x)
    assert y.item() == math.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # inf - inf: the gradient at the infinite entry itself is not promised
        y.backward()
    assert x.grad.data[[0, 2]].tolist() == [0, 0]


def test_logsumexp_of_nothing_is_minus_inf() -> None:
    assert tl.logsumexp(tl.zeros(0)).item() == -math.inf
    assert tl.logsumexp(tl.zeros(2, 0), axis=1).tolist() == [-math.inf] * 2
