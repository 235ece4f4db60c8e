"""Two graphs compared: what was added, removed, or changed in op, shape, dtype, parameters or wiring.

    print(viz.graph_diff(loss_yesterday, loss_today))

Cards are matched within each module by their order (the longest common subsequence of their ops), so a line that moved is no difference.
"""

import re
import sys
from bisect import bisect_left
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ..reading import Card, Graph, graph

__all__ = ["Change", "GraphDiff", "graph_diff"]


@dataclass(frozen=True)
class Change:
    """One card that is in both graphs. what: (name of the property, before, after), such as ("shape", "5x7", "5x8")."""

    before: Card
    after: Card
    what: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} {before} -> {after}" for name, before, after in self.what)


@dataclass(frozen=True)
class GraphDiff:
    """The differences, in the order of the graphs. `print` it for a table: + added, - removed, ~ changed."""

    added: tuple[Card, ...]
    removed: tuple[Card, ...]
    changed: tuple[Change, ...]
    matched: tuple[tuple[int, int], ...]  # (number before, number after) of every card that is in both, in order

    @property
    def equal(self) -> bool:
        return not (self.added or self.removed or self.changed)

    def __str__(self) -> str:
        alike = len(self.matched) - len(self.changed)
        head = f"{len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed, {alike} alike"
        rows = [(self._place(card), "-", card, _facts(card)) for card in self.removed]
        rows += [((card.number, 1), "+", card, _facts(card)) for card in self.added]
        rows += [((change.after.number, 1), "~", change.after, str(change)) for change in self.changed]
        rows.sort(key=lambda row: row[0])
        cells = [(mark, card.label, card.path, facts, card.origin) for _, mark, card, facts in rows]
        widths = [max((len(row[i]) for row in cells), default=0) for i in range(4)]
        return "\n".join([head, *("  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]).rstrip() for row in cells)])

    def _place(self, card: Card) -> tuple[int, int]:
        """A card that is gone stands before the first one after it that is still there."""
        i = bisect_left(self.matched, (card.number,))
        return (self.matched[i][1] if i < len(self.matched) else sys.maxsize), 0


def graph_diff(a: Any, b: Any) -> GraphDiff:
    """How graph `b` differs from graph `a`; each a Tensor, a sequence of them, or what `viz.graph` made of one, which can be kept for later.

    Two cards are the same one if they are of one module path, and their ops stand in the same order there; one op in the place of another is a
    change. An input counts as changed where the old one is still in the graph. A module has a path while it is alive, and only its class's name
    after that: keep `viz.graph(loss)` of a model that goes. Between the first and the last difference in a module the time is quadratic.
    """
    before, after = (g if isinstance(g, Graph) else graph(g) for g in (a, b))
    pairs = sorted(_pairs(before, after))
    to = dict(pairs)
    old, new = ({card.number: card for card in g.cards} for g in (before, after))
    there = set(to.values())

    def crossed(i: int, j: int) -> bool:
        """Are both inputs in both graphs, and not the same?"""
        return i in to and j in there and to[i] != j

    changes = []
    for i, j in pairs:
        x, y = old[i], new[j]
        wires = [("input", _named(old[p]), _named(new[q])) for p, q in zip(x.inputs, y.inputs, strict=False) if crossed(p, q)]
        if what := [*_what(x, y), *(wires if len(x.inputs) == len(y.inputs) else [])]:
            changes.append(Change(x, y, tuple(what)))
    added = [card for card in after.cards if card.number not in there]
    removed = [card for card in before.cards if card.number not in to]
    return GraphDiff(tuple(added), tuple(removed), tuple(sorted(changes, key=lambda change: change.after.number)), tuple(pairs))


def _pairs(before: Graph, after: Graph) -> list[tuple[int, int]]:
    places = [_by_place(g) for g in (before, after)]
    pairs = []
    for place, ours in places[0].items():
        theirs = places[1].get(place, [])
        pairs += [(ours[i].number, theirs[j].number) for i, j in _alike([_key(card) for card in ours], [_key(card) for card in theirs])]
    return pairs


def _alike(a: list[str], b: list[str]) -> list[tuple[int, int]]:
    """Which entry of a is which of b: the longest common subsequence, and one for one where as many were replaced as came."""
    n = min(len(a), len(b))
    start = next((i for i in range(n) if a[i] != b[i]), n)  # both ends first: what is between them is short, as a rule
    stop = next((i for i in range(n - start) if a[-1 - i] != b[-1 - i]), n - start)
    pairs = [(i, i) for i in range(start)] + [(len(a) - i, len(b) - i) for i in range(stop, 0, -1)]
    for tag, i, i_end, j, j_end in SequenceMatcher(None, a[start:len(a) - stop], b[start:len(b) - stop], autojunk=False).get_opcodes():
        if tag == "equal" or (tag == "replace" and i_end - i == j_end - j):
            pairs += zip(range(start + i, start + i_end), range(start + j, start + j_end), strict=True)
    return pairs


def _by_place(g: Graph) -> dict[tuple[str, str], list[Card]]:
    """Cards by module path and kind. A constant has no path: it belongs where it is first used."""
    used_in: dict[int, str] = {}
    for card in g.cards:
        for number in card.inputs:
            used_in.setdefault(number, card.path)
    places: dict[tuple[str, str], list[Card]] = {}
    for card in g.cards:
        path = used_in.get(card.number, "") if card.kind == "constant" else card.path
        places.setdefault((path, card.kind), []).append(card)
    return places


def _key(card: Card) -> str:
    """What has to be equal for a match: an op, a leaf's name, a constant's value. A leaf that was numbered for want of a name is any leaf."""
    return "leaf" if card.kind == "leaf" and re.fullmatch(r"leaf\d+", card.label) else card.label


def _what(x: Card, y: Card) -> list[tuple[str, str, str]]:
    """What the cards themselves say differently."""
    what = []
    if _key(x) != _key(y):
        what.append(({"op": "op", "leaf": "name"}.get(x.kind, "value"), x.label, y.label))
    if x.shapes != y.shapes:
        what.append(("shape", _size(x), _size(y)))
    if x.dtype != y.dtype:
        what.append(("dtype", x.dtype, y.dtype))
    if x.requires_grad != y.requires_grad:
        what.append(("requires_grad", str(x.requires_grad), str(y.requires_grad)))
    if x.label == y.label:  # another op has other parameters
        p, q = dict(x.params), dict(y.params)
        what += [(name, p.get(name, "none"), q.get(name, "none")) for name in dict.fromkeys([*p, *q]) if _plain(p.get(name)) != _plain(q.get(name))]
    if len(x.inputs) != len(y.inputs):
        what.append(("number of inputs", str(len(x.inputs)), str(len(y.inputs))))
    return what


def _plain(value: str | None) -> str | None:
    return value and re.sub(r" at 0x[0-9A-Fa-f]+", "", value)  # the address in the repr of a function differs in each run


def _facts(card: Card) -> str:
    return f"{_size(card)} {card.dtype}"


def _size(card: Card) -> str:
    return " ".join("x".join(map(str, shape)) or "scalar" for shape in card.shapes)


def _named(card: Card) -> str:
    return f"{card.label} %{card.number}"
