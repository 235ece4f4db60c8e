"""Eigenvalues of symmetric matrices, QR, and singular values, of stacks of matrices in the last two axes.

Where an answer is not unique (the sign of a vector, a basis where values are equal), a loss has a gradient only if it
does not depend on the choice. Equal values whose vectors are used give nan or inf, as in PyTorch: loud, not wrong.
"""

from typing import Any, NamedTuple

import numpy as np

from ..engine import Op
from ..errors import GradError
from . import arithmetic as ar
from . import reduce
from .factor import solve, square, symmetric, transposed, weigh_triangles
from .shape import concatenate, expand_dims, ones_like

__all__ = ["eigh", "eigvalsh", "qr", "svd", "svdvals"]


def _used(*gradients: Any) -> Any:
    """For each matrix: does any gradient come through its vectors? Where none does, no gap between values matters."""
    first, *rest = [reduce.any(ar.not_equal(g, 0), axis=(-2, -1), keepdims=True) for g in gradients]
    return ar.logical_or(first, rest[0]) if rest else first


def _gaps(w: Any) -> Any:
    """w_j - w_i."""
    return expand_dims(w, axis=-2) - expand_dims(w, axis=-1)


def _divisors(gaps: Any, used: Any) -> Any:
    """The gaps, but 1 on the diagonal, and 1 everywhere for matrices whose vectors are not used."""
    identity = weigh_triangles(ones_like(gaps), below=0.0, diagonal=1.0, above=0.0)
    return ar.where_op(used, gaps + identity, 1)


def _scaled(u: Any, s: Any, vh: Any) -> Any:
    """u diag(s) vh."""
    return (u * expand_dims(s, axis=-2)) @ vh


# ---- symmetric matrices

def _eigh(a: Any) -> Any:
    w, v = np.linalg.eigh(symmetric(a, "eigh"))
    return w, v


def _eigh_rule(g: Any, y: Any, a: Any) -> Any:
    (gw, gv), (w, v) = g, y
    m = transposed(v) @ gv
    inner = (m - transposed(m)) * 0.5 / _divisors(_gaps(w), _used(gv))
    return (v * expand_dims(gw, axis=-2) + v @ inner) @ transposed(v)


def _eigvalsh(a: Any) -> Any:
    return np.linalg.eigvalsh(symmetric(a, "eigvalsh"))


def _eigvalsh_rule(g: Any, y: Any, a: Any) -> Any:
    v = eigh_op(a)[1]
    return _scaled(v, g, transposed(v))


eigh_op = Op("eigh", _eigh, _eigh_rule,
             doc="y = (w, v): (a + aᵀ) / 2 = v diag(w) vᵀ, w ascending; dL/da = v (diag(gw) + K) vᵀ, "
                 "K_ij = skew(vᵀ gv)_ij / (w_j - w_i)")
eigvalsh_op = Op("eigvalsh", _eigvalsh, _eigvalsh_rule,
                 doc="y = eigenvalues of (a + aᵀ) / 2, ascending; dL/da = v diag(g) vᵀ")


class EighResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


def eigh(a: Any, UPLO: str | None = None) -> EighResult:
    """Eigenvalues, ascending, and eigenvectors, in columns, of symmetric a: (..., n, n) -> (..., n), (..., n, n).

    UPLO: None reads (a + aᵀ) / 2; "L" or "U" read that triangle alone, as NumPy does, and so does the gradient.
    Where eigenvalues are equal and the loss uses the vectors, the gradient is nan or inf, as in PyTorch. Eigenvalues
    alone always have one; at equal ones, where each has a kink, it is that of the vectors which LAPACK chose.
    """
    return EighResult(*eigh_op(_of_triangle(a, UPLO, "eigh")))


def eigvalsh(a: Any, UPLO: str | None = None) -> Any:
    """Eigenvalues of symmetric matrices, ascending: (..., n, n) -> (..., n). See `eigh`.

    The vectors are computed in the backward pass only.
    """
    return eigvalsh_op(_of_triangle(a, UPLO, "eigvalsh"))


def _of_triangle(a: Any, UPLO: str | None, name: str) -> Any:
    if UPLO is None:
        return a
    if UPLO not in ("L", "U", "l", "u"):
        raise ValueError(f"{name}(): UPLO must be None, 'L' or 'U', not {UPLO!r}")
    half = weigh_triangles(square(a, name), below=float(UPLO in "Ll"), diagonal=0.5, above=float(UPLO in "Uu"))
    return half + transposed(half)


# ---- qr

def _qr(a: Any) -> Any:
    q, r = np.linalg.qr(a)
    return q, r


