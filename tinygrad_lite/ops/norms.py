"""Norms under the names of np.linalg, and what is made of inverse and singular values: pinv, lstsq, cond, chains.

At 0, where a norm has its kink, the gradient is 0 here, a subgradient, as in PyTorch, and to any order.
"""

import math
import operator
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..engine import Op
from ..errors import ShapeError
from . import arithmetic as ar
from . import reduce
from .factor import inv, square, transposed, weigh_triangles
from .products import trace
from .shape import expand_dims, ones_like
from .spectral import svdvals

__all__ = ["cond", "lstsq", "matrix_norm", "matrix_power", "matrix_rank", "matrix_trace", "multi_dot", "norm", "pinv",
           "vector_norm"]

Axes = int | tuple[int, ...] | None


def _p_norm(x: Any, *, ord: float = 2, axis: Any = None, keepdims: bool = False) -> Any:
    return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)


def _p_norm_rule(g: Any, y: Any, x: Any, ord: float, axis: Axes, keepdims: bool) -> Any:
    if not keepdims:
        axis = tuple(range(x.ndim)) if axis is None else axis
        g, y = expand_dims(g, axis=axis), expand_dims(y, axis=axis)
    safe = ar.where(ar.equal(y, 0), 1, y)
    scale = ar.where(ar.equal(y, 0), 0, g / (safe if ord == 2 else ar.power(safe, ord - 1)))
    return scale * _signed_power(x, ord)


def _signed_power(x: Any, p: float) -> Any:
    """sign(x) |x|^(p - 1), the derivative of |x|^p / p; for a whole p exact to any order at x = 0, else 0 there."""
    if p == 2:
        return x
    if p >= 1 and p == int(p):
        power = ar.power(x, int(p) - 1)
        return power if p % 2 == 0 else ar.sign(x) * power
    return ar.sign(x) * ar.power(ar.where(ar.equal(x, 0), 1, ar.abs(x)), p - 1)


p_norm = Op("p_norm", _p_norm, _p_norm_rule,
            doc="y = (sum |x|^p)^(1/p), p = ord finite and not 0; dy/dx = sign(x) (|x| / y)^(p-1). Where y = 0 the "
                "gradient is 0 to any order; so it is for an entry x = 0 where p < 2 makes it a kink")


