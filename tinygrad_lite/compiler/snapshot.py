"""Copies of the arrays that a program works on, where two that share memory share it again; and of its settings and generators."""

import ctypes
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Part", "View", "copied", "copied_objects", "memory_of", "part_of"]


class View(NamedTuple):
    """An array in a piece of memory: its bytes begin at `offset`."""

    piece: int
    offset: int
    shape: tuple[int, ...]
    dtype: Any
    strides: tuple[int, ...]
    whole: bool  # the piece is a copy of this very array

    def of(self, pieces: list[Any]) -> Any:
        return pieces[self.piece] if self.whole else np.ndarray(self.shape, self.dtype, pieces[self.piece], self.offset, self.strides)


def memory_of(arrays: Mapping[str, Any]) -> tuple[list[Any], dict[str, View]]:
    """Copies of the memory that arrays lie in, each piece once, and where in it each of them lies.

    A piece that one C-contiguous array fills is a copy of that array; any other, which is shared or has gaps, is bare bytes.
    """
    groups: list[tuple[int, int, list[str]]] = []  # first byte, end, names
    bounds = {name: np.lib.array_utils.byte_bounds(a) for name, a in arrays.items()}
    for name in sorted(arrays, key=lambda name: bounds[name]):
        low, high = bounds[name]
        if groups and low < groups[-1][1] and arrays[name].size:
            begin, end, names = groups[-1]
            groups[-1] = begin, max(end, high), [*names, name]
        else:
            groups.append((low, high, [name]))
    pieces: list[Any] = []
    views: dict[str, View] = {}
    for low, high, names in groups:
        first = arrays[names[0]]
        alone = len(names) == 1 and first.flags.c_contiguous
        pieces.append(first.copy() if alone else _bytes(low, high))
        for name in names:
            a = arrays[name]
            offset = a.__array_interface__["data"][0] - low if a.size else 0
            views[name] = View(len(pieces) - 1, offset, a.shape, a.dtype, a.strides, alone)
    return pieces, {name: views[name] for name in arrays}


class Part(NamedTuple):
    """Where an array lies in the arrays of a program: entries begin to end of one of them, or all of it."""

    array: str
    begin: int | None
    end: int
    shape: tuple[int, ...]
    turned: bool = False  # it is the transpose of what lies there

    def of(self, arrays: dict[str, Any]) -> Any:
        array = arrays[self.array] if self.begin is None else arrays[self.array].reshape(-1)[self.begin:self.end].reshape(self.shape)
        return array.T if self.turned else array

    def text(self, flat: bool) -> str:
        turned = ".T" if self.turned else ""
        if self.begin is None:
            return f"arrays[{self.array!r}]{turned}"
        reshaped = "" if len(self.shape) == 1 else f".reshape{self.shape}"
        return f"arrays[{self.array!r}]{'' if flat else '.reshape(-1)'}[{self.begin}:{self.end}]{reshaped}{turned}"


def part_of(array: Any, arrays: Mapping[str, Any]) -> Part | None:
    """Where `array` lies in one of `arrays`, or None."""
    for name, whole in arrays.items():
        if whole is array:
            return Part(name, None, 0, array.shape)
    if not array.flags.c_contiguous and array.flags.f_contiguous:
        part = part_of(array.T, arrays)
        return part._replace(turned=True) if part is not None else None
    low, high = np.lib.array_utils.byte_bounds(array)
    for name, whole in arrays.items():
        begin, end = np.lib.array_utils.byte_bounds(whole)
        if begin <= low and high <= end and whole.dtype == array.dtype and whole.flags.c_contiguous and array.flags.c_contiguous:
            first = (low - begin) // array.itemsize
            return Part(name, first, first + array.size, array.shape)
    return None


def copied(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """name -> a copy of each array."""
    pieces, views = memory_of(arrays)
    return {name: view.of(pieces) for name, view in views.items()}


def copied_objects(objects: Mapping[str, Any]) -> dict[str, Any]:
    """Settings and generators apart from the first; functions as they are."""
    return {name: dict(x) if isinstance(x, dict) else deepcopy(x) if isinstance(x, np.random.Generator) else x for name, x in objects.items()}


def _bytes(low: int, high: int) -> Any:
    return np.frombuffer(ctypes.string_at(low, high - low), np.uint8).copy()
