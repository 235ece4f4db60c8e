"""The program as Python source that numba compiles: kernels of plain loops over pointers, and a step that calls them.

    @njit(...)
    def kernel_0(table, x, y):
        ...                                        # where each array lies
        product(linear, 0, x_at, 0, packed, 0, (100, 2, 16, 2, 1, 16, 16))
        for i0 in range(100):
            for i1 in range(16):
                ...                                # bias and relu: no array in between

Every array that stays is reached through one table of addresses, since each array argument costs a tenth of a microsecond. What has no
native form is called by the step between two kernels, as NumPy does it. Against NumPy, sums are in another order, products use fused
multiply-add, and no floating-point warning is given; everything else is the same arithmetic.
"""

import keyword
import re
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from ..memory import Plan
from ..program import Call, Function, Program, Value
from .cache import KEPT
from .entries import kind_and_shape
from .groups import Group, groups
from .loops import Kernel
from .parts import parts
from .places import Memory, Places, Unsupported

__all__ = ["NativeSource", "native_source"]

ALIGN = 64  # bytes: a cache line
LONGEST = 64  # groups in a kernel: the time that LLVM takes grows faster than a function
MOST = 512  # groups in a program: some 50 ms each to compile
RESERVED = frozenset(("np", "njit", "types", "parts", "name", "KEPT", "own", "build", "table", "numbers", "work", "range", "abs", "zip",
                      "a", "b", "k", "m", "n", "s", "t", "v"))  # words of the source that name no array


class NativeSource(NamedTuple):
    text: str
    table: list[Any]  # arrays whose addresses the kernels read, in order
    views: dict[str, Any]  # arrays that the step reads or writes itself: name -> array
    objects: dict[str, Any]  # what else it names: functions, and objects that live numbers are read from
    numpy_calls: list[Call]  # calls that have no native form


def native_source(program: Program, plan: Plan, gradients: dict[Any, Any]) -> NativeSource:
    """Print `program`; gradients: leaf -> the array in which its gradient is left. Raises Unsupported."""
    return _Printer(program, plan, gradients).source()


