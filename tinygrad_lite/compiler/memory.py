"""Where each value lives: a buffer that is made once and used again by others, a view made once, or a local name of one run.

A buffer is given on when the last reader of its value has run. An entry-by-entry call may write into a buffer that it reads for the last
time, as one would write `h += b` by hand; and what is only computed to be written somewhere is computed there.
"""

import math
from typing import Any, NamedTuple

from .program import Call, Program, Value

__all__ = ["BLOCK", "Buffer", "Plan", "plan", "takes_out"]

LARGE = 4096  # entries: below, memory until the end of the run is cheaper than a line more
BLOCK = 32768  # entries of a piece: 128 KiB of float32, so that three of them fit the second cache


class Buffer:
    """One piece of memory, of the layout of the values that take turns in it; or the first part of another piece, in another layout."""

    __slots__ = ("name", "shape", "dtype", "axes", "whole", "parts")

    def __init__(self, shape: tuple[int, ...], dtype: Any, axes: tuple[int, ...], whole: "Buffer | None" = None) -> None:
        self.name = ""
        self.shape = shape
        self.dtype = dtype
        self.axes = axes  # the order of the axes in memory, slowest first
        self.whole = whole or self
        self.parts: dict[Any, Buffer] = {}  # layout -> buffer in the same memory

    @property
    def key(self) -> Any:
        return self.shape, self.dtype, self.axes

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def usual(self) -> bool:
        """Are the axes in NumPy's usual order?"""
        return self.axes == tuple(range(len(self.shape)))


class Slot:
    """A layout, and the calls, from one to another, during which something lies in it: values that follow each other in place.

    run: (first call, last call) of the pieces that it lies in, where it is one piece: it is written again for each.
    """

    __slots__ = ("key", "size", "start", "end", "run")

    def __init__(self, layout: tuple[tuple[int, ...], Any, tuple[int, ...]], start: int, end: int, run: tuple[int, int] | None) -> None:
        self.key = layout
        self.size = math.prod(layout[0])
        self.start = start
        self.end = end
        self.run = run

    def meets(self, other: "Slot") -> bool:
        """Are both needed at the same time?"""
        if self.run is not None and self.run == other.run:
            return self.start <= other.end and other.start <= self.end
        (start, end), (first, last) = [slot.run or (slot.start, slot.end) for slot in (self, other)]
        return start <= last and first <= end


class Plan(NamedTuple):
    buffers: list[Buffer]  # in order of first use
    buffer: dict[Value, Buffer]  # of each value that is written with out=
    target: dict[Value, Value]  # of each value that is computed in the place of another: what it overwrites
    once: set[Value]  # views of memory that stays: made when the program is built
    done: set[Call]  # writes that `target` makes superfluous
    dead: dict[Call, list[Value]]  # large results without a buffer whose last reader the call is

    @property
    def nbytes(self) -> int:
        """Memory that the program holds between runs."""
        return sum(b.size * b.dtype.itemsize for b in self.buffers if b.whole is b)


def plan(program: Program, reuse: bool = True) -> Plan:
    """A place for each result. What the program returns is new memory at each run, and so has no buffer."""
    last: dict[Value, int] = {}
    for i, call in enumerate(program.calls):
        for value in call.inputs:
            last[value.root] = i
    last |= dict.fromkeys([value.root for value in program.results()], len(program.calls))
    returned = {value.root for value in program.outputs}
    target, done = _targets(program) if reuse else ({}, set())
    slots: dict[Value, Slot] = {}
    once: set[Value] = set()
    dead: dict[Call, list[Value]] = {}
    small = _inside_blocks(program, target)

    def stays(value: Value) -> bool:
        """Is the memory of `value` the same at each run?"""
        return value.kind in ("outer", "constant") or value in once or value in slots or value in target

    for i, call in enumerate(program.calls):
        made = call.output
        if call.function.kind in ("view", "write"):
            if made.base is not None and stays(made.base) and not any(v.kind not in ("outer", "constant") for v in call.inputs[1:]
                                                                      if call.function.kind == "view"):
                once.add(made)
        elif made not in target and made not in returned and takes_out(call):
            run = small.get(made)
            slot = Slot((made.shape, made.dtype, made.axes) if run is None else ((BLOCK,), made.dtype, (0,)), i, last.get(made, i), run)
            if reuse and call.function.kind == "map":
                own = next((slots[v] for v in call.inputs if v in slots and last[v] == i and slots[v].key == slot.key), slot)
                own.end = slot.end
                slot = own
            slots[made] = slot
    for i, values in _last_uses(program, last).items():
        loose = [v for v in values if not stays(v)]
        if loose:
            dead[program.calls[i]] = loose
    buffers, homes = _homes(list(dict.fromkeys(slots.values())), reuse)
    return Plan(buffers, {value: homes[slot] for value, slot in slots.items()}, target, once, done, dead)


