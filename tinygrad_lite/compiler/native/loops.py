"""Groups of calls as the lines of a kernel: loops over the entries of arrays."""

from collections.abc import Callable
from typing import Any

from ..program import Call, Value
from .entries import cast, entry, literal
from .groups import Group, output_place
from .places import Memory, Place, Places
from .sums import indented, product, reduce

__all__ = ["Kernel"]

Index = list[tuple[str, int]]  # (name of a loop's variable, stride)


class Kernel:
    """The lines of one kernel, and the arguments of the program that it reads.

    name(thing, wish): a name for some memory or number, the same each time; row(memory): where the table holds the address of an array;
    scratch(size, dtype): memory for one call; numbers: those of the program, in the order in which the step leaves them.
    """

    def __init__(self, run: list[Group], places: Places, name: Callable[[Any, str], str], row: Callable[[Memory], int],
                 scratch: Callable[[int, Any], Memory], numbers: list[Value]) -> None:
        self.places, self.name, self.row, self.scratch, self.numbers = places, name, row, scratch, numbers
        self.inputs: list[Memory] = []
        self.pointers: dict[Memory, str] = {}
        self.known: dict[Value, str] = {}  # numbers that are loaded
        self.head: list[str] = []
        self.body: list[str] = []
        self.count = 0
        for group in run:
            self.body += ["", *_comments(group)]
            match group.kind:
                case "loop":
                    self.loop(group)
                case "reduce":
                    reduce(self, group.calls[0])
                case "product":
                    product(self, group.calls[0])
        work = ["work = memory(table[0])"] if any("(work, " in line for line in self.head) else []
        self.lines = [*work, *self.head, *self.body]

    # ---- words

    def pointer(self, memory: Memory) -> str:
        """The name of a pointer to the first entry."""
        if memory not in self.pointers:
            kind = "uint8" if memory.dtype.kind == "b" else memory.dtype
            name = self.name(memory, memory.name or "t")
            if memory.kind == "input":
                self.inputs.append(memory)
                start, name = f"memory({name}.ctypes.data), 0", self.name((memory, "pointer"), f"{name}_at")
            elif memory.kind == "work":
                start = f"work, {memory.offset // memory.dtype.itemsize}"
            else:
                start = f"memory(table[{self.row(memory)}]), 0"
            self.pointers[memory] = name
            self.head.append(f"{name} = {kind}({start})")
        return self.pointers[memory]

    def at(self, place: Place, index: Index) -> str:
        """Where an entry lies, from the pointer on: offset + i * stride + ..."""
        terms = [i if stride == 1 else f"{i} * {stride}" for i, stride in index if stride]
        return " + ".join([str(place.offset), *terms] if place.offset or not terms else terms)

    def entry(self, place: Place, index: Index) -> str:
        return f"{self.pointer(place.memory)}[{self.at(place, index)}]"

    def start(self, place: Place, index: Index) -> str:
        """Two arguments of a part: the pointer, and the entry at which the array begins."""
        return f"{self.pointer(place.memory)}, {self.at(place, index)}"

    def number(self, value: Value) -> str:
        if value not in self.known:
            if not self.known:
                self.head.append("numbers = float64(memory(table[1]), 0)")
            self.known[value] = name = self.name(value, value.name or "number")
            self.head.append(f"{name} = np.{value.dtype}(numbers[{self.numbers.index(value)}])")
        return self.known[value]

    def fresh(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def nest(self, loops: list[tuple[str, int]], *lines: str) -> None:
        """Loops around some lines."""
        if len(loops) > 1 and 8 < loops[-1][1] <= 40:  # LLVM unrolls so short an inner loop, and would go on with the outer one
            lines = "row()", *indented(loops[-1:], *lines)
            loops = loops[:-1]
        self.body += indented(loops, *lines)

    # ---- loops

    def loop(self, group: Group) -> None:
        shape = group.shape
        axes = _axes(shape, [a.place for accesses in group.accesses.values() for a in accesses if a.place.memory.stored])
        known: dict[Place, str] = {}
        lines: list[str] = []

        def where(place: Place) -> str:
            return self.entry(place, [(name, place.strides[axis]) for name, _, axis in axes])

        def read(x: Any, dtype: Any) -> str:
            if not isinstance(x, Value):
                return literal(x, dtype)
            if x.kind == "number":
                return cast(self.number(x), x.dtype, dtype)
            if x.kind == "constant" and (x.data == x.data.flat[0]).all():
                return literal(x.data.flat[0].item(), dtype)
            place = self.places.of[x].spread(x.shape, shape)
            if place not in known:
                known[place] = self.fresh()
                lines.append(f"{known[place]} = {where(place)}{' != 0' if x.dtype.kind == 'b' else ''}")
            return cast(known[place], x.dtype, dtype)

        for call in group.calls:
            made = call.output
            place = output_place(made, shape, self.places)
            text = entry(call, read)
            known[place] = name = self.fresh()
            lines.append(f"{name} = {text}")
            if place.memory.stored:
                lines.append(f"{where(place)} = {f'np.uint8(1) if {name} else np.uint8(0)' if made.dtype.kind == 'b' else name}")
        self.nest([(name, size) for name, size, _ in axes], *lines)


def _axes(shape: tuple[int, ...], places: list[Place]) -> list[tuple[str, int, int]]:
    """(name, size, axis whose stride it has) of the loops over a shape: axes that lie one within the other in every place are one loop."""
    axes: list[tuple[int, int]] = []
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        if axes and all(p.strides[axes[-1][1]] == p.strides[axis] * size for p in places):
            axes[-1] = axes[-1][0] * size, axis
        else:
            axes.append((size, axis))
    return [(f"i{d}", size, axis) for d, (size, axis) in enumerate(axes)]


def _comments(group: Group) -> list[str]:
    """What is done, module by module."""
    names: dict[str, dict[str, None]] = {}
    for call in group.calls:
        names.setdefault(call.path, {})[_text(call)] = None
    return [f"# {', '.join(calls)} {group.shape if group.shape else 'scalar'}   {path}".rstrip() for path, calls in names.items()]


def _text(call: Call) -> str:
    return call.function.text.removeprefix("np.").lstrip(".")
