"""A compiled function as a graph: the calls of its newest program, as its method `graph()` lists them.

Only the form of that list is known here: .cards, with number, kind, label, shapes, dtype, inputs, params, path, origin and requires_grad,
and .roots. A program knows the module of each call but not its calls of modules: neighbours of one module become a part of it.
"""

from collections.abc import Iterable
from typing import Any

from .cards import Call, Card, Graph

__all__ = ["is_program", "read_program"]

_NAMES = {"T": "transpose", "[]": "getitem"}


def is_program(root: Any) -> bool:
    """Is it a compiled function, or anything else that lists its calls?"""
    return callable(getattr(root, "graph", None))


def read_program(listed: Any) -> Graph:
    """The same graph with modules as calls, and NumPy's functions named as the ops are: `np.add` is add, `.T` transpose."""
    parts = _Parts({card.path for card in listed.cards if card.kind == "op" and card.path})
    cards = []
    for card in listed.cards:
        op = card.kind == "op"
        label = card.label.removeprefix("np.").removeprefix(".") if op else card.label
        source = card.origin.partition("    ")[2]
        cards.append(Card(card.number, card.kind, _NAMES.get(label, label), card.shapes, card.dtype, card.inputs, card.params, card.path,
                          card.origin, card.requires_grad, parts.number(card.path) if op else -1, source,
                          parameter=not op and card.requires_grad))
    return Graph(tuple(cards), tuple(listed.roots), tuple(parts.calls))


class _Parts:
    """Runs of calls that belong to one module, within those of the modules around it, as one Call each. Modules are known by their paths."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = set(paths)
        self.calls: list[Call] = []
        self._open: list[int] = []
        self._owners: dict[str, int] = {}

    def number(self, path: str) -> int:
        """Of the part that the next call belongs to, which is in the module `path`, or in none."""
        words = path.split(".") if path else []
        chain = [p for n in range(1, len(words) + 1) for p in [".".join(words[:n])] if p in self.paths]
        shared = 0
        while shared < min(len(chain), len(self._open)) and self.calls[self._open[shared]].path == chain[shared]:
            shared += 1
        del self._open[shared:]
        for p in chain[shared:]:
            parent = self._open[-1] if self._open else -1
            self._open.append(len(self.calls))
            self.calls.append(Call(len(self.calls), parent, p, "part", self._owners.setdefault(p, len(self._owners)), 0))
        return self._open[-1] if self._open else -1
