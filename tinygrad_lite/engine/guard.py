"""Write protection for what a graph will read again: while a `guard` is on, NumPy itself refuses a write to the arrays that nodes saved.

A write through the library is noticed by its mark (`writes`); one in plain NumPy, `a[0] = 1`, leaves none and would silently make gradients
wrong. The library's own writes go on: they lift the protection of just what they change.
"""

import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import ContextDecorator, contextmanager
from typing import Any

import numpy as np

from .modes import GUARD, here
from .record import Node

__all__ = ["guard", "guarded", "lifted"]


class _Held:
    """An array that is protected, and how many nodes hold it."""

    __slots__ = ("array", "holders", "key")

    def __init__(self, array: Any) -> None:
        self.array = weakref.ref(array)
        self.holders = 0
        self.key = id(array)


guarded: dict[int, _Held] = {}  # id of an array -> that it is protected; of all threads, since they may share arrays
_waiting: set[_Held] = set()  # views that nobody holds any more, but that NumPy does not make writable before their owner is
_lock = threading.RLock()  # again, from the same thread: an array may be freed, and its callback run, at any line


class guard(ContextDecorator):
    """`with guard():` the arrays that nodes save on this thread cannot be written to: `a[0] = 1` is NumPy's ValueError, at that line.

    Protected are the inputs and outputs of every recorded node, and the memory that they are views of, for as long as the node's output lives, and
    at most until the end of the block. `optimizer.step()`, `load_state_dict`, `w -= lr * w.grad` under no_grad and all that the library itself
    writes work as before, and a later backward pass knows of them. NumPy keeps no list of views: one that was taken before stays writable.
    Arrays that were read-only before stay so.
    """

    def __init__(self) -> None:
        self._before: list[tuple[int, Any]] = []
        self._ties: dict[int, tuple[Any, list[_Held]]] = {}  # id of a node's output -> its weak reference, and what is protected for it

    def __enter__(self) -> "guard":
        thread = here.thread
        self._before.append((thread.mode, thread.guard))
        thread.mode, thread.guard = thread.mode | GUARD, self
        return self

    def __exit__(self, *error: object) -> None:
        thread = here.thread
        thread.mode, thread.guard = self._before.pop()
        if not self._before:
            with _lock:
                ties, self._ties = self._ties, {}
                _release([held for _, several in ties.values() for held in several])

    def _recreate_cm(self) -> "guard":  # as a decorator: each call, and so each thread, has one of its own
        return type(self)()

    def protect(self, node: Node) -> None:
        """Of a node that was just recorded. The first output stands for the node: when that is freed, no rule of it can run again."""
        outputs = node.output if type(node.output) is tuple else (node.output,)
        if not isinstance(outputs[0], np.ndarray):  # another library's arrays have no such flag
            return
        with _lock:
            several = [held for a in (*node.arrays, *outputs) for held in _protect(a)]
            key = id(outputs[0])
            known = self._ties.get(key)
            if known is not None:  # an op that returns what it was given
                known[1].extend(several)
            else:
                self._ties[key] = weakref.ref(outputs[0], lambda _: self._untie(key)), several

    def _untie(self, key: int) -> None:
        with _lock:
            _release(self._ties.pop(key, (None, []))[1])


def _protect(array: Any) -> Iterator[_Held]:
    """Protect an array and the memory it shows; yields each array that is held."""
    while isinstance(array, np.ndarray):
        held = guarded.get(id(array))
        if held is None or held.array() is not array:
            if not array.flags.writeable:  # by somebody else's will, which stays
                array = array.base
                continue
            array.flags.writeable = False
            held = guarded[id(array)] = _Held(array)
        held.holders += 1
        yield held
        array = array.base


def _release(several: Iterable[_Held]) -> None:
    for held in several:
        held.holders -= 1
    free = [(held, held.array()) for held in {*several, *_waiting} if not held.holders]
    for held, array in sorted(free, key=lambda entry: _depth(entry[1])):
        base = None if array is None else array.base
        if isinstance(base, np.ndarray) and not base.flags.writeable:
            _waiting.add(held)
            continue
        _waiting.discard(held)
        if guarded.get(held.key) is held:
            del guarded[held.key]
        if array is not None:
            array.flags.writeable = True


def _depth(array: Any) -> int:
    """How many arrays lie between this one and its memory."""
    depth = 0
    while isinstance(array, np.ndarray):
        array, depth = array.base, depth + 1
    return depth


@contextmanager
def lifted(arrays: Iterable[Any]) -> Iterator[None]:
    """For a write by the library itself: the protection that a guard gave these arrays is off until the end of the block."""
    with _lock:
        chains: dict[int, Any] = {}
        for array in arrays:
            while isinstance(array, np.ndarray):
                if id(array) in guarded:
                    chains[id(array)] = array
                array = array.base
        off = sorted(chains.values(), key=_depth)
        for array in off:
            array.flags.writeable = True
    try:
        yield
    finally:
        with _lock:
            for array in off:
                if id(array) in guarded:  # a guard of another thread may have ended meanwhile
                    array.flags.writeable = False
