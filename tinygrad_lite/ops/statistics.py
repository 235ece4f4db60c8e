"""Statistics, differences and sums over samples, composed of rows: functions whose gradients come from their parts.

The nan-variants put a neutral number in the place of nan first; so nan entries have the gradient 0.
"""

import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from .arithmetic import clip, isnan, logical_not, sqrt, where
from .cumulate import cumprod, cumsum
from .linalg import matmul
from .reduce import all, max, mean, min, prod, sum
from .shape import astype, broadcast_to, concatenate, reshape, transpose, zeros_like

__all__ = ["average", "corrcoef", "cov", "cumulative_prod", "cumulative_sum", "diff", "ediff1d", "gradient",
           "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar",
           "trapezoid"]

Axis = int | tuple[int, ...] | None


# ---- without nan

def nansum(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum of the entries that are not nan; 0 where there are none."""
    return sum(_filled(a, 0), axis=axis, keepdims=keepdims)


def nanprod(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Product of the entries that are not nan; 1 where there are none."""
    return prod(_filled(a, 1), axis=axis, keepdims=keepdims)


def nancumsum(a: Any, axis: int | None = None) -> Any:
    """Running sum, nan counted as 0."""
    return cumsum(_filled(a, 0), axis=axis)


def nancumprod(a: Any, axis: int | None = None) -> Any:
    """Running product, nan counted as 1."""
    return cumprod(_filled(a, 1), axis=axis)


def nanmax(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Largest of the entries that are not nan; nan where there are none. Equal ones share the gradient."""
    return _extremum(max, -math.inf, a, axis, keepdims)


def nanmin(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Smallest of the entries that are not nan; nan where there are none. Equal ones share the gradient."""
    return _extremum(min, math.inf, a, axis, keepdims)


def nanmean(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean of the entries that are not nan; nan where there are none."""
    return nansum(a, axis, keepdims) / _positive_or_nan(_numbers(a, axis, keepdims))


def nanvar(a: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """sum (a - mean)^2 / (n - ddof) over the n entries that are not nan; nan where n <= ddof."""
    centred = _filled(a - nanmean(a, axis, True), 0)
    return sum(centred * centred, axis=axis, keepdims=keepdims) / _positive_or_nan(_numbers(a, axis, keepdims) - ddof)


def nanstd(a: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """sqrt(nanvar(a)); the gradient is 0 where the result is 0, as that of `std`."""
    v = nanvar(a, axis, ddof, keepdims)
    return sqrt(where(v == 0, 1, v)) * (v != 0)


def _filled(a: Any, number: float) -> Any:
    return where(isnan(a), number, a) if a.dtype.kind == "f" else a


def _numbers(a: Any, axis: Axis, keepdims: bool) -> Any:
    """How many entries are not nan, in the float dtype of the result."""
    count = sum(logical_not(isnan(a)), axis=axis, keepdims=keepdims)
    return count.astype(a.dtype if a.dtype.kind == "f" else np.float64)


def _positive_or_nan(n: Any) -> Any:
    return where(n > 0, n, math.nan)


def _extremum(of: Any, least: float, a: Any, axis: Axis, keepdims: bool) -> Any:
    if a.dtype.kind != "f":
        return of(a, axis=axis, keepdims=keepdims)
    return where(all(isnan(a), axis=axis, keepdims=keepdims), math.nan,
                 of(_filled(a, least), axis=axis, keepdims=keepdims))


# ---- means, covariances

def average(a: Any, axis: int | None = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """sum a w / sum w along `axis`; without weights, the mean. weights: of a's shape, or one for each place.

    Gradients flow to the weights too. Raises ShapeError where the weights have neither shape.
    """
    if weights is None:
        return mean(a, axis=axis, keepdims=keepdims)
    w = np.asarray(weights) if isinstance(weights, list | tuple) else weights
    if w.shape != a.shape:
        if axis is None or w.shape != (a.shape[axis],):
            raise ShapeError(f"average: a has shape {a.shape}, weights has {w.shape}; they must be the same, "
                             "or weights one number for each place along a given axis")
        w = broadcast_to(reshape(w, shape=tuple([-1 if i == axis % a.ndim else 1 for i in range(a.ndim)])),
                         shape=a.shape)
    return sum(a * w, axis=axis, keepdims=keepdims) / sum(w, axis=axis, keepdims=keepdims)


def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Any:
    """The covariances of variables (rows; columns if not rowvar) over observations: X X^T / (n - ddof), X centred.

    y: further variables, of the form of m. ddof None: 1, or 0 if bias. Of one variable the variance, 0-d.
    """
    x = _variables(m, rowvar)
    if y is not None:
        other = _variables(y, rowvar)
        if other.shape[1] != x.shape[1]:
            raise ShapeError(f"cov: m has {x.shape[1]} observations in shape {m.shape}, y has {other.shape[1]} in "
                             f"{y.shape}")
        x = concatenate([x, other], axis=0)
    n = x.shape[1] - ((0 if bias else 1) if ddof is None else ddof)
    if n <= 0:
        raise ShapeError(f"cov: {x.shape[1]} observations are too few for ddof {x.shape[1] - n}")
    x = x - mean(x, axis=1, keepdims=True)
    c = matmul(x, transpose(x)) / n
    return reshape(c, shape=()) if c.shape == (1, 1) else c


def _variables(m: Any, rowvar: bool) -> Any:
    if m.ndim > 2:
        raise ShapeError(f"cov: expected one or two axes, got shape {m.shape}")
    m = m if m.dtype.kind == "f" else astype(m, dtype=np.float64)
    return reshape(m, shape=(1, -1)) if m.ndim < 2 else m if rowvar or m.shape[0] == 1 else transpose(m)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """The correlations cov_ij / sqrt(cov_ii cov_jj), between -1 and 1.

    1 on the diagonal, with the gradient 0 there up to rounding.
    """
    c = cov(x, y, rowvar)
    if not c.ndim:
        return c / c
    place = np.arange(c.shape[0])
    s = sqrt(c[place, place])
    return clip(c / s.reshape(-1, 1) / s, -1, 1)


# ---- differences and integrals

def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th difference along `axis`: a_(i+1) - a_i, n times.

    prepend, append: entries that stand before and after; a number stands once.
    """
    if n < 0:
        raise ValueError(f"diff: n must not be negative, got {n}")
    if not a.ndim:
        raise ShapeError("diff: a 0-d array has no neighbours")
    axis = np.lib.array_utils.normalize_axis_index(axis, a.ndim)
    if n and (prepend is not None or append is not None):
        a = concatenate([_beside(p, a, axis) for p in (prepend, a, append) if p is not None], axis=axis)
    for _ in range(n):
        a = _cut(a, axis, 1, None) - _cut(a, axis, None, -1)
    return a


def _beside(p: Any, a: Any, axis: int) -> Any:
    if getattr(p, "ndim", 0):
        return p
    return broadcast_to(_cut(zeros_like(a), axis, 0, 1) + p, shape=(*a.shape[:axis], 1, *a.shape[axis + 1:]))


def _cut(a: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return a[(slice(None),) * axis + (slice(start, stop),)]


def ediff1d(ary: Any) -> Any:
    """a_(i+1) - a_i of the flattened array."""
    return diff(ary.reshape(-1))


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of y along `axis` by trapezoids: sum (x_(i+1) - x_i) (y_i + y_(i+1)) / 2.

    x: the places, of the shape of y or one for each entry along `axis`; dx: the distance, where there is no x.
    Gradients flow to y, and to x or dx. Raises ShapeError where x has neither shape.
    """
    axis = np.lib.array_utils.normalize_axis_index(axis, y.ndim)
    if x is not None:
        x = np.asarray(x) if isinstance(x, list | tuple) else x
        if x.shape != y.shape and x.shape != (y.shape[axis],):
            raise ShapeError(f"trapezoid: y has shape {y.shape}, x has {x.shape}; they must be the same, "
                             f"or x of shape ({y.shape[axis]},) for axis {axis}")
        dx = diff(x, axis=0).reshape(_along(axis, y.ndim)) if x.ndim == 1 else diff(x, axis=axis)
    return sum(dx * (_cut(y, axis, 1, None) + _cut(y, axis, None, -1)) / 2, axis=axis)


def _along(axis: int, ndim: int) -> tuple[int, ...]:
    return tuple([-1 if i == axis else 1 for i in range(ndim)])


def gradient(f: Any, *varargs: Any, axis: Axis = None, edge_order: int = 1) -> Any:
    """Central differences of samples f, one-sided at the ends: a tuple with an array for each axis, or the only one.

    varargs: nothing (distance 1), one distance for all axes, or for each axis a distance or its places, one for each
    entry. edge_order: 1 or 2, the order of the differences at the ends.
    Raises ShapeError for an axis with fewer than edge_order + 1 entries.
    """
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order must be 1 or 2, got {edge_order}")
    axes = np.lib.array_utils.normalize_axis_tuple(range(f.ndim) if axis is None else axis, f.ndim)
    steps = varargs * len(axes) if len(varargs) == 1 and not np.ndim(varargs[0]) else varargs or (1.0,) * len(axes)
    if len(steps) != len(axes):
        raise TypeError(f"gradient: {len(axes)} axes and {len(steps)} distances")
    results = tuple([_derivative(f, step, i, edge_order) for i, step in zip(axes, steps, strict=True)])
    return results[0] if len(results) == 1 else results


def _derivative(f: Any, step: Any, axis: int, edge_order: int) -> Any:
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ShapeError(f"gradient: axis {axis} of shape {f.shape} has fewer than {edge_order + 1} entries")
    if np.ndim(step):
        if step.shape != (n,):
            raise ShapeError(f"gradient: f has shape {f.shape}, the places along axis {axis} have {step.shape}; "
                             f"expected ({n},)")
        h = diff(step).reshape(_along(axis, f.ndim))
    else:
        h = step
    slope = diff(f, axis=axis) / h
    if np.ndim(h):
        left, right = _cut(h, axis, None, -1), _cut(h, axis, 1, None)
    else:
        left = right = h
    before, after = _cut(slope, axis, None, -1), _cut(slope, axis, 1, None)
    # the slope of the parabola through three neighbours, at the middle one
    inner = (before * right + after * left) / (left + right)
    first, last = _cut(slope, axis, 0, 1), _cut(slope, axis, -1, None)
    if edge_order == 2:
        ends = [(h, h)] * 2
        if np.ndim(h):
            ends = [(_cut(h, axis, 0, 1), _cut(h, axis, 1, 2)), (_cut(h, axis, -1, None), _cut(h, axis, -2, -1))]
        first, last = (edge + (edge - beyond) * (near / (near + far))
                       for edge, beyond, (near, far) in ((first, _cut(slope, axis, 1, 2), ends[0]),
                                                         (last, _cut(slope, axis, -2, -1), ends[1])))
    return concatenate([first, inner, last], axis=axis)


def cumulative_sum(x: Any, axis: int | None = None, include_initial: bool = False) -> Any:
    """cumsum along `axis`, which may be left out for one axis alone; include_initial: with the empty one, 0, first."""
    return _cumulative(cumsum, "cumulative_sum", x, axis, include_initial)


def cumulative_prod(x: Any, axis: int | None = None, include_initial: bool = False) -> Any:
    """cumprod along `axis`, which may be left out for one axis alone; include_initial: with the empty one, 1, first."""
    return _cumulative(cumprod, "cumulative_prod", x, axis, include_initial)


def _cumulative(of: Any, name: str, x: Any, axis: int | None, include_initial: bool) -> Any:
    if axis is None and x.ndim != 1:
        raise ValueError(f"{name}: axis must be given for an array of shape {x.shape}")
    axis = np.lib.array_utils.normalize_axis_index(0 if axis is None else axis, x.ndim)
    y = of(x, axis=axis)
    if not include_initial:
        return y
    start = broadcast_to(zeros_like(_cut(y, axis, 0, 1)) + int(of is cumprod),
                         shape=(*y.shape[:axis], 1, *y.shape[axis + 1:]))
    return concatenate([start, y], axis=axis)