def _qr_rule(g: Any, y: Any, a: Any) -> Any:
    (gq, gr), (q, r) = g, y
    n = r.shape[-2]
    if a.shape[-1] == n:
        return _qr_tall(gq, gr, q, r)
    # wide: a = [a1, a2], a1 = q r1, and r2 = qᵀ a2 pulls at q too
    first = _qr_tall(gq + a[..., n:] @ transposed(gr[..., n:]), gr[..., :n], q, r[..., :n])
    return concatenate([first, q @ gr[..., n:]], axis=-1)


def _qr_tall(gq: Any, gr: Any, q: Any, r: Any) -> Any:
    m = r @ transposed(gr) - transposed(gq) @ q
    half = weigh_triangles(m, below=1.0, diagonal=0.5, above=0.0)
    return transposed(solve(r, transposed(gq + q @ (half + transposed(half)))))


qr_op = Op("qr", _qr, _qr_rule,
           doc="y = (q, r): a = q r, qᵀ q = 1, r upper triangular; dL/da = (gq + q copyltu(r grᵀ - gqᵀ q)) r^-T "
               "(Walter and Lehmann 2018), for wide a from its first columns; LinAlgError where those are dependent")


class QRResult(NamedTuple):
    Q: Any
    R: Any


def qr(a: Any, mode: str = "reduced") -> Any:
    """a = Q R with k = min(m, n): (..., m, n) -> Q (..., m, k), R (..., k, n); mode "r" gives R alone.

    Differentiable where the first k columns are independent; elsewhere backward() raises LinAlgError.
    Raises GradError for mode "complete" of tall a: the further columns of Q are any basis of the rest.
    """
    if mode == "complete" and np.shape(a)[-2] <= np.shape(a)[-1]:
        mode = "reduced"
    if mode not in ("reduced", "r"):
        raise GradError(f"qr(mode={mode!r}) of a matrix of shape {np.shape(a)} has no gradient; write mode='reduced'")
    q, r = qr_op(a)
    return r if mode == "r" else QRResult(q, r)


# ---- singular values

def _svd(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return u, s, vh


def _svd_rule(g: Any, y: Any, a: Any) -> Any:
    (gu, gs, gvh), (u, s, vh) = g, y
    used = _used(gu, gvh)
    row, column = expand_dims(s, axis=-2), expand_dims(s, axis=-1)
    gaps = _divisors(_gaps(s) * (row + column), used)  # s_j^2 - s_i^2, without cancellation of squares
    left, right = transposed(u) @ gu, vh @ transposed(gvh)
    inner = (left - transposed(left)) / gaps * row + column * ((right - transposed(right)) / gaps)
    result = (u * expand_dims(gs, axis=-2) + u @ inner) @ vh
    if a.shape[-2] > s.shape[-1]:  # tall: u moves out of the space of its columns
        result = result + ((gu - u @ left) / ar.where_op(used, row, 1)) @ vh
    if a.shape[-1] > s.shape[-1]:
        result = result + u @ ((gvh - transposed(right) @ vh) / ar.where_op(used, column, 1))
    return result


def _svdvals(a: Any) -> Any:
    return np.linalg.svd(a, compute_uv=False)


def _svdvals_rule(g: Any, y: Any, a: Any) -> Any:
    u, _, vh = svd_op(a)
    return _scaled(u, g, vh)


svd_op = Op("svd", _svd, _svd_rule,
            doc="y = (u, s, vh): a = u diag(s) vh, s descending; dL/da = u (diag(gs) + skew(uᵀ gu) / E s + "
                "s skew(vh gvhᵀ) / E) vh, E_ij = s_j^2 - s_i^2, skew(x) = x - xᵀ; and (1 - u uᵀ) gu / s vh where a is "
                "tall, u / s gvh (1 - vhᵀ vh) where it is wide (Townsend 2016)")
svdvals = Op("svdvals", _svdvals, _svdvals_rule,
             doc="y = singular values of a, descending; dL/da = u diag(g) vh. At s = 0, where y has a kink, it is that "
                 "of the vectors which LAPACK chose")


class SVDResult(NamedTuple):
    U: Any
    S: Any
    Vh: Any


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """a = U diag(S) Vh, k = min(m, n): (..., m, n) -> U (..., m, k), S (..., k), Vh (..., k, n).

    compute_uv=False gives S alone, which always has a gradient. Where singular values are equal, or 0 in a matrix
    that is not square, and the loss uses the vectors, the gradient is nan or inf, as in PyTorch.
    Raises GradError for full_matrices where a is not square: the further vectors are any basis of the rest, no function
    of a. NumPy's default asks for them, so write svd(a, full_matrices=False).
    """
    if not compute_uv:
        return svdvals(a)
    if full_matrices and np.shape(a)[-1] != np.shape(a)[-2]:
        raise GradError(f"svd() of a matrix of shape {np.shape(a)}: its further vectors have no gradient; "
                        "write svd(a, full_matrices=False)")
    return SVDResult(*svd_op(a))
