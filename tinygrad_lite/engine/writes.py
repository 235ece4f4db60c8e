"""Writes in place through the library: which memory was changed last, when, and by which line.

Kept by the memory, not by the Tensor: a detached Tensor and a view share their array with another, and a write through one is a write to
all. A mark goes when its array does.
"""

import sys
import weakref
from types import CodeType
from typing import Any

from .guard import guarded, lifted
from .modes import CAPTURE, here, once_for_each
from .origin import where
from .record import Variable, birth

__all__ = ["Mark", "stamp", "write", "writes"]

Mark = tuple[int, CodeType, int]  # when, on the clock that also counts births; the user's code and the instruction in it


class _Writes:
    last = 0  # when anything was last written: a graph younger than that needs no look at its arrays

    def __init__(self) -> None:
        self.marks: dict[int, Mark] = {}  # id of the array that owns the memory -> its last write
        self._owners: dict[int, Any] = {}

    def follow(self, array: Any, mark: Mark) -> None:
        """Begin to keep marks for the memory of `array`."""
        owner = _owner(array)
        key = id(owner)
        if key not in self.marks:
            self._owners[key] = weakref.ref(owner, lambda _: self._forget(key))
        self.marks[key] = mark

    def of(self, array: Any) -> Mark | None:
        """The last write to the memory of `array`, if there was one."""
        return self.marks.get(id(_owner(array)))

    def _forget(self, key: int) -> None:
        self.marks.pop(key, None)
        self._owners.pop(key, None)


writes = _Writes()


def write(target: Variable, value: Any) -> None:
    """Copy `value` (array, number or Tensor) into the array of `target`; a capture sees it, and so does a later backward pass."""
    once_for_each("a write in place")
    array = value._data if isinstance(value, Variable) else value
    if guarded:
        with lifted([target._data]):
            target._data[...] = array
    else:
        target._data[...] = array
    thread = here.thread
    if thread.mode & CAPTURE:
        thread.tape.write(target, value, *where(sys._getframe(1), thread.scope))
    stamp(target)


def stamp(*targets: Variable) -> None:
    """Note that the arrays of `targets` have just been changed in place, when, and by which line of the user."""
    code, lasti = where(sys._getframe(1), here.thread.scope)
    now = birth()
    mark = (now, code, lasti)
    marks = writes.marks
    for target in targets:
        key = id(target._data)
        if key in marks:
            marks[key] = mark
        else:
            writes.follow(target._data, mark)
    writes.last = now


def _owner(array: Any) -> Any:
    """The array whose memory `array` shows: itself, or what it is a view of."""
    while hasattr(base := getattr(array, "base", None), "dtype"):
        array = base
    return array
