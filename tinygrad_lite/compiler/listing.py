"""A program as plain data: cards with numbers, labels and shapes, such as pictures and listings of graphs are made from."""

from dataclasses import dataclass
from typing import Any

from .program import Program, Value

__all__ = ["Card", "Cards", "cards"]


@dataclass(frozen=True)
class Card:
    """One value from outside, or one call. `inputs` are numbers of other cards, always lower ones."""

    number: int
    kind: str  # "leaf": an argument or an array from outside; "constant": a number, live or not; "op": a call
    label: str
    shapes: tuple[tuple[int, ...], ...]  # of each output
    dtype: str
    inputs: tuple[int, ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    path: str = ""  # of the module in whose call it was made
    origin: str = ""  # the user's line
    requires_grad: bool = False  # does it have a gradient at the end?


@dataclass(frozen=True)
class Cards:
    cards: tuple[Card, ...]
    roots: tuple[int, ...]  # numbers of the cards that are returned


def cards(program: Program) -> Cards:
    """The calls of `program` in order, each after what it reads; keeps no array alive.

    A part of a flat array is a leaf with its own name, and whoever reads the whole of it reads what was last written into its parts.
    """
    made: list[Card] = []
    number: dict[Value, int] = {}
    leaves = {id(leaf._data) for leaf in program.gradients}
    written: dict[Value, dict[Value, int]] = {}  # flat array -> what was written into which part of it

    def add(kind: str, label: str, shapes: tuple[tuple[int, ...], ...], dtype: str, *more: Any) -> int:
        made.append(Card(len(made) + 1, kind, label, shapes, dtype, *more))
        return len(made)

    def of(value: Value) -> int:
        if value not in number:
            kind = "constant" if value.kind in ("constant", "number") else "leaf"
            label = value.name or (f"{value.data.item():.4g}" if value.kind == "constant" and value.size == 1 else value.kind)
            number[value] = add(kind, label, (value.shape,), str(value.dtype), (), (), value.name.rpartition(".")[0], "",
                                value.kind == "outer" and id(value.data) in leaves)
        return number[value]

    def read(value: Value) -> list[int]:
        return list(written[value].values()) if value in written else [of(value)]

    for value in program.inputs:
        of(value)
    for call in program.calls:
        if call.function.text == "part":
            continue
        if call.function.kind == "write" and call.args[0].span is not None and isinstance(call.args[1], Value):
            target, value = call.args
            written.setdefault(target.root, {})[target] = number[call.output] = of(value)
            continue
        inputs = tuple(dict.fromkeys([n for v in call.inputs for n in read(v)]))
        params = tuple([(key, repr(x)) for key, x in call.keywords.items() if not isinstance(x, Value)])
        own = add("op", call.function.text, tuple([v.shape for v in call.outputs]), str(call.output.dtype), inputs, params, call.path, call.line)
        number |= dict.fromkeys(call.outputs, own)
    return Cards(tuple(made), tuple([of(value) for value in program.outputs]))
