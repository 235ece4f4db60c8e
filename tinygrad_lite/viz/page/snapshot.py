"""What a Picture keeps for a page that may be asked for later: values, gradients, cells and the backward pass, measured, and no Tensor."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine import Node, Op
from ..drawing import GRADIENT, Facts, Stage, Verdict, sampled
from ..measuring import Heat, Numbers, measure, value_of
from ..passes import Flow

__all__ = ["CELLS", "CODE", "SHADES", "Cells", "Played", "Snapshot", "snapshot"]

CELLS = 256  # numbers of a tensor that a page shows
SHADES = 40  # on either side of zero
STEPS = 3000  # of a backward pass; of a longer one, those whose op has a card of its own
CODE = [chr(c) for c in range(35, 127) if chr(c) not in "\\<>&"]  # one for each shade, then nan, inf and -inf; none is escaped in JSON or HTML


@dataclass(frozen=True)
class Cells:
    """Entries of an array: up to 256 of them, from evenly spaced rows and columns."""

    shape: tuple[int, int]
    whole: tuple[int, int]  # of the array, leading axes as one
    top: float  # the largest size of a finite entry: that of the darkest shade; nan where none is finite
    entries: Any  # row after row, in float64

    def text(self) -> str:
        """Each entry as a character."""
        some, top = self.entries, self.top
        with np.errstate(invalid="ignore", over="ignore"):
            shade = np.rint(some / top * SHADES) if top > 0 else some * 0
        shade = np.where(np.isfinite(some), shade, 0).astype(int) + SHADES
        shade[np.isnan(some)], shade[some == np.inf], shade[some == -np.inf] = range(2 * SHADES + 1, 2 * SHADES + 4)
        return "".join([CODE[s] for s in shade.tolist()])


@dataclass(frozen=True)
class Played:
    """One step of the backward pass. tile: what stands for its op, in which round of a repeat; rms of what came, and of what it sent where."""

    node: int  # number of the op's card
    tile: int
    round: int
    incoming: float
    outgoing: tuple[tuple[int, int, float], ...]  # (card, the tile that stands for it, rms)


@dataclass(frozen=True)
class Snapshot:
    """What a Picture keeps of its Stage, for a page that may be asked for later: measured, and no Tensor."""

    flow: Flow
    facts: Facts
    cells: dict[int, tuple[Cells | None, Cells | None]]
    played: tuple[Played, ...]
    ops: dict[int, Op]  # by the number of a card
    title: str
    notes: tuple[str, ...]
    mode: str  # "op", "audit", or a name of `heats`
    heats: dict[str, Heat]
    opened: frozenset[int]
    sideways: bool


def snapshot(set_: Stage, opened: frozenset[int], sideways: bool) -> Snapshot:
    """Measure all that a page may show of what is staged."""
    f, facts = set_.flow, set_.facts
    values: dict[int, Numbers | None] = {}
    grads: dict[int, Numbers | None] = {}
    cells: dict[int, tuple[Cells | None, Cells | None]] = {}
    for n, tile in f.tiles.items() if facts.detail else ():
        values[n], grads[n] = facts.value(n), facts.grad(n)
        cells[n] = _cells(value_of(set_.things[n]), values[n]), _cells(set_.gradient(n), grads[n])
        for copy in sampled(tile.copies) if len(tile.copies) > 1 else ():
            grads[copy] = facts.grad(copy)
    heats = {} if set_.heat is None else {"grad" if set_.heat.name == GRADIENT else set_.heat.name: set_.heat}
    heats |= {heat.name: heat for heat in set_.more}
    flown = {n: g.rms for n in f.tiles for g in [grads.get(n)] if g is not None}
    if flown and "grad" not in heats:
        heats["grad"] = Heat(GRADIENT, "", flown, whole=False)
    verdicts: dict[int, Verdict] = {n: v for n in range(1, len(f.graph.cards) + 1) for v in [facts.verdict(n)] if v is not None}
    plain = Facts(values.get, grads.get, verdicts.get, lambda tile: None, facts.no_grad, facts.detail)
    played = tuple(_played(set_))
    ops = {n: set_.things[n].op for n in {*f.tiles, *(step.node for step in played)} if isinstance(set_.things[n], Node)}
    mode = next(name for name, heat in heats.items() if heat is set_.heat) if set_.heat is not None else set_.mode
    return Snapshot(f, plain, cells, played, ops, set_.title, set_.notes, mode, heats, opened, sideways)


def _cells(array: Any, numbers: Numbers | None) -> Cells | None:
    """None for what has one entry or none, or whose entries are not real numbers."""
    if numbers is None or numbers.size < 2:
        return None
    a = np.asarray(array)
    columns = a.shape[-1] if a.ndim > 1 else min(a.size, 32)  # a vector is broken into lines of 32
    rows = -(-a.size // columns)
    shape, flat = (rows, columns), a.reshape(-1)
    if a.size > CELLS:
        shape = high, wide = min(rows, max(16, CELLS // columns)), min(columns, max(16, CELLS // rows))
        at = (np.arange(high) * rows // high)[:, None] * columns + np.arange(wide) * columns // wide
        flat = flat[at[at < a.size]]
    return Cells(shape, (rows, columns), max(abs(numbers.low), abs(numbers.high)), flat.astype(np.float64))


def _played(set_: Stage) -> Iterator[Played]:
    f = set_.flow
    stands: dict[int, int] = {n: n for n in f.tiles}
    turn: dict[int, int] = {}  # of what is folded: its round
    for n, tile in f.tiles.items():
        stands |= dict.fromkeys(tile.copies, n)
        turn |= {copy: i for i, copy in enumerate(tile.copies)}
    number = {id(thing): n for n, thing in enumerate(set_.things)}
    steps = set_.steps
    if len(steps) > STEPS:
        shown = {id(set_.things[n]) for n in f.tiles}
        steps = [step for step in steps if id(step.node) in shown]

    def stands_for(n: int) -> int:
        while n not in stands:  # a movement is words on an edge: what it sends arrives at where the edge comes from
            n = f.card(n).inputs[0]
        return stands[n]

    for step in steps:
        node = number[id(step.node)]
        sent = [(number[id(x.node or x)], _rms(g)) for x, g in step.outgoing]
        yield Played(node, stands_for(node), turn.get(node, 0), _rms(step.incoming), tuple([(n, stands_for(n), rms) for n, rms in sent]))


def _rms(g: Any) -> float:
    """As `measure` has it, in a tenth of the time where no square overflows or is lost."""
    if type(g) is tuple:  # of several outputs: the first that something came for
        g = next((part for part in g if part is not None), None)
    if isinstance(g, np.ndarray) and g.size and g.dtype.kind == "f":
        wide = g.astype(np.float64).ravel()
        square = float(wide.dot(wide)) / g.size
        if 1e-280 < square < 1e280:
            return math.sqrt(square)
    numbers = None if g is None else measure(g)
    return math.nan if numbers is None else numbers.rms
