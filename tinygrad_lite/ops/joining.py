"""Arrays put together, cut up, and given or rid of entries: NumPy's stacks and splits, insert and delete.

Everything here is said in concatenate, split and indexing, so there is no row and no rule in this file.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Variable
from .arithmetic import not_equal
from .arrange import as_arrays, atleast_3d, leading, moveaxis, ravel
from .cumulate import cumsum
from .indexing import index
from .reduce import any as any_of
from .shape import broadcast_to, concatenate, expand_dims, flip, reshape, split, stack

__all__ = ["append", "apply_along_axis", "apply_over_axes", "array_split", "block", "column_stack", "delete", "dsplit",
           "dstack", "hsplit", "hstack", "insert", "trim_zeros", "vsplit", "vstack"]


def vstack(tup: Sequence[Any]) -> Any:
    """One above the other: along the first axis; a vector counts as a row."""
    return concatenate([leading(x, 2) for x in as_arrays(tup)], axis=0)


def hstack(tup: Sequence[Any]) -> Any:
    """Side by side: vectors along their only axis, the others along the second."""
    parts = [leading(x, 1) for x in as_arrays(tup)]
    return concatenate(parts, axis=0 if parts and parts[0].ndim == 1 else 1)


def dstack(tup: Sequence[Any]) -> Any:
    """One behind the other: along the third axis, as atleast_3d makes it."""
    return concatenate([atleast_3d(x) for x in as_arrays(tup)], axis=2)


def column_stack(tup: Sequence[Any]) -> Any:
    """Vectors as the columns of a matrix, matrices side by side."""
    return concatenate([x if x.ndim > 1 else reshape(x, shape=(-1, 1)) for x in as_arrays(tup)], axis=1)


def block(arrays: Any) -> Any:
    """A matrix of its blocks: nested lists, the innermost joined along the last axis, those around them along the one
    before."""
    leaves, depth, level = [], 0, [arrays]
    while level and isinstance(level[0], list):
        if not all(isinstance(part, list) and part for part in level):
            raise ValueError("block(): all branches of the nested lists must be equally deep, and none empty")
        level, depth = [x for part in level for x in part], depth + 1
    if any(isinstance(part, list) for part in level):
        raise ValueError("block(): all branches of the nested lists must be equally deep")
    leaves = as_arrays(level)
    ndim = max([depth, *[x.ndim for x in leaves]])
    rest = iter([leading(x, ndim) for x in leaves])

    def join(part: Any, depth: int) -> Any:
        return concatenate([join(p, depth - 1) for p in part], axis=-depth) if depth else next(rest)

    return join(arrays, depth)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """`values` after `arr` along `axis`; without one both are flattened."""
    return concatenate(as_arrays([arr, values]), axis=axis)


def array_split(ary: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """As split, but a number of sections need not divide the length: the first of them are longer by one."""
    if not isinstance(indices_or_sections, int):
        return split(ary, indices_or_sections, axis)
    if indices_or_sections <= 0:
        raise ValueError(f"array_split(): the number of sections must be positive, got {indices_or_sections}")
    size, longer = divmod(ary.shape[axis], indices_or_sections)
    return split(ary, [i * size + min(i, longer) for i in range(1, indices_or_sections)], axis)


def vsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Cut along the first axis."""
    return split(_at_least(ary, 2, "vsplit"), indices_or_sections, 0)


def hsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Cut along the second axis, a vector along its only one."""
    return split(_at_least(ary, 1, "hsplit"), indices_or_sections, 1 if ary.ndim > 1 else 0)


def dsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Cut along the third axis."""
    return split(_at_least(ary, 3, "dsplit"), indices_or_sections, 2)


def _at_least(x: Any, ndim: int, name: str) -> Any:
    if x.ndim < ndim:
        raise ValueError(f"{name}() needs {ndim} axes or more, got shape {x.shape}")
    return x


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """`arr` without the entries at `obj` along `axis` (None: flattened): an int, a slice, ints, or a mask."""
    _plain("delete", obj)
    if axis is None:
        arr, axis = ravel(arr), 0
    return index(arr, (slice(None),) * (axis % arr.ndim) + (np.delete(np.arange(arr.shape[axis]), obj),))


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """`arr` with `values` put in before the places `obj` along `axis` (None: flattened); gradients flow to both."""
    _plain("insert", obj)
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = axis % arr.ndim
    arr, values = as_arrays([arr, values])
    values = leading(values, arr.ndim)
    if isinstance(obj, int | np.integer):  # the first axis of values is the new one
        values = moveaxis(values, 0, axis)
    size = arr.shape[axis]
    count = np.insert(np.zeros(size), obj, 1).size - size
    if count == 1:  # all of values goes to the one place
        count = values.shape[axis]
    values = broadcast_to(values, shape=(*arr.shape[:axis], count, *arr.shape[axis + 1:])).astype(arr.dtype)
    order = np.insert(np.arange(size), obj, size + np.arange(count))
    return index(concatenate([arr, values], axis=axis), (slice(None),) * axis + (order,))


def _plain(name: str, obj: Any) -> None:
    if isinstance(obj, Variable):
        raise TypeError(f"{name}(): obj is a Tensor; the shape of the result depends on it, so it must be plain: "
                        f"obj.numpy()")


def trim_zeros(filt: Any, trim: str = "fb") -> Any:
    """`filt` without the zeros at its front ("f"), back ("b") or both: along every axis the slices in which all is
    0."""
    for axis in range(filt.ndim):
        used = any_of(not_equal(filt, 0), axis=tuple([i for i in range(filt.ndim) if i != axis]))
        keep = used == used  # noqa: PLR0124  all true
        if "f" in trim.lower():
            keep = keep * (cumsum(used) > 0)
        if "b" in trim.lower():
            keep = keep * flip(cumsum(flip(used)) > 0)
        filt = index(filt, (slice(None),) * axis + (keep,))
    return filt


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """func1d(row, *args, **kwargs) of every vector of `arr` along `axis`; what it returns takes the axis's place.

    One call a vector: a function that takes an axis of its own is many times faster.
    """
    rows = moveaxis(arr, axis, -1)
    lead, at = rows.shape[:-1], axis % arr.ndim
    rows = reshape(rows, shape=(-1, arr.shape[axis]))
    if not rows.shape[0]:
        raise ValueError(f"apply_along_axis(): arr has shape {arr.shape}, no vector along axis {axis} to call the "
                         f"function on")
    made = [func1d(rows[i], *args, **kwargs) for i in range(rows.shape[0])]
    results = stack([x if hasattr(x, "dtype") else np.asarray(x) for x in made])
    results = reshape(results, shape=lead + results.shape[1:])
    more = results.ndim - len(lead)
    return moveaxis(results, tuple(range(len(lead), results.ndim)), tuple(range(at, at + more)))


def apply_over_axes(func: Callable[[Any, int], Any], a: Any, axes: int | Sequence[int]) -> Any:
    """func(a, axis), again and again for each of `axes`; an axis that is gone afterwards comes back with length 1."""
    for axis in [axes] if isinstance(axes, int) else axes:
        reduced = func(a, axis % a.ndim)
        a = reduced if reduced.ndim == a.ndim else expand_dims(reduced, axis=axis % a.ndim)
    return a
