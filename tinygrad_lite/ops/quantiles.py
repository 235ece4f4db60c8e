"""Order statistics: median, quantile, percentile and their nan-variants, and the running maximum and minimum.

One row picks entries of the sorted rows; quantiles are weighted sums of two of them. Which entry is picked depends on
the data alone through comparisons, so gradients are those of a choice: equal entries share.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import Op, Variable
from ..errors import ShapeError
from .arithmetic import clip, equal, isnan, logical_not, maximum, where
from .cumulate import linear_recurrence
from .reduce import any, max, min, sum
from .shape import concatenate, flip, reshape, stack, zeros_like
from .ufuncs import ceil, floor, rint

__all__ = ["cummax", "cummin", "median", "nanmedian", "nanpercentile", "nanquantile", "order_statistic", "percentile",
           "ptp", "quantile"]

Axis = int | tuple[int, ...] | None

# alpha and beta of the continuous definitions, types 4 to 9 of Hyndman and Fan 1996
_CONTINUOUS = {"linear": (1.0, 1.0), "hazen": (0.5, 0.5), "weibull": (0.0, 0.0), "median_unbiased": (1 / 3, 1 / 3),
               "normal_unbiased": (3 / 8, 3 / 8), "interpolated_inverted_cdf": (0.0, 1.0)}
_CHOICES = ("lower", "higher", "nearest", "midpoint")


def ptp(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """max(a) - min(a) along `axis`: the range.

    The k equal largest share the gradient, and so do the smallest, with the opposite sign.
    """
    return max(a, axis=axis, keepdims=keepdims) - min(a, axis=axis, keepdims=keepdims)


def _order_statistic(x: Any, k: Any) -> Any:
    if k.ndim == 1:
        return np.partition(x, k, axis=-1)[..., k]
    return np.take_along_axis(np.sort(x, axis=-1), k, -1)


def _order_statistic_rule(g: Any, y: Any, x: Any, k: Any) -> Any:
    parts = []
    for j in range(y.shape[-1]):
        here = equal(x, y[..., j:j + 1])
        ties = maximum(sum(here, axis=-1, keepdims=True), 1)  # none are equal to nan
        parts.append(g[..., j:j + 1] * here / ties.astype(g.dtype))
    return _total(parts)


def _total(parts: Sequence[Any]) -> Any:
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result


order_statistic = Op("order_statistic", _order_statistic, _order_statistic_rule, None,
                     doc="y = sorted(x)[k] along the last axis, nan last; k: positions, one list or one for each row. "
                         "Entries equal to the one that is picked share its gradient; none for nan")


def quantile(a: Any, q: Any, axis: Axis = None, *, method: str = "linear", keepdims: bool = False) -> Any:
    """What a share q of the entries along `axis` lies below: (1 - f) x_[i] + f x_[i+1], where i + f = q (n - 1).

    q: a number in [0, 1], or a list of them, which gives a first axis of that length. method: as NumPy's: linear,
    lower, higher, nearest, midpoint, hazen, weibull, median_unbiased, normal_unbiased, interpolated_inverted_cdf.
    Equal entries share the gradient. A nan makes the result nan, with the gradient 0.
    Raises ValueError for q outside [0, 1] and for a method that is not listed, ShapeError where there are no entries.
    """
    return _quantile("quantile", a, q, axis, method, keepdims, 1, False)


def percentile(a: Any, q: Any, axis: Axis = None, *, method: str = "linear", keepdims: bool = False) -> Any:
    """quantile(a, q / 100)."""
    return _quantile("percentile", a, q, axis, method, keepdims, 100, False)


def median(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The middle entry of those along `axis`, or the mean of the two in the middle; equal entries share the gradient.

    A nan makes the result nan, with the gradient 0.
    """
    return _quantile("median", a, 0.5, axis, "linear", keepdims, 1, False)


def nanquantile(a: Any, q: Any, axis: Axis = None, *, method: str = "linear", keepdims: bool = False) -> Any:
    """quantile of the entries that are not nan; nan where there are none. The gradient of nan entries is 0."""
    return _quantile("nanquantile", a, q, axis, method, keepdims, 1, True)


def nanpercentile(a: Any, q: Any, axis: Axis = None, *, method: str = "linear", keepdims: bool = False) -> Any:
    """nanquantile(a, q / 100)."""
    return _quantile("nanpercentile", a, q, axis, method, keepdims, 100, True)


