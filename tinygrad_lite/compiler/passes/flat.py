"""Flat memory: where many parameters get the same entry-by-entry update, they and their gradients lie behind each other in one array each.

The update of a whole model is then a few calls, instead of a few for each parameter. It is the same arithmetic on the same numbers.
"""

from typing import Any

import numpy as np

from ..program import Call, Flat, Function, Program, Value, substitute
from .updates import Update, find_updates

__all__ = ["join_updates"]


def join_updates(program: Program) -> None:
    groups: dict[Any, list[Update]] = {}
    for update in find_updates(program):
        if update.contiguous:
            groups.setdefault(update.signature, []).append(update)
    for group in groups.values():
        if len(group) > 1:
            _join(program, group)


def _join(program: Program, group: list[Update]) -> None:
    columns = list(zip(*[u.memory for u in group], strict=True))
    flats = [found for column in columns if (found := _flat(column, program.movable))]
    if len(flats) < len(columns) or len({v for column in columns for v in column}) < len(columns) * len(group):
        return
    shapes = [u.gradient.shape for u in group]
    gradients = Flat(Value("outer", np.empty(sum(u.gradient.size for u in group), group[0].gradient.dtype), name="gradients"), shapes)
    head: list[Call] = []
    for (flat, moved), column in zip(flats, columns, strict=True):
        names = {v.name.rpartition(".")[2] for v in column}
        flat.value.name = f"{names.pop()}_flat" if len(names) == 1 and "" not in names else "parameters"
        flat.members = list(column)
        program.flats.append(flat)
        for i, value in enumerate(column):
            if moved:
                program.moved.setdefault(value, value.data)
                value.data = flat.part(i)
            value.kind, value.base, value.span = "result", flat.value, flat.bounds(i)
            head.append(_part(flat, i, value))
    writes: dict[Value, Call] = {}
    makers = program.makers()
    for i, update in enumerate(group):
        shown = {leaf: v for leaf, v in program.gradients.items() if v is update.gradient or v.base is update.gradient}
        owner = next((name for leaf in shown if (name := program.names.get(leaf))), update.memory[0].name)
        view = Value("result", gradients.part(i), gradients.value, name=f"{owner}.grad")
        view.turned = update.memory[0].turned
        filled = Value("result", gradients.part(i), view)
        view.span = filled.span = gradients.bounds(i)
        head.append(_part(gradients, i, view))
        writes[update.gradient] = (Call(Function("np.copyto", np.copyto, "write"), (view, update.gradient), {}, (filled,), "write"))
        for leaf, v in shown.items():
            if v is update.gradient:
                program.gradients[leaf] = filled
            elif view.turned:  # the leaf's own form of it, by a call that stands behind that of the gradient
                v.base, v.data, v.span = filled, filled.data.T, filled.span
                makers[v].args = (filled,)
    new: dict[Value, Value] = {group[0].gradient: gradients.value}
    new |= {value: flat.value for value, (flat, _) in zip(group[0].memory, flats, strict=True)}
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


def _flat(values: tuple[Value, ...], movable: set[Value]) -> tuple[Flat, bool] | None:
    """(One array for all, is it new?): that in which they lie behind each other already, or new memory if all may be moved; else None."""
    arrays = [v.data for v in values]
    size = sum(a.size for a in arrays)
    owner = arrays[0].base
    if owner is not None and owner.ndim == 1 and owner.flags.c_contiguous and all(a.base is owner for a in arrays):
        addresses = [a.__array_interface__["data"][0] for a in arrays]
        start = (addresses[0] - owner.__array_interface__["data"][0]) // owner.itemsize
        if all(b - a == array.nbytes for a, b, array in zip(addresses, addresses[1:], arrays, strict=False)):
            return Flat(Value("outer", owner[start:start + size]), [v.shape for v in values]), False
    if not all(v in movable for v in values):
        return None
    return Flat(Value("outer", np.concatenate([a.reshape(-1) for a in arrays])), [v.shape for v in values]), True
