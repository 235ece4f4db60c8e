"""One box of a layout: its items in ranks, in an order within each, at places; and the ways of edges between them.

Items are cards, inner boxes that are laid out already, the ends of edges on the box's border, and the bends and labels of edges.
"""

from dataclasses import dataclass, field
from typing import Any

from .place import across, order, straighten

__all__ = ["THIN", "Item", "Point", "Room", "Span"]

GAP, PAD, TITLE, LANE = 30.0, 14.0, 22.0, 18.0  # between ranks; around what is in a box; its title; for a loop's way back
THIN = 10.0  # the room of an edge that passes a rank
Point = tuple[float, float]


@dataclass
class Item:
    """What has a place in a rank: a card, a box, an end of an edge on a box's border ("in", "out"), a bend or a label of an edge."""

    kind: str
    w: float
    h: float
    entry: dict[int, float] = field(default_factory=dict)  # source of an edge -> where it enters or leaves, from the middle
    leave: dict[int, float] = field(default_factory=dict)
    rank: int = 0
    x: float = 0.0
    y: float = 0.0


@dataclass
class Span:
    """An edge within one box, from item to item; all edges of one source between the same two items are one. `bends` are its items between."""

    source: Any
    target: Any
    key: int
    weight: float
    label: Point | None
    bends: list[Any] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    middle: Point | None = None


