"""Flat memory: where many parameters get the same entry-by-entry update, they and their gradients lie behind each other in one array each.

The update of a whole model is then a few calls, instead of a few for each parameter. It is the same arithmetic on the same numbers.
An update is found by what it does, not by who wrote it: an optimizer's, or a loop `for p in params: p -= lr * p.grad`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..program import Call, Flat, Function, Program, Value, substitute

__all__ = ["join_updates"]


@dataclass(eq=False)
class Update:
    """All calls that belong to one gradient: from it to the writes of its parameter and of what the optimizer keeps for it."""

    gradient: Value
    calls: list[Call] = field(default_factory=list)
    memory: list[Value] = field(default_factory=list)  # outer arrays read or written, in the order of first use
    signature: Any = None  # equal for updates that do the same


def join_updates(program: Program) -> None:
    groups: dict[Any, list[Update]] = {}
    for update in _updates(program):
        groups.setdefault(update.signature, []).append(update)
    for group in groups.values():
        if len(group) > 1:
            _join(program, group)


def _updates(program: Program) -> Iterable[Update]:
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
                if (x.shape, x.dtype) != (shape, dtype) or not x.contiguous:
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


def _join(program: Program, group: list[Update]) -> None:
    columns = list(zip(*[u.memory for u in group], strict=True))
    flats = [_flat(column, program.movable) for column in columns]
    if any(flat is None for flat in flats) or len({v for column in columns for v in column}) < len(columns) * len(group):
        return
    shapes = [u.gradient.shape for u in group]
    gradients = Flat(Value("outer", np.empty(sum(u.gradient.size for u in group), group[0].gradient.dtype), name="gradients"), shapes)
    head: list[Call] = []
    for flat, column in zip(flats, columns, strict=True):
        assert flat is not None
        names = {v.name.rpartition(".")[2] for v in column}
        flat.value.name = f"{names.pop()}_flat" if len(names) == 1 and "" not in names else "parameters"
        flat.members = list(column)
        program.flats.append(flat)
        for i, value in enumerate(column):
            value.kind, value.base, value.span = "result", flat.value, flat.bounds(i)
            head.append(_part(flat, i, value))
    writes: dict[Value, Call] = {}
    for i, update in enumerate(group):
        leaf = next((leaf for leaf, v in program.gradients.items() if v is update.gradient), None)
        owner = next((v for v in update.memory if leaf is not None and v.data is leaf._data), update.memory[0])
        view = Value("result", gradients.part(i), gradients.value, name=f"{owner.name}.grad")
        filled = Value("result", gradients.part(i), view)
        view.span = filled.span = gradients.bounds(i)
        head.append(_part(gradients, i, view))
        writes[update.gradient] = (Call(Function("np.copyto", np.copyto, "write"), (view, update.gradient), {}, (filled,), "write"))
        program.gradients = {leaf: filled if v is update.gradient else v for leaf, v in program.gradients.items()}
    new: dict[Value, Value] = {group[0].gradient: gradients.value}
    new |= {value: flat.value for value, flat in zip(group[0].memory, flats, strict=True) if flat is not None}
    joined = []
    for call in group[0].calls:
        if call.function.kind == "write":
            made = Value("result", new[call.args[0]].data, new[call.args[0]])
        else:
            made = Value("result", gradients.value.data)
            made.data = None
        joined.append(Call(call.function, substitute(call.args, lambda v: new.get(v, v)), {}, (made,), call.op, call.path, call.line))
        new[call.output] = made
    gone = {call for update in group for call in update.calls}
    last = max(i for i, call in enumerate(program.calls) if call in gone)
    before: list[Call] = []
    for call in program.calls[:last]:
        if call not in gone:
            before += [call, *[writes.pop(v) for v in call.outputs if v in writes]]
    program.calls = [*head, *writes.values(), *before, *joined, *program.calls[last + 1:]]


def _part(flat: Flat, i: int, made: Value) -> Call:
    begin, end = flat.bounds(i)
    return Call(Function("part", _cut, "view"), (flat.value, begin, end, made.shape), {}, (made,), "part")


def _cut(flat: Any, begin: int, end: int, shape: tuple[int, ...]) -> Any:
    return flat[begin:end].reshape(shape)


def _flat(values: tuple[Value, ...], movable: set[Value]) -> Flat | None:
    """One array for all: where they lie behind each other already, that; new memory, where all may be moved; else None."""
    arrays = [v.data for v in values]
    size = sum(a.size for a in arrays)
    owner = arrays[0].base
    if owner is not None and owner.ndim == 1 and owner.flags.c_contiguous and all(a.base is owner for a in arrays):
        addresses = [a.__array_interface__["data"][0] for a in arrays]
        start = (addresses[0] - owner.__array_interface__["data"][0]) // owner.itemsize
        if all(b - a == array.nbytes for a, b, array in zip(addresses, addresses[1:], arrays, strict=False)):
            return Flat(Value("outer", owner[start:start + size]), [v.shape for v in values])
    if not all(v in movable for v in values):
        return None
    return Flat(Value("outer", np.concatenate([a.reshape(-1) for a in arrays])), [v.shape for v in values], moved=True)
