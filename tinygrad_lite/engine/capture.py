"""Capture: every call that happens to Tensors on this thread, in order, whether or not a gradient flows through it.

    with capture() as tape:
        step(x, y)
    tape.replay({x: new_x, y: new_y})

While it runs, the backward pass reads its rules on Tensors, so that their calls are seen too. The tape is a plain list of calls; a
compiler turns it into a program.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .guard import lifted
from .modes import CAPTURE, here
from .op import Op
from .record import Node, Variable, birth, handle

__all__ = ["Call", "Tape", "capture", "live", "write_op"]


def _copy_into(target: Any, value: Any) -> Any:
    with lifted([target]):
        target[...] = value
    return target


write_op = Op("write", _copy_into, None, None, doc="target[...] = value: the one op with an effect, and its record shows it")


class Call(NamedTuple):
    """One call: its record, and the Tensors that came out."""

    node: Node
    outputs: tuple[Variable, ...]


class Tape:
    """The calls in order, and the numbers that must be asked for again before each replay."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.live: list[tuple[Variable, Callable[[], float]]] = []
        self.after: list[Callable[[], None]] = []  # what Python keeps by itself, such as a step count, goes on after each replay

    def add(self, node: Node, result: Any) -> None:
        self.calls.append(Call(node, result if type(result) is tuple else (result,)))

    def write(self, target: Variable, value: Any, code: Any, lasti: int) -> None:
        self.add(Node(write_op, (target, value, target._data, value), {}, target._data, birth(), code, lasti, here.thread.scope), target)

    def replay(self, data: Mapping[Variable, Any]) -> Callable[[Variable], Any]:
        """Run the bare list of calls again on new arrays for some Tensors. Returns a function: Tensor of the capture -> its new array.

        Values are looked up by the identity of the captured array, since several handles may stand for one result.
        """
        values: dict[int, Any] = {id(x._data): array for x, array in data.items()}
        for x, get in self.live:
            values[id(x._data)] = np.asarray(get(), dtype=x._data.dtype)

        def value(x: Any) -> Any:
            return values.get(id(x._data), x._data) if isinstance(x, Variable) else x

        for node, outputs in self.calls:
            result = node.op.forward(*map(value, node.inputs), **node.params)
            for output, array in zip(outputs, result if isinstance(result, tuple | list) else (result,), strict=True):
                values[id(output._data)] = array
        for advance in self.after:
            advance()
        return value


@contextmanager
def capture() -> Iterator[Tape]:
    """Collect all calls of this thread on a new Tape until the block ends. Captures do not nest."""
    thread = here.thread
    if thread.mode & CAPTURE:
        raise RuntimeError("a capture is already running on this thread")
    before, tape = thread.mode, Tape()
    thread.mode, thread.tape = before | CAPTURE, tape
    try:
        yield tape
    finally:
        thread.mode, thread.tape = before, None


def live(get: Callable[[], float], like: Variable) -> Any:
    """A number that may change between replays, such as a learning rate: `get()` itself, or under capture a 0-d Tensor.

    The Tensor has the dtype of `like`, so that a float32 network stays float32.
    """
    if not here.thread.mode & CAPTURE:
        return get()
    number = handle(like.face, np.asarray(get(), dtype=like._data.dtype))
    here.thread.tape.live.append((number, get))
    return number
