"""Linear algebra under the names of np.linalg: solve, inverse, determinant, Cholesky's factor. All take stacks of
matrices, in the last two axes, and the rules are written with the same functions, so that they differentiate again.

The rules are those of Giles 2008 (An extended collection of matrix derivative results), in the reverse mode.
"""

from typing import Any, NamedTuple

import numpy as np

from ..engine import Op
from ..errors import ShapeError
from . import reduce
from .shape import expand_dims

__all__ = ["cholesky", "det", "inv", "slogdet", "solve"]


def transposed(x: Any) -> Any:
    """Each matrix transposed."""
    return x.swapaxes(-1, -2)


def square(a: Any, name: str) -> Any:
    """`a` itself, or a ShapeError in the name of the function that wanted square matrices."""
    if np.ndim(a) < 2 or np.shape(a)[-1] != np.shape(a)[-2]:
        raise ShapeError(f"{name}(): a has shape {np.shape(a)}; its last two axes must be a square matrix")
    return a


def symmetric(a: Any, name: str) -> Any:
    """(a + aᵀ) / 2: what is said of a symmetric matrix is read off this, so that gradients are symmetric."""
    return (square(a, name) + transposed(a)) * 0.5


def _weigh_triangles(x: Any, *, below: float, diagonal: float, above: float) -> Any:
    return np.tril(x, -1) * below + (np.triu(x) - np.triu(x, 1)) * diagonal + np.triu(x, 1) * above


weigh_triangles: Op = Op("weigh_triangles", _weigh_triangles, lambda g, y, x, **weights: weigh_triangles(g, **weights),
                         doc="y_ij = x_ij times a number for below, on or above the diagonal of each matrix; linear, "
                             "and its own transpose")


# ---- solve and inverse

def _solve(a: Any, b: Any) -> Any:
    n = square(a, "solve").shape[-1]
    if np.ndim(b) < 1 or b.shape[0 if b.ndim == 1 else -2] != n:
        raise ShapeError(f"solve(): a has shape {a.shape}, b has {np.shape(b)}; "
                         f"b must be a vector ({n},) or matrices (..., {n}, k)")
    return np.linalg.solve(a, b)


def _solve_transposed(g: Any, a: Any, b: Any) -> Any:
    if b.ndim > 1:
        return solve(transposed(a), g)
    return solve(transposed(a), expand_dims(g, axis=-1)).squeeze(-1)


def _solve_by_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    u = _solve_transposed(g, a, b)
    return -(u @ transposed(y)) if b.ndim > 1 else -(expand_dims(u, axis=-1) * expand_dims(y, axis=-2))


solve: Op = Op("solve", _solve, _solve_by_a, lambda g, y, a, b: _solve_transposed(g, a, b), broadcasts=True,
               doc="a y = b: (..., n, n), (n,) or (..., n, k); dL/db = u = a^-T g, dL/da = -u yᵀ. LinAlgError where a "
                   "is singular")
inv = Op("inv", np.linalg.inv, lambda g, y, a: -(transposed(y) @ g @ transposed(y)),
         doc="y = a^-1; dL/da = -yᵀ g yᵀ. LinAlgError where a is singular; solve(a, b) is quicker and more exact than "
             "inv(a) @ b")


# ---- the determinant and its derivatives

def _cofactor(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a)
    others = np.prod(np.where(_diagonal(a), 1, s[..., None, :]), axis=-1)  # of each i the product of all s_k, k != i
    return (u * (_orientation(u, vh) * others)[..., None, :]) @ vh


def _diagonal(a: Any) -> Any:
    """Where i = j: made from `a`, so that it is an array of its kind."""
    return np.triu(np.tril(np.ones_like(a))) > 0


def _orientation(u: Any, vh: Any) -> Any:
    return np.round(np.linalg.det(u) * np.linalg.det(vh))[..., None]  # 1 or -1