class _Printer:
    def __init__(self, program: Program, plan: Plan, gradients: dict[Any, Any]) -> None:
        self.program = program
        self.places = Places(program, plan, gradients)
        copies = [_copy(gradients[leaf], value, self.places) for leaf, value in program.gradients.items()
                  if value.data is not gradients[leaf] and self.places.form(value) is not gradients[leaf]]
        calls = [call for call in [*program.calls, *copies] if call.function.kind != "view" and call not in plan.done]
        wanted = {self.places.of[v].memory for v in program.outputs}
        self.groups = groups([(call, *kind_and_shape(call)) for call in calls], self.places, wanted)
        if len(self.groups) > MOST:
            raise Unsupported(f"it would be {len(self.groups)} loops, which take minutes to compile")
        self.wanted = wanted
        self.numbers = list(dict.fromkeys([v for call in program.calls for v in call.inputs if v.kind == "number"]))
        self.names: dict[Any, str] = {}
        self.taken = {*RESERVED, *vars(parts())}
        self.title = self._free(program.name)
        self.objects: dict[str, Any] = {}
        self.views: dict[str, Value] = {}

    def source(self) -> NativeSource:
        program = self.program
        for value in program.inputs:
            self.names[self.places.of[value].memory] = self._free(value.name or "x")
        self.size = self.behind = self._allocate()
        numbers = np.zeros(max(1, len(self.numbers)))
        self.table: dict[Any, Any] = {"work": None, "numbers": numbers}
        kernels: list[str] = []
        body = [f"numbers[{i}] = {_bare(v.expression.text(self._object))}" for i, v in enumerate(self.numbers)]
        for native, run in groupby(self.groups, lambda group: group.kind != "python"):
            part = list(run)
            body += self._kernels(part, kernels) if native else [self._numpy(group.calls[0]) for group in part]
        numpy_calls = [group.calls[0] for group in self.groups if group.kind == "python"]
        if not kernels:
            raise Unsupported(f"{numpy_calls[0].function.text} has no native form" if numpy_calls else "nothing is computed")
        returned = [self._result(v) for v in program.outputs]
        self.table["work"] = work = _aligned(self.size)
        views = {"numbers": numbers} | {name: self._array(value, work) for name, value in self.views.items()}
        code = "\n\n".join(kernels)
        used = [part for part in vars(parts()) if re.search(rf"\b{part}\(", code)]
        inputs = ", ".join(self.names[self.places.of[v].memory] for v in program.inputs)
        count = sum(len(group.calls) for group in self.groups)
        lines = [f'"""{program.name}: {count - len(numpy_calls)} of {count} calls in {_count(len(kernels), "native kernel")}."""',
                 "import numpy as np", "from numba import njit, types", "from tinygrad_lite.compiler.native.parts import parts", "", KEPT,
                 f"{', '.join(used)} = [vars(parts())[name] for name in {used!r}]", "", "", code, "",
                 "def own(x):", '    return np.array(x, order="C")', "", "",
                 f"def build({', '.join(['table', *views, *self.objects])}):", f"    def {self.title}({inputs}):",
                 *[f"        {line}" for line in body], f"        return ({', '.join(returned)}{',' * (len(returned) == 1)})", "",
                 f"    return {self.title}", ""]
        return NativeSource("\n".join(lines), list(self.table.values()), views, self.objects, numpy_calls)

    # ---- memory

    def _allocate(self) -> int:
        """Give each stored piece of the workspace its offset; pieces that are never needed at the same time share bytes. Returns the size."""
        first: dict[Memory, int] = {}
        last: dict[Memory, int] = {}
        for i, group in enumerate(self.groups):
            for memory in group.accesses:
                if memory.kind == "work" and memory.stored:
                    first.setdefault(memory, i)
                    last[memory] = i
        last |= {memory: len(self.groups) for memory in self.wanted if memory.kind == "work"}
        size, live = 0, list[Memory]()
        for memory in first:
            live = sorted([m for m in live if last[m] >= first[memory]], key=lambda m: m.offset)
            begin = 0
            for other in live:
                if begin + _bytes(memory) <= other.offset:
                    break
                begin = max(begin, other.offset + _bytes(other))
            memory.offset = begin
            live.append(memory)
            size = max(size, begin + _bytes(memory))
        return size

    def scratch(self, size: int, dtype: Any) -> Memory:
        """Workspace for one group: all use the same bytes, behind those of the values."""
        memory = Memory("work", dtype, size, name="packed", offset=self.behind)
        self.size = max(self.size, self.behind + _bytes(memory))
        return memory

    def row(self, memory: Memory) -> int:
        """The row of the table that holds the address of an outer array."""
        self.table.setdefault(memory, memory.array)
        return list(self.table).index(memory)

    # ---- names

    def name(self, thing: Any, wish: str) -> str:
        if thing not in self.names:
            self.names[thing] = self._free(wish)
        return self.names[thing]

    def _free(self, wish: str) -> str:
        name = re.sub(r"\W", "_", wish).strip("_") or "v"
        stem, i = f"p{name}" if name[0].isdigit() else f"{name}_" if keyword.iskeyword(name) else name, 0
        name = stem
        while name in self.taken or re.fullmatch(r"[iv]\d+|kernel_\d+", name):
            name, i = f"{stem}_{i}", i + 1
        self.taken.add(name)
        return name

    def _object(self, thing: Any) -> str:
        if ("object", id(thing)) not in self.names:
            words = {dict: "group" if isinstance(thing, dict) and "params" in thing else "state"}
            wish = words.get(type(thing), getattr(thing, "__name__", type(thing).__name__).lower())
            self.objects[self.name(("object", id(thing)), wish)] = thing
        return self.names["object", id(thing)]

    # ---- the step

    def _kernels(self, run: list[Group], kernels: list[str]) -> list[str]:
        """Add kernels for some groups; returns the lines that call them."""
        lines = []
        for part in [run[i:i + LONGEST] for i in range(0, len(run), LONGEST)]:
            kernel = Kernel(part, self.places, self.name, self.row, self.scratch, self.numbers)
            words = [self.names[memory] for memory in kernel.inputs]
            name, arguments = f"kernel_{len(kernels)}", ", ".join(["table", *words])
            forms = ", ".join(["types.int64[::1]", *[self._form(memory) for memory in kernel.inputs]])
            kernels.append("\n".join([f'@njit(types.void({forms}), cache=KEPT, error_model="numpy")', f"def {name}({arguments}):",
                                      *[f"    {line}".rstrip() for line in kernel.lines], ""]))
            call = f"{name}({arguments})"
            copies = f"{', '.join(words)} = {', '.join(f'own({word})' for word in words)}"
            lines += [call] if not words else [
                "try:", f"    {call}", "except TypeError:  # before anything ran: an argument that is not contiguous, or write-protected",
                f"    {copies}", f"    {call}"]
        return lines

    def _form(self, memory: Memory) -> str:
        """The type of an argument in numba's words."""
        ndim = next(len(v.shape) for v in self.program.inputs if self.places.of[v].memory is memory)
        return f'types.Array(types.{"boolean" if memory.dtype.kind == "b" else memory.dtype}, {ndim}, "C")'

    def _numpy(self, call: Call) -> str:
        """A call as NumPy does it, on arrays over the workspace."""
        if call.function.kind == "write":
            return f"np.copyto({self.view(call.args[0])}, {self._word(call.args[1])}, casting='unsafe')"
        words = [self._word(a) for a in call.args] + [f"{key}={self._word(value)}" for key, value in call.keywords.items()]
        text = f"{self._object(call.function.run)}({', '.join(words)})"
        targets = [self.view(v) for v in call.outputs]
        where = f"for t, v in zip(({', '.join(targets)},), {text}): np.copyto(t, v)" if call.several else f"np.copyto({targets[0]}, {text})"
        return f"with np.errstate({', '.join(f'{k}={v!r}' for k, v in call.errstate)}): {where}" if call.errstate else where

    def _word(self, x: Any) -> str:
        if isinstance(x, Value):
            place = self.places.of[x]
            if place.memory.kind == "input" and x.kind == "input":
                return self.names[place.memory]
            return self.view(x)
        if isinstance(x, tuple | list):
            inside = ", ".join([self._word(part) for part in x])
            return f"({inside}{',' * (len(x) == 1)})" if isinstance(x, tuple) else f"[{inside}]"
        if isinstance(x, slice):
            return f"slice({self._word(x.start)}, {self._word(x.stop)}, {self._word(x.step)})"
        return repr(x) if x is None or isinstance(x, bool | int | str) else self._object(x)

    def view(self, value: Value) -> str:
        """The name of an array that shows a value where it lies."""
        place = self.places.of[value]
        memory = place.memory
        if memory.kind not in ("work", "outer"):
            raise Unsupported(f"a call without a native form reads a {'number' if memory.kind == 'number' else 'view of an argument'}")
        name = self.name(("view", place, value.shape), memory.name or "v")
        self.views.setdefault(name, value)
        return name

    def _array(self, value: Value, work: Any) -> Any:
        place = self.places.of[value]
        memory = place.memory
        if memory.kind == "outer":
            return self.places.form(value)
        flat = work[memory.offset:memory.offset + memory.size * value.dtype.itemsize].view(value.dtype)
        return np.lib.stride_tricks.as_strided(flat[place.offset:], value.shape, [s * value.dtype.itemsize for s in place.strides])

    def _result(self, value: Value) -> str:
        """What is returned must not be memory that the next run writes again."""
        memory = self.places.of[value].memory
        if memory.kind == "number":
            return f"np.array(numbers[{self.numbers.index(value)}], np.{value.dtype})"
        if memory.kind == "input" and value.kind == "input":
            return self.names[memory]
        return self.view(value) + ("" if value.root.kind == "outer" else ".copy()")


def _copy(target: Any, value: Value, places: Places) -> Call:
    old = Value("outer", target)
    made = Value("result", target, base=old)
    places.place(old)
    places.same(made, old)
    return Call(Function("np.copyto", np.copyto, "write"), (old, value), {}, (made,), "write")


def _aligned(size: int) -> Any:
    raw = np.zeros(size + ALIGN, np.uint8)
    return raw[-raw.ctypes.data % ALIGN:]


def _bytes(memory: Memory) -> int:
    size: int = memory.size * memory.dtype.itemsize
    return -(-size // ALIGN) * ALIGN


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _bare(text: str) -> str:
    return text[1:-1] if text[0] == "(" else text
