"""A graph on its way to a picture, as plain data: a tile for each op and leaf, a link for each input.

Constants become text in their consumer, movement ops labels on edges. Repeats are in `fold`, closed modules and parameters in `collapse`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..reading import Call, Card, Graph

__all__ = ["Chip", "Flow", "Link", "Repeat", "Tile", "View", "depth_of", "flow", "items", "label_movements", "signatures"]

MOVEMENTS = {"broadcast_to", "expand_dims", "flip", "getitem", "part", "reshape", "squeeze", "swapaxes", "transpose"}
SYMBOLS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "power": "^", "matmul": "@"}


class Chip(NamedTuple):
    """A parameter shown on the card of its only consumer. `via`: movements on the way, such as ('[:8]',)."""

    number: int
    label: str
    via: tuple[str, ...] = ()


class Tile(NamedTuple):
    """What will be one card of the picture: an op, a leaf, or a closed module (number -1 - call)."""

    number: int
    kind: str  # "op", "leaf" or "module"
    label: str
    call: int  # the module call it belongs to, or -1
    texts: tuple[str, ...] = ()  # constants that it was given
    chips: tuple[Chip, ...] = ()
    copies: tuple[int, ...] = ()  # cards folded into this one, its own first; () where nothing is folded
    inside: tuple[int, ...] = ()  # cards of ops within a closed module
    held: tuple[int, ...] = ()  # cards of parameters within a closed module
    output: int = 0  # the card whose value stands for this tile


class Link(NamedTuple):
    """From a tile to one that was computed from it."""

    source: int
    target: int
    slot: int  # which input of the target
    label: tuple[str, ...] = ()  # movements on the way
    times: int = 1
    loop: bool = False  # to the next round of a repeat


@dataclass(frozen=True, slots=True)
class Repeat:
    """`times` rounds drawn once. same: the same parameters, or none, from the same lines: a loop; else look-alikes."""

    times: int
    same: bool
    chained: bool  # each round gets something from the one before


@dataclass(frozen=True, slots=True)
class Flow:
    """A graph on its way to a picture."""

    graph: Graph
    tiles: dict[int, Tile]  # by number, in order of birth
    links: tuple[Link, ...]
    calls: tuple[Call, ...]  # the graph's, then one of kind "repeat" for each fold
    roots: tuple[int, ...]
    repeats: dict[int, Repeat]  # number of a call of kind "repeat" -> what it is

    def card(self, number: int) -> Card:
        return self.graph.cards[number - 1]


@dataclass(frozen=True, slots=True)
class View:
    """What is shown in one state of opened modules: tiles, links between them, and which opened call each stands in."""

    flow: Flow
    tiles: dict[int, Tile]
    links: tuple[Link, ...]
    boxes: dict[int, int]  # an opened call that is drawn as a box -> the box around it, or -1; outer before inner
    home: dict[int, int]  # number of a tile -> its box, or -1
    opened: frozenset[int]


def flow(graph: Graph) -> Flow:
    """One tile for each op and leaf, one link for each input. Constants, numbers and bare arrays, are text in what they were given to:
    `× 0.354`, `constant 8×8`."""
    cards = graph.cards
    links: list[Link] = []
    tiles: dict[int, Tile] = {}
    for card in cards:
        n, kind = card.number, card.kind
        if kind != "constant":
            texts: tuple[str, ...] = ()
            for slot, source in enumerate(card.inputs):
                if cards[source - 1].kind == "constant":
                    texts += (_constant(cards[source - 1], card.label, slot),)
                else:
                    links.append(Link(source, n, slot))
            tiles[n] = Tile(n, kind, card.label, card.call, texts, (), (), (), (), n)
    return Flow(graph, tiles, tuple(links), graph.calls, graph.roots, {})


def _constant(card: Card, op: str, slot: int) -> str:
    text = f"constant {'×'.join(map(str, card.shapes[0]))}" if card.shapes[0] else card.label
    symbol = SYMBOLS.get(op)
    return text if symbol is None else f"{symbol} {text}" if slot else f"{text} {symbol}"


def label_movements(f: Flow, keep: Collection[int] = ()) -> Flow:
    """Ops that only move entries become words on the edge from what they moved to what used it. Results that were asked for, and cards in
    `keep`, stay cards."""
    into: dict[int, list[Link]] = {}
    used = {link.source for link in f.links}
    for link in f.links:
        into.setdefault(link.target, []).append(link)
    tiles, links = dict(f.tiles), []
    moved: dict[int, tuple[int, tuple[str, ...]]] = {}  # a removed tile -> where its entries come from, and the words
    for n, tile in f.tiles.items():
        arrived = []
        for link in into.get(n, ()):
            source, words = moved.get(link.source, (link.source, ()))
            arrived.append(link._replace(source=source, label=words + link.label) if words else link)
        if tile.label in MOVEMENTS and tile.kind == "op" and len(arrived) == 1 and n in used and n not in f.roots and n not in keep:
            moved[n] = arrived[0].source, (*arrived[0].label, _movement(f.card(n)))
            del tiles[n]
        else:
            links += arrived
    return replace(f, tiles=tiles, links=tuple(links))


def _movement(card: Card) -> str:
    """`reshape`, or for an index what stood between the brackets: `[0]`, `[:8]`."""
    if card.label != "getitem":
        return card.label
    text = dict(card.params).get("index", "").strip("()[]").rstrip(",")
    return f"[{text}]" if len(text) <= 16 else "[…]"


def items(f: Flow) -> dict[int, list[int]]:
    """For each call (-1: outside of all) what happened directly in it, in order: numbers of ops, and -1 - c for a call c."""
    held: dict[int, list[int]] = {-1: []}
    seen: set[int] = set()
    for n, tile in f.tiles.items():
        if tile.kind == "op":
            item, call = n, tile.call
            while True:
                held.setdefault(call, []).append(item)
                if call < 0 or call in seen:
                    break
                seen.add(call)
                item, call = -1 - call, f.calls[call].parent
    return held


def signatures(f: Flow, held: dict[int, list[int]]) -> dict[int, int]:
    """A number for each item; items with equal numbers are alike: op, shapes, dtype, parameters of the op, for all ops inside."""
    known: dict[object, int] = {}
    found: dict[int, int] = {}
    for call in sorted(held, key=lambda c: depth_of(f.calls, c), reverse=True):
        for n in held[call]:
            if n > 0:
                card = f.card(n)
                found[n] = known.setdefault((card.label, card.shapes, card.dtype, card.params, f.tiles[n].texts), len(known))
        if call >= 0:
            found[-1 - call] = known.setdefault((f.calls[call].kind, tuple([found[n] for n in held[call]])), len(known))
    return found


def depth_of(calls: Sequence[Call], call: int) -> int:
    """How many calls a call stands in, itself counted."""
    depth = 0
    while call >= 0:
        depth, call = depth + 1, calls[call].parent
    return depth
