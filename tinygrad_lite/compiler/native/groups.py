"""Which calls of a native program share a loop.

Calls on equal shapes do where all that they hand to each other is at the same entry; what is handed on inside a loop alone is never stored.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..program import Call, Value
from .places import Memory, Place, Places

__all__ = ["Group", "groups", "output_place"]


class Access(NamedTuple):
    place: Place  # as a loop of its group sees it
    writes: bool


@dataclass(eq=False)
class Group:
    """Calls that are done together: one loop over a shape, or one call of another kind."""

    kind: str  # of entries.kind_and_shape
    shape: tuple[int, ...]
    calls: list[Call] = field(default_factory=list)
    accesses: dict[Memory, list[Access]] = field(default_factory=dict)

    def add(self, call: Call, accesses: list[Access]) -> "Group":
        """Do `call` before the others."""
        self.calls.insert(0, call)
        for access in reversed(accesses):
            self.accesses.setdefault(access.place.memory, []).insert(0, access)
        return self

    def conflicts(self, accesses: list[Access]) -> bool:
        """Would something else be read or left if these came after this group?"""
        return any(mine.writes or access.writes for access in accesses for mine in self.accesses.get(access.place.memory, ()))

    def takes(self, accesses: list[Access]) -> bool:
        """May these be done in the same loop, entry by entry?"""
        return all(mine.place == access.place for access in accesses for mine in self.accesses.get(access.place.memory, ())
                   if (mine.writes or access.writes) and not _apart(mine.place, access.place, self.shape))


def _apart(a: Place, b: Place, shape: tuple[int, ...]) -> bool:
    """Do two places of one memory have no entry in common, whatever the index in each?"""
    def ends(p: Place) -> tuple[int, int]:
        steps = [s * (n - 1) for s, n in zip(p.strides, shape, strict=True)]
        return p.offset + sum(s for s in steps if s < 0), p.offset + sum(s for s in steps if s > 0)

    (a0, a1), (b0, b1) = ends(a), ends(b)
    return a1 < b0 or b1 < a0


def groups(calls: Iterable[tuple[Call, str, tuple[int, ...]]], places: Places, wanted: set[Memory]) -> list[Group]:
    """Calls with their kind and shape, gathered: each joins the first loop, at or after its place, that it may be done in.

    As late as possible, so that what is cheap to make, such as a mask, is made where it is used. wanted: memory that is read when all is done.
    """
    made: list[Group] = []
    for call, kind, shape in reversed(list(calls)):
        accesses = _accesses(call, kind, shape, places)
        if kind == "loop" and not Group(kind, shape).add(call, accesses).takes(accesses):
            kind = "python"  # it overwrites what it has still to read
        for group in made:
            if kind == group.kind == "loop" and group.shape == shape and group.takes(accesses):
                group.add(call, accesses)
                break
            if group.conflicts(accesses):
                made.insert(0, Group(kind, shape).add(call, accesses))
                break
        else:
            made.insert(0, Group(kind, shape).add(call, accesses))
    _keep_in_registers(made, wanted)
    return made


def _accesses(call: Call, kind: str, shape: tuple[int, ...], places: Places) -> list[Access]:
    def seen(value: Value) -> Place:
        place = places.of[value]
        return place.spread(value.shape, shape) if kind == "loop" else place

    read = call.args[1:] if call.function.kind == "write" else (call.args, call.keywords)
    found = [Access(seen(v), False) for v in Call(call.function, (read,), {}, ()).inputs]
    return found + [Access(output_place(v, shape, places) if kind == "loop" else places.of[v], True) for v in call.outputs]


def output_place(value: Value, shape: tuple[int, ...], places: Places) -> Place:
    """Of the output of a loop; a copy into another shape is seen in the shape of what is copied."""
    place = places.of[value]
    if value.shape == shape:
        return place.spread(shape, shape)
    form = places.form(value).reshape(shape)
    return Place(place.memory, place.offset, tuple(s // value.dtype.itemsize if n != 1 else 0 for s, n in zip(form.strides, shape, strict=True)))


def _keep_in_registers(made: list[Group], wanted: set[Memory]) -> None:
    """Memory of the workspace that one loop alone touches, each entry at its own turn, is not needed."""
    touched = Counter([memory for group in made for memory in group.accesses])
    for group in made:
        for memory, accesses in group.accesses.items():
            alone = group.kind == "loop" and memory.kind == "work" and memory not in wanted and touched[memory] == 1
            memory.stored = not (alone and accesses[0].writes and all(a.place == accesses[0].place for a in accesses))
