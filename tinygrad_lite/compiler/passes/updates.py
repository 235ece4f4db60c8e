"""Updates: the entry-by-entry calls that lead from one gradient to the parameter, and to what an optimizer keeps for it.

An update is found by what it does, not by who wrote it: an optimizer's, or a loop `for p in params: p -= lr * p.grad`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..program import Call, Program, Value

__all__ = ["Update", "find_updates"]


@dataclass(eq=False)
class Update:
    """All calls that belong to one gradient: from it to the writes of its parameter and of what the optimizer keeps for it."""

    gradient: Value
    calls: list[Call] = field(default_factory=list)
    memory: list[Value] = field(default_factory=list)  # outer arrays read or written, in the order of first use
    signature: Any = None  # equal for updates that do the same

    @property
    def contiguous(self) -> bool:
        """Does all that it reads lie in memory in NumPy's usual order?"""
        return all(v.contiguous for call in self.calls for v in call.inputs)


def find_updates(program: Program) -> Iterable[Update]:
    makers, users = program.makers(), program.users()
    place = {call: i for i, call in enumerate(program.calls)}
    kept = set(program.gradients.values())
    readers: dict[Value, dict[Call, None]] = {}
    for call in program.calls:
        for value in call.inputs:
            readers.setdefault(value.root, {})[call] = None
    found: dict[Value, Update] = {}
    member: dict[Call, Value] = {}
    for write in program.calls:
        if write.function.kind != "write" or write.args[0].kind != "outer" or not isinstance(write.args[1], Value):
            continue
        calls, gradients = _slice(write, makers, kept)
        if len(gradients) != 1:
            continue
        (gradient,) = gradients
        update = found.setdefault(gradient, Update(gradient))
        for call in calls:
            member[call] = gradient
        update.calls += [c for c in calls if c not in update.calls]
    results = set(program.results())
    for update in found.values():
        update.calls.sort(key=place.__getitem__)
        inside = set(update.calls)
        made = [v for call in update.calls for v in call.outputs]
        if any(user not in inside for v in made for user in users.get(v, ())) or any(v in results for v in made):
            continue
        if _describe(update) and not any(call not in inside and place[call] >= place[update.calls[0]]
                                         for v in update.memory for call in readers.get(v.root, ())):
            yield update  # nothing else reads this memory from the update on


def _slice(write: Call, makers: dict[Value, Call], kept: set[Value]) -> tuple[list[Call], set[Value]]:
    """The entry-by-entry calls of the target's shape that lead to a write, and the gradients that they begin with."""
    shape, dtype = write.args[0].shape, write.args[0].dtype
    calls, gradients, stack = [write], set(), [write.args[1]]
    while stack:
        value = stack.pop()
        maker = makers.get(value)
        if value in kept or maker is None or maker.function.kind != "map" or (value.shape, value.dtype) != (shape, dtype):
            if value.kind == "result" and value.shape:
                gradients.add(value)
        elif maker not in calls:
            calls.append(maker)
            stack += maker.inputs
    return calls, gradients


def _describe(update: Update) -> bool:
    """Fill memory and signature. False: something is not of the gradient's shape, or is more than a ufunc."""
    shape, dtype = update.gradient.shape, update.gradient.dtype
    number: dict[Value, Any] = {update.gradient: "gradient"}
    lines: list[Any] = []
    for call in update.calls:
        words: list[Any] = []
        for x in call.args:
            if isinstance(x, Value) and x.shape:
                if (x.shape, x.dtype) != (shape, dtype):
                    return False
                if x not in number:
                    if x.kind != "outer":
                        return False
                    number[x] = "memory", len(update.memory)
                    update.memory.append(x)
                words.append(number[x])
            elif isinstance(x, Value):
                words.append(("constant", x.data.item(), x.dtype) if x.kind == "constant" else id(x))
            else:
                words.append(repr(x))
        if call.keywords or call.errstate:
            return False
        number[call.output] = len(lines)
        lines.append((call.function.text, *words))
    update.signature = (dtype, *lines)
    return True
