"""A part of a graph: what was recorded since a moment, cut off from what was there before. So a part can be one node of the graph around it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..engine import Node, Variable

__all__ = ["grafted", "holding", "inside", "origin", "wanted"]


def wanted(x: Any) -> bool:
    return isinstance(x, Variable) and x._requires_grad


def origin(x: Variable) -> Any:
    """What x stands for: several handles may stand for one output, and a backward pass makes new ones."""
    return x if x.node is None else (x.node, x.index)


def inside(roots: Sequence[Variable], start: int) -> tuple[list[Node], dict[Any, Variable]]:
    """What was recorded since `start` on the way to the roots, and the Tensors at which that begins, by their origin."""
    nodes: dict[Node, None] = {}
    outside: dict[Any, Variable] = {}
    pending = list(roots)
    while pending:
        x = pending.pop()
        if x.node is None or x.node.birth < start:
            outside.setdefault(origin(x), x)
        elif x.node not in nodes:
            nodes[x.node] = None
            pending += [v for v in x.node.inputs if wanted(v)]
    return list(nodes), outside


def grafted(roots: Sequence[Variable], nodes: Sequence[Node], ends: dict[Any, Variable]) -> list[Variable]:
    """The graph of these nodes, with other Tensors at its beginning: it does not lead on into the graph around it. Returns its roots."""
    def end(x: Any) -> Any:
        return ends.get(origin(x), x) if wanted(x) else x

    for node in nodes:
        node.held = (*[end(x) for x in node.inputs], *node.arrays)
    return [end(y) for y in roots]


@contextmanager
def holding(tensors: Sequence[Variable], arrays: Sequence[Any]) -> Iterator[None]:
    """For a call of a function that uses these Tensors: they hold these arrays, as verification wants it."""
    moved = [(x, a, x._data) for x, a in zip(tensors, arrays, strict=True) if x._data is not a]
    try:
        for x, a, _ in moved:
            x._data = a
        yield
    finally:
        for x, _, before in moved:
            x._data = before
