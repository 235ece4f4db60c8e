"""What each node of a recorded graph costs: every forward is run again on its own arrays, and every rule on a gradient of ones.

    print(tl.profile(loss))       # sorted by time, with op, module, line and share

The costs are of the arithmetic alone, as NumPy does it; what the recording of a graph costs is not in them.
"""

import math
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from ...engine import Node, Variable, capture, describe, handle, module_path, named, newest_first, no_grad, unbroadcast
from ...errors import GradError
from .flops import flops
from .numbers import si

__all__ = ["Cost", "Profile", "memory_of", "profile"]

SHORTEST = 50e-6  # seconds: quicker calls are timed several at once, since the clock's own step and call are 0.1 µs
LINE = 80  # characters of the user's line
COLUMNS = {"seconds": "time", "forward": "time forward", "backward": "time backward", "flops": "operations", "bytes": "memory"}


@dataclass(frozen=True)
class Cost:
    """One node. Times in seconds, the least of several runs; memory in bytes; operations by the conventions of `flops`."""

    birth: int  # of the node: its key
    op: str
    path: str  # of the module in whose call it was made
    origin: str  # the user's line
    forward: float
    backward: float  # all rules that a backward pass would run, their sums over broadcast axes included
    output: int  # the memory that the output takes; 0 for a view
    forward_peak: int  # the most that the forward asks NumPy for at one time, its output included
    backward_peak: int  # the same for the rules, their gradients included
    forward_flops: float
    backward_flops: float  # nan where a rule runs on arrays alone, so that its calls cannot be seen

    @property
    def seconds(self) -> float:
        return self.forward + self.backward

    @property
    def bytes(self) -> int:
        """The most that it asks for at one time, forward or backward."""
        return max(self.forward_peak, self.backward_peak)

    @property
    def flops(self) -> float:
        """As far as they are known."""
        return self.forward_flops + (0 if math.isnan(self.backward_flops) else self.backward_flops)


@dataclass(frozen=True)
class Profile:
    """The cost of each node, oldest first. `print` it for a table; `by_birth` is for pictures. It keeps no Tensor alive."""

    costs: tuple[Cost, ...]

    @property
    def by_birth(self) -> dict[int, Cost]:
        return {cost.birth: cost for cost in self.costs}

    @property
    def seconds(self) -> float:
        """Forward and backward of all nodes."""
        return sum(cost.seconds for cost in self.costs)

    def share(self, cost: Cost, by: str = "seconds") -> float:
        """The part that one node has in the sum over all: 0 to 1."""
        total: float = math.fsum(getattr(other, by) for other in self.costs)
        return getattr(cost, by) / total if total else 0.0

    def table(self, by: str = "seconds", limit: int = 30) -> str:
        """The dearest first; nodes of one op, module and line stand together, with their number as `calls`.

        by: "seconds", "forward", "backward", "flops" or "bytes" (of which the largest counts, and not the sum).
        """
        if by not in COLUMNS:
            raise ValueError(f"a table is sorted by {', '.join(map(repr, COLUMNS))}, not by {by!r}")
        groups: dict[tuple[str, str, str], list[Cost]] = {}
        for cost in self.costs:
            groups.setdefault((cost.op, cost.path, cost.origin), []).append(cost)
        rows = sorted(map(_Row, groups.values()), key=lambda row: (-row.of(by), row.costs[0].birth))
        total = _Row(list(self.costs))
        lines: list[tuple[str, ...]] = [("op", "calls", "module", "share", "forward", "backward", "operations", "output", "peak", "line")]
        lines += [row.cells(row.of(by) / total.of(by) if total.of(by) else 0.0) for row in rows[:limit]]
        widths = [max(len(line[i]) for line in lines) for i in range(9)]
        text = ["  ".join([cell.ljust(w) if i in (0, 2) else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=False))]
                          + [line[9]]).rstrip() for line in lines]
        if len(rows) > limit:
            text.append(f"and {len(rows) - limit} more")
        return "\n".join([f"{len(self.costs)} node{'s' * (len(self.costs) != 1)}: forward {si(total.of('forward'), 's')}, backward "
                          f"{si(total.of('backward'), 's')}, {si(total.of('flops'), 'FLOP')}, outputs {si(total.output, 'B')}; "
                          f"sorted by {COLUMNS[by]}", *text])

    __str__ = table


class _Row:
    """Nodes that share a line of the table."""

    def __init__(self, costs: list[Cost]) -> None:
        self.costs = costs
        self.output = sum(cost.output for cost in costs)

    def of(self, by: str) -> float:
        values = [getattr(cost, by) for cost in self.costs]
        return max(values, default=0.0) if by == "bytes" else math.fsum(values)

    def cells(self, share: float) -> tuple[str, ...]:
        cost = self.costs[0]
        operations = si(self.of("flops"), "") + "?" * any(math.isnan(c.backward_flops) for c in self.costs)
        return (cost.op, str(len(self.costs)), cost.path, f"{share:.1%}", si(self.of("forward"), "s"), si(self.of("backward"), "s"),
                operations, si(self.output, "B"), si(self.of("bytes"), "B"),
                cost.origin if len(cost.origin) <= LINE else f"{cost.origin[:LINE - 3]}...")


