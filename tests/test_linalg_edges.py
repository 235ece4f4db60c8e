"""Linear algebra where it is delicate: singular matrices, equal values, norms at 0, third derivatives, errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import real
from cases_linalg import indefinite, spd, square, squares, symmetric, tall
from duck import Duck, unwrap

import tinygrad_lite as tl
from tinygrad_lite import linalg
from tinygrad_lite.engine import capture
from tinygrad_lite.errors import GradError, ShapeError
from tinygrad_lite.verify import gradcheck, gradgradcheck

RNG = np.random.default_rng(12)
vector = real(3)


def leaf(x: Any) -> Any:
    return tl.tensor(x, requires_grad=True)


def gradient(f: Callable[[Any], Any], x: Any) -> Any:
    t = leaf(x)
    return tl.autograd.grad(f(t), t)[0].data


def _weigh(x: Any) -> Any:
    """A fixed weighting, so that no gradient is symmetric by chance."""
    return (x * (1 + np.arange(x.size).reshape(x.shape) * 0.37)).sum()


def third_order(f: Callable[[Any], Any], x: Any) -> None:
    """The gradient of a weighing of the second derivative, against differences."""
    def second(t: Any) -> Any:
        with tl.enable_grad():  # the differences are taken under no_grad
            (g,) = tl.autograd.grad(f(t), t, create_graph=True)
            return tl.autograd.grad(_weigh(g), t, create_graph=True)[0]

    gradcheck(second, leaf(x))


# ---- singular, degenerate, zero

def minors(a: Any) -> Any:
    n = len(a)
    return np.array([[(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(n)]
                     for i in range(n)])


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_det_has_its_gradient_at_any_rank_to_second_order(rank: int) -> None:
    a = RNG.standard_normal((4, rank)) @ RNG.standard_normal((rank, 4))
    np.testing.assert_allclose(gradient(linalg.det, a), minors(a), atol=1e-13)
    gradcheck(linalg.det, leaf(a), atol=1e-9)  # rounding 1e-16 / h
    gradgradcheck(linalg.det, leaf(a), atol=1e-9)


@pytest.mark.parametrize("a", [square, np.eye(3), 2 * np.eye(2)], ids=["distinct", "all equal", "two by two"])
def test_det_to_third_order(a: Any) -> None:
    third_order(linalg.det, a)


def test_slogdet_and_inverse_of_a_singular_matrix_say_so() -> None:
    a = leaf(np.ones((3, 3)))
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        linalg.inv(a)
    y = linalg.slogdet(np.diag([1.0, 0.0]) * leaf(np.ones((2, 2)))).logabsdet
    assert y.item() == -np.inf
    with pytest.raises(np.linalg.LinAlgError, match="Singular") as caught:
        y.backward()
    assert "backward rule of slogdet" in "".join(caught.value.__notes__)


def test_slogdet_of_a_large_matrix_where_det_overflows() -> None:
    a = np.eye(400) * 1e3
    np.testing.assert_allclose(gradient(lambda a: linalg.slogdet(a).logabsdet, a), np.eye(400) * 1e-3)


def test_eigenvalues_alone_have_a_gradient_where_they_are_equal() -> None:
    a = np.diag([2.0, 2.0, 5.0])
    for f in (lambda a: linalg.eigh(a).eigenvalues, linalg.eigvalsh, linalg.svdvals, lambda a: linalg.svd(a).S):
        np.testing.assert_allclose(gradient(lambda a, f=f: f(a).sum(), a), np.eye(3), atol=1e-14)  # the trace


def test_vectors_of_equal_eigenvalues_give_nan_as_in_pytorch() -> None:
    with np.errstate(invalid="ignore", divide="ignore"):
        assert np.isnan(gradient(lambda a: _weigh(linalg.eigh(a).eigenvectors ** 2), np.eye(3))).any()
        assert np.isnan(gradient(lambda a: _weigh(linalg.svd(a).U ** 2), np.eye(3))).any()


def test_one_degenerate_matrix_of_a_stack_leaves_the_others_alone() -> None:
    a = np.stack([np.eye(3), indefinite])
    with np.errstate(invalid="ignore", divide="ignore"):
        g = gradient(lambda a: _weigh(linalg.eigh(a).eigenvectors[1] ** 2), a)
    np.testing.assert_allclose(g[1], gradient(lambda a: _weigh(linalg.eigh(a).eigenvectors ** 2), indefinite))
    assert not g[0].any()


def test_symmetric_functions_have_symmetric_gradients() -> None:
    for f in (linalg.cholesky, linalg.eigvalsh, lambda a: linalg.eigh(a).eigenvectors ** 2):
        g = gradient(lambda a, f=f: _weigh(f(a)), symmetric(3, [0.5, 1.0, 2.0]))
        np.testing.assert_allclose(g, g.T, rtol=1e-13)


@pytest.mark.parametrize(("UPLO", "other"), [("L", np.triu), ("U", np.tril)])
def test_one_triangle_is_read_where_it_is_named(UPLO: str, other: Any) -> None:
    a = RNG.standard_normal((3, 3))
    np.testing.assert_allclose(linalg.eigvalsh(leaf(a), UPLO).data, np.linalg.eigvalsh(a, UPLO), rtol=1e-12)
    gradcheck(lambda a: linalg.eigh(a, UPLO).eigenvectors ** 2, leaf(a))
    assert not other(gradient(lambda a: _weigh(linalg.eigvalsh(a, UPLO)), a), {"L": 1, "U": -1}[UPLO]).any()


@pytest.mark.parametrize(("p", "axis"), [(None, None), (2, 1), (1, 1), (3, 0), (1.5, 1), (0.5, 1), ("fro", None),
                                         (1, None)])
def test_the_gradient_of_a_norm_is_0_at_0(p: Any, axis: Any) -> None:
    x = leaf(np.zeros((2, 3)))
    (g,) = tl.autograd.grad(linalg.norm(x, p, axis).sum(), x, create_graph=True)
    assert not g.data.any()
    assert not tl.autograd.grad(g.sum(), x)[0].data.any()


def test_a_norm_with_zero_entries_differentiates_exactly() -> None:
    x = np.array([0.0, 2.0, -1.0])
    for p in (2, 3, 4, 5.0):
        gradcheck(lambda x, p=p: linalg.norm(x, p), leaf(x))
        # atol: for p = 3 the slope is |x|, of which the difference sees its step h
        gradgradcheck(lambda x, p=p: linalg.norm(x, p), leaf(x), atol=1e-5)
    assert gradient(lambda x: linalg.norm(x, 1.5), x)[0] == 0


def test_equal_largest_entries_share_the_gradient_of_a_norm() -> None:
    g = gradient(lambda x: linalg.norm(x, np.inf), np.array([2.0, -2.0, 1.0, 2.0]))
    np.testing.assert_array_equal(g, [1 / 3, -1 / 3, 0, 1 / 3])
    np.testing.assert_array_equal(gradient(lambda x: linalg.norm(x, 0), np.array([2.0, 0.0])), [0, 0])


def test_pinv_below_full_rank_on_directions_that_keep_the_rank() -> None:
    u, v = RNG.standard_normal((4, 2)), RNG.standard_normal((2, 3))
    gradcheck(lambda u, v: linalg.pinv(u @ v, 1e-10), [leaf(u), leaf(v)])
    assert linalg.matrix_rank(leaf(u @ v)).item() == 2
    assert linalg.lstsq(u @ v, real(4)).rank == 2


def test_rank_of_a_stack() -> None:
    a = np.stack([np.eye(3), np.ones((3, 3)), np.zeros((3, 3))])
    assert linalg.matrix_rank(tl.tensor(a)).tolist() == [3, 1, 0]
    assert linalg.matrix_rank(tl.tensor(a), tol=2.0).tolist() == [0, 1, 0]


@pytest.mark.parametrize("f", [
    linalg.inv, linalg.pinv, linalg.svdvals, linalg.eigvalsh, lambda a: linalg.slogdet(a).logabsdet,
    lambda a: linalg.cholesky(a @ a.mT), lambda a: linalg.qr(a).R, lambda a: linalg.norm(a, 3, axis=0),
    lambda a: linalg.eigh(a).eigenvectors ** 2, lambda a: linalg.svd(a).Vh ** 2])
def test_third_derivatives(f: Callable[[Any], Any]) -> None:
    third_order(lambda a: _weigh(f(a)), symmetric(8, [0.6, 1.4, 2.5]) + 0.1 * np.triu(np.ones((3, 3)), 1))


def test_a_gaussian_fitted_under_capture_is_replayed_on_other_data() -> None:
    """-ln N(x; 0, L Lᵀ) through cholesky, solve and slogdet, as a program."""
    def loss(s: Any, x: Any) -> Any:
        lower = linalg.cholesky(s)
        penalty = linalg.norm(linalg.eigh(s).eigenvalues)
        return (linalg.solve(lower, x) ** 2).sum() + linalg.slogdet(lower).logabsdet * 2 + penalty

    s, x = leaf(spd[0]), tl.tensor(real(3, 6))
    with capture() as tape:
        (g,) = tl.autograd.grad(loss(s, x), s)
    replayed = tape.replay({s: spd[1], x: x.data * 2})(g)
    other = leaf(spd[1])
    np.testing.assert_array_equal(replayed, tl.autograd.grad(loss(other, tl.tensor(x.data * 2)), other)[0].data)


@pytest.mark.parametrize("f", [
    linalg.inv, linalg.pinv, linalg.cholesky, lambda a: linalg.solve(a, a * a), lambda a: linalg.norm(a, 3, axis=0),
    lambda a: linalg.matrix_power(a, 0) * a, lambda a: linalg.multi_dot([a, a, a]), lambda a: tl.kron(a, a), tl.trace,
    lambda a: tl.cross(a, a[::-1]), lambda a: tl.tensordot(a, a, 1)])
def test_arrays_that_are_not_numpys(f: Callable[[Any], Any]) -> None:
    t = tl.from_numpy(Duck(symmetric(3, [0.5, 1.0, 2.0]))).requires_grad_()
    (g,) = tl.autograd.grad(f(t).sum(), t)
    assert isinstance(g.data, Duck)
    np.testing.assert_array_equal(unwrap(g.data), gradient(lambda a: f(a).sum(), symmetric(3, [0.5, 1.0, 2.0])))


# ---- errors

@pytest.mark.parametrize(("call", "kind", "words"), [
    (lambda: linalg.solve(leaf(real(2, 3)), vector), ShapeError, r"solve\(\): a has shape \(2, 3\)"),
    (lambda: linalg.solve(leaf(square), real(4)), ShapeError, r"a has shape \(3, 3\), b has \(4,\); b must be a"),
    (lambda: linalg.solve(leaf(square), real(4, 3)), ShapeError, r"b has \(4, 3\)"),
    (lambda: linalg.inv(leaf(real(2, 3))), np.linalg.LinAlgError, "must be square"),
    (lambda: linalg.det(leaf(vector)), np.linalg.LinAlgError, "dimensional"),
    (lambda: linalg.cholesky(leaf(real(1, 3))), ShapeError, r"cholesky\(\): a has shape \(1, 3\)"),
    (lambda: linalg.cholesky(leaf(-np.eye(2))), np.linalg.LinAlgError, "not positive definite"),
    (lambda: linalg.eigh(leaf(real(3))), ShapeError, r"eigh\(\): a has shape \(3,\)"),
    (lambda: linalg.eigvalsh(leaf(square), "M"), ValueError, "UPLO must be"),
    (lambda: linalg.svd(leaf(tall)), GradError, r"\(4, 3\).*full_matrices=False"),
    (lambda: linalg.qr(leaf(tall), "complete"), GradError, "mode='reduced'"),
    (lambda: linalg.qr(leaf(tall), "raw"), GradError, "mode='raw'"),
    (lambda: linalg.norm(leaf(square), "no"), ValueError, "Invalid norm order 'no' for matrices"),
    (lambda: linalg.norm(leaf(vector), "fro"), ValueError, "Invalid norm order 'fro' for vectors"),
    (lambda: linalg.norm(leaf(squares), 2), ValueError, "Improper number of dimensions"),
    (lambda: linalg.norm(leaf(square), axis=2), np.exceptions.AxisError, "axis 2 is out of bounds"),
    (lambda: linalg.norm(leaf(square), axis=(0, 0)), ValueError, "repeated axis"),
    (lambda: linalg.matrix_norm(leaf(vector)), ShapeError, "needs two axes"),
    (lambda: linalg.pinv(leaf(square), 1e-3, rtol=1e-3), ValueError, "both"),
    (lambda: linalg.lstsq(leaf(tall), vector), ShapeError, r"a has shape \(4, 3\), b has \(3,\)"),
    (lambda: linalg.matrix_power(leaf(tall), 2), ShapeError, r"\(4, 3\)"),
    (lambda: linalg.matrix_power(leaf(square), 2.5), TypeError, "integer"),
    (lambda: linalg.multi_dot([leaf(square)]), ValueError, "at least two"),
    (lambda: linalg.multi_dot([leaf(square), tall]), ShapeError, r"\(3, 3\), \(4, 3\)"),
    (lambda: tl.vdot(leaf(square), vector), ShapeError, r"\(3, 3\), b has \(3,\)"),
    (lambda: tl.inner(leaf(square), real(4)), ShapeError, "last axes differ"),
    (lambda: tl.tensordot(leaf(square), real(4, 3), 1), ShapeError, "differ in length"),
    (lambda: tl.cross(leaf(real(2)), real(2)), ShapeError, "three components"),
    (lambda: tl.trace(leaf(square), axis1=0, axis2=0), ValueError, "repeated axis"),
])
def test_errors_come_first_and_name_the_shapes(call: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()
