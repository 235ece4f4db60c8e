"""Running sums and products along an axis.

The gradient of a running product is a linear recurrence; it is a row of its own, whose rules are linear recurrences
again. So nothing divides by x, and zeros are exact to any order.
"""

from typing import Any

import numpy as np

from ..engine import Op
from .shape import concatenate, flip, zeros_like

__all__ = ["cumprod", "cumsum", "linear_recurrence"]


def _cumsum(x: Any, *, axis: int | None = None) -> Any:
    return np.cumsum(x, axis)


def _cumsum_rule(g: Any, y: Any, x: Any, axis: int | None) -> Any:
    if axis is None:
        return flip(cumsum(flip(g))).reshape(x.shape)
    return flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis)


cumsum = Op("cumsum", _cumsum, _cumsum_rule,
            doc="y_k = x_1 + ... + x_k along axis (None: flattened); dL/dx_i = g_i + g_(i+1) + ...")


def _linear_recurrence(u: Any, a: Any) -> Any:
    y = u.copy()
    for k in range(1, u.shape[-1]):
        y[..., k] += a[..., k] * y[..., k - 1]
    return y


def _recurrence_rule(g: Any, y: Any, u: Any, a: Any) -> Any:
    return flip(linear_recurrence(flip(g, axis=-1), _later(flip(a, axis=-1))), axis=-1)


def _later(x: Any) -> Any:
    """Entries moved one place up along the last axis; the first becomes 0."""
    return concatenate([zeros_like(x[..., :1]), x[..., :-1]], axis=-1)


linear_recurrence = Op("linear_recurrence", _linear_recurrence, _recurrence_rule,
                       lambda g, y, u, a: _recurrence_rule(g, y, u, a) * _later(y),
                       doc="y_0 = u_0, y_k = u_k + a_k y_(k-1) along the last axis; dL/du is the recurrence run backward, dL/da_k = dL/du_k y_(k-1)")


def _cumprod(x: Any, *, axis: int | None = None) -> Any:
    return np.cumprod(x, axis)


def _cumprod_rule(g: Any, y: Any, x: Any, axis: int | None) -> Any:
    if axis is None:
        return _cumprod_rule(g, y, x.reshape(-1), -1).reshape(x.shape)
    x, g, y = x.swapaxes(axis, -1), g.swapaxes(axis, -1), y.swapaxes(axis, -1)
    before = concatenate([zeros_like(y[..., :1]) + 1, y[..., :-1]], axis=-1)  # x_1 ... x_(i-1)
    after = flip(linear_recurrence(flip(g, axis=-1), _later(flip(x, axis=-1))), axis=-1)  # g_i + x_(i+1) (g_(i+1) + ...)
    return (before * after).swapaxes(axis, -1)


cumprod = Op("cumprod", _cumprod, _cumprod_rule,
             doc="y_k = x_1 ... x_k along axis (None: flattened); dL/dx_i = y_(i-1) (g_i + x_(i+1) (g_(i+1) + ...)), without division")
