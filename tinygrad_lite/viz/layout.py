"""A layered, nested layout: each box is laid out by itself and is one item in the box around it, so that no stranger is drawn inside.

Sugiyama, Tagawa, Toda 1981: ranks by longest path, crossings reduced by barycenters, places by least squares under the separations. An edge
that skips ranks has a place of its own in each, so that it goes through no card. The same input gives the same output, to the last digit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .place import across, order, straighten

__all__ = ["ROOT", "Item", "Layout", "Wire", "layout"]

ROOT = -1
GAP, PAD, TITLE, LANE = 30.0, 14.0, 22.0, 18.0  # between ranks; around what is in a box; its title; for a loop's way back
THIN = 10.0  # the room of an edge that passes a rank
Point = tuple[float, float]


@dataclass(frozen=True)
class Wire:
    """An edge between cards. weight: how straight it should be. label: the room it needs, (width, height)."""

    source: int
    target: int
    weight: float = 1.0
    label: Point | None = None
    loop: bool = False


@dataclass(frozen=True)
class Layout:
    """Top left corners with sizes, and for each wire the points that it goes through: straight where one coordinate stays the same, curved
    between. Loops have corners only."""

    width: float
    height: float
    cards: dict[int, tuple[float, float, float, float]]
    boxes: dict[int, tuple[float, float, float, float]]
    titles: dict[int, Point]  # left end of the title's baseline
    routes: list[list[Point]]
    labels: list[Point | None]  # the middle of each label


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
class _Span:
    """An edge within one box, from item to item; all edges of one source between the same two items are one. `bends` are its items between."""

    source: Any
    target: Any
    key: int
    weight: float
    label: Point | None
    bends: list[Any] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    middle: Point | None = None


def layout(sizes: Mapping[int, Point], home: Mapping[int, int], boxes: Mapping[int, int], titles: Mapping[int, float],
           wires: Sequence[Wire]) -> Layout:
    """Place cards of `sizes` (in order of birth), each in the box `home` gives (ROOT: in none); `boxes`: box -> the box around it, outer ones
    first; `titles`: the width of a box's title. Edges go down; a loop goes back up at the right of its box."""
    inside: dict[int, dict[Any, Item]] = {box: {} for box in (ROOT, *boxes)}
    spans: dict[int, dict[tuple[Any, Any, int], _Span]] = {box: {} for box in inside}
    loops: dict[int, list[tuple[Any, Any, int]]] = {box: [] for box in inside}
    first: dict[int, int] = {}
    for card, (w, h) in sizes.items():
        inside[home[card]][card] = Item("card", w, h)
        box = home[card]
        while box != ROOT and box not in first:
            first[box] = card
            inside[boxes[box]]["box", box] = Item("box", 0, 0)
            box = boxes[box]
    ways = [_way(wire, home, boxes, inside, spans, loops) for wire in wires]
    depth = {ROOT: 0}
    for box in boxes:
        depth[box] = depth[boxes[box]] + 1
    corners: dict[int, Point] = {}
    sizes_of: dict[int, Point] = {}
    returns: dict[tuple[int, Any, Any, int], list[Point]] = {}
    for box in sorted(inside, key=lambda b: (-depth[b], b)):
        room = _Room(inside[box], list(spans[box].values()), titles.get(box, 0.0), box == ROOT)
        sizes_of[box], corners[box] = room.arrange(loops[box])
        returns |= {(box, *loop): points for loop, points in room.returns.items()}
        if box != ROOT:
            room.as_item(inside[boxes[box]]["box", box])
    return _absolute(sizes, home, boxes, inside, sizes_of, corners, ways, spans, returns)


def _way(wire: Wire, home: Mapping[int, int], boxes: Mapping[int, int], inside: dict[int, dict[Any, Item]],
         spans: dict[int, dict[tuple[Any, Any, int], _Span]], loops: dict[int, list[tuple[Any, Any, int]]]) -> list[tuple[int, Any, Any, int]]:
    """The edge cut at the borders of boxes: (box, from, to, source) for each box on its way."""
    def around(card: int) -> list[int]:
        chain = [home[card]]
        while chain[-1] != ROOT:
            chain.append(boxes[chain[-1]])
        return chain

    s, t = wire.source, wire.target
    out, into = around(s), around(t)
    shared = next(box for box in out if box in set(into))
    up, down = out[:out.index(shared)], into[:into.index(shared)][::-1]
    key = -s if wire.loop else s  # a loop has ends of its own on the borders
    way, here = [], s
    for box in up:
        inside[box].setdefault(("out", key), Item("out", THIN, 0.0))
        way.append((box, here, ("out", key), key))
        here = "box", box  # type: ignore[assignment]
    way.append((shared, here, ("box", down[0]) if down else t, key))
    for i, box in enumerate(down):
        inside[box].setdefault(("in", key), Item("in", THIN, 0.0))
        way.append((box, ("in", key), ("box", down[i + 1]) if i + 1 < len(down) else t, key))
    for box, a, b, k in way:
        if box == shared and wire.loop:
            loops[box].append((a, b, k))
            continue
        span = spans[box].setdefault((a, b, k), _Span(a, b, k, 0.0, None))
        span.weight = max(span.weight, wire.weight)
        if box == shared and wire.label:
            span.label = wire.label
    return way


