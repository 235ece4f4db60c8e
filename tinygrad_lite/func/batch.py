"""Batch: many arrays of one shape that pass for one of them. Code that is written for one example, run on a Batch, is run for all at once.

NumPy's protocols bring every call here: ufuncs and indexing by the rules of this file, functions by those of `batch_functions`, the rest for
one example after the other. Batches meet plain arrays, which are the same for all, and Batches of another `vmap` around them.
"""

import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..engine import NotBatched, Variable, flatten
from .example import Example, read_only

__all__ = ["Batch", "aligned", "elementwise", "everywhere", "hidden_in", "hide", "one_by_one", "reveal", "rules", "shifted", "stacked",
           "taken", "writable"]

Keys = tuple[int, ...]
rules: dict[Any, Callable[..., Any]] = {}  # a function of NumPy -> what it does with Batches: filled by batch_functions


class Batch(Example):
    """What a function of one example is given by `vmap`. Two Batches in one call line up by their keys; see Example for the rest."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> "Batch":
        return taken(self, key)

    def __iter__(self) -> Iterator["Batch"]:
        return iter([taken(self, i) for i in range(len(self))])

    def __setitem__(self, key: Any, value: Any) -> None:
        parts = key if type(key) is tuple else (key,)
        whole = writable(self, hidden_in((self, value, *parts)))
        if type(key) is Batch and key.dtype == bool and key.shape == self.shape and np.ndim(value) == 0:
            np.copyto(whole, aligned(value, self.hidden, self.ndim), where=aligned(key, self.hidden), casting="unsafe")
        else:
            place, ndim, moved = _place(self, parts)
            whole[place] = _fitted(value, self.hidden, ndim, moved)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        if any(issubclass(kind, Variable) for kind in types):
            return NotImplemented  # a Tensor records the call, and its op comes back here
        rule = rules.get(function)
        return one_by_one(function, args, keywords) if rule is None else rule(*args, **keywords)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if any(isinstance(x, Variable) for x in inputs):
            return NotImplemented
        if method == "__call__":
            if ufunc.signature is None:
                return elementwise(ufunc, inputs, **keywords)
            return _matmul(*inputs, **keywords) if ufunc is np.matmul else stacked(ufunc, inputs, _cores(ufunc), **keywords)
        if method == "outer" and not keywords:
            a, b = inputs
            return elementwise(ufunc, (a.reshape(*a.shape, *[1] * np.ndim(b)), b))
        return _at(ufunc, *inputs) if method == "at" else _along(ufunc, method, *inputs, **keywords)


# ---- in and out

def hide(x: Any, axis: int, key: int) -> Batch:
    """x, an array or a Batch, with one of its axes hidden. It is read-only: a write would be one to the array of the caller."""
    hidden = x.hidden if type(x) is Batch else ()
    whole = x.whole if type(x) is Batch else x
    place = bisect(hidden, key)
    order = list(range(whole.ndim))
    order.insert(place, order.pop(len(hidden) + normalize_axis_index(axis, whole.ndim - len(hidden))))
    return Batch(read_only(whole.transpose(order)), (*hidden[:place], key, *hidden[place:]))


def reveal(x: Any, axis: int, key: int, length: int) -> Any:
    """The opposite of `hide`: a new array; what is the same in all examples is repeated."""
    if type(x) is not Batch or key not in x.hidden:
        return np.stack([x] * length, axis)
    place, rest = x.hidden.index(key), tuple([k for k in x.hidden if k != key])
    order = list(range(x.whole.ndim))
    first = order.pop(place)
    order.insert(len(rest) + normalize_axis_index(axis, x.ndim + 1), first)
    whole = x.whole.transpose(order).copy()
    return Batch(whole, rest) if rest else whole


def hidden_in(values: Iterable[Any]) -> Keys:
    """The keys of all Batches among the values."""
    hidden: Keys = ()
    for x in values:
        if type(x) is Batch and x.hidden != hidden:
            hidden = tuple(sorted({*hidden, *x.hidden}))
    return hidden


def aligned(x: Any, hidden: Keys, ndim: int = 0) -> Any:
    """The array of a Batch, to be broadcast in NumPy's way: all of `hidden` in front, then 1s, so that its own axes count for `ndim`.

    Where an axis is not hidden in it, it has length 1. What is no Batch has its axes at the end anyway.
    """
    if type(x) is not Batch:
        return x
    whole, h = x.whole, len(x.hidden)
    lead = whole.shape[:h]
    if x.hidden != hidden:
        lengths = dict(zip(x.hidden, lead, strict=True))
        lead = tuple([lengths.get(key, 1) for key in hidden])
    elif ndim <= whole.ndim - h:
        return whole
    return whole.reshape(lead + (1,) * (ndim - whole.ndim + h) + whole.shape[h:])


def everywhere(values: Sequence[Any]) -> tuple[list[Any], Keys]:
    """The arrays of the values, each with all hidden axes of any at full length; some are read-only."""
    hidden = hidden_in(values)
    lead = _lengths(values, hidden)
    wholes = [x.whole if type(x) is Batch and x.hidden == hidden else np.broadcast_to(aligned(x, hidden), lead + np.shape(x)) for x in values]
    return wholes, hidden


def _lengths(values: Iterable[Any], hidden: Keys) -> tuple[int, ...]:
    found = {key: n for x in values if type(x) is Batch for key, n in zip(x.hidden, x.whole.shape, strict=False)}
    return tuple([found[key] for key in hidden])


def shifted(x: Batch, axis: Any) -> tuple[int, ...]:
    """Axes of an example as axes of the whole. Counted from the end, they must not reach the hidden ones."""
    h = len(x.hidden)
    if axis is None:
        return tuple(range(h, x.whole.ndim))
    return tuple([h + i for i in normalize_axis_tuple(axis, x.ndim)])


# ---- calls

def elementwise(function: Any, inputs: Sequence[Any], out: Any = None, **keywords: Any) -> Any:
    """A function that goes entry by entry and broadcasts its inputs."""
    outs = () if out is None else out if type(out) is tuple else (out,)
    given = (*inputs, *outs, keywords.get("where"))
    hidden = hidden_in(given)
    ndim = max([np.ndim(x) if isinstance(x, list | tuple) else getattr(x, "ndim", 0) for x in given])
    arrays = [aligned(x, hidden, ndim) for x in inputs]
    if "where" in keywords:
        keywords["where"] = aligned(keywords["where"], hidden, ndim)
    if outs:
        targets = tuple([writable(x, hidden) for x in outs])
        if any(x.ndim != ndim for x in outs):
            raise NotBatched("an output of another shape")
        function(*arrays, out=targets if len(targets) > 1 else targets[0], **keywords)
        return outs if len(outs) > 1 else outs[0]
    made = function(*arrays, **keywords)
    return tuple([Batch(part, hidden) for part in made]) if type(made) is tuple else Batch(made, hidden)


def writable(out: Any, hidden: Keys) -> Any:
    if type(out) is not Batch or out.hidden != hidden or out.is_number:
        raise NotBatched("a write into what all examples share")
    return out.whole


def stacked(function: Any, inputs: Sequence[Any], cores: Sequence[int], **keywords: Any) -> Any:
    """A function of the last axes of its inputs, `cores` of them, which broadcasts those before; it may return several arrays."""
    if keywords.keys() & {"out", "axis", "axes", "keepdims"} or any(np.ndim(x) < core for x, core in zip(inputs, cores, strict=True)):
        raise NotBatched("an unusual form")
    hidden = hidden_in(inputs)
    loops = max([np.ndim(x) - core for x, core in zip(inputs, cores, strict=True)])
    made = function(*[aligned(x, hidden, loops + core) for x, core in zip(inputs, cores, strict=True)], **keywords)
    if isinstance(made, tuple):
        parts = [Batch(part, hidden) for part in made]
        return type(made)(*parts) if hasattr(made, "_fields") else tuple(parts)
    return Batch(made, hidden)


def _along(ufunc: np.ufunc, method: str, x: Any, *others: Any, axis: Any = 0, out: Any = None, **keywords: Any) -> Any:
    """reduce, accumulate and reduceat."""
    if type(x) is not Batch or hidden_in((x, *keywords.values())) != x.hidden or hidden_in((*others, keywords.get("initial"))):
        raise NotBatched(f"{ufunc.__name__}.{method} of these")
    axes: Any = shifted(x, axis) if method == "reduce" else len(x.hidden) + normalize_axis_index(axis, x.ndim)
    keywords = {name: aligned(value, x.hidden, x.ndim) for name, value in keywords.items()}
    if out is None:
        return Batch(getattr(ufunc, method)(x.whole, *others, axis=axes, **keywords), x.hidden)
    getattr(ufunc, method)(x.whole, *others, axis=axes, out=writable(out[0], x.hidden), **keywords)
    return out[0]


def _at(ufunc: np.ufunc, x: Any, key: Any, *values: Any) -> None:
    parts = key if type(key) is tuple else (key,)
    whole = writable(x, hidden_in((x, *values, *parts)))
    place, ndim, moved = _place(x, parts)
    ufunc.at(whole, place, *[_fitted(value, x.hidden, ndim, moved) for value in values])


def _cores(ufunc: np.ufunc) -> list[int]:
    return [len(re.findall(r"\w+", part)) for part in re.findall(r"\(([^)]*)\)", str(ufunc.signature).split("->")[0])]


def _matmul(a: Any, b: Any, **keywords: Any) -> Any:
    if not a.ndim or not b.ndim:
        raise ValueError("matmul: an input has no axes")
    if a.ndim == b.ndim == 1:
        return stacked(np.vecdot, (a, b), (1, 1), **keywords)
    if type(a) is Batch and a.ndim == 1 and type(b) is not Batch and b.ndim == 2:  # the examples are the rows of one matrix
        return Batch(np.matmul(a.whole, b), a.hidden)
    if type(b) is Batch and b.ndim == 1 and type(a) is not Batch and a.ndim == 2:
        return Batch(np.matmul(b.whole, a.T), b.hidden)
    left, right = a if a.ndim > 1 else a[None], b if b.ndim > 1 else b[:, None]
    made = stacked(np.matmul, (left, right), (2, 2), **keywords)
    return made if left is a and right is b else made[..., 0, :] if right is b else made[..., 0]


def one_by_one(function: Any, args: Any, keywords: dict[str, Any]) -> Any:
    """function called for each example, and its results stacked: what has no rule. They are read-only: for one example they may be views."""
    leaves, build = flatten((args, keywords))
    places = [i for i, x in enumerate(leaves) if type(x) is Batch]
    if not places:  # np.arange(n, like=batch)
        return function(*args, **keywords)
    if function in WRITERS or keywords.get("out") is not None:
        raise NotBatched("a write")
    wholes, hidden = everywhere([leaves[i] for i in places])
    lead = wholes[0].shape[:len(hidden)]
    made, again = [], build
    for at in np.ndindex(lead):
        for i, whole in zip(places, wholes, strict=True):
            leaves[i] = read_only(whole[at].view()) if whole.ndim > len(hidden) else whole[at]
        own, named = build(leaves)
        parts, again = flatten(function(*own, **named))
        made.append(parts)
    batches = []
    for several in zip(*made, strict=True):
        first = several[0]
        if not all(isinstance(x, np.ndarray | np.generic) and x.shape == first.shape and x.dtype == first.dtype for x in several):
            raise NotBatched("results that do not stack")
        whole = np.stack(several).reshape(lead + first.shape)
        batches.append(Batch(read_only(whole if first.ndim or isinstance(first, np.ndarray) else whole.copy()), hidden))
    return again(batches)


WRITERS = {np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask}


# ---- indexing

Moved = tuple[tuple[int, ...], tuple[int, ...]]


def taken(x: Any, key: Any) -> Batch:
    """x[key], where x, or an array in the key, is a Batch."""
    parts = key if type(key) is tuple else (key,)
    hidden = hidden_in((x, *parts))
    if type(x) is not Batch or x.hidden != hidden:
        x = Batch(np.broadcast_to(aligned(x, hidden), _lengths((x, *parts), hidden) + x.shape), hidden)
    place, ndim, (first, last) = _place(x, parts)
    whole = x.whole[place]
    if first != last:
        whole = np.moveaxis(whole, first, last)
    if not ndim and not any(part is Ellipsis for part in parts):
        whole = whole.copy()  # a number is no view
    elif hidden_in(parts) and not any(np.ndim(part) for part in parts if type(part) is Batch):
        read_only(whole)  # of one example, x[i] with an integer i is a view
    return Batch(whole, hidden) if not ndim else Batch(whole, hidden).shown_by(x)


def _place(x: Batch, parts: tuple[Any, ...]) -> tuple[Any, int, Moved]:
    """The index into the whole, how many axes x[parts] has, and which axes of the whole's answer must move where.

    NumPy puts the axes of index arrays where the arrays stand, if they stand side by side, else in front. In front are the hidden axes: where
    these would mix, or where an array is a Batch, positions along the hidden axes are index arrays too, all of them go to the front, and from
    there to where they belong.
    """
    h, axis = len(x.hidden), 0
    entries: list[Any] = []
    used = sum(0 if p is None or p is Ellipsis else getattr(p, "ndim", 1) if _is_mask(p) else 1 for p in parts)
    for part in (*parts, *[Ellipsis] * all(p is not Ellipsis for p in parts)):
        if part is Ellipsis:
            entries += [slice(None)] * (x.ndim - used)
            axis += x.ndim - used
            continue
        if isinstance(part, bool | np.bool_ | Variable):
            raise NotBatched(f"a {type(part).__name__} as an index")
        part = np.asarray(part, None if part else np.intp) if isinstance(part, list) else part
        mask = _is_mask(part)
        if mask and (type(part) is Batch or not part.ndim or part.shape != x.shape[axis:axis + part.ndim]):
            raise NotBatched("a mask: what it takes differs from example to example")
        entries += part.nonzero() if mask else [part]
        axis += 0 if part is None else part.ndim if mask else 1
    if axis != x.ndim:
        raise IndexError(f"too many indices for an array of {x.ndim} axes")
    arrays = [i for i, part in enumerate(entries) if part is not None and not isinstance(part, slice)]
    inner = max([np.ndim(entries[i]) for i in arrays], default=0)
    ndim = len(entries) - len(arrays) + inner
    together = not arrays or arrays[-1] - arrays[0] + 1 == len(arrays)
    basic = not any(hasattr(entries[i], "shape") and np.ndim(entries[i]) for i in arrays)  # integers are no index arrays
    if (basic or together) and not hidden_in(entries):
        return (*[slice(None)] * h, *entries), ndim, ((), ())
    lead = x.whole.shape[:h]
    shape = lead + np.broadcast_shapes(*[np.shape(entries[i]) for i in arrays])
    for i in arrays:  # in C order, so that of two writes to one place the later one stays
        entries[i] = np.ascontiguousarray(np.broadcast_to(aligned(entries[i], x.hidden, inner), shape))
    positions = [np.arange(n).reshape(-1, *[1] * (h - 1 - k + inner)) for k, n in enumerate(lead)]
    start = h + arrays[0] if together else h
    return (*positions, *entries), ndim, (tuple(range(h, h + inner)), tuple(range(start, start + inner)))


def _is_mask(part: Any) -> bool:
    return hasattr(part, "dtype") and part.dtype.kind == "b"


def _fitted(value: Any, hidden: Keys, ndim: int, moved: Moved) -> Any:
    """A value to be written to a place of `ndim` axes: axes of length 1 in front that it has too many go, since the hidden ones stand there."""
    value = value if hasattr(value, "ndim") else np.asarray(value)
    if value.ndim > ndim:
        if not ndim:
            raise NotBatched("an array for a number")
        value = value.reshape(value.shape[value.ndim - ndim:])
    value = aligned(value, hidden, ndim)
    if moved[0] != moved[1]:
        value = value.reshape((1,) * (len(hidden) + ndim - value.ndim) + value.shape)
        value = np.moveaxis(value, moved[1], moved[0])
    return value
