"""What NumPy's functions do with Batches, for those that ops and small networks use: each rule moves the axes it is told behind the hidden ones.

A function that is not here is called for one example after the other, which is right too.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..engine import NotBatched
from .batch import Batch, aligned, elementwise, everywhere, hidden_in, one_by_one, rules, shifted, stacked, taken, writable

__all__: list[str] = []

Rule = Callable[..., Any]


def _rule(*functions: Any) -> Callable[[Rule], Rule]:
    def enter(rule: Rule) -> Rule:
        rules.update(dict.fromkeys(functions, rule))
        return rule

    return enter


# ---- shape and dtype alone

rules.update({np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim,
              np.result_type: lambda *xs: np.result_type(*[x.dtype if type(x) is Batch else x for x in xs])})


@_rule(np.size)
def _size(a: Any, axis: int | None = None) -> int:
    return a.size if axis is None else a.shape[axis]  # type: ignore[no-any-return]


# ---- new arrays: in C order, which makes a view of whatever is a view for one example

def _filled(a: Any, value: Any, dtype: Any = None, shape: Any = None) -> Any:
    if type(a) is not Batch or type(value) is Batch:
        raise NotBatched("an array filled with what differs from example to example")
    shape = a.shape if shape is None else tuple(shape) if np.iterable(shape) else (shape,)
    return a.array(np.full(a.whole.shape[:len(a.hidden)] + shape, value, a.dtype if dtype is None else dtype))


rules.update({np.zeros_like: lambda a, dtype=None, shape=None: _filled(a, 0, dtype, shape),
              np.empty_like: lambda a, dtype=None, shape=None: _filled(a, 0, dtype, shape),
              np.ones_like: lambda a, dtype=None, shape=None: _filled(a, 1, dtype, shape),
              np.full_like: lambda a, fill_value, dtype=None, shape=None: _filled(a, fill_value, dtype, shape)})


@_rule(np.array, np.asarray)
def _array(object: Any, dtype: Any = None, copy: bool | None = None) -> Any:
    if type(object) is not Batch:
        return np.array(object, dtype, copy=copy)
    return object.astype(object.dtype if dtype is None else dtype, copy=bool(copy))


@_rule(np.copy)
def _copy(a: Any) -> Any:
    return a.copy()


@_rule(np.copyto)
def _copyto(dst: Any, src: Any, where: Any = True) -> None:
    whole = writable(dst, hidden_in((dst, src, where)))
    if max(np.ndim(src), np.ndim(where)) > dst.ndim:
        raise ValueError("could not broadcast the input")
    np.copyto(whole, aligned(src, dst.hidden, dst.ndim), where=aligned(where, dst.hidden, dst.ndim))


# ---- entry by entry

@_rule(np.where)
def _where(condition: Any, *choices: Any) -> Any:
    if not choices:
        raise NotBatched("where() with one argument")
    made = elementwise(np.where, (condition, *choices))
    return made.array(made.whole)


@_rule(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return elementwise(np.clip, (a, a_min if min is None else min, a_max if max is None else max), out)


@_rule(np.choose)
def _choose(a: Any, choices: Any, mode: str = "raise") -> Any:
    return elementwise(lambda a, *choices: np.choose(a, choices, mode=mode), (a, *choices))  # type: ignore[call-overload]


@_rule(np.nan_to_num)
def _nan_to_num(x: Any, *, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return elementwise(lambda x: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf), (x,))


@_rule(np.round, np.around)
def _round(a: Any, decimals: int = 0) -> Any:
    return elementwise(lambda a: np.round(a, decimals), (a,))


# ---- along axes

def _over_axes(function: Any) -> None:
    """A function of (a, axis, ...) whose axis may be None, for all, an int or a tuple."""
    def rule(a: Any, axis: Any = None, *more: Any, **keywords: Any) -> Any:
        if type(a) is not Batch or hidden_in((*more, *keywords.values())) or keywords.get("out") is not None:
            return one_by_one(function, (a, axis, *more), keywords)
        return Batch(function(a.whole, shifted(a, axis), *more, **keywords), a.hidden)

    rules[function] = rule


_function: Any
for _function in (np.sum, np.prod, np.mean, np.var, np.std, np.max, np.amax, np.min, np.amin, np.all, np.any):
    _over_axes(_function)


def _along_axis(function: Any, default: int | None) -> None:
    """A function of (a, axis, ...) along one axis; None: of the flattened array."""
    def rule(a: Any, axis: int | None = default, *more: Any, **keywords: Any) -> Any:
        if type(a) is not Batch or hidden_in((*more, *keywords.values())) or (axis is None and "keepdims" in keywords) or \
                keywords.get("out") is not None:
            return one_by_one(function, (a, axis, *more), keywords)
        if axis is None:
            a, axis = a.reshape(-1), 0
        return Batch(function(a.whole, len(a.hidden) + normalize_axis_index(axis, a.ndim), *more, **keywords), a.hidden)

    rules[function] = rule


for _function, _default in ((np.cumsum, None), (np.cumprod, None), (np.argmax, None), (np.argmin, None), (np.sort, -1), (np.argsort, -1)):
    _along_axis(_function, _default)


@_rule(np.repeat)
def _repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    if axis is None:
        a, axis = a.reshape(-1), 0
    return Batch(np.repeat(a.whole, np.asarray(repeats), len(a.hidden) + normalize_axis_index(axis, a.ndim)), a.hidden)


@_rule(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return _roll(a.reshape(-1), shift, 0).reshape(a.shape)
    return Batch(np.roll(a.whole, shift, shifted(a, axis)), a.hidden)


@_rule(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    return Batch(np.flip(m.whole, shifted(m, axis)), m.hidden)


@_rule(np.linalg.vector_norm)
def _vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    return Batch(np.linalg.vector_norm(x.whole, axis=shifted(x, axis), keepdims=keepdims, ord=ord), x.hidden)


def _triangle(m: Any, k: int, of: Any) -> Any:
    if m.ndim == 1:  # every row of a square matrix
        m = np.broadcast_to(m, 2 * m.shape)
    return stacked(of, (m,), (2,), k=k)


rules.update({np.tril: lambda m, k=0: _triangle(m, k, np.tril), np.triu: lambda m, k=0: _triangle(m, k, np.triu)})


@_rule(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return Batch(np.diagonal(a.whole, offset, *shifted(a, (axis1, axis2))), a.hidden)


# ---- axes in another order, more of them, fewer

@_rule(np.reshape)
def _reshape(a: Any, shape: Any, order: str = "C") -> Any:
    return a.reshape(shape, order=order)


@_rule(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    return a.reshape(-1, order=order)


@_rule(np.transpose)
def _transpose(a: Any, axes: Any = None) -> Any:
    return a.transpose(axes)


@_rule(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    return Batch(a.whole.swapaxes(*[len(a.hidden) + normalize_axis_index(axis, a.ndim) for axis in (axis1, axis2)]), a.hidden)


@_rule(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    return Batch(np.moveaxis(a.whole, shifted(a, source), shifted(a, destination)), a.hidden)


@_rule(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    places = [len(a.hidden) + i for i in normalize_axis_tuple(axes, a.ndim + len(axes))]
    return Batch(np.expand_dims(a.whole, places), a.hidden).shown_by(a)


@_rule(np.squeeze)
def _squeeze(a: Any, axis: Any = None) -> Any:
    axis = tuple([i for i, n in enumerate(a.shape) if n == 1]) if axis is None else axis
    return Batch(a.whole.squeeze(tuple([len(a.hidden) + i for i in normalize_axis_tuple(axis, a.ndim)])), a.hidden)


@_rule(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any) -> Any:
    shape = tuple(shape) if np.iterable(shape) else (shape,)
    if array.ndim > len(shape):
        raise ValueError("input operand has more dimensions than allowed by the axis remapping")
    whole = aligned(array, array.hidden, len(shape))
    return Batch(np.broadcast_to(whole, whole.shape[:len(array.hidden)] + shape), array.hidden)


# ---- several arrays

@_rule(np.concatenate)
def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    arrays = list(arrays)
    if axis is None:
        arrays, axis = [np.ravel(x) for x in arrays], 0
    wholes, hidden = everywhere(arrays)
    return Batch(np.concatenate(wholes, len(hidden) + normalize_axis_index(axis, np.ndim(arrays[0]))), hidden)


@_rule(np.stack)
def _stack(arrays: Any, axis: int = 0) -> Any:
    arrays = list(arrays)
    wholes, hidden = everywhere(arrays)
    return Batch(np.stack(wholes, len(hidden) + normalize_axis_index(axis, np.ndim(arrays[0]) + 1)), hidden)


@_rule(np.split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    axis = len(ary.hidden) + normalize_axis_index(axis, ary.ndim)
    return [Batch(part, ary.hidden) for part in np.split(ary.whole, indices_or_sections, axis)]


@_rule(np.take)
def _take(a: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    indices = indices if hasattr(indices, "ndim") else np.asarray(indices)
    return taken(a, (slice(None),) * normalize_axis_index(axis, a.ndim) + (indices,))


@_rule(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    if axis is None:
        arr, axis = np.ravel(arr), 0
    if arr.ndim != indices.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    (whole, places), hidden = everywhere([arr, indices])
    return Batch(np.take_along_axis(whole, places, len(hidden) + normalize_axis_index(axis, arr.ndim)), hidden)


@_rule(np.put_along_axis)
def _put_along_axis(arr: Any, indices: Any, values: Any, axis: int) -> None:
    whole = writable(arr, hidden_in((arr, indices, values)))
    if not arr.ndim == indices.ndim >= np.ndim(values):
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    places = everywhere([arr, indices])[0][1]
    np.put_along_axis(whole, places, aligned(values, arr.hidden, arr.ndim), len(arr.hidden) + normalize_axis_index(axis, arr.ndim))


# ---- products

@_rule(np.dot)
def _dot(a: Any, b: Any) -> Any:
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b)
    return np.matmul(a, b) if np.ndim(b) <= 2 else one_by_one(np.dot, (a, b), {})


@_rule(np.outer)
def _outer(a: Any, b: Any) -> Any:
    return np.multiply(np.ravel(a)[:, None], np.ravel(b))


@_rule(np.cross)
def _cross(a: Any, b: Any) -> Any:
    return stacked(np.cross, (a, b), (1, 1))


@_rule(np.einsum)
def _einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    """A letter of its own for each hidden axis, in front of the terms of the Batches that have it and of the output."""
    if not isinstance(subscripts, str) or "->" not in subscripts or "." in subscripts or " " in subscripts:
        return one_by_one(np.einsum, (subscripts, *operands), {"optimize": optimize})
    hidden = hidden_in(operands)
    free = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba" if c not in subscripts]
    letter = dict(zip(hidden, free, strict=False))
    left, out = subscripts.split("->")
    terms = ["".join(letter[key] for key in getattr(x, "hidden", ())) + term for term, x in zip(left.split(","), operands, strict=True)]
    wholes = [x.whole if type(x) is Batch else x for x in operands]
    return Batch(np.einsum(f"{','.join(terms)}->{''.join(letter.values())}{out}", *wholes, optimize=optimize), hidden)


# ---- matrices in the last two axes

def _of_matrices(function: Any) -> None:
    rules[function] = lambda a, *more, **keywords: stacked(lambda x: function(x, *more, **keywords), (a,), (2,))


for _function in (np.linalg.inv, np.linalg.det, np.linalg.slogdet, np.linalg.cholesky, np.linalg.eigh, np.linalg.eigvalsh, np.linalg.svd,
                  np.linalg.qr, np.linalg.pinv):
    _of_matrices(_function)


@_rule(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    if np.ndim(b) == 1:  # NumPy takes just that for a vector, and would not with a hidden axis in front
        return stacked(np.linalg.solve, (a, b[:, None]), (2, 2))[..., 0]
    return stacked(np.linalg.solve, (a, b), (2, 2))


# ---- margins

@_rule(np.pad)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    if callable(mode) or any(np.ndim(value) for value in keywords.values()):
        return one_by_one(np.pad, (array, pad_width, mode), keywords)
    pairs = np.broadcast_to(pad_width, (array.ndim, 2)).tolist()
    return Batch(np.pad(array.whole, [(0, 0)] * len(array.hidden) + pairs, mode, **keywords), array.hidden)
