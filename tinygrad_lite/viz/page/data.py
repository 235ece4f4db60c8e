"""What a page is made from: all that it may be asked for about a graph, as plain data, whichever modules are open.

A page opens and closes modules by itself. So it gets each card that can ever show, with its words and its size; what stands where is the page's
own work. That is few: an op's card is the same in every state in which it shows, and a module has one closed card.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine import Node, Op
from ..drawing import (
    GRADIENT,
    LIMIT,
    LOOKS,
    STYLE,
    ChipFace,
    Facts,
    Stage,
    Verdict,
    box_tip,
    box_title,
    chip_text,
    face,
    grad_text,
    levels,
    sampled,
    single_ops,
    value_text,
)
from ..layout import tables
from ..measuring import Heat, Numbers, measure, short, value_of
from ..passes import Flow, Tile, collapse, depth_of, inline_parameters
from .rules import rules_of

__all__ = ["CELLS", "Cells", "Played", "Snapshot", "page_data", "snapshot"]

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


# ---- as JSON

def page_data(snap: Snapshot) -> dict[str, Any]:
    """Numbers, strings, lists and dicts: what the scripts of the page call D."""
    f = snap.flow
    ops: dict[int, int] = {}
    rows: list[dict[str, Any]] = []
    for op in snap.ops.values():
        if id(op) not in ops:
            ops[id(op)] = len(rows)
            rows.append({"name": op.name, "doc": op.__doc__ or "", **rules_of(op)})
    op_of = {n: ops[id(op)] for n, op in snap.ops.items()}
    data: dict[str, Any] = {
        "title": snap.title, "notes": snap.notes, "count": len(f.graph.cards), "mode": snap.mode, "sideways": snap.sideways,
        "open": sorted(snap.opened), "roots": f.roots, "limit": LIMIT, "looks": LOOKS, "styles": STYLE, "code": "".join(CODE), "shades": SHADES,
        "heats": {name: {"name": heat.name, "log": heat.log} for name, heat in snap.heats.items()},
        "audited": snap.mode == "audit", "nothing": snap.facts.no_grad,
        "calls": [_call(snap, call) for call in range(len(f.calls))], "ops": rows, **_tiles(snap, op_of),
        "links": [[link.source, link.target, link.label, link.loop] for link in f.links],
        "steps": [[step.tile, step.round, op_of[step.node], short(step.incoming),
                   [[tile, _called(f, n), short(rms)] for n, tile, rms in step.outgoing], f.card(step.node).origin] for step in snap.played]}
    return data | {"metrics": tables("".join(_strings(data)))}


def _call(snap: Snapshot, number: int) -> dict[str, Any]:
    call = snap.flow.calls[number]
    repeat = snap.flow.repeats.get(number)
    return {"up": call.parent, "path": call.path, "kind": call.kind, "title": box_title(snap.flow, number), "tip": box_tip(snap.flow, number),
            **({"times": repeat.times} if repeat else {})}


def _called(f: Flow, n: int) -> str:
    card = f.card(n)
    return card.name or card.label


def _tiles(snap: Snapshot, op_of: dict[int, int]) -> dict[str, list[dict[str, Any]]]:
    """tiles: each op and leaf, in order of birth. modules: each call that can be closed, as the card it is then."""
    f, alone = snap.flow, single_ops(snap.flow)
    depths = [depth_of(f.calls, c) for c in range(len(f.calls))]
    shown = inline_parameters(collapse(f, frozenset(range(len(f.calls))))).tiles
    closed: dict[int, Tile] = {}
    for depth in range(max(depths, default=0)):
        view = collapse(f, frozenset(c for c, d in enumerate(depths) if d <= depth))
        closed |= {n: tile for n, tile in view.tiles.items() if n < 0}
    return {"tiles": [_tile(snap, shown.get(n, tile), alone, op_of) for n, tile in f.tiles.items()],
            "modules": [_tile(snap, tile, alone, op_of) for tile in closed.values()]}


def _tile(snap: Snapshot, tile: Tile, alone: set[int], op_of: dict[int, int]) -> dict[str, Any]:
    f, card = snap.flow, snap.flow.card(tile.output)
    copies = len(tile.copies) or 1
    new = face(f, tile, snap.facts, alone)
    row = {"n": tile.number, "call": tile.call, "output": tile.output, "look": new.look, "title": new.title, "shape": new.shape, "lines": new.lines,
           "chips": [_chip(snap, chip, sign.number) for chip, sign in zip(new.chips, tile.chips, strict=True)], "copies": copies, "badge": new.badge,
           "stack": new.stack, "wide": new.width, "w": face(f, tile, snap.facts, alone, copies).width, "h": new.height,
           "tip": new.tip.removesuffix(f"\n{card.origin}"),
           "origin": card.origin, "path": card.path, "name": card.name, "op": op_of.get(tile.output), "cells": _drawn(snap, tile.output),
           "heat": {name: [x, heat.text(x)] for name, heat in snap.heats.items() for x in [heat.of(tile)] if x is not None},
           "value": new.value and _row(value_text(new.value), new.value, ()),
           "grad": _row(grad_text(new), new.grad, new.grads) if grad_text(new) else None, "verdict": _verdict(new.verdict),
           "leaf": tile.kind == "leaf", "parameter": tile.kind == "leaf" and card.parameter}
    return _said(row)


def _row(text: str, n: Numbers | None, grads: tuple[float, ...]) -> dict[str, Any]:
    shown = _bars(n, grads)
    return {"text": text, **({"bars": shown} if shown else {}), **({"alarm": True} if n and n.nan and text.startswith("!") else {}),
            **({"known": True} if n else {})}


def _bars(n: Numbers | None, grads: tuple[float, ...] = ()) -> list[float]:
    """Heights, as they are drawn."""
    return [round(max(1.2, level * 10), 1) if level else 0 for level in levels(n, grads)]


def _verdict(verdict: Verdict | None) -> list[str] | None:
    return None if verdict is None else [verdict.kind, verdict.text]


def _chip(snap: Snapshot, chip: ChipFace, number: int) -> dict[str, Any]:
    row = {"n": number, "label": chip.label, "shape": chip.shape, "tip": chip.tip, "text": chip_text(chip), "value": _bars(chip.value),
           "grad": _bars(chip.grad), "verdict": _verdict(chip.verdict), "cells": _drawn(snap, number)}
    return _said(row)


def _said(row: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty, which half of a row is. 0 is not empty: it is the first op, or the first call."""
    empty = [key for key, value in row.items() if value is None or value is False or (isinstance(value, str | list | tuple | dict) and not value)]
    return {key: value for key, value in row.items() if key in ("title", "shape") or key not in empty}


def _drawn(snap: Snapshot, n: int) -> list[Any] | None:
    both = snap.cells.get(n, (None, None))
    if both[0] is None and both[1] is None:
        return None
    return [None if c is None else [*c.shape, *c.whole, short(c.top), c.top if math.isfinite(c.top) else 0, c.text()] for c in both]


def _strings(x: Any) -> Iterator[str]:
    if isinstance(x, str):
        yield x
    elif isinstance(x, dict):
        for value in x.values():
            yield from _strings(value)
    elif isinstance(x, list | tuple):
        for value in x:
            yield from _strings(value)