def vector_norm(x: Any, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> Any:
    """(sum |x|^ord)^(1/ord) along axis (None: all entries); inf: largest |x|, -inf: smallest, 0: how many are not 0.

    The gradient is 0 where the norm is 0, and for ord 0 everywhere; equal largest entries share it.
    """
    x = _floats(x)
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord == math.inf:
        return reduce.max(ar.abs(x), axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return reduce.min(ar.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return reduce.sum(ar.abs(ar.sign(x)), axis=axis, keepdims=keepdims)
    if ord == 1:
        return reduce.sum(ar.abs(x), axis=axis, keepdims=keepdims)
    return p_norm(x, ord=ord, axis=axis, keepdims=keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Of the matrices in the last two axes: "fro" sqrt(sum x^2), "nuc" sum of singular values, 2 / -2 largest /
    smallest of them, 1 / -1 largest / smallest column sum of |x|, inf / -inf the same of rows. Ties share the
    gradient, except among singular values, where it is that of the vectors which LAPACK chose."""
    if np.ndim(x) < 2:
        raise ShapeError(f"matrix_norm(): x has shape {np.shape(x)}; it needs two axes")
    return norm(x, ord, (-2, -1), keepdims)


def norm(x: Any, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Any:
    """`vector_norm` along an int axis, `matrix_norm` over two, as np.linalg.norm has it.

    ord None: the root of the sum of squares. axis None: all entries for ord None, else by the axes of x, 1 or 2.
    Raises ValueError for an `ord` that does not exist, and AxisError for such an axis.
    """
    x = _floats(x)
    if axis is None and ord is None:
        return p_norm(x, ord=2, axis=None, keepdims=keepdims)
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim, "axis")
    if len(axes) == 1:
        return vector_norm(x, axis=axes[0], keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) != 2:
        raise ValueError(f"Improper number of dimensions to norm: x has shape {x.shape}, axis={axis}")
    if ord is None or ord in ("fro", "f"):
        return p_norm(x, ord=2, axis=axes, keepdims=keepdims)
    if ord not in (1, -1, 2, -2, math.inf, -math.inf, "nuc"):
        raise ValueError(f"Invalid norm order {ord!r} for matrices")
    extreme = reduce.min if ord != "nuc" and ord < 0 else reduce.max
    if ord in (2, -2, "nuc"):
        s = svdvals(x.transpose((*[i for i in range(x.ndim) if i not in axes], *axes)))
        y = (reduce.sum if ord == "nuc" else extreme)(s, axis=-1, keepdims=False)
        return expand_dims(y, axis=axes) if keepdims else y
    along, over = axes if abs(ord) == 1 else axes[::-1]
    y = extreme(reduce.sum(ar.abs(x), axis=along, keepdims=True), axis=over, keepdims=True)
    return y if keepdims else y.squeeze(axes)


def _floats(x: Any) -> Any:
    x = np.asarray(x) if isinstance(x, list | tuple | int | float) else x
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def cond(x: Any, p: Any = None) -> Any:
    """norm(x, p) norm(inv(x), p) of each matrix; None and 2: largest over smallest singular value, of any shape."""
    if p is None or p in (2, -2):
        s = svdvals(x)
        return s[..., 0] / s[..., -1] if p != -2 else s[..., -1] / s[..., 0]
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)


def _pinv(a: Any, *, rcond: float = 1e-15) -> Any:
    return np.linalg.pinv(a, rcond)


def _pinv_rule(g: Any, y: Any, a: Any, rcond: float) -> Any:
    yt, gt = transposed(y), transposed(g)
    left, right = gt @ y @ yt, yt @ y @ gt
    return left - a @ (y @ left) + right - (right @ y) @ a - yt @ g @ yt


pinv_op = Op("pinv", _pinv, _pinv_rule,
             doc="y = the pseudo-inverse; dL/da = -yᵀ g yᵀ + (1 - a y) gᵀ y yᵀ + yᵀ y gᵀ (1 - y a) (Golub and Pereyra "
                 "1973), where the rank is constant")


def pinv(a: Any, rcond: float | None = None, *, rtol: float | None = None) -> Any:
    """The pseudo-inverse, (..., m, n) -> (..., n, m). Singular values below rcond times the largest count as 0.

    rtol is NumPy's newer name for rcond; neither given: 1e-15. Differentiable where the rank is constant.
    """
    if rcond is not None and rtol is not None:
        raise ValueError("pinv(): `rtol` and `rcond` can't be both set.")
    return pinv_op(a, rcond=rcond if rcond is not None else rtol if rtol is not None else 1e-15)


class LstsqResult(NamedTuple):
    x: Any
    residuals: Any
    rank: Any
    s: Any


def lstsq(a: Any, b: Any, rcond: float | None = None) -> LstsqResult:
    """The x of least norm among those of least |a x - b|: (..., m, n), (m,) or (..., m, k) -> (n,) or (..., n, k).

    With it, as NumPy has them: sums of squared residuals by column, rank (an integer, no gradient), singular values.
    Singular values below rcond (None: epsilon of the dtype times max(m, n)) times the largest count as 0. x, residuals
    and s are differentiable in a and b where the rank is constant, as at full rank. Residuals are given wherever m > n;
    NumPy's are empty below full rank, which would be a choice by value.
    """
    m, n = np.shape(a)[-2:]
    if np.ndim(b) < 1 or np.shape(b)[0 if np.ndim(b) == 1 else -2] != m:
        raise ShapeError(f"lstsq(): a has shape {np.shape(a)}, b has {np.shape(b)}; "
                         f"b must be a vector ({m},) or matrices (..., {m}, k)")
    s = svdvals(a)
    rcond = float(np.finfo(s.dtype).eps) * max(m, n) if rcond is None else rcond
    columns = b if np.ndim(b) > 1 else b.reshape(-1, 1)
    x = pinv_op(a, rcond=rcond) @ columns
    difference = columns - a @ x
    residuals = reduce.sum(difference * difference, axis=-2, keepdims=False) if m > n else x[..., 0, :0]
    return LstsqResult(x if np.ndim(b) > 1 else x[..., 0], residuals, _count_above(s, rcond), s)


def _count_above(s: Any, relative: float) -> Any:
    return reduce.sum(s > relative * reduce.max(s, axis=-1, keepdims=True), axis=-1, keepdims=False)


def matrix_rank(A: Any, tol: float | None = None, *, rtol: float | None = None) -> Any:
    """How many singular values are above tol, or above rtol (None: as in `lstsq`) times the largest. No gradient."""
    s = svdvals(A)
    if tol is not None:
        return reduce.sum(s > tol, axis=-1, keepdims=False)
    return _count_above(s, float(np.finfo(s.dtype).eps) * max(np.shape(A)[-2:]) if rtol is None else rtol)


def matrix_trace(x: Any, /, *, offset: int = 0) -> Any:
    """np.linalg.trace: that of the matrices in the last two axes, (..., m, n) -> (...); np.trace: the first two."""
    return trace(x, offset, -2, -1)


def matrix_power(a: Any, n: int) -> Any:
    """a @ a @ ... n times, by squaring: (..., k, k) -> (..., k, k); n < 0: of the inverse; n = 0: the identity."""
    n = operator.index(n)
    if n == 0:
        return square(a, "matrix_power") * 0 + weigh_triangles(ones_like(a), below=0.0, diagonal=1.0, above=0.0)
    power = square(a, "matrix_power") if n > 0 else inv(a)
    result, n = None, abs(n)
    while n:
        if n & 1:
            result = power if result is None else result @ power
        n >>= 1
        power = power @ power if n else power
    return result


def multi_dot(arrays: Sequence[Any]) -> Any:
    """The product of two matrices or more, in the order of the fewest multiplications. The ends may be vectors."""
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    shapes = [np.shape(x) for x in arrays]
    full = list(shapes)
    if len(full[0]) == 1:
        full[0] = (1, *full[0])
    if len(full[-1]) == 1:
        full[-1] = (*full[-1], 1)
    if any(len(shape) != 2 for shape in full) or any(a[1] != b[0] for a, b in zip(full, full[1:], strict=False)):
        raise ShapeError(f"multi_dot(): shapes {', '.join(map(str, shapes))} do not make a chain of matrices")

    @cache
    def cheapest(i: int, j: int) -> tuple[int, int]:
        """Multiplications of the product of i ... j, and after which of them the last one is made."""
        if i == j:
            return 0, i
        return min([(cheapest(i, k)[0] + cheapest(k + 1, j)[0] + full[i][0] * full[k][1] * full[j][1], k)
                    for k in range(i, j)])

    def product(i: int, j: int) -> Any:
        k = cheapest(i, j)[1]
        return arrays[i] if i == j else product(i, k) @ product(k + 1, j)

    return product(0, len(arrays) - 1)
