"""Where each value of a native program lies: every array is a place in some memory, with strides."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..memory import Plan
from ..program import Call, Program, Value, substitute

__all__ = ["DTYPES", "Memory", "Place", "Places", "Unsupported"]

DTYPES = frozenset(np.dtype(name) for name in ("float32", "float64", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
                                               "uint64"))


class Unsupported(Exception):
    """A program that has no native form; the text says which call, and why."""


@dataclass(eq=False)
class Memory:
    """A piece of memory: of an argument ("input"), of an array that stays ("outer"), or of the workspace ("work")."""

    kind: str
    dtype: Any
    size: int
    array: Any = None  # of an outer
    name: str = ""
    offset: int = 0  # in the workspace, in bytes
    stored: bool = True  # False: its entries live in registers alone


class Place(NamedTuple):
    """Where the entries of a value lie, in entries of its memory."""

    memory: Memory
    offset: int
    strides: tuple[int, ...]

    def spread(self, shape: tuple[int, ...], to: tuple[int, ...]) -> "Place":
        """The same entries, broadcast from a shape to another."""
        strides = [0] * (len(to) - len(shape)) + [0 if n == 1 and m != 1 else s for s, n, m in
                                                  zip(self.strides, shape, to[len(to) - len(shape):], strict=True)]
        return Place(self.memory, self.offset, tuple(s if n != 1 else 0 for s, n in zip(strides, to, strict=True)))


class Places:
    """Place of every value of a program, found by making its views on arrays of the same form."""

    def __init__(self, program: Program, plan: Plan, gradients: dict[Any, Any]) -> None:
        self.of: dict[Value, Place] = {}
        self._forms: dict[Value, Any] = {}  # arrays of the right strides, whose entries are never read
        self._outer: dict[int, Memory] = {}
        written = {value.root for call in program.calls if call.function.kind == "write" for value in call.inputs[:1]}
        found = any(v.name == "grad" for v in program.inputs)  # a gradient that is read may lie where the new one is left
        homes = {} if found else {v: gradients[leaf] for leaf, v in program.gradients.items()}
        for value in program.inputs:
            if value in written:
                raise Unsupported(f"{value.name}, an argument, is written in place")
            self._own(value, Memory("input", value.dtype, value.size, name=value.name))
        for call in program.calls:
            for value in call.inputs:
                self.place(value)
            if call.function.kind == "write":
                self.same(call.output, call.args[0])
            elif call.function.kind == "view":
                self._view(call)
            elif call.output in plan.target:
                self.same(call.output, plan.target[call.output])
            else:
                for value in call.outputs:
                    home = homes.get(value)
                    if value.base is not None and value.root in written:
                        raise Unsupported(f"{call.function.text} shows memory that is written later")
                    if home is not None and (home.shape, home.dtype) == (value.shape, value.dtype) and value.contiguous and value not in written:
                        self.of[value], self._forms[value] = self.fixed(home), home
                    else:
                        self._own(value, Memory("work", value.dtype, value.size, name=call.op))
        for value in program.results():
            self.place(value)

    def place(self, value: Value) -> Place:
        if value not in self.of:
            if value.kind in ("outer", "constant"):
                self.of[value], self._forms[value] = self.fixed(value.data), value.data
                self.of[value].memory.name = self.of[value].memory.name or value.name
            elif value.kind == "number":
                self._own(value, Memory("number", value.dtype, 1))
            else:
                raise Unsupported(f"{value!r} is read before it is made")
        return self.of[value]

    def fixed(self, array: Any) -> Place:
        """The place of a whole array that stays."""
        if any(s % array.itemsize for s in array.strides):
            raise Unsupported("there is an array whose entries do not lie on multiples of their size")
        memory = self._outer.setdefault(id(array), Memory("outer", array.dtype, array.size, array))
        return Place(memory, 0, tuple(s // array.itemsize for s in array.strides))

    def _own(self, value: Value, memory: Memory) -> None:
        if value.dtype not in DTYPES:
            raise Unsupported(f"{value!r} is of a dtype without native code")
        axes = value.axes if memory.kind == "work" else range(len(value.shape))  # the order that NumPy chose: its views stay views
        form = np.empty([value.shape[i] for i in axes], value.dtype).transpose(np.argsort(axes))
        self._forms[value] = form
        self.of[value] = Place(memory, 0, tuple(s // value.dtype.itemsize for s in form.strides))

    def same(self, value: Value, other: Value) -> None:
        self.of[value], self._forms[value] = self.of[other], self._forms[other]

    def _view(self, call: Call) -> None:
        source, made = call.inputs[0], call.output
        if len(call.inputs) > 1:
            raise Unsupported(f"{call.function.text} is chosen by the values of an array")
        base = self._forms[source]
        form = call.function.run(*substitute(call.args, self._forms.__getitem__), **substitute(call.keywords, self._forms.__getitem__))
        if form.dtype != base.dtype or form.size and not np.may_share_memory(form, base):
            raise Unsupported(f"{call.function.text} is no view of strides")
        moved = form.__array_interface__["data"][0] - base.__array_interface__["data"][0] if form.size else 0
        place = self.of[source]
        self._forms[made] = form
        self.of[made] = Place(place.memory, place.offset + moved // base.itemsize, tuple(s // base.itemsize for s in form.strides))

    def form(self, value: Value) -> Any:
        return self._forms[value]
