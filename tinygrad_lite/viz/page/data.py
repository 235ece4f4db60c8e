"""What a page is made from: all that it may be asked for about a graph, as plain data, whichever modules are open.

A page opens and closes modules by itself. So it gets each card that can ever show, with its words and its size; what stands where is the page's
own work. That is few: an op's card is the same in every state in which it shows, and a module has one closed card.
"""

import math
from collections.abc import Iterator
from typing import Any

from ..drawing import LIMIT, LOOKS, STYLE, ChipFace, Verdict, box_tip, box_title, chip_text, face, grad_text, levels, single_ops, value_text
from ..layout import tables
from ..measuring import Numbers, short
from ..passes import Flow, Tile, collapse, depth_of, inline_parameters
from .rules import rules_of
from .snapshot import CODE, SHADES, Snapshot

__all__ = ["page_data"]


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
