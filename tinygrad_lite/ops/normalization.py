"""Rows of normalization: to mean 0 and variance 1 along some axes, with a weight and a bias.

What the backward pass wants again, the normalized values and 1 / sqrt(variance + eps), are outputs like any other;
callers drop them.
"""

import math
from typing import Any

import numpy as np

from ..engine import Op
from .reduce import mean, sum
from .rows import long_rows, total_along, total_of_product, total_to
from .shape import broadcast_to

__all__ = ["layer_norm", "scale_shift", "standardize", "standardize_rule", "sum_to"]


def _standardize(x: Any, *, axis: tuple[int, ...], eps: float, centre: bool = True) -> Any:
    if x.dtype.itemsize < 4:  # float16 sums in float32
        y, r = _standardize(x.astype(np.float32), axis=axis, eps=eps, centre=centre)
        return y.astype(x.dtype), r.astype(x.dtype)
    n = _count(x, axis)
    with long_rows(x):
        d = x - total_along(x, axis) / n if centre else x
        r = 1 / np.sqrt(total_of_product(d, d, axis) / n + eps)
        return np.multiply(d, r, out=d) if centre else d * r, r


def _standardize_rule(g: Any, y: Any, r: Any, *, axis: tuple[int, ...], centre: bool) -> Any:
    n = _count(y, axis)
    with long_rows(g):
        z = y * (total_of_product(g, y, axis) / -n)
        z += g
        if centre:
            z -= total_along(g, axis) / n
        z *= r
    return z


def _count(x: Any, axis: tuple[int, ...]) -> int:
    return x.shape[-1] if axis == (-1,) else math.prod([x.shape[i] for i in axis])


standardize = Op("standardize", _standardize,
                 (lambda g, y, x, axis, eps, centre: standardize_rule(g, *y, axis=axis, centre=centre),
                  lambda g, y, x, axis, eps, centre: g * y[0] * y[1] * y[1] / -_count(x, axis)),
                 doc="y = (x - m) r and r = 1 / sqrt(v + eps), m the mean and v the variance (1/n) along axis; "
                     "centre=False: m = 0. dL/dx = r (g - mean g - y mean(g y)); dr/dx = -y r^2 / n")
standardize_rule: Op = Op("standardize_rule", _standardize_rule,
                          lambda h, z, g, y, r, axis, centre: standardize_rule(h, y, r, axis=axis, centre=centre),
                          lambda h, z, g, y, r, axis, centre:
                          (h * mean(g * y, axis=axis, keepdims=True) + g * mean(h * y, axis=axis, keepdims=True)) * -r,
                          lambda h, z, g, y, r, axis, centre: sum(h * z, axis=axis, keepdims=True) / r,
                          doc="z = r (g - mean g - y mean(g y)), means along axis; centre=False: without mean g. "
                              "The gradient of standardize in one row")


def _layer_norm(x: Any, weight: Any, bias: Any, *, axis: tuple[int, ...], eps: float, centre: bool = True) -> Any:
    z, r = _standardize(x, axis=axis, eps=eps, centre=centre)
    return _scale_shift(z, weight, bias), z, r


layer_norm = Op("layer_norm", _layer_norm,
                (lambda g, y, x, weight, bias, axis, eps, centre:
                 standardize_rule(g * weight, y[1], y[2], axis=axis, centre=centre),
                 lambda g, y, x, weight, bias, axis, eps, centre:
                 standardize_rule(g, y[1], y[2], axis=axis, centre=centre),
                 lambda g, y, x, weight, bias, axis, eps, centre: g * y[1] * y[2] * y[2] / -_count(x, axis)),
                (lambda g, y, x, weight, bias, axis, eps, centre: sum_to(g * y[1], shape=weight.shape),),
                (lambda g, y, x, weight, bias, axis, eps, centre: sum_to(g, shape=bias.shape),),
                doc="y = z weight + bias, z and r as standardize has them; bias may be None. Ba et al. 2016")


sum_to: Op = Op("sum_to", total_to, lambda g, y, x, shape: broadcast_to(g, shape=x.shape),
            doc="y = the sum over the first axes, so that `shape` is left; dy/dx = 1")


def _scale_shift(x: Any, weight: Any, bias: Any) -> Any:
    with long_rows(x):
        y = x * weight
        if bias is None:
            return y
        return np.add(y, bias, out=y) if bias.dtype is y.dtype and y.ndim and y.shape == x.shape else y + bias


scale_shift = Op("scale_shift", _scale_shift, lambda g, y, x, weight, bias: g * weight,
                 lambda g, y, x, weight, bias: g * x, lambda g, y, x, weight, bias: g, broadcasts=True,
                 doc="y = x weight + bias, broadcast; bias may be None")
