"""NumPy's manipulation chapter beyond `shape`: pad, tile, repeat, roll, unstack as rows, and functions that turn axes.

What is common and would be several records is a row of its own here; the rest is said in rows that are there already.
"""

from collections.abc import Sequence
from operator import index as integer
from typing import Any

import numpy as np

from ..engine import Op, Variable
from .indexing import ARRAY, index, scatter_add
from .reduce import sum as total
from .shape import broadcast_to, expand_dims, flip, reshape, stack, swapaxes, transpose

__all__ = ["atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "fliplr", "flipud", "matrix_transpose",
           "moveaxis", "pad", "ravel", "repeat", "resize", "roll", "rollaxis", "rot90", "tile", "unstack"]

Pairs = tuple[tuple[int, int], ...]
_numpys_pad: Any = np.pad  # typed Any: its stubs want a mode as a literal
FOLDED = ("edge", "reflect", "symmetric", "wrap")


# ---- pad

def _pad(x: Any, *, pad_width: Pairs, mode: str = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant" or not isinstance(constant_values, int | float):
        return _numpys_pad(x, pad_width, mode, **({"constant_values": constant_values} if mode == "constant" else {}))
    y = np.full_like(x, constant_values, shape=tuple([b + n + a for (b, a), n in zip(pad_width, x.shape, strict=True)]))
    y[_inside(pad_width, x.shape)] = x  # np.pad does the same in three times the time, where arrays are small
    return y


def _inside(pad_width: Pairs, shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple([slice(before, before + n) for (before, _), n in zip(pad_width, shape, strict=True)])


def _pad_rule(g: Any, y: Any, x: Any, pad_width: Pairs, mode: str, constant_values: Any) -> Any:
    if mode == "constant":
        return g[_inside(pad_width, x.shape)]
    return pad_back(g, pad_width=pad_width, mode=mode, shape=x.shape)


def _pad_back(g: Any, *, pad_width: Pairs, mode: str, shape: tuple[int, ...]) -> Any:
    y = g.copy()
    for axis, ((before, after), n) in enumerate(zip(pad_width, shape, strict=True)):
        outer = y.swapaxes(axis, 0)
        inner = outer[before:before + n].copy()
        source = _numpys_pad(np.arange(n), (before, after), mode).tolist()
        for place in (*range(before), *range(before + n, before + n + after)):
            inner[source[place]] += outer[place]
        y = inner.swapaxes(axis, 0)
    return y


pad_op: Op = Op("pad", _pad, _pad_rule,
                doc="x with a margin: of constants, or (edge, reflect, symmetric, wrap) of its own entries, which "
                    "then get the margin's gradient too")
pad_back: Op = Op("pad_back", _pad_back,
                  lambda g, y, x, pad_width, mode, shape: pad_op(g, pad_width=pad_width, mode=mode),
                  doc="the margin of x taken off and added to the entries of which pad had copied it: the transpose "
                      "of pad")


def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0,
        reflect_type: str = "even") -> Any:
    """`array` with a margin of pad_width entries: one int, (before, after) for every axis, a pair for each axis, or a
    dict axis -> either.

    mode: "constant" (of `constant_values`, which get no gradient), "edge", "reflect", "symmetric" or "wrap", in NumPy's
    meaning. An entry that the margin repeats gets the gradients of its copies too. Raises ValueError for other modes
    and for negative widths.
    """
    if mode != "constant" and (mode not in FOLDED or reflect_type != "even"):
        raise ValueError(f"pad(): the mode {mode!r} (reflect_type={reflect_type!r}) is not here; there are constant, "
                         f"{', '.join(FOLDED)}")
    if any(isinstance(v, Variable) for v in (pad_width, constant_values)):
        raise TypeError("pad(): pad_width and constant_values are plain numbers, no Tensors: no gradient would reach "
                        "them")
    if isinstance(pad_width, dict):
        pairs = [(0, 0)] * array.ndim
        for axis, width in pad_width.items():
            pairs[axis] = (width, width) if isinstance(width, int) else tuple(width)
        pad_width = pairs
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    pad_width = tuple((integer(before), integer(after)) for before, after in widths)
    if any(n < 0 for pair in pad_width for n in pair):
        raise ValueError(f"pad(): pad_width {pad_width} has a negative entry; to cut, take a slice")
    if isinstance(constant_values, list):
        constant_values = tuple(constant_values)
    return pad_op(array, pad_width=pad_width, mode=mode, constant_values=constant_values)


# ---- tile, repeat, roll

def _tile(x: Any, *, reps: int | tuple[int, ...]) -> Any:
    return np.tile(x, reps)


def _tile_rule(g: Any, y: Any, x: Any, reps: int | tuple[int, ...]) -> Any:
    reps = reps if isinstance(reps, tuple) else (reps,)
    shape = (1,) * (len(reps) - x.ndim) + x.shape
    reps = (1,) * (len(shape) - len(reps)) + reps
    # (copy, entry, copy, entry, ...)
    copies = g.reshape(tuple([n for pair in zip(reps, shape, strict=True) for n in pair]))
    return copies.sum(tuple(range(0, 2 * len(reps), 2))).reshape(x.shape)


tile_op = Op("tile", _tile, _tile_rule,
             doc="x laid side by side, reps times along each axis; the rule sums over the copies")


def tile(A: Any, reps: int | Sequence[int]) -> Any:
    """`A` laid side by side, `reps` times along each axis; axes that one of them lacks stand first, as in
    broadcasting."""
    return tile_op(A, reps=reps if isinstance(reps, int) else tuple([integer(n) for n in reps]))


def _repeat(x: Any, *, repeats: int, axis: int | None = None) -> Any:
    return np.repeat(x, repeats, axis)


def _repeat_rule(g: Any, y: Any, x: Any, repeats: int, axis: int | None) -> Any:
    k = x.ndim - 1 if axis is None else axis % x.ndim  # without an axis the copies of an entry are neighbours too
    return g.reshape(*x.shape[:k + 1], repeats, *x.shape[k + 1:]).sum(k + 1)


repeat_op = Op("repeat", _repeat, _repeat_rule,
               doc="each entry `repeats` times in a row along axis (None: flattened); the rule sums over the copies")


def _repeat_each(x: Any, repeats: Any, *, axis: int) -> Any:
    return np.repeat(x, repeats, axis)


def _repeat_each_rule(g: Any, y: Any, x: Any, repeats: Any, axis: int) -> Any:
    k = axis % x.ndim
    return scatter_add(g, repeat_each(np.arange(x.shape[k]), repeats, axis=0), template=(slice(None),) * k + (ARRAY,),
                       shape=x.shape)


repeat_each: Op = Op("repeat_each", _repeat_each, _repeat_each_rule, None,
                     doc="the i-th entry along axis repeats[i] times in a row; the rule adds the copies up")


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each entry `repeats` times in a row, along `axis` or, without one, flattened. An array of repeats has one int for
    each entry."""
    if isinstance(repeats, int | np.integer):
        return repeat_op(a, repeats=int(repeats), axis=axis)
    return repeat_each(ravel(a) if axis is None else a, repeats, axis=0 if axis is None else axis)


def _roll(x: Any, *, shift: Any, axis: Any = None) -> Any:
    return np.roll(x, shift, axis)


def _roll_rule(g: Any, y: Any, x: Any, shift: Any, axis: Any) -> Any:
    return roll(g, shift=tuple([-n for n in shift]) if isinstance(shift, tuple | list) else -shift, axis=axis)


roll: Op = Op("roll", _roll, _roll_rule,
              doc="entries moved `shift` places along axis (None: flattened), around the end; the rule moves g back")


def _unstack(x: Any, *, axis: int = 0) -> Any:
    return tuple(np.moveaxis(x, axis, 0))


unstack = Op("unstack", _unstack, lambda g, y, x, axis: stack(g, axis=axis), view=True,
             doc="several outputs: the entries along axis, which is gone in them. A part that is not used counts as 0")


# ---- axes

def ravel(a: Any, order: str = "C") -> Any:
    """All entries along one axis: the last index runs fastest ("C"), or the first ("F")."""
    if order not in ("C", "F"):
        raise ValueError(f"ravel(): order {order!r} would depend on how the array lies in memory; take 'C' or 'F'")
    return reshape(a if order == "C" else transpose(a), shape=(-1,))


def moveaxis(a: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """The axes `source` at the places `destination`, the others in their old order."""
    axes = list(range(a.ndim))
    # an array of shape (0, 1, 2, ...): NumPy checks, and says where each goes
    moved = np.moveaxis(np.empty(axes), source, destination).shape
    return transpose(a, axes=moved)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """The axis `axis` in front of the one that is at `start`; moveaxis says it better."""
    return transpose(a, axes=np.rollaxis(np.empty(list(range(a.ndim))), axis, start).shape)


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged. Raises ValueError below two axes."""
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose() needs two axes or more, got shape {x.shape}")
    return swapaxes(x, axis1=-1, axis2=-2)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """`m` turned by k quarters, from the first of `axes` towards the second."""
    a, b = axes
    if m.ndim < 2 or (a - b) % m.ndim == 0:
        raise ValueError(f"rot90() needs two different axes, got axes={axes} for shape {m.shape}")
    if k % 2 == 0:
        return flip(m, axis=(a, b)) if k % 4 else m[...]
    return swapaxes(flip(m, axis=b), axis1=a, axis2=b) if k % 4 == 1 else flip(swapaxes(m, axis1=a, axis2=b), axis=b)


def flipud(m: Any) -> Any:
    """The first axis reversed."""
    return flip(m, axis=0)


def fliplr(m: Any) -> Any:
    """The second axis reversed."""
    return flip(m, axis=1)


def atleast_1d(*arys: Any) -> Any:
    """Each with one axis or more; several come back as a tuple."""
    return _one_or_tuple([x if x.ndim else reshape(x, shape=(1,)) for x in as_arrays(arys)])


def atleast_2d(*arys: Any) -> Any:
    """Each with two axes or more: (n,) becomes (1, n)."""
    return _one_or_tuple([leading(x, 2) for x in as_arrays(arys)])


def atleast_3d(*arys: Any) -> Any:
    """Each with three axes or more: (n,) becomes (1, n, 1), and (m, n) becomes (m, n, 1)."""
    return _one_or_tuple([expand_dims(leading(x, 2), axis=2) if x.ndim < 3 else x for x in as_arrays(arys)])


def _one_or_tuple(results: list[Any]) -> Any:
    return results[0] if len(results) == 1 else tuple(results)


def leading(x: Any, ndim: int) -> Any:
    return x if x.ndim >= ndim else reshape(x, shape=(1,) * (ndim - x.ndim) + x.shape)


def as_arrays(xs: Sequence[Any]) -> list[Any]:
    """Numbers and lists as arrays. Their floats are weak: they take the dtype of the first float array or Tensor."""
    dtype = next((x.dtype for x in xs if hasattr(x, "dtype") and x.dtype.kind == "f"), None)
    made = [x if hasattr(x, "dtype") else np.asarray(x) for x in xs]
    return [m.astype(dtype) if m is not x and dtype and m.dtype == np.float64 else m
            for m, x in zip(made, xs, strict=True)]


def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """All of them in the one shape that they broadcast to. Raises ValueError where there is none."""
    arrays = as_arrays(args)
    shape = np.broadcast_shapes(*[x.shape for x in arrays])
    return tuple([x if x.shape == shape else broadcast_to(x, shape=shape) for x in arrays])


def resize(a: Any, new_shape: int | Sequence[int]) -> Any:
    """The entries of `a` in C order, again and again, until `new_shape` is full; the copies' gradients add up."""
    shape = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    places = np.resize(np.arange(a.size), shape)
    return index(ravel(a), places) if a.size else broadcast_to(total(a), shape=shape)