def _second_minors(g: Any, a: Any) -> Any:
    u, s, vh = np.linalg.svd(a)
    eye = _diagonal(a)
    left_out = eye[..., :, None, :] | eye[..., None, :, :]
    pair = np.prod(np.where(left_out, 1, s[..., None, None, :]), axis=-1) * ~eye  # the same without both i and j
    h = transposed(u) @ g @ transposed(vh)
    inner = (pair @ np.diagonal(h, axis1=-2, axis2=-1)[..., None]) * eye - pair * transposed(h)
    return _orientation(u, vh)[..., None] * (u @ inner @ vh)


def _second_minors_by_a(h: Any, y: Any, g: Any, a: Any) -> Any:
    """With b = a^-T: y = |a| f(b), <h, f> = <g, b> <h, b> - <h, b gᵀ b>, and db = -b daᵀ b."""
    b = transposed(inv(a))
    mixed = h @ transposed(b) @ g + g @ transposed(b) @ h
    along_g, along_h = _dot(g, b), _dot(h, b)
    by_b = along_h * g + along_g * h - mixed
    total = along_g * along_h - 0.5 * _dot(mixed, b)
    return expand_dims(det(a), axis=(-2, -1)) * (total * b - b @ transposed(by_b) @ b)


def _dot(p: Any, q: Any) -> Any:
    return reduce.sum(p * q, axis=(-2, -1), keepdims=True)


det = Op("det", np.linalg.det, lambda g, y, a: expand_dims(g, axis=(-2, -1)) * cofactor(a),
         doc="y = |a|; dy/da = |a| a^-T, the cofactors, which exist for singular a too")
cofactor: Op = Op("cofactor", _cofactor, lambda g, y, a: second_minors(g, a),
                  doc="y = |a| a^-T, by singular values, without division: exact for singular a; dL/da is "
                      "second_minors(g, a)")
second_minors: Op = Op("second_minors", _second_minors, lambda h, y, g, a: second_minors(h, a), _second_minors_by_a,
                       doc="y = |a| (<g, b> b - b gᵀ b), b = a^-T: the second derivative of |a| along g, without "
                           "division. Its own (the third of |a|) needs a^-1: LinAlgError where a is singular")


def _slogdet(a: Any) -> Any:
    sign, logabsdet = np.linalg.slogdet(a)
    return sign, logabsdet


slogdet_op = Op("slogdet", _slogdet, lambda g, y, a: expand_dims(g[1], axis=(-2, -1)) * transposed(inv(a)),
                doc="y = (sign, ln) of |a|; d ln/da = a^-T, and 0 through the sign. The rule raises LinAlgError where "
                    "a is singular")


class SlogdetResult(NamedTuple):
    sign: Any
    logabsdet: Any


def slogdet(a: Any) -> SlogdetResult:
    """The sign of det(a) and the logarithm of its absolute value: (..., n, n) -> (...), (...). No overflow on the way.

    The logarithm has the gradient a^-T; where a is singular, backward() raises LinAlgError.
    """
    return SlogdetResult(*slogdet_op(a))


# ---- Cholesky's factor

def _cholesky(a: Any) -> Any:
    return np.linalg.cholesky(symmetric(a, "cholesky"))


def _cholesky_rule(g: Any, y: Any, a: Any) -> Any:
    yt = transposed(y)
    p = weigh_triangles(yt @ g, below=1.0, diagonal=0.5, above=0.0)
    s = solve(yt, transposed(solve(yt, p)))  # (y^-T p y^-1)ᵀ
    return (s + transposed(s)) * 0.5


cholesky_op = Op("cholesky", _cholesky, _cholesky_rule,
                 doc="y yᵀ = (a + aᵀ) / 2, y lower triangular; dL/da is the symmetric part of y^-T p y^-1, p = the "
                     "lower triangle of yᵀ g with half its diagonal (Murray 2016). LinAlgError unless a is definite")


def cholesky(a: Any, *, upper: bool = False) -> Any:
    """L with L Lᵀ = a, or with `upper` its transpose; a: (..., n, n), symmetric, positive definite, or LinAlgError.

    NumPy reads one triangle of a and trusts the other; here a is read as (a + aᵀ) / 2, and its gradient is symmetric.
    """
    y = cholesky_op(a)
    return transposed(y) if upper else y