def _homes(slots: list[Slot], reuse: bool) -> tuple[list[Buffer], dict[Slot, Buffer]]:
    """A buffer for each slot, the largest first: in the smallest piece that is free while it is needed, one of its own layout before others.

    Source: Pisarchyk and Lee 2020, Efficient Memory Management for Deep Neural Net Inference ("greedy by size").
    """
    pieces: dict[Buffer, list[Slot]] = {}
    homes: dict[Slot, Buffer] = {}
    for slot in sorted(slots, key=lambda slot: -slot.size):
        wanted = Buffer(*slot.key)
        fits = [b for b, others in pieces.items() if (b.key == wanted.key or (b.dtype == wanted.dtype and b.usual and wanted.usual))
                and not any(map(slot.meets, others))] if reuse else []
        whole = min(fits, key=lambda b: (b.size, b.key != wanted.key), default=wanted)
        pieces.setdefault(whole, []).append(slot)
        if whole.key != wanted.key:
            wanted.whole = whole
            homes[slot] = whole.parts.setdefault(wanted.key, wanted)
        else:
            homes[slot] = whole
    order: dict[Buffer, None] = {}
    for slot in slots:  # in order of first use, a piece before its parts
        order[homes[slot].whole] = order[homes[slot]] = None
    return list(order), homes


def _last_uses(program: Program, last: dict[Value, int]) -> dict[int, list[Value]]:
    """Place of a call -> large results, views of them included, that nothing reads after it."""
    uses: dict[int, list[Value]] = {}
    for value in {v: None for call in program.calls for v in call.outputs}:
        root = value.root
        if root.kind == "result" and root.size >= LARGE and root in last and last[root] < len(program.calls):
            uses.setdefault(last[root], []).append(value)
    return uses


def _inside_blocks(program: Program, target: dict[Value, Value]) -> dict[Value, tuple[int, int]]:
    """What is made and read in one run of pieces alone, and that run, as its first and last call."""
    users, results = program.users(), {value.root for value in program.results()}
    place = {call: i for i, call in enumerate(program.calls)}
    small: dict[Value, tuple[int, int]] = {}
    for run in program.blocks:
        made = [v for call in run for v in call.outputs if v not in target and v not in results]
        small |= {v: (place[run[0]], place[run[-1]]) for v in made if all(user in run for user in users.get(v, ()))}
    return small


def takes_out(call: Call) -> bool:
    """Can NumPy be told where to write? np.dot writes only into C-contiguous memory of the dtype that it would have made."""
    made = call.output
    if call.function.kind not in ("map", "reduce", "product") or not made.shape or not made.size:
        return False
    return call.function.kind != "product" or made.contiguous


def _targets(program: Program) -> tuple[dict[Value, Value], set[Call]]:
    """For `new = f(...); target[...] = new`, where nothing else wants `new`, nor the old target in between: f can write there itself."""
    users, makers = program.users(), program.makers()
    place = {call: i for i, call in enumerate(program.calls)}
    results = {value.root for value in program.results()}
    target: dict[Value, Value] = {}
    done: set[Call] = set()
    for i, call in enumerate(program.calls):
        if call.function.kind != "write":
            continue
        old, new = call.args
        maker = makers.get(new) if isinstance(new, Value) else None
        if (maker is None or not takes_out(maker) or new in results or new in target or new.base is not None or old.root.kind != "outer"
                or (new.shape, new.dtype) != (old.shape, old.dtype) or not old.contiguous
                or maker.function.kind != "map" and old.root in [v.root for v in maker.inputs]):
            continue
        between = program.calls[place[maker] + 1:i]
        after = program.calls[i + 1:place[users[new][-1]] + 1]
        overwritten = any(other.function.kind == "write" and other.args[0].touches(old) for other in after)
        if not overwritten and not any(v.touches(old) and v is not new for other in between for v in other.inputs):
            target[new] = old
            done.add(call)
            first = _first_half(program, old, maker, users, makers, place)
            if first is not None and first not in results and first not in target:
                target[first] = old
    return target, done


def _first_half(program: Program, old: Value, maker: Call, users: dict[Value, list[Call]], makers: dict[Value, Call],
                place: dict[Call, int]) -> Value | None:
    """Of `m = beta m + rest g`: the product `beta m`, which may be made in the place of m already, since nothing reads m after it."""
    if maker.function.kind != "map" or any(v.touches(old) for v in maker.inputs):
        return None
    for value in maker.inputs:
        call = makers.get(value)
        if (call is not None and call.function.kind == "map" and old in call.inputs and users[value] == [maker] and value.contiguous
                and (value.shape, value.dtype) == (old.shape, old.dtype)
                and not any(v.touches(old) for other in program.calls[place[call] + 1:place[maker]] for v in other.inputs)):
            return value
    return None