class Room:
    """One box: its items get ranks, an order in each rank, and places."""

    def __init__(self, items: dict[Any, Item], spans: list[Span], title: float, root: bool, sideways: bool) -> None:
        self.items, self.spans, self.title, self.root, self.sideways = items, spans, title, root, sideways
        self.begin, self.before = (PAD, TITLE) if sideways and not root else (TITLE, PAD)  # room above the ranks, and at their left
        self.returns: dict[tuple[Any, Any, int], list[Point]] = {}
        self.loops: list[tuple[Any, Any, int]] = []

    def arrange(self, loops: list[tuple[Any, Any, int]]) -> tuple[Point, Point]:
        """Returns the size of the box and where its title begins."""
        self.loops = loops
        self._ranks()
        self._bends()
        rows = order(self.items, self._links())
        self._ends(rows)
        across(self.items, rows, self._links())
        straighten(self.items, rows, [span.bends for span in self.spans if len(span.bends) > 1])
        left = min(item.x - item.w / 2 for item in self.items.values())
        right = max(item.x + item.w / 2 for item in self.items.values())
        for item in self.items.values():
            item.x += self.before - left
        width = right - left + self.before + PAD + LANE * len(loops)
        height = self._heights(rows)
        for span in self.spans:
            self._route(span)
        for i, loop in enumerate(loops):
            self.returns[loop] = self._return(*loop, right - left + self.before + PAD + LANE * (i + 0.3))
        if self.sideways:
            start, height = (TITLE - 7, PAD - 6), max(height, self.title + 2 * PAD)
        else:
            left, width = self._title(width)
            start = left, TITLE - 7
        self.width, self.height = width, height
        return (width, height), start

    def as_item(self, box: Item) -> None:
        """This room as one item of the room around it, with the ends of edges on its borders."""
        box.w, box.h = self.width, self.height
        for name, item in self.items.items():
            if item.kind == "in":
                box.entry[name[1]] = item.x - self.width / 2
            elif item.kind == "out":
                box.leave[name[1]] = item.x - self.width / 2

    def _ranks(self) -> None:
        """Longest path from the top; what nothing flows into stands just above what uses it. A cycle is broken at its oldest item."""
        into: dict[Any, list[Span]] = {name: [] for name in self.items}
        out: dict[Any, list[Span]] = {name: [] for name in self.items}
        for span in self.spans:
            into[span.target].append(span)
            out[span.source].append(span)
        waiting = {name: len(into[name]) for name in self.items}
        ready = [name for name in self.items if not waiting[name]][::-1]
        done: set[Any] = set()
        while len(done) < len(self.items):
            name = ready.pop() if ready else next(n for n in self.items if n not in done)
            if name in done:
                continue
            done.add(name)
            item = self.items[name]
            item.rank = 0 if item.kind == "in" else max([1, *(self.items[s.source].rank + _length(s) for s in into[name] if s.source in done)])
            for span in out[name]:
                waiting[span.target] -= 1
                if not waiting[span.target]:
                    ready.append(span.target)
        for name, item in self.items.items():
            if item.kind not in ("in", "out") and not into[name] and out[name]:
                item.rank = max(1, min(self.items[s.target].rank - _length(s) for s in out[name]))
        last = max([item.rank for item in self.items.values() if item.kind != "out"]) + 1
        for item in self.items.values():
            if item.kind == "out":
                item.rank = last

    def _bends(self) -> None:
        """An item for each rank that an edge passes, and for its label, just above what it enters."""
        for i, span in enumerate(self.spans):
            a, b = self.items[span.source].rank, self.items[span.target].rank
            for rank in range(a + 1, b):
                name = ("bend", i, rank)
                label = span.label if rank == b - 1 else None
                self.items[name] = Item("label", *label, rank=rank) if label else Item("bend", THIN, 0.0, rank=rank)
                span.bends.append(name)

    def _links(self) -> list[tuple[Any, Any, float, int]]:
        """(upper, lower, weight, key) between neighbouring ranks; long edges are kept straightest."""
        links = []
        for span in self.spans:
            names = [span.source, *span.bends, span.target]
            for a, b in zip(names, names[1:], strict=False):
                bent = (self.items[a].kind in ("bend", "label")) + (self.items[b].kind in ("bend", "label"))
                links.append((a, b, span.weight * (1, 2, 8)[bent], span.key))
        return links

    def _ends(self, rows: list[list[Any]]) -> None:
        """Where edges enter and leave a card: the heaviest in the middle, the others beside it in the order in which they come."""
        place = {name: i for row in rows for i, name in enumerate(row)}
        into: dict[Any, list[tuple[float, int, float, int]]] = {}
        out: dict[Any, list[tuple[float, int, float, int]]] = {}
        for a, b, weight, key in self._links():
            into.setdefault(b, []).append((place[a], key, weight, key))
            out.setdefault(a, []).append((place[b], key, weight, key))
        for ends, side in ((into, "entry"), (out, "leave")):
            for name, many in ends.items():
                item = self.items[name]
                if item.kind == "card" and side == "entry" and len(many) > 1:
                    many.sort()
                    middle = max(range(len(many)), key=lambda i: (many[i][2], -i))  # noqa: B023
                    step = min(16.0, (item.w / 2 - 12) / max(middle, len(many) - 1 - middle, 1))
                    item.entry = {key: step * (i - middle) for i, (*_, key) in enumerate(many)}

    def _heights(self, rows: list[list[Any]]) -> float:
        """Ranks from top to bottom; the gap grows with how far the edges in it go aside."""
        aside = [0.0] * (len(rows) + 1)
        for name, other, _, key in self._links():
            a, b = self.items[name], self.items[other]
            aside[a.rank] = max(aside[a.rank], abs(a.x + a.leave.get(key, 0.0) - b.x - b.entry.get(key, 0.0)))
        y = 0.0 if self.root else self.begin
        self.band: list[Point] = []
        for r, row in enumerate(rows):
            tall = max([self.items[name].h for name in row], default=0.0)
            self.band.append((y, y + tall))
            for name in row:
                item = self.items[name]
                feeds = any(span.target == name for span in self.spans)
                item.y = y if item.kind == "box" or item.kind == "in" else y + (tall - item.h) / (2 if feeds else 1)
            ends = r == 0 or (r + 2 == len(rows) and self.items[rows[-1][0]].kind == "out") if rows[-1] else True
            words = any(pair and all(self.items[name].kind in ("bend", "label") for name in pair) for pair in rows[r:r + 2])
            gap = (PAD + (LANE if self.loops else 0.0)) if ends else GAP / 2 if words else GAP
            if aside[r] >= 1:
                gap = max(gap, GAP + min(GAP, aside[r] / 10))
            y += tall + (0.0 if r + 1 == len(rows) or not (row or self.loops) else gap)
        open_end = not rows[-1] or self.items[rows[-1][0]].kind != "out"
        return y + (0.0 if self.root or not open_end else PAD + (LANE if self.loops else 0.0))

    def _route(self, span: Span) -> None:
        a, b = self.items[span.source], self.items[span.target]
        start = a.x + (a.leave.get(span.key, 0.0) if a.kind in ("card", "box") else 0.0)
        end = b.x + (b.entry.get(span.key, 0.0) if b.kind in ("card", "box") else 0.0)
        points = [(start, 0.0 if a.kind == "in" else a.y + a.h), (start, self.band[a.rank][1])]
        for name in span.bends:
            bend = self.items[name]
            points += [(bend.x, self.band[bend.rank][0]), (bend.x, self.band[bend.rank][1])]
            if bend.kind == "label":
                span.middle = bend.x, bend.y + bend.h / 2
        points += [(end, self.band[b.rank][0]), (end, b.y)]
        if b.kind == "out":
            points[-1] = (end, -1.0)  # the lower border, known when the room is
        span.points = points

    def _return(self, source: Any, target: Any, key: int, lane: float) -> list[Point]:
        """A loop: down from its source, right to its lane, up, left, and down into its target. Between ranks there are no cards."""
        a, b = self.items[source], self.items[target]
        xa = a.x + a.leave.get(key, max(a.w / 2 - 14, 0.0))
        xb = b.x + b.entry.get(key, max(b.w / 2 - 14, 0.0))
        below = self.band[a.rank][1] + 9
        above = self.band[b.rank][0] - 9
        return [(xa, a.y + a.h), (xa, below), (lane, below), (lane, above), (xb, above), (xb, b.y)]

    def _title(self, width: float) -> Point:
        """(where the title begins, width of the box): the leftmost room between edges that come in, or room made at the right."""
        if not self.title:
            return 0.0, width
        edges = [PAD - 10, *sorted(item.x for item in self.items.values() if item.kind == "in"), width + 2]
        for a, b in zip(edges, edges[1:], strict=False):
            if b - a >= self.title + 12:
                return a + 6, width
        start = edges[-2] + 6
        return start, max(width, start + self.title + 10)


def _length(span: Span) -> int:
    return 2 if span.label else 1
