"""Capture: every call that happens to Tensors on this thread, in order, whether or not a gradient flows through it.

    with capture() as tape:
        step(x, y)
    tape.replay({x: new_x, y: new_y})

While it runs, the backward pass reads its rules on Tensors, so that their calls are seen too. The tape is a plain list of calls; a
compiler brings a tape of its own and makes a program.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ..errors import StateError
from .guard import lifted
from .live import Live
from .modes import CAPTURE, here
from .op import Op
from .record import Node, Variable, birth, handle

__all__ = ["Call", "Tape", "capture", "escapes", "live", "write_op"]


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
    """The calls in order, the numbers that must be asked for again before each replay, and what must still hold then."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.live: list[tuple[Variable, Live]] = []
        self.conditions: list[Live] = []
        self.counts: list[dict[str, Any]] = []  # a "step" in each that Python keeps by itself, and that goes on after each replay

    # ---- what the engine tells while a capture runs

    def add(self, node: Node, result: Any) -> None:
        self.calls.append(Call(node, result if type(result) is tuple else (result,)))

    def write(self, target: Variable, value: Any, code: Any, lasti: int) -> None:
        self.add(Node(write_op, (target, value, target._data, value), {}, target._data, birth(), code, lasti, here.thread.scope), target)

    def number(self, tensor: Variable, expression: Live) -> None:
        """`tensor` stands for a number that may have changed at the next replay."""
        self.live.append((tensor, expression))

    def constant(self, tensor: Variable) -> None:
        """The array of `tensor` was made here, and never changes: a seed of ones."""

    def reads(self, tensor: Variable) -> None:
        """The array of `tensor` goes on under another handle."""

    def enters(self, module: Any) -> None:
        """A module is being called; its settings may choose what happens."""

    def reads_grad(self, leaf: Variable) -> None:
        """The `.grad` of a leaf is about to be read."""

    def sets_grad(self, leaf: Variable) -> None:
        """The `.grad` of a leaf is about to be set, whatever it was."""

    def escapes(self, tensor: Variable, what: str) -> None:
        """The value of `tensor` is about to become a Python number or a bare array, by `what`: no call will show what is done with it."""

    # ---- again

    def replay(self, data: Mapping[Variable, Any]) -> Callable[[Variable], Any]:
        """Run the bare list of calls again on new arrays for some Tensors. Returns a function: Tensor of the capture -> its new array.

        Values are looked up by the identity of the captured array, since several handles may stand for one result.
        Raises StateError where a condition of the captured step, such as the branch of a setting, no longer holds.
        """
        for held in self.conditions:
            if not held():
                raise StateError(f"the captured step holds only while {held.text(lambda x: type(x).__name__)}: capture it again")
        values: dict[int, Any] = {id(x._data): array for x, array in data.items()}
        for x, number in self.live:
            values[id(x._data)] = np.asarray(number(), dtype=x._data.dtype)

        def value(x: Any) -> Any:
            return values.get(id(x._data), x._data) if isinstance(x, Variable) else x

        for node, outputs in self.calls:
            result = node.op.forward(*map(value, node.inputs), **node.params)
            for output, array in zip(outputs, result if isinstance(result, tuple | list) else (result,), strict=True):
                values[id(output._data)] = array
        for state in self.counts:
            state["step"] += 1
        return value


@contextmanager
def capture(tape: Tape | None = None) -> Iterator[Any]:
    """Collect all calls of this thread on `tape`, a new one where none is given, until the block ends. Captures do not nest."""
    thread = here.thread
    if thread.mode & CAPTURE:
        raise RuntimeError("a capture is already running on this thread")
    before, tape = thread.mode, Tape() if tape is None else tape
    thread.mode, thread.tape = before | CAPTURE, tape
    try:
        yield tape
    finally:
        thread.mode, thread.tape = before, None


def escapes(tensor: Variable, what: str) -> None:
    """Tell a capture, if there is one, that a value is about to be used where no call shows it. what: by which operation."""
    if here.thread.mode & CAPTURE:
        here.thread.tape.escapes(tensor, what)


def live(number: Any, like: Variable, name: str) -> Any:
    """A Live number as a 0-d Tensor that the tape asks for again, of the dtype of `like`, so that float32 stays float32; others as they are."""
    if not isinstance(number, Live):
        return number
    tensor = handle(like.face, np.asarray(number(), dtype=like._data.dtype))
    tensor.name = name
    here.thread.tape.number(tensor, number)
    return tensor
