"""Updates of some entries, as new values: `t.at[i].set(v)`, `t.at[i].add(v)`, in JAX's spelling.

Writing is the transpose of reading. Where an index names a place twice, add adds both, and set keeps the last in C
order; then `put_last` and `gather_last` are each other's transpose, and only the entry that was kept gets a gradient.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import Op, Variable
from ..errors import DtypeError
from .arithmetic import divide, maximum, minimum, multiply, power
from .indexing import filled, gather, index, parse

__all__ = ["At", "Place"]

Template = tuple[Any, ...]


def _in_order(array: Any) -> Any:
    """NumPy writes in the order in which memory lies; a fresh copy lies in C order. Numbers and masks name no place
    twice."""
    return array.copy() if getattr(array, "ndim", 0) and array.dtype != bool else array


def _at_set(x: Any, v: Any, *arrays: Any, template: Template) -> Any:
    y = x.copy()
    y[filled(template, tuple([_in_order(a) for a in arrays]))] = _in_order(v)
    return y


def _at_set_rule(i: int, g: Any, y: Any, x: Any, v: Any, *arrays: Any, template: Template) -> Any:
    if i == 0:
        return at_set(g, 0, *arrays, template=template)
    return _for_value(gather_last(g, *arrays, template=template), v)


def _for_value(g: Any, v: Any) -> Any:
    """Axes of length 1 that `v` has in front of the slot's own; what was broadcast, the sweep sums."""
    return g.reshape((1,) * (v.ndim - g.ndim) + g.shape) if v.ndim > g.ndim else g


at_set: Op = Op("at_set", _at_set, each=_at_set_rule, broadcasts=True,
                doc="y = x, but y[index] = v, broadcast; of a place named twice the last v in C order stays. dL/dx is "
                    "g, but 0 there; dL/dv is g there")


def _gather_last(x: Any, *arrays: Any, template: Template) -> Any:
    where = filled(template, tuple([_in_order(a) for a in arrays]))
    y = x[where]
    if all(a.dtype == bool for a in arrays):
        return y
    count = np.arange(y.size, like=y).reshape(y.shape)
    last = np.zeros_like(count, shape=x.shape)
    last[where] = count
    return np.where(last[where] == count, y, 0)


def _put_last(v: Any, *arrays: Any, template: Template, shape: tuple[int, ...]) -> Any:
    y = np.zeros_like(v, shape=shape)
    y[filled(template, tuple([_in_order(a) for a in arrays]))] = _in_order(v)
    return y


gather_last: Op = Op("gather_last", _gather_last,
                     each=lambda i, g, y, x, *arrays, template: put_last(g, *arrays, template=template, shape=x.shape),
                     doc="y = x[index], but 0 where a later entry of the index names the same place: the transpose of "
                         "put_last")
put_last: Op = Op("put_last", _put_last,
                  each=lambda i, g, y, v, *arrays, template, shape: gather_last(g, *arrays, template=template),
                  doc="y = zeros(shape); y[index] = v, the last of repeated places staying")


def _at_add(x: Any, v: Any, *arrays: Any, template: Template) -> Any:
    y = x.copy()
    if all(a.dtype == bool for a in arrays):
        y[filled(template, arrays)] += v
    else:
        np.add.at(y, filled(template, arrays), v)
    return y


def _at_add_rule(i: int, g: Any, y: Any, x: Any, v: Any, *arrays: Any, template: Template) -> Any:
    return g if i == 0 else _for_value(gather(g, *arrays, template=template), v)


at_add = Op("at_add", _at_add, each=_at_add_rule, broadcasts=True,
            doc="y = x, with v added at y[index], broadcast; at a place named twice both are added. dL/dx = g, dL/dv "
                "= g[index]")


class At:
    """`t.at[key]`, for any key that t[key] takes: the place for `.set(v)`, `.add(v)` and the like, each of which
    returns a new Tensor."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __getitem__(self, key: Any) -> "Place":
        return Place(self.x, key)


class Place:
    """x with other values at x[key]: every method returns a new array of the shape and dtype of x, and differentiates
    to x and to v.

    `v` broadcasts to x[key]. Raises IndexError for places outside, DtypeError for floats into integers, NumPy's
    ValueError for a shape that does not fit. Source: JAX, jax.numpy.ndarray.at.
    """

    __slots__ = ("x", "key")

    def __init__(self, x: Any, key: Any) -> None:
        self.x, self.key = x, key

    def get(self) -> Any:
        """x[key]."""
        return index(self.x, self.key)

    def set(self, v: Any) -> Any:
        """y = x, but y[key] = v. Of a place named twice the last in C order stays, and it alone gets the gradient."""
        template, arrays = parse(self.key)
        return at_set(self.x, self._fitting(v), *arrays, template=template)

    def add(self, v: Any) -> Any:
        """y = x, but y[key] = x[key] + v. What is added to a place named twice adds up."""
        template, arrays = parse(self.key)
        return at_add(self.x, self._fitting(v), *arrays, template=template)

    def subtract(self, v: Any) -> Any:
        """y = x, but y[key] = x[key] - v, adding up as in add."""
        return self.add(-np.asarray(v) if isinstance(v, list | tuple) else -v)

    def multiply(self, v: Any) -> Any:
        """y = x, but y[key] = x[key] v. No place may be named twice."""
        return self._combined(multiply, v)

    def divide(self, v: Any) -> Any:
        """y = x, but y[key] = x[key] / v. No place may be named twice."""
        return self._combined(divide, v)

    def power(self, v: Any) -> Any:
        """y = x, but y[key] = x[key] ^ v. No place may be named twice."""
        return self._combined(power, v)

    def max(self, v: Any) -> Any:
        """y = x, but y[key] = max(x[key], v); equals share the gradient, half each. No place may be named twice."""
        return self._combined(maximum, v)

    def min(self, v: Any) -> Any:
        """y = x, but y[key] = min(x[key], v); equals share the gradient, half each. No place may be named twice."""
        return self._combined(minimum, v)

    def apply(self, function: Callable[[Any], Any]) -> Any:
        """y = x, but y[key] = function(x[key]). No place may be named twice."""
        self._check_once()
        return self.set(function(self.get()))

    def _combined(self, op: Op, v: Any) -> Any:
        self._fitting(v)
        self._check_once()
        return self.set(op(self.get(), v))

    def _fitting(self, v: Any) -> Any:
        kind = v.dtype.kind if hasattr(v, "dtype") else np.asarray(v).dtype.kind
        if kind == "f" and self.x.dtype.kind != "f":
            raise DtypeError(f"at[...]: floats do not fit into an array of dtype {self.x.dtype}; write "
                             f"t.astype('float32').at[...]")
        return v

    def _check_once(self) -> None:
        template, arrays = parse(self.key)
        bare = tuple([a._data if isinstance(a, Variable) else a for a in arrays])
        if any(a.dtype != bool for a in bare):
            one = np.ones(self.x.shape, bool)
            if gather_last(one, *bare, template=template).sum() < gather(one, *bare, template=template).sum():
                raise IndexError("at[...]: the index names a place twice; set (the last stays) and add (all add up) "
                                 "alone take that")

    def __repr__(self) -> str:
        return f"Place(x of shape {self.x.shape}, key={self.key!r})"
