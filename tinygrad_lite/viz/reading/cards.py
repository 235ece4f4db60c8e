"""A computation graph as plain data: what every listing and picture is made from. It keeps no Tensor alive."""

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Call", "Card", "Graph"]


class Card(NamedTuple):
    """One leaf, constant or op. `inputs` are numbers of other cards, always lower ones."""

    number: int
    kind: str  # "leaf", "constant" or "op"
    label: str  # the op, or the name of a leaf, or the value of a small constant
    shapes: tuple[tuple[int, ...], ...]  # of each output
    dtype: str
    inputs: tuple[int, ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    path: str = ""  # of the module in whose call it was made; of the module that holds it, for a parameter
    origin: str = ""  # where the user's line is, and its text
    requires_grad: bool = False
    call: int = -1  # the module call it was made in, a number of Graph.calls; -1: in none
    source: str = ""  # the text of the user's line
    name: str = ""  # the user's variable that holds the result
    parameter: bool = False  # a leaf that a module holds, or held
    birth: int = 0  # when it was recorded; 0 for what was there before
    nbytes: int = 0  # of the outputs


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a module. Two calls of one module have the same `owner`; two outermost modules have different `model` numbers."""

    number: int
    parent: int  # the call around it, or -1
    path: str
    kind: str  # the module's class; "repeat", for rounds drawn as one; "part", for lines of a program that belong to one module
    owner: int
    model: int


@dataclass(frozen=True)
class Graph:
    cards: tuple[Card, ...]
    roots: tuple[int, ...]  # numbers of the cards that were asked for
    calls: tuple[Call, ...] = ()
