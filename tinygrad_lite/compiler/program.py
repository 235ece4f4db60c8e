"""The program: a captured function as a list of NumPy calls, one line each, over values with a shape and a dtype.

It is in single-assignment form: every call makes new values, a write too. Passes rewrite the list; emitters print it.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

__all__ = ["Call", "Flat", "Function", "Program", "Value", "transposed", "values_in", "view"]


class Value:
    """An array that the program reads or makes.

    kind    "input"     an argument of the function, or a gradient that it found: given anew at each run
            "outer"     an array that the function reads from outside, by reference: a parameter, a buffer, a table
            "number"    a Python float that is asked for again at each run, such as a learning rate
            "constant"  an array or number that never changes
            "result"    made by a call
    data    the array of an outer or constant; of any other, that of the first run, until the program is whole
    base    what this is a view of; None: memory of its own
    axes    the order of the axes in memory, slowest first; contiguous: is that NumPy's usual order, without gaps?
    turned  is it the transpose of what Tensors hold? So a weight lies that a product reads sooner
    """

    __slots__ = ("kind", "shape", "dtype", "data", "base", "name", "expression", "axes", "contiguous", "span", "turned")

    def __init__(self, kind: str, data: Any, base: "Value | None" = None, name: str = "", expression: Any = None) -> None:
        self.kind = kind
        self.data = data
        self.shape: tuple[int, ...] = data.shape
        self.dtype = data.dtype
        self.contiguous: bool = data.flags.c_contiguous
        self.axes = tuple(sorted(range(data.ndim), key=lambda i: 0 if self.contiguous else -abs(data.strides[i])))
        self.base = base
        self.name = name
        self.expression = expression  # of a number: how it is asked for
        self.span: tuple[int, int] | None = None  # of a part of a flat array: where it begins and ends
        self.turned = False

    @property
    def root(self) -> "Value":
        """The value whose memory this shows: itself, or what it is a view of."""
        value = self
        while value.base is not None:
            value = value.base
        return value

    def touches(self, other: "Value") -> bool:
        """May the two share memory?"""
        apart = self.span and other.span and (self.span[1] <= other.span[0] or other.span[1] <= self.span[0])
        return self.root is other.root and not apart

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __str__(self) -> str:
        if self.kind == "constant" and not self.shape:
            return repr(self.data.item())
        return self.name or "?"

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name} {self.dtype} {self.shape}>"


@dataclass(frozen=True)
class Function:
    """What a call calls.

    kind    "map"      entry by entry, with out=; broadcasts
            "reduce"   a ufunc's reduce, with out=
            "product"  matmul, dot, vecdot: with out=
            "view"     shares memory with its first argument
            "call"     any other function without an effect; it allocates its result
            "opaque"   a row's own forward, called as it is
            "draw"     reads a generator
            "write"    copies its second argument into the first
    text    how it is printed: "np.add", ".reshape" for a method, "[]" for an index
    """

    text: str
    run: Callable[..., Any]
    kind: str


@dataclass(eq=False)
class Call:
    """One line. `args` may nest Values in tuples and slices; `outputs` has one Value, or more for a tuple."""

    function: Function
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    outputs: tuple[Value, ...]
    op: str = ""  # the row of the table that it comes from
    path: str = ""  # of the module in whose call that ran
    line: str = ""  # the user's
    several: bool = False  # a tuple of outputs, also where that holds one
    errstate: tuple[tuple[str, str], ...] = ()  # NumPy's error handling around it, where it is not the caller's

    @property
    def inputs(self) -> list[Value]:
        """Values read, in order; one that is read twice stands twice."""
        return list(values_in((self.args, self.keywords)))

    @property
    def output(self) -> Value:
        return self.outputs[0]

    @property
    def pure(self) -> bool:
        return self.function.kind not in ("draw", "write")

    def __str__(self) -> str:
        made = ", ".join(str(v) for v in self.outputs)
        shapes = ", ".join(f"{v.dtype} {v.shape}" for v in self.outputs)
        args = [_text(a) for a in self.args] + [f"{k}={_text(v)}" for k, v in self.keywords.items()]
        where = f"  # {self.path}" if self.path else ""
        return f"{made} = {self.function.text}({', '.join(args)}) : {shapes}{where}"


@dataclass(eq=False)
class Flat:
    """One array for several values that lie in it behind each other."""

    value: Value
    shapes: list[tuple[int, ...]]
    members: list[Value] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ends = list(accumulate([math.prod(shape) for shape in self.shapes], initial=0))

    def bounds(self, i: int) -> tuple[int, int]:
        return self._ends[i], self._ends[i + 1]

    def part(self, i: int) -> Any:
        """The array of member i, as a view."""
        begin, end = self.bounds(i)
        return self.value.data[begin:end].reshape(self.shapes[i])


@dataclass(eq=False)
class Program:
    """Calls in order, and what goes in and out of them."""

    name: str
    inputs: list[Value] = field(default_factory=list)  # in the order of the leaves of the arguments, then gradients found
    calls: list[Call] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)  # returned
    gradients: dict[Any, Value] = field(default_factory=dict)  # leaf -> what its .grad is at the end
    names: dict[Any, str] = field(default_factory=dict)  # Tensor from outside -> what modules or the function's code call it
    movable: set[Value] = field(default_factory=set)  # outer values whose array nobody holds but the Tensor they were read from
    flats: list[Flat] = field(default_factory=list)
    moved: dict[Value, Any] = field(default_factory=dict)  # outer value that has new memory -> the array that Tensors hold in its place as yet
    blocks: list[list[Call]] = field(default_factory=list)  # runs of calls that are done piece by piece

    def outers(self) -> list[Value]:
        """Every outer value that a call reads, in the order of first use."""
        seen: dict[Value, None] = {}
        for value in [v for call in self.calls for v in call.inputs] + self.results():
            while value.base is not None:
                value = value.base
            if value.kind == "outer":
                seen[value] = None
        return list(seen)

    def results(self) -> list[Value]:
        """What must be there at the end."""
        return [*self.outputs, *self.gradients.values()]

    def users(self) -> dict[Value, list[Call]]:
        """Value -> the calls that read it, in order."""
        users: dict[Value, list[Call]] = {}
        for call in self.calls:
            for value in dict.fromkeys(call.inputs):
                users.setdefault(value, []).append(call)
        return users

    def makers(self) -> dict[Value, Call]:
        return {value: call for call in self.calls for value in call.outputs}

    def replace(self, old_to_new: dict[Value, Value]) -> None:
        """Read other values in the place of some, everywhere."""
        def new(value: Value) -> Value:
            while value in old_to_new:
                value = old_to_new[value]
            return value

        for call in self.calls:
            call.args = substitute(call.args, new)
            call.keywords = substitute(call.keywords, new)
            for value in call.outputs:
                if value.base is not None:
                    value.base = new(value.base)
        self.outputs = [new(v) for v in self.outputs]
        self.gradients = {leaf: new(v) for leaf, v in self.gradients.items()}

    def named(self) -> "Program":
        """Give every value without a name one: %1, %2 for results, in order."""
        count = 0
        for call in self.calls:
            for value in call.outputs:
                count += 1
                value.name = value.name or f"%{count}"
        return self

    def __str__(self) -> str:
        self.named()
        head = ", ".join(f"{v.name}: {v.dtype} {v.shape}" for v in self.inputs)
        lines = [f"{self.name}({head})", *[f"  {call}" for call in self.calls]]
        return "\n".join([*lines, "  return " + ", ".join(str(v) for v in self.outputs)])


def view(text: str, run: Callable[..., Any], source: Value, rest: tuple[Any, ...], shape: tuple[int, ...]) -> Call:
    """The call that shows `source` as an array of `shape`, its axes in their order."""
    made = Value("result", np.empty(shape, source.dtype), source)
    made.data = None
    return Call(Function(text, run, "view"), (source, *rest), {}, (made,))


def transposed(source: Value) -> Call:
    """The call that shows a matrix as its transpose."""
    call = view(".T", lambda x: x.T, source, (), source.shape)
    made = call.output
    made.shape, made.axes, made.contiguous = source.shape[::-1], source.axes[::-1], 1 in source.shape
    return call


def values_in(tree: Any, kind: type = Value) -> Iterator[Any]:
    """Every Value (or what else is of this kind) in nested tuples, lists, dicts and slices, in order."""
    if isinstance(tree, kind):
        yield tree
    elif isinstance(tree, tuple | list):
        for part in tree:
            yield from values_in(part, kind)
    elif isinstance(tree, dict):
        for part in tree.values():
            yield from values_in(part, kind)
    elif isinstance(tree, slice):
        yield from values_in((tree.start, tree.stop, tree.step), kind)


def substitute(tree: Any, new: Callable[[Any], Any], kind: type = Value) -> Any:
    """The same tree with new(value) for each Value, or what else is of this kind."""
    if isinstance(tree, kind):
        return new(tree)
    if isinstance(tree, tuple | list):
        parts: Iterable[Any] = [substitute(part, new, kind) for part in tree]
        return tuple(parts) if isinstance(tree, tuple) else list(parts)
    if isinstance(tree, dict):
        return {key: substitute(part, new, kind) for key, part in tree.items()}
    if isinstance(tree, slice):
        return slice(*[substitute(part, new, kind) for part in (tree.start, tree.stop, tree.step)])
    return tree


def _text(x: Any) -> str:
    if isinstance(x, Value):
        return str(x)
    if isinstance(x, tuple | list):
        inside = ", ".join(_text(part) for part in x)
        return f"({inside}{',' * (len(x) == 1)})"
    return repr(x)
