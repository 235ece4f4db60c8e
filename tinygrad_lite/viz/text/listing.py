"""A graph as numbered lines of text, for a terminal and for tests."""

from collections.abc import Mapping
from typing import Any

from ..reading import Card, graph

__all__ = ["listing"]


def listing(root: Any, names: Mapping[str, Any] | None = None) -> str:
    """One line per leaf and op, oldest first: number, op with the numbers of its inputs, shape, dtype, module, the user's line.

    root: a Tensor or a sequence of them. names: {name: Tensor} for leaves that have none.
    """
    cards = graph(root, names).cards
    rows = [(f"{card.number}", _call(card), " ".join(map(_size, card.shapes)), card.dtype, card.path, card.origin) for card in cards]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(6)]
    return "\n".join("  ".join([row[0].rjust(widths[0]), *(cell.ljust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip()
                     for row in rows)


def _call(card: Card) -> str:
    if card.kind != "op":
        return f"{card.label}" + (" (leaf, wants a gradient)" if card.requires_grad else f" ({card.kind})")
    return f"{card.label}({', '.join([*(f'%{i}' for i in card.inputs), *(f'{k}={v}' for k, v in card.params)])})"


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
