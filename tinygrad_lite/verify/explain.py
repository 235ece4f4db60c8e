"""Why a check failed: the rule that is wrong by itself, or kinks that cancel in the values, or a value that left the graph.

The audit asks every recorded op alone, with ordinary numbers in place of extreme ones; where it finds nothing, each op is asked once more at the
very numbers of this graph.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..engine import Node, Variable, named, newest_first, unbroadcast
from .audit import audit
from .differences import TELLING, Problem, Tolerance, along_directions, random_signs, scale_of
from .report import KINK, OK, WRONG, Entry, Report, Row

__all__ = ["explained"]

Nearby = Callable[[Variable], list[Entry]]  # every entry of a leaf, at the place where the leaf now is


def explained(report: Report, leaves: Mapping[str, Variable], roots: Sequence[Variable], nearby: Nearby, rng: np.random.Generator) -> Report:
    """The report of a check that failed, with its cause; kinks that cancel are no failure."""
    causes = [f"{named(edge.node)}, input {edge.position}" for edge in audit(roots).wrong]
    if not causes:
        alone = [(node, i, verdict) for node in newest_first(roots) for i, verdict in _alone(node, rng)]
        causes = [f"{named(node)}, input {i}" for node, i, verdict in alone if verdict == WRONG]
        if not causes and any(verdict == KINK for *_, verdict in alone):
            rows = [_kinks_that_cancel(row, leaves[row.name], nearby, rng) if row.wrong else row for row in report.rows]
            report = replace(report, rows=tuple(rows))
    if causes or report:
        return replace(report, causes=tuple(causes))
    rows = [replace(row, used=_users(leaves[row.name], roots)) if row.wrong else row for row in report.rows]
    note = "no op's rule is wrong by itself: look for a value that left the graph (detach(), .numpy(), .data, no_grad)"
    return replace(report, rows=tuple(rows), notes=(*report.notes, note))


def _alone(node: Node, rng: np.random.Generator) -> list[tuple[int, str]]:
    """(position, verdict) for each rule of one node, at its own numbers, along random directions."""
    op, params = node.op, node.params
    arrays = [a.copy() if getattr(getattr(a, "dtype", None), "kind", "") == "f" else a for a in node.arrays]
    outputs = node.output if type(node.output) is tuple else (node.output,)
    v = [random_signs(y.shape, rng) * (y.dtype.kind == "f") for y in outputs]

    def terms() -> Any:
        y = op.forward(*arrays, **params)
        return np.concatenate([np.ravel(part * c) for part, c in zip(y if isinstance(y, tuple | list) else (y,), v, strict=True)])

    found = []
    rules = op.rules if op.each is None else [partial(op.each, i) for i in range(len(arrays))]
    for i, (x, rule) in enumerate(zip(node.inputs, rules, strict=True)):
        if rule is not None and isinstance(x, Variable) and x._requires_grad:
            with np.errstate(all="ignore"):
                gx = unbroadcast(rule(tuple(v) if type(node.output) is tuple else v[0], node.output, *arrays, **params), arrays[i].shape)
                verdicts = {entry.verdict for entry in along_directions(Problem(terms, arrays[i], gx), Tolerance(), rng)}
            found.append((i, next((verdict for verdict in (WRONG, KINK) if verdict in verdicts), OK)))
    return found


def _kinks_that_cancel(found: Row, x: Variable, nearby: Nearby, rng: np.random.Generator) -> Row:
    """max(x, min(x, x / 2)) at 0 is bent in both parts and not in the sum, and what the parts say by convention is not its slope. Where an op
    is at its kink, none is wrong, and close by the gradient is right on every side that is tried, it is such a place."""
    kept = x._data.copy()
    suspects = {entry.index for entry in found.findings if entry.verdict == WRONG and entry.slopes is None
                and TELLING * abs(entry.numeric) < abs(entry.analytic - entry.numeric) < np.inf}
    try:
        for _ in range(3):
            x._data[...] = kept + 1e-4 * scale_of(kept) * random_signs(kept.shape, rng)
            suspects -= {entry.index for entry in nearby(x) if entry.verdict != OK}
    finally:
        x._data[...] = kept
    entries = [replace(entry, verdict=KINK, slopes=(entry.numeric, entry.numeric)) if entry.verdict == WRONG and entry.index in suspects else entry
               for entry in found.findings]
    cleared = sum([after.verdict != before.verdict for after, before in zip(entries, found.findings, strict=True)])
    return replace(found, wrong=found.wrong - cleared, kinks=found.kinks + cleared, findings=tuple(entries))


def _users(x: Variable, roots: Sequence[Variable]) -> tuple[str, ...]:
    """The calls that take x, oldest first, each with the user's line."""
    return tuple([named(node) for node in reversed(newest_first(roots)) if any(other is x for other in node.inputs)][:3])
