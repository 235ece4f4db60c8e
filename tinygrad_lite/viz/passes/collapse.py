"""What shows in one state of opened modules: closed modules become one card, parameters chips on the card that uses them.

The page does it once more, in `page/scene.js`.
"""

from collections.abc import Iterable, Sequence

from ..reading import Call
from .flow import Chip, Flow, Link, Tile, View, depth_of, items

__all__ = ["collapse", "inline_parameters"]


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
