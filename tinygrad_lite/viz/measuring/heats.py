"""Numbers as colour: what each card costs, by a profile of the graph, and what a card of the picture stands for.

Nothing is lost between the two: the cards of one picture, folded, closed or open, add up to the whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...engine import Node
from ...errors import GradError
from ..passes import Flow, Tile
from ..reading import Graph
from .numbers import si
from .profile import Profile, memory_of

__all__ = ["Heat", "gathered", "heat_of_memory", "heat_of_time"]


@dataclass(frozen=True)
class Heat:
    """A number for cards, shown as colour: seconds, bytes, a gradient's rms. cards: number of a card -> how much. A closed module's is the
    sum of its members' (whole=True), or that of its result. log: logarithmic, for what spans many sizes."""

    name: str  # "time"
    unit: str  # "s", "B"; "" for none
    cards: Mapping[int, float]
    whole: bool = True
    log: bool = True

    def of(self, tile: Tile) -> float | None:
        """Of a tile, once `cards` has all that a tile stands for on that tile; a module's parameters belong to it, and chips to their card."""
        if not self.whole:
            return self.cards.get(tile.output)
        parts = [*(tile.inside or (tile.number,)), *tile.held, *[chip.number for chip in tile.chips]]
        known = [self.cards[n] for n in parts if n in self.cards]
        return sum(known) if known else None

    def text(self, x: float) -> str:
        return si(x, self.unit)


def heat_of_time(profile: Profile, graph: Graph) -> tuple[Heat, str]:
    """Forward and backward of each op, in seconds, and the sums of both in words. Raises ValueError for a profile of another graph."""
    costs = profile.by_birth
    ops = [card for card in graph.cards if card.kind == "op"]
    for card in ops:
        if card.birth not in costs:
            raise ValueError(f"color: this profile is of another graph: it does not know the {card.label} of {card.origin or 'this one'}")
    shown = [costs[card.birth] for card in ops]
    said = f"forward {si(sum(c.forward for c in shown), 's')}, backward {si(sum(c.backward for c in shown), 's')}"
    return Heat("time", "s", {card.number: cost.seconds for card, cost in zip(ops, shown, strict=True)}, log=False), said


def heat_of_memory(graph: Graph, things: Sequence[Any]) -> tuple[Heat, str]:
    """Bytes of each op's results, which the graph keeps for the backward pass, and their sum in words; a view has none of its own."""
    held = {}
    for n, thing in enumerate(things):
        if isinstance(thing, Node):
            if thing.output is None:
                raise GradError("color='memory': the graph was dropped by backward(retain_graph=False), and holds no results any more")
            held[n] = float(memory_of(thing))
    return Heat("memory of results", "B", held, log=False), f"results hold {si(sum(held.values()), 'B')}"


def gathered(heat: Heat, f: Flow) -> Heat:
    """The same with all that a tile of `f` stands for on that tile: later rounds of a repeat, and what is a word at it, as movements and
    constants are at the first op that used them."""
    if not heat.whole:
        return heat
    stands = {copy: n for n, tile in f.tiles.items() for copy in tile.copies or (n,)}
    users: dict[int, int] = {}  # card -> the tile of the first that used it
    total: dict[int, float] = {}
    for card in reversed(f.graph.cards):
        tile_of = stands.get(card.number, users.get(card.number))
        if tile_of is None:
            continue
        users.update(dict.fromkeys(card.inputs, tile_of))
        if card.number in heat.cards:
            total[tile_of] = total.get(tile_of, 0.0) + heat.cards[card.number]
    return replace(heat, cards=total)
