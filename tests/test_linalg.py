"""tl.linalg and the further products: equal to NumPy in value, and to PyTorch in gradients of both orders.

Eigenvectors and singular vectors are tested through what does not depend on their signs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import real
from cases_linalg import indefinite, spd, square, squares, tall, talls, wide, wides

import tinygrad_lite as tl
from tinygrad_lite import linalg
from tinygrad_lite.verify import gradcheck

RNG = np.random.default_rng(11)
vector = real(3)


def leaf(x: Any) -> Any:
    return tl.tensor(x, requires_grad=True)


def gradient(f: Callable[..., Any], *xs: Any) -> Any:
    leaves = [leaf(x) for x in xs]
    found = [g.data for g in tl.autograd.grad(f(*leaves), leaves)]
    return found[0] if len(found) == 1 else found


# ---- PyTorch

def _t(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def _weigh(x: Any) -> Any:
    """A fixed weighting, so that no gradient is symmetric by chance: on Tensors of either library."""
    w = 1 + np.arange(int(np.prod(x.shape))).reshape(tuple(x.shape)) * 0.37
    return (x * x.new_tensor(w) if hasattr(x, "new_tensor") else x * w).sum()


# functions of both libraries' linalg `la`: one text
PAIRS: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = [
    ("solve", lambda la, a, b: _weigh(la.solve(a, b)), (squares, real(2, 3, 2))),
    ("solve of a vector", lambda la, a, b: _weigh(la.solve(a, b)), (square, vector)),
    ("solve, broadcast", lambda la, a, b: _weigh(la.solve(a, b)), (square, real(4, 3, 2))),
    ("inv", lambda la, a: _weigh(la.inv(a)), (squares,)),
    ("det", lambda la, a: _weigh(la.det(a)), (squares,)),
    ("slogdet", lambda la, a: _weigh(la.slogdet(a)[1]), (squares,)),
    ("cholesky", lambda la, a: _weigh(la.cholesky(a)), (spd,)),
    ("cholesky, upper", lambda la, a: _weigh(la.cholesky(a, upper=True)), (spd,)),
    ("eigvalsh", lambda la, a: _weigh(la.eigvalsh((a + _t(a)) / 2)), (indefinite,)),
    ("eigh, squares of the vectors", lambda la, a: _weigh(la.eigh((a + _t(a)) / 2)[1] ** 2), (indefinite,)),
    ("eigh, tanh(a)", lambda la, a: _weigh(_tanh_by_eigh(la, (a + _t(a)) / 2)), (spd,)),
    ("svdvals", lambda la, a: _weigh(la.svdvals(a)), (talls,)),
    *((f"svd {a.shape}", lambda la, a: _weigh(_dyads(la.svd(a, full_matrices=False))), (a,))
      for a in (square, squares, tall, talls, wide, wides)),
    *((f"qr {a.shape}", lambda la, a: _weigh(la.qr(a)[0]) + _weigh(la.qr(a)[1]), (a,))
      for a in (square, squares, tall, talls)),
    ("qr of a wide matrix", lambda la, a: _weigh(la.qr(a)[1]), (wide,)),
    ("pinv", lambda la, a: _weigh(la.pinv(a)), (tall,)),
    *((f"norm, ord={p}", lambda la, a, p=p: _weigh(la.norm(a, p, -1)), (real(3, 4),))
      for p in (2, 1, 3, 1.5, 0.5, -1, np.inf, -np.inf)),
    *((f"matrix_norm, ord={p}", lambda la, a, p=p: _weigh(la.matrix_norm(a, ord=p)), (talls,))
      for p in ("fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf)),
    ("matrix_power", lambda la, a: _weigh(la.matrix_power(a, 5)) + _weigh(la.matrix_power(a, -2)), (squares,)),
    ("multi_dot", lambda la, *xs: _weigh(la.multi_dot(xs)), (real(2, 3), real(3, 5), real(5, 2), real(2, 4))),
    ("vecdot", lambda la, a, b: _weigh(la.vecdot(a, b)), (real(2, 3), real(3))),
    ("cross", lambda la, a, b: _weigh(la.cross(a, b)), (real(4, 3), real(4, 3))),
]


def _tanh_by_eigh(la: Any, a: Any) -> Any:
    """V tanh(w) Vᵀ: a function of the matrix, whatever the signs of the vectors."""
    w, v = la.eigh(a)
    return (v * (w.tanh() if hasattr(w, "new_tensor") else tl.tanh(w))[..., None, :]) @ _t(v)


def _dyads(parts: Any) -> Any:
    """The matrices u_k vh_k, each for itself: u and vh change their signs together."""
    u, s, vh = parts
    return _t(u)[..., :, :, None] * vh[..., :, None, :] * s[..., :, None, None] ** 2


@pytest.mark.torch
@pytest.mark.parametrize(("name", "f", "xs"), PAIRS, ids=[name for name, _, _ in PAIRS])
def test_values_and_gradients_of_both_orders_are_pytorchs(name: str, f: Callable[..., Any], xs: Any) -> None:
    torch = pytest.importorskip("torch")
    ours = [leaf(x) for x in xs]
    theirs = [torch.tensor(x, requires_grad=True) for x in xs]
    y, z = f(linalg, *ours), f(torch.linalg, *theirs)
    near(y, z)
    first = tl.autograd.grad(y, ours, create_graph=True)
    first_there = torch.autograd.grad(z, theirs, create_graph=True)
    for g, h in zip(first, first_there, strict=True):
        near(g, h)
    if all(h.requires_grad for h in first_there):
        second = tl.autograd.grad(sum(_weigh(g) for g in first), ours, allow_unused=True)
        second_there = torch.autograd.grad(sum(_weigh(h) for h in first_there), theirs, allow_unused=True)
        for g, h, x in zip(second, second_there, xs, strict=True):
            near(tl.tensor(x * 0) if g is None else g, torch.tensor(x * 0) if h is None else h)


def near(ours: Any, theirs: Any) -> None:
    b = theirs.detach().numpy(force=True)
    # 1e-10 of the largest entry: conditions up to 10, gaps down to 0.4, each squared once more by the second order
    np.testing.assert_allclose(ours.data, b, rtol=0, atol=1e-10 * max(1.0, float(np.abs(b).max())))


@pytest.mark.torch
def test_lstsq_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    a, b = real(5, 3), real(5, 2)
    x, r, rank, s = linalg.lstsq(leaf(a), leaf(b))
    np.testing.assert_allclose(x.data, np.linalg.lstsq(a, b)[0], rtol=1e-12)
    np.testing.assert_allclose(r.data, np.linalg.lstsq(a, b)[1], rtol=1e-12)
    np.testing.assert_allclose(s.data, np.linalg.lstsq(a, b)[3], rtol=1e-12)
    assert rank.item() == 3
    found = gradient(lambda a, b: _weigh(linalg.lstsq(a, b)[0]), a, b)
    there = [torch.tensor(x, requires_grad=True) for x in (a, b)]
    for g, h in zip(found, torch.autograd.grad(_weigh(torch.linalg.lstsq(*there)[0]), there), strict=True):
        near(tl.tensor(g), h)


# ---- NumPy: values through its own functions, and differences for the gradients

@pytest.mark.parametrize("call", [
    lambda f, a, b: f.linalg.norm(a), lambda f, a, b: f.linalg.norm(a, axis=1),
    lambda f, a, b: f.linalg.norm(a, keepdims=True), lambda f, a, b: f.linalg.norm(a, axis=(1, 0), keepdims=True),
    lambda f, a, b: f.linalg.norm(a[0], 3), lambda f, a, b: f.linalg.norm(a, 1),
    lambda f, a, b: f.linalg.norm(a, np.inf, keepdims=True), lambda f, a, b: f.linalg.norm(a, -1, axis=(1, 0)),
    lambda f, a, b: f.linalg.norm(a, "nuc", axis=(1, 0), keepdims=True),
    lambda f, a, b: f.linalg.norm(a[None], 2, axis=(0, -1)), lambda f, a, b: f.linalg.norm(a[None]),
    lambda f, a, b: f.linalg.norm(a, -np.inf, axis=0), lambda f, a, b: f.linalg.vector_norm(a, ord=2.5),
    lambda f, a, b: f.linalg.vector_norm(a, axis=(0, 1), keepdims=True),
    lambda f, a, b: f.linalg.matrix_norm(a, ord=-2), lambda f, a, b: f.linalg.trace(a),
    lambda f, a, b: f.linalg.trace(a[None], offset=1), lambda f, a, b: f.trace(a, -1),
    lambda f, a, b: f.trace(a[:, None] * a[:, :, None], 1, -1, 0), lambda f, a, b: f.trace(a, 7),
    lambda f, a, b: f.trace(a, 3), lambda f, a, b: f.vdot(a, b), lambda f, a, b: f.vecdot(a, b),
    lambda f, a, b: f.linalg.vecdot(a, b, axis=0), lambda f, a, b: f.inner(a, b), lambda f, a, b: f.inner(a[0], b),
    lambda f, a, b: f.inner(a, 2.0), lambda f, a, b: f.tensordot(a, b), lambda f, a, b: f.tensordot(a, b, 0),
    lambda f, a, b: f.tensordot(a, b, ((1,), (1,))), lambda f, a, b: f.tensordot(a, b[None], axes=([0, 1], [1, 2])),
    lambda f, a, b: f.linalg.tensordot(a, b, axes=(0, 0)), lambda f, a, b: f.kron(a, b),
    lambda f, a, b: f.kron(a[0], b), lambda f, a, b: f.kron(a, b[0, 0]), lambda f, a, b: f.kron(a[None], b),
    lambda f, a, b: f.cross(a[:, :3], b[:, 1:]), lambda f, a, b: f.cross(a, b, axis=0),
    lambda f, a, b: f.cross(a, b, 0, 0, 0), lambda f, a, b: f.linalg.cross(a, b, axis=0),
    lambda f, a, b: f.cross(a[0, :3], b[:, 1:], axisc=0), lambda f, a, b: f.linalg.outer(a[0], b[1]),
    lambda f, a, b: f.linalg.matmul(a, b.T), lambda f, a, b: f.linalg.multi_dot([a[0], b.T, a]),
    lambda f, a, b: f.linalg.multi_dot([a, b.T, a, b[1]]), lambda f, a, b: f.linalg.matrix_power(a[:, :3], 0),
    lambda f, a, b: f.linalg.matrix_power(a[:, :3], 3), lambda f, a, b: f.linalg.pinv(a),
    lambda f, a, b: f.linalg.pinv(a.T, rtol=1e-9), lambda f, a, b: f.linalg.lstsq(a.T, b[0])[0],
    lambda f, a, b: f.linalg.lstsq(a.T, b[0])[1], lambda f, a, b: f.linalg.lstsq(a, b)[0],
    lambda f, a, b: f.linalg.cond(a), lambda f, a, b: f.linalg.cond(a, -2),
    lambda f, a, b: f.linalg.cond(a[:, 1:], "fro"), lambda f, a, b: f.linalg.svd(a, compute_uv=False),
    lambda f, a, b: f.linalg.qr(a.T, "r"), lambda f, a, b: f.linalg.qr(a, "complete")[1],
    lambda f, a, b: f.linalg.eigvalsh(a @ a.T), lambda f, a, b: f.linalg.slogdet(a @ b.T).logabsdet,
    lambda f, a, b: f.linalg.eigh(a @ a.T).eigenvalues, lambda f, a, b: f.linalg.svdvals(a),
])
def test_numpys_own_call_on_tensors(call: Callable[..., Any]) -> None:
    """np.f(t) and tl.f(t) are np.f of the array; the gradient is that of differences."""
    a, b = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4))
    expected = call(np, a, b)
    for y in (call(np, leaf(a), leaf(b)), call(tl, leaf(a), leaf(b))):
        assert isinstance(y, tl.Tensor)
        assert y.shape == np.shape(expected)
        np.testing.assert_allclose(y.data, expected, rtol=1e-11, atol=1e-12)
    if y.requires_grad:
        gradcheck(lambda a, b: call(tl, a, b) + 0 * (a.sum() + b.sum()), [leaf(a), leaf(b)])


@pytest.mark.parametrize("a", [square, squares], ids=["one", "stack"])
def test_numpys_functions_find_the_rows(a: Any) -> None:
    t = leaf(a)
    la = np.linalg
    pairs = [(la.inv(t), la.inv(a)), (la.det(t), la.det(a)), (la.solve(t, a), la.solve(a, a)), (la.norm(t), la.norm(a)),
             (la.solve(a, t), la.solve(a, a)), (la.pinv(t), la.pinv(a)), (la.matrix_rank(t), la.matrix_rank(a)),
             (la.cholesky(t @ t.mT), la.cholesky(a @ a.swapaxes(-1, -2))),
             *zip(la.slogdet(t), la.slogdet(a), strict=True), *zip(la.qr(t), la.qr(a), strict=True),
             *zip(la.svd(t), la.svd(a), strict=True)]
    for y, expected in pairs:
        assert isinstance(y, tl.Tensor)
        np.testing.assert_allclose(y.data, expected, rtol=1e-10, atol=1e-13)
    assert np.linalg.svd(t).Vh.shape == a.shape  # NumPy's names for the parts


def test_every_name_is_numpys() -> None:
    assert [name for name in linalg.__all__ if not hasattr(np.linalg, name)] == []


def test_arrays_give_arrays_and_nothing_is_recorded() -> None:
    for y in (linalg.solve(square, vector), linalg.norm(square), linalg.eigh(indefinite).eigenvectors,
              linalg.svd(square).U, tl.kron(square, vector)):
        assert isinstance(y, np.ndarray | np.floating)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compositions_keep_the_dtype(dtype: Any) -> None:
    a, b = leaf(square.astype(dtype)), leaf(vector.astype(dtype))
    values = [linalg.matrix_power(a, n) for n in (-2, 0, 3)]
    values += [linalg.norm(a, p) for p in (None, "fro", "nuc", 1, 2, -np.inf)]
    values += [linalg.norm(b, p) for p in (0, 0.5, 1, 2, 3, np.inf)]
    values += [linalg.cond(a), linalg.pinv(a), *linalg.lstsq(a, b)[:2], linalg.multi_dot([a, a, b])]
    values += [tl.kron(a, b), tl.inner(a, b), tl.trace(a), tl.vdot(a, a), tl.cross(a, b), tl.tensordot(a, a)]
    assert {y.dtype for y in values} == {np.dtype(dtype)}


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 3), (2, 1), (2, 3), (4, 1), (4, 3)])
def test_products_of_factors_give_the_matrix_back(m: int, n: int) -> None:
    a = leaf(np.random.default_rng(10 * m + n).standard_normal((2, m, n)))
    u, s, vh = linalg.svd(a, full_matrices=False)
    q, r = linalg.qr(a)
    for product in ((u * s[..., None, :]) @ vh, q @ r):
        np.testing.assert_allclose(product.data, a.data, rtol=0, atol=1e-14)
        (g,) = tl.autograd.grad(_weigh(product), a)
        np.testing.assert_allclose(g.data, (1 + np.arange(2 * m * n) * 0.37).reshape(2, m, n), rtol=1e-9)  # divided by s_i^2 - s_j^2
