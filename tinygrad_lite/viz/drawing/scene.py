"""A picture before ink: cards, boxes and edges with their places, for one state of opened modules. Plain dataclasses."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..layout import Wire, layout, width
from ..measuring import Heat
from ..passes import Flow, Link, View
from .faces import LOOKS, Face, Facts, face, plural

__all__ = ["Box", "Edge", "Key", "LIMIT", "Place", "Scene", "box_tip", "box_title", "scene", "single_ops"]

LIMIT = 3000  # cards: more is no picture
LABEL = 10.0  # size of an edge's label
TOP, SIDE = 64.0, 20.0  # room for the title, and around all


@dataclass(frozen=True, slots=True)
class Place:
    face: Face
    x: float
    y: float
    box: int  # the box it stands in, or -1


@dataclass(frozen=True, slots=True)
class Box:
    number: int  # of the module call
    title: str
    x: float
    y: float
    width: float
    height: float
    title_x: float
    title_y: float
    parent: int  # the box around it, or -1
    level: int  # how many boxes it stands in
    tip: str


@dataclass(frozen=True, slots=True)
class Edge:
    """`points`: straight between two with one coordinate in common, else a curve that leaves and arrives vertically,
    or horizontally where the picture goes from left to right."""

    source: int
    target: int
    points: tuple[tuple[float, float], ...]
    label: str
    label_at: tuple[float, float] | None
    main: bool  # to the newest of what its target was made from
    loop: bool
    tip: str


@dataclass(frozen=True, slots=True)
class Key:
    """A line of the legend: what a look, a verdict or a shade of heat means."""

    look: str
    text: str


@dataclass(frozen=True, slots=True)
class Scene:
    width: float
    height: float
    title: str
    subtitle: str
    mode: str  # "op", "audit" or "heat"
    cards: tuple[Place, ...]
    boxes: tuple[Box, ...]  # outer before inner
    edges: tuple[Edge, ...]
    legend: tuple[Key, ...]
    hot: tuple[float, float] | None = None  # the least heat above 0, and the most, where it is shown
    log: bool = False  # its scale
    verdict: str = ""  # kind of the worst verdict, for the colour of the title
    sideways: bool = False  # from left to right: edges leave and arrive horizontally


def scene(view: View, facts: Facts, title: str, subtitle: str, mode: str = "op", heat: Heat | None = None, sideways: bool = False) -> Scene:
    """Words, sizes and places of everything in `view`."""
    f = view.flow
    alone = single_ops(f)
    rounds = {box: f.repeats[box].times for box in view.boxes if box in f.repeats}
    faces = {n: face(f, tile, facts, alone, _rounds(view, n, rounds)) for n, tile in view.tiles.items()}
    titles = {box: box_title(f, box) for box in view.boxes}
    newest: dict[int, int] = {}
    for link in view.links:
        if not link.loop and view.tiles[link.source].kind != "leaf":
            newest[link.target] = max(newest.get(link.target, 0), view.tiles[link.source].output)
    wires = [_wire(view, link, newest) for link in view.links]
    plan = layout({n: (new.width + (6 if new.stack else 0), new.height + (6 if new.stack else 0)) for n, new in faces.items()}, view.home,
                  view.boxes, {box: width(text, 11, True) for box, text in titles.items()}, wires, sideways)
    legend = _legend(faces, mode, heat)
    head = max(width(title, 15, True), width(subtitle, 11), sum(width(key.text, 11) + 34 for key in legend))
    wide = max(plan.width, head) + 2 * SIDE
    dx, dy = (wide - plan.width) / 2, TOP if subtitle else TOP - 16
    level = {-1: -1}
    for box, around in view.boxes.items():
        level[box] = level[around] + 1
    boxes = []
    for box, around in view.boxes.items():
        (x, y, w, h), (tx, ty) = plan.boxes[box], plan.titles[box]
        boxes.append(Box(box, titles[box], _r(x + dx), _r(y + dy), w, h, _r(tx + dx), _r(ty + dy), around, level[box], box_tip(f, box)))
    edges = tuple([Edge(link.source, link.target, tuple([(_r(x + dx), _r(y + dy)) for x, y in points]), _label(link),
                        None if middle is None else (_r(middle[0] + dx), _r(middle[1] + dy)), wire.weight == 1.0, link.loop,
                        _edge_tip(link, faces))
                   for link, wire, points, middle in zip(view.links, wires, plan.routes, plan.labels, strict=True)])
    places = tuple([Place(new, _r(plan.cards[n][0] + dx), _r(plan.cards[n][1] + dy + (6 if new.stack else 0)), view.home[n])
                    for n, new in faces.items()])
    heats = [new.heat for new in faces.values() if new.heat is not None] if heat is not None else []
    kinds = {v.kind for new in faces.values() for v in [new.verdict, *(chip.verdict for chip in new.chips)] if v is not None}
    worst = next((kind for kind in ("failed", "wrong", "victim", "changed") if kind in kinds), "")
    return Scene(_r(wide), _r(plan.height + dy + 52), title, subtitle, mode, places, tuple(boxes), edges, legend,
                 _range(heats), heat is not None and heat.log, worst, sideways)


def single_ops(f: Flow) -> set[int]:
    """Calls that are one op, whose card names the module."""
    ops = Counter(tile.call for tile in f.tiles.values() if tile.kind == "op")
    return {call for call, n in ops.items() if n == 1 and call >= 0 and f.calls[call].kind != "repeat"}


def _range(heats: Sequence[float]) -> tuple[float, float] | None:
    shown = [h for h in heats if h > 0] or list(heats)
    return (min(shown), max(shown)) if shown else None


def _r(x: float) -> float:
    return round(x, 1)


def _rounds(view: View, number: int, rounds: Mapping[int, int]) -> int:
    """How often what stands in the box of this tile is repeated, by what the boxes around it say."""
    times, box = 1, view.home[number]
    while box >= 0:
        times, box = times * rounds.get(box, 1), view.boxes[box]
    return times


def _wire(view: View, link: Link, newest: dict[int, int]) -> Wire:
    source = view.tiles[link.source]
    weight = 0.01 if source.kind == "leaf" else 1.0 if source.output == newest.get(link.target) else 0.08
    if weight == 0.01 and link.target not in newest:
        weight = 0.3  # nothing but leaves flows in
    label = _label(link)
    return Wire(link.source, link.target, weight, (width(label, LABEL) + 10, 16.0) if label else None, link.loop)


def _label(link: Link) -> str:
    words = " ".join(link.label)
    text = words if len(words) <= 40 else words[:39] + "…"
    return f"{text} ×{link.times}".strip() if link.times > 1 and not link.loop else text


def box_title(f: Flow, box: int) -> str:
    call = f.calls[box]
    if call.kind != "repeat":
        again = [c.number for c in f.calls if c.owner == call.owner and c.kind == call.kind and c.number <= box and c.parent == call.parent]
        return f"{call.path}{f' (call {len(again)})' if len(again) > 1 and call.kind != 'part' else ''}"
    repeat = f.repeats[box]
    if repeat.same:
        return f"×{repeat.times}"
    return f"{repeat.times} alike" + (", one after the other" if repeat.chained else ", side by side")


def box_tip(f: Flow, box: int) -> str:
    call = f.calls[box]
    if call.kind != "repeat":
        return f"module {call.path}: {call.kind}"
    repeat = f.repeats[box]
    how = "the same parameters and the same lines" if repeat.same else "the same ops, each with parameters of its own"
    return f"{plural(repeat.times, 'round')} drawn as one: {how}" + ("; each goes on from the one before" if repeat.chained else "")


def _edge_tip(link: Link, faces: dict[int, Face]) -> str:
    a, b = faces[link.source], faces[link.target]
    way = f" through {', '.join(link.label)}" if link.label else ""
    return f"{a.title} ({a.shape}) → {b.title}{way}" + (", in the next round" if link.loop else f", {link.times} times" if link.times > 1 else "")


def _legend(faces: dict[int, Face], mode: str, heat: Heat | None) -> tuple[Key, ...]:
    """Only what is drawn."""
    if mode == "audit":
        seen = {v.kind for new in faces.values() for v in [new.verdict, *(chip.verdict for chip in new.chips)] if v is not None}
        words = {"wrong": "wrong rule", "victim": "gradient wrong because of it" if "wrong" in seen else "gradient wrong",
                 "changed": "changed in place", "unknown": "cannot tell", "ok": "checked"}
        keys = [Key(kind, text) for kind, text in words.items() if kind in seen]
        return tuple(keys + ([Key("none", "has no rule to check")] if any(new.verdict is None for new in faces.values()) else []))
    looks = {new.look for new in faces.values() if new.verdict is None or new.verdict.kind != "failed"}
    if any(new.chips for new in faces.values()):
        looks.add("parameter")
    if mode == "heat" and heat is not None:
        values = [new.heat for new in faces.values() if new.heat is not None]
        if not values:
            return (Key("none", f"no {heat.name} is known"),)
        low, high = _range(values) or (0.0, 0.0)
        ends = [Key("cold", heat.text(low)), Key("hot", f"{heat.text(high)}  {heat.name}{', log scale' if heat.log else ''}")]
        return tuple(ends + ([Key("none", "none")] if len(values) < len(faces) else []))
    failed = [Key("failed", "failed")] if any(new.verdict is not None and new.verdict.kind == "failed" for new in faces.values()) else []
    return tuple([Key(look, text) for look, text in LOOKS.items() if look in looks] + failed)
