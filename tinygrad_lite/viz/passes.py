"""From a graph to what a picture of it shows: pure functions over plain data, each making the picture smaller and none making it untrue.

Constants become text in their consumer, movement ops labels on edges, closed modules one card, parameters chips. Repeats are in `fold`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from .cards import Call, Card, Graph

__all__ = ["Chip", "Flow", "Link", "Repeat", "Tile", "View", "collapse", "depth_of", "flow", "inline_parameters", "items", "label_movements",
           "signatures"]

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


def collapse(f: Flow, opened: frozenset[int]) -> View:
    """A call that is not opened becomes one tile with all ops inside and the parameters that only they use. A call of a single op is that op."""
    held = items(f)
    ops: dict[int, int] = {}  # how many ops in a call, however deep
    for call in sorted(held, key=lambda c: depth_of(f.calls, c), reverse=True):
        ops[call] = sum(1 if n > 0 else ops[-1 - n] for n in held[call])
    closed: dict[int, int] = {-1: -1}  # call -> the outermost closed call it is in, or -1

    def closed_in(call: int) -> int:
        chain = []
        while call not in closed:
            chain.append(call)
            call = f.calls[call].parent
        for c in reversed(chain):
            above = closed[f.calls[c].parent]
            closed[c] = above if above >= 0 else -1 if c in opened or ops.get(c, 0) < 2 else c
        return closed[chain[0]] if chain else closed[call]

    stands: dict[int, int] = {}  # tile of the flow -> tile of the view
    tiles: dict[int, Tile] = {}
    inside: dict[int, list[int]] = {}
    consumers: dict[int, set[int]] = {}
    for n, tile in f.tiles.items():
        if tile.kind == "op":
            call = closed_in(tile.call)
            stands[n] = n if call < 0 else -1 - call
            inside.setdefault(stands[n], []).append(n)
    for link in f.links:
        consumers.setdefault(link.source, set()).add(stands[link.target])
    absorbed: dict[int, list[int]] = {}
    for n, tile in f.tiles.items():
        users = consumers.get(n, set())
        if tile.kind == "leaf" and f.card(n).parameter and len(users) == 1 and min(users) < 0:
            absorbed.setdefault(min(users), []).append(n)
        elif tile.kind == "leaf":
            stands[n] = n
    outward = {link.source for link in f.links if stands[link.target] != stands.get(link.source)} | set(f.roots)
    for n, tile in f.tiles.items():
        shown = stands.get(n)
        if shown is None or shown in tiles:
            continue
        if shown > 0:
            tiles[n] = tile
            continue
        module = f.calls[-1 - shown]
        members = inside[shown]
        output = next((m for m in reversed(members) if m in outward), members[-1])
        tiles[shown] = Tile(shown, "module", module.path, module.parent, copies=f.tiles[output].copies, inside=tuple(members),
                            held=tuple(absorbed.get(shown, ())), output=output)
    return _boxed(f, tiles, _merged(f.links, stands), opened)


def _merged(links: Iterable[Link], stands: dict[int, int]) -> tuple[Link, ...]:
    """Links between the tiles of a view; those side by side become one with a count. What happens inside a closed module is not shown."""
    together: dict[tuple[int, int, bool], list[Link]] = {}
    for link in links:
        if link.source in stands:
            source, target = stands[link.source], stands[link.target]
            if source != target or (source > 0 and link.loop):
                together.setdefault((source, target, link.loop), []).append(link)
    return tuple([Link(source, target, many[0].slot, _common([link.label for link in many]), len(many), loop)
                  for (source, target, loop), many in together.items()])


def _common(labels: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The words that all share, then those in which they differ: ('reshape', '[0], [1], [2]')."""
    first = labels[0]
    same = 0
    while all(len(label) > same and label[same] == first[same] for label in labels) and same < len(first):
        same += 1
    rest = list(dict.fromkeys(" ".join(label[same:]) for label in labels if label[same:]))
    return (*first[:same], *([", ".join(rest[:3]) + (" …" if len(rest) > 3 else "")] if rest else []))


def _boxed(f: Flow, tiles: dict[int, Tile], links: tuple[Link, ...], opened: frozenset[int]) -> View:
    """An opened call is a box where it holds two tiles or more. A parameter stands in the innermost call around all that use it."""
    calls = f.calls
    users: dict[int, list[int]] = {}
    for link in links:
        if tiles[link.source].kind == "leaf":
            users.setdefault(link.source, []).append(tiles[link.target].call)
    place = {n: tile.call if tile.kind != "leaf" else _around(calls, users.get(n, [-1])) if f.card(n).parameter else -1
             for n, tile in tiles.items()}
    count: dict[int, int] = {}
    for call in place.values():
        while call >= 0:
            count[call] = count.get(call, 0) + 1
            call = calls[call].parent
    drawn = {call for call, n in count.items() if n > 1 and call in opened}

    def box(call: int) -> int:
        while call >= 0 and call not in drawn:
            call = calls[call].parent
        return call

    boxes = {call: box(calls[call].parent) for call in sorted(drawn, key=lambda c: (depth_of(calls, c), c))}
    return View(f, tiles, links, boxes, {n: box(call) for n, call in place.items()}, opened)


def _around(calls: Sequence[Call], users: list[int]) -> int:
    chains = []
    for call in users:
        chain = [call]
        while call >= 0:
            call = calls[call].parent
            chain.append(call)
        chains.append(chain)
    shared = set(chains[0]).intersection(*chains[1:])
    return next(call for call in chains[0] if call in shared)


def inline_parameters(view: View) -> View:
    """A module's parameter that one op uses, once, becomes a chip on that op's card."""
    uses: dict[int, list[Link]] = {}
    for link in view.links:
        uses.setdefault(link.source, []).append(link)
    chips: dict[int, list[Chip]] = {}
    gone = set()
    for n, tile in view.tiles.items():
        if tile.kind == "leaf" and view.flow.card(n).parameter and n not in view.flow.roots and len(uses.get(n, ())) == 1:
            link = uses[n][0]
            if link.times == 1 and view.tiles[link.target].kind == "op":
                chips.setdefault(link.target, []).append(Chip(n, tile.label.rpartition(".")[2], link.label))
                gone.add(n)
    tiles = {n: tile._replace(chips=tuple(chips[n])) if n in chips else tile for n, tile in view.tiles.items() if n not in gone}
    links = tuple([link for link in view.links if link.source not in gone])
    return _boxed(view.flow, tiles, links, view.opened)