def nanmedian(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The median of the entries that are not nan; nan where there are none. The gradient of nan entries is 0."""
    return _quantile("nanmedian", a, 0.5, axis, "linear", keepdims, 1, True)


def _quantile(name: str, a: Any, q: Any, axis: Axis, method: str, keepdims: bool, whole: int, skip_nan: bool) -> Any:
    if isinstance(q, Variable):
        raise TypeError(f"{name}(): q is a Tensor; no gradient would reach it. Pass a plain number")
    shape = np.shape(q)
    shares = [float(value) / whole for value in np.ravel(q)]
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"{name}(): q must lie between 0 and {whole}, got {q}")
    if method not in _CONTINUOUS and method not in _CHOICES:
        raise ValueError(f"{name}(): method {method!r} is not one of {', '.join([*_CONTINUOUS, *_CHOICES])}")
    if a.dtype.kind != "f" and method not in ("lower", "higher", "nearest"):
        a = a.astype(np.float64)
    rows, kept = _rows(a, axis)
    if not rows.shape[-1]:
        raise ShapeError(f"{name}(): no entries along axis {axis} of shape {a.shape}")
    rest = kept if keepdims else rows.shape[:-1]
    results = [_one_quantile(rows, share, method, skip_nan).reshape(rest) for share in shares]
    if not shape:
        return results[0]
    return reshape(stack(results), shape=(*shape, *rest))


def _rows(a: Any, axis: Axis) -> tuple[Any, tuple[int, ...]]:
    """`a` with the axes in question joined to one, the last; and the shape that the result has with keepdims."""
    axes = np.lib.array_utils.normalize_axis_tuple(range(a.ndim) if axis is None else axis, a.ndim)
    others = tuple([i for i in range(a.ndim) if i not in axes])
    kept = tuple([1 if i in axes else n for i, n in enumerate(a.shape)])
    moved = a.transpose((*others, *axes)) if a.ndim else a
    return moved.reshape((*[a.shape[i] for i in others], math.prod([a.shape[i] for i in axes]))), kept


def _one_quantile(rows: Any, q: float, method: str, skip_nan: bool) -> Any:
    hole = isnan(rows)
    if skip_nan:  # the number of entries, and so the position, is data: a capture must see it
        count = sum(logical_not(hole), axis=-1, keepdims=True)
        low, high, f = _position(count.astype(np.float64), q, method)
        picked = order_statistic(rows, concatenate([low, high], axis=-1).astype(np.int64))
        first, second = picked[..., 0], picked[..., 1]
        if not isinstance(f, float):
            f = f.astype(rows.dtype)[..., 0]
            second = where(f == 0, 0, second)  # which may be inf
    else:
        low, high, f = _position(np.array([float(rows.shape[-1])]), q, method)
        picked = order_statistic(rows, np.concatenate([low, high]).astype(np.int64))
        picked = where(any(hole, axis=-1, keepdims=True), math.nan, picked) if rows.dtype.kind == "f" else picked
        first, second = picked[..., 0], picked[..., 1]
        f = float(f) if isinstance(f, float) else float(f[0])
    if isinstance(f, float) and f in (0.0, 1.0):
        return second if f else first
    return first * (1 - f) + second * f


def _position(n: Any, q: float, method: str) -> tuple[Any, Any, Any]:
    """The positions of the two entries between which the quantile of n entries lies, and the weight of the second."""
    alpha, beta = _CONTINUOUS.get(method, (1.0, 1.0))
    exact = clip(clip(n * q + (alpha + q * (1 - alpha - beta)) - 1, None, n - 1), 0, None)
    if method == "nearest":
        nearest = rint(exact)
        return nearest, nearest, 0.0
    low, high = floor(exact), ceil(exact)
    return low, high, {"lower": 0.0, "higher": 1.0, "midpoint": 0.5}.get(method, exact - low)


# ---- running maximum and minimum


def _cummax(x: Any, *, axis: int = 0) -> Any:
    return np.maximum.accumulate(x, axis)


def _cummin(x: Any, *, axis: int = 0) -> Any:
    return np.minimum.accumulate(x, axis)


def _running_rule(g: Any, y: Any, x: Any, axis: int) -> Any:
    """Each g_k goes to the entries up to k that are equal to y_k. They lie in the run of equal y that k lies in."""
    g, y, x = g.swapaxes(axis, -1), y.swapaxes(axis, -1), x.swapaxes(axis, -1)
    chosen = equal(x, y)
    again = equal(y[..., 1:], y[..., :-1])
    end = zeros_like(chosen[..., :1])
    ties = linear_recurrence(chosen.astype(g.dtype), concatenate([end, again], axis=-1))  # so many share g_k
    shares = g / maximum(ties, 1)
    later = flip(linear_recurrence(flip(shares, axis=-1), flip(concatenate([again, end], axis=-1), axis=-1)), axis=-1)
    return (later * chosen).swapaxes(axis, -1)


cummax = Op("cummax", _cummax, _running_rule,
            doc="y_k = the largest of x_1, ..., x_k along axis, np.maximum.accumulate; equal ones share the gradient "
                "of y_k. After a nan: nan, gradient 0")
cummin = Op("cummin", _cummin, _running_rule,
            doc="y_k = the smallest of x_1, ..., x_k along axis, np.minimum.accumulate; equal ones share the gradient "
                "of y_k. After a nan: nan, gradient 0")
