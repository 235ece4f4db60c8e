"""Shape and layout: the same numbers in another arrangement. Most outputs are views; every rule moves `g` back the way it came."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import Op, unbroadcast

__all__ = ["astype", "broadcast_to", "concatenate", "copy", "expand_dims", "flip", "ones_like", "reshape", "split", "squeeze", "stack",
           "swapaxes", "transpose", "zeros_like"]

Shape = int | tuple[int, ...]


def _reshape(x: Any, *, shape: Shape) -> Any:
    return x.reshape(shape)


def _transpose(x: Any, *, axes: tuple[int, ...] | None = None) -> Any:
    return x.transpose(axes)


def _transpose_rule(g: Any, y: Any, x: Any, axes: tuple[int, ...] | None) -> Any:
    if axes is None:
        return g.transpose(None)
    forward = [axis % x.ndim for axis in axes]
    return g.transpose(tuple([forward.index(i) for i in range(x.ndim)]))


def _swapaxes(x: Any, *, axis1: int, axis2: int) -> Any:
    return x.swapaxes(axis1, axis2)


def _expand_dims(x: Any, *, axis: Shape) -> Any:
    return np.expand_dims(x, axis)


def _squeeze(x: Any, *, axis: Shape | None = None) -> Any:
    return x.squeeze(axis)


def _broadcast_to(x: Any, *, shape: Shape) -> Any:
    if isinstance(shape, int):
        shape = (shape,)
    if math.prod(shape) > 16384:
        return np.broadcast_to(x, shape)
    y = np.empty_like(x, shape=shape)  # of so few entries a copy is made three times sooner than a view
    y[...] = x
    return y


def _flip(x: Any, *, axis: Shape | None = None) -> Any:
    return np.flip(x, axis)


def _copy(x: Any) -> Any:
    return x.copy()


def _astype(x: Any, *, dtype: Any) -> Any:
    return x.astype(dtype)


reshape = Op("reshape", _reshape, lambda g, y, x, shape: g.reshape(x.shape), view=True,
             doc="the same entries in C order under another shape; one length may be -1")
transpose = Op("transpose", _transpose, _transpose_rule, view=True,
               doc="axes in another order; None reverses them. The rule is the inverse permutation")
swapaxes = Op("swapaxes", _swapaxes, lambda g, y, x, axis1, axis2: g.swapaxes(axis1, axis2), view=True,
              doc="two axes change places")
expand_dims = Op("expand_dims", _expand_dims, lambda g, y, x, axis: g.reshape(x.shape), view=True,
                 doc="new axes of length 1")
squeeze = Op("squeeze", _squeeze, lambda g, y, x, axis: g.reshape(x.shape), view=True,
             doc="axes of length 1 go")
broadcast_to = Op("broadcast_to", _broadcast_to, lambda g, y, x, shape: unbroadcast(g, x.shape), view=True,
                  doc="repeated along new axes and axes of length 1, without a copy; the rule sums over them")
flip: Op = Op("flip", _flip, lambda g, y, x, axis: flip(g, axis=axis), view=True,
          doc="reversed along axis; None: along all")
copy = Op("copy", _copy, lambda g, y, x: g,
          doc="y = x in memory of its own")
astype = Op("astype", _astype, lambda g, y, x, dtype: g.astype(x.dtype),
            doc="y = x rounded to a float dtype; the gradient takes the dtype of x")
cast = Op("cast", _astype, None,
          doc="x as an integer or bool dtype: a step function, no gradient flows")


def _concatenate(*arrays: Any, axis: int | None = 0) -> Any:
    return np.concatenate(arrays, axis)


def _concatenate_rule(i: int, g: Any, y: Any, *arrays: Any, axis: int | None) -> Any:
    if axis is None:
        start = sum(math.prod(x.shape) for x in arrays[:i])
        return g[start:start + math.prod(arrays[i].shape)].reshape(arrays[i].shape)
    axis = axis % g.ndim
    start = sum(x.shape[axis] for x in arrays[:i])
    return g[(slice(None),) * axis + (slice(start, start + arrays[i].shape[axis]),)]


concatenate_op = Op("concatenate", _concatenate, each=_concatenate_rule,
                    doc="arrays one after the other along axis; the rule cuts g at the same places")


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Join along an existing axis; None flattens first. Each gets back its own slice of the gradient."""
    return concatenate_op(*arrays, axis=axis)


def _stack(*arrays: Any, axis: int = 0) -> Any:
    return np.stack(arrays, axis)


stack_op = Op("stack", _stack, each=lambda i, g, y, *arrays, axis: g[(slice(None),) * (axis % g.ndim) + (i,)],
              doc="arrays of one shape side by side along a new axis; the rule takes the i-th of g")


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Join along a new axis; all shapes must be equal. Each gets back its own slice of the gradient."""
    return stack_op(*arrays, axis=axis)


def _split(x: Any, *, indices_or_sections: int | tuple[int, ...], axis: int = 0) -> Any:
    return tuple(np.split(x, indices_or_sections, axis))


split_op = Op("split", _split, lambda g, y, x, indices_or_sections, axis: concatenate(g, axis=axis), view=True,
              doc="several outputs: x cut along axis, in equal sections or before the given indices. A part that is not used counts as 0")


def split(ary: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut along `axis` into that many equal sections, or before each of the indices. Returns a list of views."""
    places = indices_or_sections if isinstance(indices_or_sections, int) else tuple(int(i) for i in indices_or_sections)
    return list(split_op(ary, indices_or_sections=places, axis=axis))


def _zeros_like(x: Any) -> Any:
    return np.zeros_like(x)


def _ones_like(x: Any) -> Any:
    return np.ones_like(x)


zeros_like = Op("zeros_like", _zeros_like, None, doc="0 in the shape and dtype of x: a constant")
ones_like = Op("ones_like", _ones_like, None, doc="1 in the shape and dtype of x: a constant")
