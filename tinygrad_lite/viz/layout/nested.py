"""A layered, nested layout: each box is laid out by itself and is one item in the box around it, so that no stranger is drawn inside.

Sugiyama, Tagawa, Toda 1981: ranks by longest path, crossings reduced by barycenters, places by least squares under the separations. An edge
that skips ranks has a place of its own in each, so that it goes through no card. The same input gives the same output, to the last digit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .room import THIN, Item, Point, Room, Span

__all__ = ["ROOT", "Layout", "Wire", "layout"]

ROOT = -1


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


def layout(sizes: Mapping[int, Point], home: Mapping[int, int], boxes: Mapping[int, int], titles: Mapping[int, float],
           wires: Sequence[Wire], sideways: bool = False) -> Layout:
    """From the top down, or sideways: from left to right, which is the same with width and height, x and y in each other's place.

    Place cards of `sizes` (in order of birth), each in the box `home` gives (ROOT: in none); `boxes`: box -> the box around it, outer ones
    first; `titles`: the width of a box's title. Edges go down; a loop goes back up at the right of its box."""
    if not sizes:
        return Layout(0.0, 0.0, {}, {}, {}, [], [])
    if sideways:
        sizes = {card: (h, w) for card, (w, h) in sizes.items()}
        wires = [replace(wire, label=wire.label and (wire.label[1], wire.label[0])) for wire in wires]
    inside: dict[int, dict[Any, Item]] = {box: {} for box in (ROOT, *boxes)}
    spans: dict[int, dict[tuple[Any, Any, int], Span]] = {box: {} for box in inside}
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
        room = Room(inside[box], list(spans[box].values()), titles.get(box, 0.0), box == ROOT, sideways)
        sizes_of[box], corners[box] = room.arrange(loops[box])
        returns |= {(box, *loop): points for loop, points in room.returns.items()}
        if box != ROOT:
            room.as_item(inside[boxes[box]]["box", box])
    plan = _absolute(sizes, home, boxes, inside, sizes_of, corners, ways, spans, returns)
    return _turned(plan) if sideways else plan


def _way(wire: Wire, home: Mapping[int, int], boxes: Mapping[int, int], inside: dict[int, dict[Any, Item]],
         spans: dict[int, dict[tuple[Any, Any, int], Span]], loops: dict[int, list[tuple[Any, Any, int]]]) -> list[tuple[int, Any, Any, int]]:
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
    here: Any = s
    way: list[tuple[int, Any, Any, int]] = []
    for box in up:
        inside[box].setdefault(("out", key), Item("out", THIN, 0.0))
        way.append((box, here, ("out", key), key))
        here = "box", box
    way.append((shared, here, ("box", down[0]) if down else t, key))
    for i, box in enumerate(down):
        inside[box].setdefault(("in", key), Item("in", THIN, 0.0))
        way.append((box, ("in", key), ("box", down[i + 1]) if i + 1 < len(down) else t, key))
    for box, a, b, k in way:
        if box == shared and wire.loop:
            loops[box].append((a, b, k))
            continue
        span = spans[box].setdefault((a, b, k), Span(a, b, k, 0.0, None))
        span.weight = max(span.weight, wire.weight)
        if b == t and wire.label:  # the last stretch, which no other edge shares
            span.label = wire.label
    return way


def _absolute(sizes: Mapping[int, Point], home: Mapping[int, int], boxes: Mapping[int, int], inside: dict[int, dict[Any, Item]],
              sizes_of: dict[int, Point], corners: dict[int, Point], ways: list[list[tuple[int, Any, Any, int]]],
              spans: dict[int, dict[tuple[Any, Any, int], Span]], returns: dict[tuple[int, Any, Any, int], list[Point]]) -> Layout:
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
    frames = {box: (round(origin[box][0], 1), round(origin[box][1], 1), round(sizes_of[box][0], 1), round(sizes_of[box][1], 1)) for box in boxes}
    begins = {box: (round(origin[box][0] + corners[box][0], 1), round(origin[box][1] + corners[box][1], 1)) for box in boxes}
    return Layout(*sizes_of[ROOT], cards, frames, begins, routes, labels)


def _turned(plan: Layout) -> Layout:
    return Layout(plan.height, plan.width, {n: (y, x, h, w) for n, (x, y, w, h) in plan.cards.items()},
                  {n: (y, x, h, w) for n, (x, y, w, h) in plan.boxes.items()}, {n: (y, x) for n, (x, y) in plan.titles.items()},
                  [[(y, x) for x, y in route] for route in plan.routes], [at and (at[1], at[0]) for at in plan.labels])