def profile(root: Any, *, repeat: int = 5) -> Profile:
    """Run every node that `root` (a Tensor, or a sequence of them) was made by again, `repeat` times, and say what each costs.

    Nothing is stored: gradients, values and the graph stay as they are. The forward of a user's own op is called again too. Memory is what
    Python's tracemalloc sees, so it knows NumPy's arrays and no other library's; times are of calls that return when they are done.
    Raises GradError for a graph that was dropped.
    """
    if repeat < 1:
        raise ValueError(f"profile() runs each node once or more, not {repeat} times")
    roots: Sequence[Variable] = [root] if isinstance(root, Variable) else list(root)
    for r in roots:
        if not isinstance(r, Variable):
            raise TypeError(f"a graph is made from Tensors, not from {type(r).__name__}")
    nodes = newest_first(roots)[::-1]
    if any(node.output is None for node in nodes):
        raise GradError("the graph was dropped by backward(retain_graph=False): there is nothing left to profile")
    with no_grad(), np.errstate(all="ignore"):
        runs = [_Run(node) for node in nodes]
        times = [(_least(run.forward, repeat), _least(run.backward, repeat)) for run in runs]
        operations = [run.flops() for run in runs]
        peaks = _peaks(runs)
    return Profile(tuple([_cost(*parts) for parts in zip(runs, times, operations, peaks, strict=True)]))


class _Run:
    """One node, ready to be run again: on its arrays, and on a gradient of ones."""

    def __init__(self, node: Node) -> None:
        self.node = node
        op = node.op
        rules = op.rules if op.each is None else [partial(op.each, i) for i in range(len(node.inputs))]
        # as the sweep chooses: a rule for each input that wants a gradient
        self.rules = [(i, rule) for i, (x, rule) in enumerate(zip(node.inputs, rules, strict=False))
                      if rule is not None and isinstance(x, Variable) and x._requires_grad]
        self.outputs: tuple[Any, ...] = node.output if type(node.output) is tuple else (node.output,)
        self.ones = [np.ones_like(y) for y in self.outputs]

    def forward(self) -> Any:
        return self.node.op.forward(*self.node.arrays, **self.node.params)

    def backward(self) -> list[Any]:
        return self._gradients([one[...] for one in self.ones], self.outputs, self.node.arrays)  # new objects, as in each sweep

    def _gradients(self, ones: list[Any], outputs: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
        node = self.node
        g, y = (tuple(ones), tuple(outputs)) if type(node.output) is tuple else (ones[0], outputs[0])
        found = []
        for i, rule in self.rules:
            try:
                found.append(unbroadcast(rule(g, y, *arrays, **node.params), node.arrays[i].shape))
            except Exception as error:
                error.add_note(f"in the backward rule of {named(node)}, for input {i}")
                raise
        return found

    def flops(self) -> tuple[float, float]:
        """Of the forward by its shapes; of the rules by the calls that they make, seen by a capture."""
        node = self.node
        own = flops(node.op, node.arrays, self.outputs, node.params)
        face = next(x.face for x in node.inputs if isinstance(x, Variable))
        tensors = [handle(face, a) if isinstance(x, Variable) else x for x, a in zip(node.inputs, node.arrays, strict=True)]
        try:
            with capture() as tape:
                self._gradients([handle(face, one) for one in self.ones], [handle(face, y) for y in self.outputs], tensors)
        except Exception:  # a user's rule for arrays alone is no error: the sweep never shows it a Tensor
            return own, math.nan
        return own, sum(flops(call.node.op, call.node.arrays, [y._data for y in call.outputs], call.node.params) for call in tape.calls)


def _least(call: Callable[[], Any], repeat: int) -> float:
    """Seconds of one call: the least of `repeat` measurements, which is what nothing disturbed."""
    start = perf_counter()
    call()
    count = max(1, min(1000, int(SHORTEST / max(perf_counter() - start, 1e-9))))
    best = math.inf
    for _ in range(repeat):
        start = perf_counter()
        for _ in range(count):
            call()
        best = min(best, (perf_counter() - start) / count)
    return best


def _peaks(runs: list[_Run]) -> list[tuple[int, int]]:
    """The most memory that each forward, and all rules of a node, ask for at one time."""
    mine = not tracemalloc.is_tracing()
    if mine:
        tracemalloc.start()
    try:
        return [(_peak(run.forward), _peak(run.backward)) for run in runs]
    finally:
        if mine:
            tracemalloc.stop()


def _peak(call: Callable[[], Any]) -> int:
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    call()
    return max(0, tracemalloc.get_traced_memory()[1] - before)


def _cost(run: _Run, times: tuple[float, float], operations: tuple[float, float], peaks: tuple[int, int]) -> Cost:
    node = run.node
    return Cost(node.birth, node.op.name, module_path(node.scope), describe(node.code, node.lasti), times[0], times[1] if run.rules else 0.0,
                memory_of(node), peaks[0], peaks[1] if run.rules else 0, *operations)


def memory_of(node: Node) -> int:
    """Bytes of its outputs; 0 for a view of something else."""
    outputs = node.output if type(node.output) is tuple else (node.output,)
    inputs = [x for x in node.arrays if hasattr(x, "dtype")]
    return sum(y.nbytes for y in outputs if not any(np.may_share_memory(x, y) for x in inputs))
