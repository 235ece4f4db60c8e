"""Functions of sequences and polynomials: convolve, correlate, interp, unwrap, vander, polyval.

One row carries the first two: the full convolution, whose gradients are full convolutions again, cut to size.
"""

import math
from typing import Any

import numpy as np

from ..engine import Op
from ..errors import ShapeError
from .arithmetic import clip, where
from .arrange import as_arrays, leading
from .cumulate import cumprod
from .order import searchsorted
from .selection import take
from .shape import broadcast_to, concatenate, expand_dims, flip, ones_like

__all__ = ["convolve", "correlate", "full_like", "interp", "polymul", "polyval", "unwrap", "vander"]


def _convolve(a: Any, v: Any) -> Any:
    return np.convolve(a, v)


def _convolve_rule(g: Any, other: Any, size: int) -> Any:
    start = other.shape[0] - 1
    return convolve_op(g, flip(other))[start:start + size]


convolve_op: Op = Op("convolve", _convolve, lambda g, y, a, v: _convolve_rule(g, v, a.shape[0]),
                     lambda g, y, a, v: _convolve_rule(g, a, v.shape[0]),
                     doc="y_k = sum_i a_i v_(k - i), all n + m - 1 of them; dL/da is the part of g convolved with the "
                         "reversed v where they overlap whole")


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """y_k = sum_i a_i v_(k - i) of two vectors of n and m entries: all n + m - 1 ("full"), the middle max(n, m)
    ("same"), or those in which the shorter lies inside the longer ("valid"). Raises ShapeError for what is not a
    vector."""
    a, v = _vectors("convolve", a, v)
    short, long = sorted((a.shape[0], v.shape[0]))
    return _cut(convolve_op(a, v), mode, short, long, (short - 1) // 2)


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """y_k = sum_i a_(i + k) v_i of two vectors: the convolution with the reversed v. `mode` as in convolve."""
    a, v = _vectors("correlate", a, v)
    short, long = sorted((a.shape[0], v.shape[0]))
    return _cut(convolve_op(a, flip(v)), mode, short, long, short // 2 if a.shape[0] < v.shape[0] else (short - 1) // 2)


def _vectors(name: str, a: Any, v: Any) -> list[Any]:
    a, v = (leading(x, 1) for x in as_arrays([a, v]))
    if a.ndim != 1 or v.ndim != 1 or not a.shape[0] or not v.shape[0]:
        raise ShapeError(f"{name}() takes two vectors that are not empty, got shapes {a.shape} and {v.shape}")
    return [a, v]


def _cut(full: Any, mode: str, short: int, long: int, before: int) -> Any:
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode must be 'full', 'same' or 'valid', got {mode!r}")
    return full if mode == "full" else full[before:before + long] if mode == "same" else full[short - 1:long]


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Any:
    """The broken line through the points (xp, fp), xp ascending, at x; outside fp[0] and fp[-1], or `left` and `right`.

    Differentiates with respect to x, xp and fp; at a point of the line the slope is that on its right, and 0 outside.
    """
    x, xp, fp = as_arrays([x, xp, fp])
    if xp.ndim != 1 or xp.shape != fp.shape or xp.shape[0] < 2:
        raise ShapeError(f"interp(): xp has shape {xp.shape}, fp has {fp.shape}; they must be vectors of one length, "
                         f"2 or more")
    i = clip(searchsorted(xp, x, side="right") - 1, 0, xp.shape[0] - 2)
    x0, f0 = take(xp, i), take(fp, i)
    y = f0 + (x - x0) * ((take(fp, i + 1) - f0) / (take(xp, i + 1) - x0))
    y = where(x < xp[0], fp[0] if left is None else left, y)
    return where(x > xp[-1], fp[-1] if right is None else right, y)


def _unwrap(x: Any, *, discont: float | None = None, axis: int = -1, period: float = 2 * math.pi) -> Any:
    return np.unwrap(x, discont, axis, period=period)


unwrap = Op("unwrap", _unwrap, lambda g, y, x, discont, axis, period: g,
            doc="x plus multiples of period, so that no step along axis is larger than half of it; dy/dx = 1")


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of each entry of the vector x in a row: x^(N-1), ..., x, 1, or 1, x, ... where `increasing`."""
    if x.ndim != 1:
        raise ShapeError(f"vander() takes a vector, got shape {x.shape}")
    n = x.shape[0] if N is None else N
    column = expand_dims(x, axis=1)
    factors = concatenate([ones_like(column), broadcast_to(column, shape=(x.shape[0], max(n - 1, 0)))], axis=1)[:, :n]
    powers = cumprod(factors, axis=1)
    return powers if increasing else flip(powers, axis=1)


def polyval(p: Any, x: Any) -> Any:
    """p[0] x^(n-1) + ... + p[n-1], by Horner's rule, entry by entry of x; differentiates with respect to both."""
    p, x = as_arrays([p, x])
    y = x * 0
    for i in range(p.shape[0]):
        y = y * x + p[i]
    return y


def polymul(a1: Any, a2: Any) -> Any:
    """The coefficients of the product of two polynomials, highest power first: their convolution."""
    return convolve(a1, a2)


def full_like(a: Any, fill_value: Any) -> Any:
    """`fill_value` everywhere, in the shape and dtype of `a`; the gradient of a fill_value is the sum."""
    filled = ones_like(a) * fill_value
    return filled if filled.dtype == a.dtype else filled.astype(a.dtype)
