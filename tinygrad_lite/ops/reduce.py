"""Reductions: along `axis` (None: all; an int; a tuple), with `keepdims`, as NumPy spells them.

A rule gets `g` with the reduced axes gone, puts them back with `_kept`, and lets broadcasting do the rest.
"""

import math
from typing import Any

import numpy as np

from ..engine import Op
from .arithmetic import equal, where
from .cumulate import cumprod
from .elementary import exp
from .shape import broadcast_to, concatenate, flip, ones_like

__all__ = ["all", "any", "argmax", "argmin", "logsumexp", "max", "mean", "min", "prod", "std", "sum", "var"]

Axis = int | tuple[int, ...] | None
_add: Any = np.add  # typed Any: its stubs know no axis that may be a tuple or None


def _kept(g: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """`g` with the reduced axes back as axes of length 1, so that it broadcasts against `x`."""
    return g if keepdims or g.ndim == x.ndim else g.reshape(_kept_shape(x.shape, axis))


def _kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    gone = _axes(len(shape), axis)
    return tuple([1 if i in gone else n for i, n in enumerate(shape)])


def _axes(ndim: int, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    return tuple([i % ndim for i in axis]) if isinstance(axis, tuple) else (axis % ndim,)


def _count(x: Any, axis: Axis) -> int:
    return x.size if axis is None else math.prod([x.shape[i] for i in _axes(x.ndim, axis)])


def _sum(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return _add.reduce(x, axis, None, None, keepdims)


sum = Op("sum", _sum, lambda g, y, x, axis, keepdims: broadcast_to(_kept(g, x, axis, keepdims), shape=x.shape),
         doc="y = sum of x along axis; dy/dx = 1")


def _mean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    if x.dtype.itemsize < 4:  # float16 sums in float32
        return np.mean(x, axis=axis, keepdims=keepdims)
    return _add.reduce(x, axis, None, None, keepdims) / _count(x, axis)


mean = Op("mean", _mean, lambda g, y, x, axis, keepdims: broadcast_to(_kept(g, x, axis, keepdims) / _count(x, axis), shape=x.shape),
          doc="y = (1/n) sum of x along axis; dy/dx = 1/n. nan for n = 0")


def _var(x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)


def _var_rule(g: Any, y: Any, x: Any, axis: Axis, ddof: float, keepdims: bool) -> Any:
    return _kept(g, x, axis, keepdims) * (2 * _centred(x, axis)) / (_count(x, axis) - ddof)


def _centred(x: Any, axis: Axis) -> Any:
    return x - mean(x, axis=axis, keepdims=True)


var = Op("var", _var, _var_rule,
         doc="y = sum (x - mean)^2 / (n - ddof); dy/dx = 2 (x - mean) / (n - ddof). NumPy's ddof = 0; PyTorch's default is 1")


def _std(x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.std(x, axis=axis, ddof=ddof, keepdims=keepdims)


def _std_rule(g: Any, y: Any, x: Any, axis: Axis, ddof: float, keepdims: bool) -> Any:
    y = _kept(y, x, axis, keepdims)
    scale = where(y == 0, 0, _kept(g, x, axis, keepdims) / where(y == 0, 1, y))
    return scale * _centred(x, axis) / (_count(x, axis) - ddof)


std = Op("std", _std, _std_rule,
         doc="y = sqrt(var(x)); dy/dx = (x - mean) / (y (n - ddof)), and 0 where y = 0")


def _max(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.max(x, axis=axis, keepdims=keepdims)


def _min(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.min(x, axis=axis, keepdims=keepdims)


def _extremum_rule(g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    chosen = equal(x, _kept(y, x, axis, keepdims))
    ties = sum(chosen, axis=axis, keepdims=True)
    ties = ties + equal(ties, 0)  # none: the extremum is nan, and no gradient passes
    return _kept(g, x, axis, keepdims) * chosen / ties.astype(g.dtype)


max = Op("max", _max, _extremum_rule,
         doc="y = largest of x along axis; k equal largest share the gradient, 1/k each")
min = Op("min", _min, _extremum_rule,
         doc="y = smallest of x along axis; k equal smallest share the gradient, 1/k each")


def _prod(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.prod(x, axis=axis, keepdims=keepdims)


def _prod_rule(g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    return _kept(g, x, axis, keepdims) * _product_of_others(x, axis)


def _product_of_others(x: Any, axis: Axis) -> Any:
    """For each i the product of all x_j with j != i: those to the left times those to the right."""
    gone = _axes(x.ndim, axis)
    order = (*(i for i in range(x.ndim) if i not in gone), *gone)
    moved = x.transpose(order)
    row = moved.reshape(*(x.shape[i] for i in order[:x.ndim - len(gone)]), _count(x, axis))
    others = _product_before(row) * flip(_product_before(flip(row, axis=-1)), axis=-1)
    back = tuple(order.index(i) for i in range(x.ndim))
    return others.reshape(moved.shape).transpose(back)


def _product_before(row: Any) -> Any:
    one = ones_like(row[..., :1])
    return cumprod(concatenate([one, row[..., :-1]], axis=-1), axis=-1)


prod = Op("prod", _prod, _prod_rule,
          doc="y = product of x along axis; dy/dx_i = product of the others, without division: exact where entries are 0")


def _logsumexp(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    top = np.max(x, axis=axis, keepdims=True, initial=-math.inf)
    top = np.where(np.isfinite(top), top, 0)  # all -inf gives -inf, one inf gives inf, and no nan on the way
    with np.errstate(divide="ignore"):
        y = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else y.reshape(_gone_shape(x.shape, axis))


def _gone_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    gone = _axes(len(shape), axis)
    return tuple([n for i, n in enumerate(shape) if i not in gone])


def _logsumexp_rule(g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    y = _kept(y, x, axis, keepdims)
    return _kept(g, x, axis, keepdims) * exp(x - where(y == -math.inf, 0, y))


logsumexp = Op("logsumexp", _logsumexp, _logsumexp_rule,
               doc="y = ln sum e^x along axis, with the largest x taken out first; dy/dx = e^(x - y), the softmax. All -inf: y = -inf, dy/dx = 0")


def _argmax(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    return np.argmax(x, axis=axis, keepdims=keepdims)


def _argmin(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    return np.argmin(x, axis=axis, keepdims=keepdims)


def _all(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.all(x, axis=axis, keepdims=keepdims)


def _any(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.any(x, axis=axis, keepdims=keepdims)


argmax = Op("argmax", _argmax, None, doc="where the largest is along axis, the first of equals")
argmin = Op("argmin", _argmin, None, doc="where the smallest is along axis, the first of equals")
all = Op("all", _all, None, doc="are all entries along axis true?")
any = Op("any", _any, None, doc="is one entry along axis true?")
