"""Indexing. Arrays inside an index are inputs of the record, so that a capture sees them; the rest of the index is a parameter.

Reading and writing are each other's rules: `getitem` and `place` for plain indices, `gather` and `scatter_add` for arrays of them.
"""

from typing import Any

import numpy as np

from ..engine import Op, Variable

__all__ = ["take_along_axis"]

ARRAY = "array"  # in a template: the next array input stands here


def _getitem(x: Any, *, index: tuple[Any, ...]) -> Any:
    return x[index]


def _place(g: Any, *, index: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    y = np.zeros_like(g, shape=shape)
    y[index] = g
    return y


getitem = Op("getitem", _getitem, lambda g, y, x, index: place(g, index=index, shape=x.shape), view=True,
             doc="y = x[index], an index of integers, slices, None and `...`; the rule puts g in its place among zeros")
place: Op = Op("place", _place, lambda g, y, x, index, shape: getitem(g, index=index),
           doc="y = zeros(shape); y[index] = x")


def filled(template: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    rest = iter(arrays)
    return tuple(next(rest) if part is ARRAY else part for part in template)


def _gather(x: Any, *arrays: Any, template: tuple[Any, ...]) -> Any:
    return x[filled(template, arrays)]


def _scatter_add(g: Any, *arrays: Any, template: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    y = np.zeros_like(g, shape=shape)
    where = filled(template, arrays)
    if all(a.dtype == bool for a in arrays):  # no place is named twice, and assignment is 20 times faster
        y[where] = g
    else:
        np.add.at(y, where, g)
    return y


gather = Op("gather", _gather, each=lambda i, g, y, x, *arrays, template: scatter_add(g, *arrays, template=template, shape=x.shape),
            doc="y = x[index] with integer or bool arrays in the index; the rule adds g into zeros there, repeated places adding up")
scatter_add: Op = Op("scatter_add", _scatter_add, each=lambda i, g, y, x, *arrays, template, shape: gather(g, *arrays, template=template),
                 doc="y = zeros(shape); y[index] += x, repeated places adding up")


def parse(key: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """An index as a template and the arrays that go into it: integer and bool arrays, Tensors and lists."""
    parts = key if isinstance(key, tuple) else (key,)
    arrays: list[Any] = []
    template: list[Any] = []
    for part in parts:
        if isinstance(part, list):
            part = np.asarray(part, dtype=None if part else np.intp)
        if isinstance(part, Variable) or (hasattr(part, "__array_function__") and part.ndim > 0):
            if part.dtype.kind not in "biu":
                raise IndexError(f"an index must be of integers, bools or slices, not {part.dtype}")
            arrays.append(part)
            template.append(ARRAY)
        else:
            template.append(part)
    return tuple(template), arrays


def index(x: Any, key: Any) -> Any:
    """x[key]: integers, slices, None, `...`, integer and bool arrays (or Tensors, or lists of them), in NumPy's meaning."""
    template, arrays = parse(key)
    return gather(x, *arrays, template=template) if arrays else getitem(x, index=template)


def _take_along_axis(x: Any, indices: Any, *, axis: int | None = -1) -> Any:
    return np.take_along_axis(x, indices, axis)


def _add_along_axis(g: Any, indices: Any, *, axis: int | None, shape: tuple[int, ...]) -> Any:
    y = np.zeros_like(g, shape=shape)
    if axis is None:
        np.add.at(y.reshape(-1), indices, g)
        return y
    places = [np.arange(n).reshape([-1 if i == k else 1 for k in range(len(shape))]) for i, n in enumerate(indices.shape)]
    places[axis] = indices
    np.add.at(y, tuple(places), g)
    return y


take_along_axis = Op("take_along_axis", _take_along_axis,
                     lambda g, y, x, indices, axis: take_along_axis_add(g, indices, axis=axis, shape=x.shape), None,
                     doc="y_ij = x_(i, indices_ij) along axis, such as each row's entry at its own label")
take_along_axis_add: Op = Op("take_along_axis_add", _add_along_axis,
                         lambda g, y, x, indices, axis, shape: take_along_axis(g, indices, axis=axis), None,
                         doc="y = zeros(shape), x added at the places that take_along_axis would read")