class _Room:
    """One box: its items get ranks, an order in each rank, and places."""

    def __init__(self, items: dict[Any, Item], spans: list[_Span], title: float, root: bool) -> None:
        self.items, self.spans, self.title, self.root = items, spans, title, root
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
            item.x += PAD - left
        width = right - left + 2 * PAD + LANE * len(loops)
        height = self._heights(rows)
        for span in self.spans:
            self._route(span)
        for i, loop in enumerate(loops):
            self.returns[loop] = self._return(*loop, right - left + 2 * PAD + LANE * (i + 0.3))
        start, width = self._title(width)
        self.width, self.height = width, height
        return (width, height), (start, TITLE - 7)

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
        into: dict[Any, list[_Span]] = {name: [] for name in self.items}
        out: dict[Any, list[_Span]] = {name: [] for name in self.items}
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
        last = max([item.rank for item in self.items.values()]) + 1
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
        y = 0.0 if self.root else TITLE
        self.band: list[Point] = []
        for r, row in enumerate(rows):
            tall = max([self.items[name].h for name in row], default=0.0)
            self.band.append((y, y + tall))
            for name in row:
                item = self.items[name]
                feeds = any(span.target == name for span in self.spans)
                item.y = y if item.kind == "box" or item.kind == "in" else y + (tall - item.h) / (2 if feeds else 1)
            ends = r == 0 or (r + 2 == len(rows) and self.items[rows[-1][0]].kind == "out") if rows[-1] else True
            least = (PAD + (LANE if self.loops else 0.0)) if ends else GAP
            y += tall + (0.0 if r + 1 == len(rows) or (not row and not self.loops) else least if aside[r] < 1 else max(least, GAP + min(GAP, aside[r] / 10)))
        open_end = not rows[-1] or self.items[rows[-1][0]].kind != "out"
        return y + (0.0 if self.root or not open_end else PAD + (LANE if self.loops else 0.0))

    def _route(self, span: _Span) -> None:
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


def _length(span: _Span) -> int:
    return 2 if span.label else 1


def _absolute(sizes: Mapping[int, Point], home: Mapping[int, int], boxes: Mapping[int, int], inside: dict[int, dict[Any, Item]],
              sizes_of: dict[int, Point], corners: dict[int, Point], ways: list[list[tuple[int, Any, Any, int]]],
              spans: dict[int, dict[tuple[Any, Any, int], _Span]], returns: dict[tuple[int, Any, Any, int], list[Point]]) -> Layout:
    """From places within boxes to places in the picture."""
    origin = {ROOT: (0.0, 0.0)}
    for box, parent in boxes.items():
        item = inside[parent]["box", box]
        origin[box] = origin[parent][0] + item.x - item.w / 2, origin[parent][1] + item.y
    cards = {}
    for card, (w, h) in sizes.items():
        item, (ox, oy) = inside[home[card]][card], origin[home[card]]
        cards[card] = round(ox + item.x - w / 2, 1), round(oy + item.y, 1), w, h
    routes, labels = [], []
    for way in ways:
        points: list[Point] = []
        middle = None
        for box, a, b, key in way:
            (ox, oy), (_, height) = origin[box], sizes_of[box]
            span = spans[box].get((a, b, key))
            for x, y in span.points if span else returns[box, a, b, key]:
                point = round(ox + x, 1), round(oy + (height if y == -1.0 else y), 1)
                if not points or point != points[-1]:
                    points.append(point)
            if span and span.middle:
                middle = round(ox + span.middle[0], 1), round(oy + span.middle[1], 1)
        routes.append(points)
        labels.append(middle)
    return Layout(*sizes_of[ROOT], cards, {box: (*map(lambda v: round(v, 1), origin[box]), *map(lambda v: round(v, 1), sizes_of[box]))
                                           for box in boxes},
                  {box: (round(origin[box][0] + corners[box][0], 1), round(origin[box][1] + corners[box][1], 1)) for box in boxes}, routes, labels)
