"""A computation graph as plain data: what every listing and picture is made from. It keeps no Tensor alive.

Each node and each leaf stands once, in the order of birth, however often it is used; nothing is recursive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine import Variable, describe, module_path, newest_first, parameter_paths

__all__ = ["Card", "Graph", "graph"]


@dataclass(frozen=True)
class Card:
    """One leaf, constant or op. `inputs` are numbers of other cards, always lower ones."""

    number: int
    kind: str  # "leaf", "constant" or "op"
    label: str  # the op, or the name of a leaf, or the value of a small constant
    shapes: tuple[tuple[int, ...], ...]  # of each output
    dtype: str
    inputs: tuple[int, ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    path: str = ""  # of the module in whose call it was made
    origin: str = ""  # the user's line
    requires_grad: bool = False


@dataclass(frozen=True)
class Graph:
    cards: tuple[Card, ...]
    roots: tuple[int, ...]  # numbers of the cards that were asked for


def graph(root: Any, names: Mapping[str, Any] | None = None) -> Graph:
    """The graph that `root` (a Tensor, or a sequence of them) was made by, oldest first.

    names: more names for leaves, {name: Tensor}; `names=locals()` is fine. A parameter is named by its path in the module that used it.
    """
    roots: Sequence[Variable] = [root] if isinstance(root, Variable) else list(root)
    for r in roots:
        if not isinstance(r, Variable):
            raise TypeError(f"a graph is made from Tensors, not from {type(r).__name__}")
    nodes = newest_first(roots)[::-1]
    held = parameter_paths(nodes)
    known = held | {id(x): name for name, x in (names or {}).items() if isinstance(x, Variable)}
    cards: list[Card] = []
    number: dict[int, int] = {}  # id of a node, leaf or constant array -> its card
    unnamed = 0

    def card_of(x: Any) -> int:
        nonlocal unnamed
        if isinstance(x, Variable) and x.node is not None:
            return number[id(x.node)]
        key = id(x)
        if key in number and not isinstance(x, int | float):
            return number[key]
        number[key] = len(cards) + 1
        if isinstance(x, Variable):
            label = known.get(key, "") or x.name or ""
            if not label:
                unnamed += 1
                label = f"leaf{unnamed}"
            cards.append(Card(len(cards) + 1, "leaf", label, (x._data.shape,), str(x._data.dtype),
                              path=label.rpartition(".")[0] if key in held else "", requires_grad=x._requires_grad))
        else:
            shape = getattr(x, "shape", ())
            label = f"{x:.4g}" if isinstance(x, int | float) else "constant" if shape or x is None else str(x)
            cards.append(Card(len(cards) + 1, "constant", label, (shape,), str(getattr(x, "dtype", type(x).__name__))))
        return number[key]

    for node in nodes:
        if node.output is None:  # dropped by backward(retain_graph=False)
            inputs: tuple[int, ...] = ()
            outputs: tuple[Any, ...] = ()
        else:
            inputs = tuple(card_of(x) for x in node.inputs if x is not None)
            outputs = node.output if type(node.output) is tuple else (node.output,)
        number[id(node)] = len(cards) + 1
        cards.append(Card(len(cards) + 1, "op", node.op.name, tuple(y.shape for y in outputs), str(outputs[0].dtype) if outputs else "",
                          inputs, tuple((k, _short(v)) for k, v in node.params.items()), module_path(node.scope),
                          describe(node.code, node.lasti), True))
    ends = tuple([card_of(r) for r in roots])  # may add a card: a root may be a leaf
    return Graph(tuple(cards), ends)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
