"""The audit of a recorded graph: every rule checked by itself, on its own node's arrays, so that a wrong one is named.

An end-to-end check only says that gradients are wrong; here each op is asked alone. Four questions: does the rule agree with the difference of
that op's own forward (cause), do the contributions of all consumers add up to what arrived (cause), does the forward still give the stored
output (an array changed in place), does each leaf's gradient agree with the difference of the whole graph (victims)?
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import ANOMALY, CAPTURE, Node, Variable, here, named, newest_first
from ..errors import GradcheckError, GradError
from .replay import Arrival, Leaf, Replay
from .rules import Edge, first_order, second_order
from .slopes import KINK, OK, UNKNOWN, WRONG, Directions, Ordinary, outputs

__all__ = ["Arrival", "Audit", "Edge", "Leaf", "audit"]


@dataclass(frozen=True)
class Audit:
    """What was found. `print` it for a table; true where nothing is wrong, nothing was lost and nothing was changed in place."""

    edges: tuple[Edge, ...]
    leaves: tuple[Leaf, ...]
    changed: tuple[Node, ...]  # their forward no longer gives the output that they stored
    lost: tuple[Arrival, ...]  # the contributions to them are not what arrived

    @property
    def wrong(self) -> tuple[Edge, ...]:
        """The causes: rules that differ from the difference of their own op."""
        return tuple([edge for edge in self.edges if edge.verdict == WRONG])

    @property
    def untold(self) -> tuple[Edge, ...]:
        """The rules that no difference could judge: at a kink, or where rounding is larger than the gradient."""
        return tuple([edge for edge in self.edges if edge.verdict in (KINK, UNKNOWN)])

    @property
    def victims(self) -> tuple[Leaf, ...]:
        """Leaves whose gradient is wrong from end to end."""
        return tuple([leaf for leaf in self.leaves if leaf.verdict == WRONG])

    @property
    def ok(self) -> bool:
        return not (self.wrong or self.victims or self.changed or self.lost)

    def __bool__(self) -> bool:
        return self.ok

    def verdict(self) -> str:
        """One line: "1 wrong backward rule (tanh); 2 of 4 leaf gradients are wrong because of it; 2 edges could not be told"."""
        ops = sorted({edge.node.op.name for edge in self.wrong})
        parts = [f"{len(ops)} wrong backward rule{_s(ops)} ({', '.join(ops)})" if ops else
                 f"{len(self.edges)} backward rule{_s(self.edges)} checked, none wrong"]
        if self.lost:
            parts.append(f"at {len(self.lost)} place{_s(self.lost)} what arrived is not what was sent")
        if self.victims:
            because = " because of it" if ops or self.lost else ""
            parts.append(f"{len(self.victims)} of {len(self.leaves)} leaf gradients {'is' if len(self.victims) == 1 else 'are'} wrong{because}")
        if self.changed:
            parts.append(f"{len(self.changed)} outputs are no longer what their op gives: an array was changed in place")
        if self.untold:
            parts.append(f"{len(self.untold)} edge{_s(self.untold)} could not be told")
        unsure = [leaf for leaf in self.leaves if leaf.verdict in (KINK, UNKNOWN)]
        if unsure:
            parts.append(f"{len(unsure)} leaf gradient{_s(unsure)} could not be told")
        return "; ".join(parts)

    def table(self) -> str:
        """The verdict, then a line for each thing that is not as it should be, with the user's line of code."""
        lines = [self.verdict()]
        lines += [f"  wrong rule   {named(edge.node)}, input {edge.position}: {_WHAT[edge.order]} {edge.analytic:.6g}, "
                  f"the difference {edge.numeric:.6g}" for edge in self.wrong]
        lines += [f"  not the sum  {arrival}" for arrival in self.lost]
        lines += [f"  changed      {named(node)}" for node in self.changed]
        lines += [f"  victim       {leaf.name}: relative error {leaf.error:.1e}" for leaf in self.victims]
        lines += [f"  {edge.verdict:12} {named(edge.node)}, input {edge.position}" for edge in self.untold]
        lines += [f"  {leaf.verdict:12} {leaf.name}, end to end" for leaf in self.leaves if leaf.verdict in (KINK, UNKNOWN)]
        return "\n".join(lines)

    __str__ = table

    def assert_ok(self) -> None:
        """Raise GradcheckError with the table unless all is well."""
        if not self.ok:
            raise GradcheckError(self.table())


_WHAT = {1: "the rule gives", 2: "differentiated once more it gives"}


def _s(things: Sequence[Any]) -> str:
    return "s" * (len(things) != 1)


def audit(root: Any, *, order: int = 1, seed: int = 0) -> Audit:
    """Check every recorded node that `root` (a Tensor, or a sequence of them) was made by.

    The graph is computed again in float64. Each rule gets a random cotangent v, and <rule(v), u> is held against the central difference of
    <v, forward> along a random direction u: first all inputs of a node together; where that does not agree, each alone and extrapolated. Entries
    that are huge (a mask of -1e9) are replaced by ordinary ones of the same sign; at a kink a second, moved point is tried. The sweep goes over
    the graph with a record of what each node sent: hooks run, and one that puts another gradient in place is named. Leaves are moved all at once,
    and in halves where their difference disagrees. order=2 also differentiates each rule once more, and asks the same of that.

    Costs about six forward and two backward passes in float64. Raises GradError for a graph that was dropped.
    """
    if order not in (1, 2):
        raise ValueError(f"order is 1 or 2, not {order}")
    roots: Sequence[Variable] = [root] if isinstance(root, Variable) else list(root)
    nodes = newest_first(roots)
    if any(node.output is None for node in nodes):
        raise GradError("the graph was dropped by backward(retain_graph=False): there is nothing left to audit")
    directions = Directions(seed)
    with np.errstate(all="ignore"), _aside():
        ordinary = Ordinary(directions.rng)
        replay = Replay(roots, nodes, directions)
        agree = replay.glances()
        edges = [edge for node in nodes for edge in first_order(node, replay.positions[node], replay.arrays[node], replay.outputs[node], directions,
                                                                ordinary, agree.get(node))]
        if order == 2:
            edges += [edge for node in nodes for edge in second_order(node, replay.positions[node], replay.arrays[node], replay.outputs[node],
                                                                      directions, ordinary)]
        changed = tuple([node for node in nodes if not _still_gives(node)])
        lost = () if replay.adds_up else tuple(replay.arrivals())
        trusted = replay.adds_up and all(edge.verdict == OK for edge in edges if edge.order == 1)
        return Audit(tuple(edges), () if changed else tuple(replay.judged_leaves(trusted)), changed, lost)


@contextmanager
def _aside() -> Iterator[None]:
    """What is computed here is on no tape, and its infinities are nobody's anomaly."""
    thread = here.thread
    before = thread.mode
    thread.mode = before & ~(CAPTURE | ANOMALY)
    try:
        yield
    finally:
        thread.mode = before


def _still_gives(node: Node) -> bool:
    """Does the forward, run again on the node's arrays, give what it stored? Random ops have no inputs and are no nodes of a gradient graph."""
    again = outputs(node.op.forward(*node.arrays, **node.params))
    stored = outputs(node.output)
    return all(a.tobytes() == b.tobytes() or np.allclose(a, b, rtol=1e-5 if a.dtype.itemsize < 8 else 1e-12, atol=0, equal_nan=True)
               for a, b in zip(again, stored, strict=True))
