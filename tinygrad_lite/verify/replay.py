"""The recorded graph once more, in float64: from its own leaves, or from moved ones, and the sweep over it.

What `audit` asks of the graph as a whole: does what the consumers of a value send add up to what arrives there, and does each leaf's
gradient agree with the difference of the whole graph?
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import Node, Step, Variable, handle, named, parameter_paths, sweep
from .differences import EPS, STEP
from .rules import positions_of
from .slopes import OK, RTOL, UNKNOWN, Directions, cotangents, is_float, judge, outputs, size_of, slope, weighed

__all__ = ["Arrival", "Leaf", "Replay"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """The gradient of one leaf, end to end, along a random direction."""

    tensor: Variable
    name: str
    verdict: str
    error: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """A value whose gradient is not the sum of what its consumers sent: something on the way was lost or overwritten."""

    name: str
    sent: float | None  # the largest entry of that sum, the audit's own random weight among it; None: a rule that sent nothing
    arrived: float | None  # the largest entry of what arrived; None: nothing did
    hook: bool  # a hook stands there, and may have put another gradient in its place

    def __str__(self) -> str:
        if self.sent is None:
            return f"{self.name} was sent nothing"
        came = "nothing arrived" if self.arrived is None else f"of what arrived {self.arrived:.4g}"
        return f"{self.name}: the largest entry of what was sent is {self.sent:.4g}, {came}" + (" (a hook stands there)" if self.hook else "")


PULSE = STEP / 4  # what moves adds up on its way through a deep graph
WILD = 1e6  # mean square of a gradient so much larger than v that it may not be random any more


class Replay:
    """All nodes of a graph with float64 arrays, computed again from the leaves; `arrays[node]` and `outputs[node]` are what they read and gave.

    The sweep goes over it once, not from the roots but from every value at once, each with random weights v of its own: it takes the gradient of
    F = sum <v, value>. So no gradient vanishes on its way, and what arrives at a node is random too, and hides no error of its rules.
    """

    def __init__(self, roots: Sequence[Variable], nodes: Sequence[Node], directions: Directions) -> None:
        self.roots, self.nodes, self.directions = roots, nodes[::-1], directions  # oldest first
        self.doubles: dict[int, Any] = {}  # id of a recorded array -> its float64; the records keep the arrays, so no id is used twice
        self.arrays: dict[Node, list[Any]] = {}
        self.outputs: dict[Node, list[Any]] = {}
        self.weights: dict[Node, list[Any]] = {}  # v
        self.squares: dict[Node, float] = {}  # of the output, the sum
        self.holes: set[Node] = set()  # whose output has entries that are not finite
        self.twins: dict[Variable, Variable] = {}  # leaf -> the same in float64
        self.made: dict[Node, Node] = {}  # node -> its twin
        self.handles: dict[Node, list[Any]] = {}  # its outputs, as Tensors
        self.seeded: list[tuple[Variable, Any]] = []
        for node in self.nodes:
            inputs = node.inputs
            self.arrays[node] = arrays = [self._value(x, a) for x, a in zip(inputs, node.arrays, strict=True)]
            self.outputs[node] = y = outputs(node.op.forward(*arrays, **node.params))
            again = Node(node.op, (*map(self._twin, inputs), *arrays), node.params, tuple(y) if type(node.output) is tuple else y[0], node.birth,
                         node.code, node.lasti, node.scope)
            again.hooks = node.hooks
            self.made[node] = again
            face = next(x.face for x in inputs if isinstance(x, Variable))
            self.handles[node] = results = [handle(face, part, True, again, k) for k, part in enumerate(y)]
            v, self.squares[node], holes = cotangents(y, directions)
            if holes:
                self.holes.add(node)
            if node.op.view:  # what arrives there is random already
                v = [None] * len(y)
            self.weights[node] = v
            self.seeded += [(result, c) for result, c in zip(results, v, strict=True) if c is not None]
        self.leaves = list({x: None for node in nodes for x in node.inputs if isinstance(x, Variable) and x.node is None and x._requires_grad})
        self.seeded += [(self._twin(root), directions.like(root._data)) for root in roots if root.node is None and root._requires_grad]
        steps: list[Step] = []
        self.flow = self._sweep(self.seeded, steps)
        self.steps = {step.node: step for step in steps}
        self.moves: dict[Variable, Any] = {}
        for leaf in self.leaves:
            self._draw(leaf, size_of(leaf._data))
        self.positions = {node: positions_of(node) for node in self.nodes}

    def _draw(self, leaf: Variable, size: float) -> None:
        """A random direction for a leaf; not one that happens to be level, which would tell little beside the others."""
        g = self.flow.get(self.twins[leaf])
        steep = 0.0 if g is None else 0.1 * size * math.sqrt(float(np.dot(g.ravel(), g.ravel())))  # about 1 in 10 is less steep
        for _ in range(8):
            self.moves[leaf] = self.directions.like(leaf._data) * size
            if abs(self._slope(leaf, self.flow)) >= steep:
                break

    def _value(self, x: Any, array: Any) -> Any:
        if isinstance(x, Variable) and x.node is not None:
            return self.outputs[x.node][x.index]
        if not is_float(array):
            return array
        double = self.doubles.get(id(array))
        if double is None:
            double = array.astype(np.float64, copy=False)
            if isinstance(x, Variable) and x._requires_grad and not double.any():  # of a rule that multiplies by zeros nothing would be seen
                double = 0.01 * self.directions.like(double)
            self.doubles[id(array)] = double
        return double

    def _twin(self, x: Any) -> Any:
        if not isinstance(x, Variable):
            return x
        if x.node is not None:
            return self.handles[x.node][x.index]
        if x not in self.twins:
            self.twins[x] = handle(x.face, self._value(x, x._data), x._requires_grad)
            self.twins[x].hooks = x.hooks
        return self.twins[x]

    def _sweep(self, pairs: Sequence[tuple[Variable, Any]], steps: list[Step] | None = None) -> dict[Variable, Any]:
        """The library's own sweep over the twins: the gradients of the twin leaves."""
        kept = {x: x._grad for node in self.nodes for x in node.inputs if isinstance(x, Variable)} | {root: root._grad for root in self.roots}
        try:
            return dict(sweep([x for x, _ in pairs], [v for _, v in pairs], steps=steps))
        finally:
            for x, g in kept.items():  # the hooks of retain_grad fill .grad
                x._grad = g

    # ---- every rule at once

    def glances(self) -> dict[Node, tuple[float, float, float]]:
        """For each node whose rules agree with its own difference: (<rules(g), dx>, <g, dy>, what they may differ by).

        All leaves move by h u, and the output of every node by another h u beside what its inputs did to it, up and down; so what a node reads
        moves by random amounts, and dy is the central difference of its forward along them, without an evaluation for each node alone.
        """
        h = PULSE
        ups: dict[Node, list[Any]] = {}
        downs: dict[Node, list[Any]] = {}
        changes: dict[Node, list[Any]] = {}
        agree: dict[Node, tuple[float, float, float]] = {}
        total = pushed = spread = 0.0  # of F: its difference; what the gradient says of the pushes; rounding
        for node in self.nodes:
            arrays, inputs = self.arrays[node], node.inputs
            up, down, moved = list(arrays), list(arrays), list(arrays)
            for i, x in enumerate(inputs):
                if isinstance(x, Variable):
                    if x.node is not None:
                        up[i], down[i], moved[i] = ups[x.node][x.index], downs[x.node][x.index], changes[x.node][x.index]
                    elif x._requires_grad:
                        step = self.moves[x] * h
                        up[i], down[i], moved[i] = arrays[i] + step, arrays[i] - step, 2 * step
            above, below = outputs(node.op.forward(*up, **node.params)), outputs(node.op.forward(*down, **node.params))
            step_of = self.steps.get(self.made[node])
            ups[node], downs[node], changes[node] = above, below, []
            numeric = square = 0.0
            incoming = () if step_of is None else step_of.incoming if type(step_of.incoming) is tuple else (step_of.incoming,)
            ys = self.outputs[node]
            length = h * (math.sqrt(self.squares[node] / max(sum([y.size for y in ys]), 1)) or 1.0)
            for k, y in enumerate(ys):
                if not is_float(y):
                    changes[node].append(None)
                    continue
                change = above[k] - below[k]
                if node in self.holes:
                    change = np.where(np.isfinite(y), change, 0.0)
                if incoming:
                    g = incoming[k].ravel()
                    numeric += float(np.dot(g, change.ravel()))
                    square += float(np.dot(g, g))
                v = self.weights[node][k]
                if v is not None:
                    push = self.directions.like(y) * length
                    above[k], below[k] = above[k] + push, below[k] - push
                    push += push
                    change += push
                    if incoming:
                        pushed += float(np.dot(g, push.ravel()))
                    total += float(np.dot(v.ravel(), change.ravel()))
                changes[node].append(change)
            size = max(sum([g.size for g in incoming]), 1)
            if step_of is None or square > WILD * size:
                continue
            analytic = 0.0
            for i, (_, gx) in zip(self.positions[node], step_of.outgoing, strict=False):
                analytic += float(np.dot(gx.ravel(), moved[i].ravel()))
            rounding = 4 * EPS * math.sqrt(self.squares[node] * square) / h  # sum |g y| <= |g| |y|
            spread += rounding * rounding
            numeric, analytic = numeric / (2 * h), analytic / (2 * h)
            if abs(analytic - numeric) <= rounding + RTOL * abs(numeric) and (rounding <= 1e-3 * abs(numeric) or analytic == numeric):
                agree[node] = analytic, numeric, rounding
        self.told = {x: self._slope(x, self.flow) for x in self.leaves}
        pushed /= 2 * h
        self.largest = sum(map(abs, self.told.values())) + abs(pushed)
        self.error = abs(total / (2 * h) - pushed - sum(self.told.values()))
        self.uncertain = math.sqrt(spread) + 0.1 * RTOL * self.largest
        return agree

    @property
    def adds_up(self) -> bool:
        """Does the difference of F along all those moves agree with the gradient of F at every value? Nothing was lost then on any way."""
        return bool(self.error <= self.uncertain)

    # ---- what arrived

    def arrivals(self) -> list[Arrival]:
        """Every node and leaf where what arrived is not the sum of what was sent."""
        sums: dict[Any, Any] = {}  # (twin node, output) or twin leaf -> what it should get
        for x, v in self.seeded:
            _add(sums, x, v)
        found = []
        for node in reversed(self.nodes):
            again = self.made[node]
            expected = [sums.get((again, k)) for k in range(len(self.outputs[node]))]
            if all(part is None for part in expected):
                continue
            step = self.steps.get(again)
            incoming = [None] * len(expected) if step is None else step.incoming if type(step.incoming) is tuple else (step.incoming,)
            found += [_arrival(named(node), part, g, node.hooks) for part, g in zip(expected, incoming, strict=True)
                      if part is not None and not _same(part, g)]
            if step is not None:
                for x, gx in step.outgoing:
                    _add(sums, x, gx)
                positions = self.positions[node]
                if len(step.outgoing) != len(positions):
                    found += [Arrival(f"input {i} of {named(node)}", None, None, False) for i in positions
                              if not any(x is again.inputs[i] for x, _ in step.outgoing)]
        names = self.names()
        return found + [_arrival(names[leaf], sums[x], self.flow.get(x), x.hooks) for leaf, x in self.twins.items()
                        if x in sums and not _same(sums[x], self.flow.get(x))]

    def names(self) -> dict[Variable, str]:
        """What to call each leaf: its path in the model, its own name, or its number and shape."""
        paths = parameter_paths(self.nodes)
        return {x: paths.get(id(x)) or x.name or f"leaf {k} {x._data.shape}" for k, x in enumerate(self.leaves)}

    # ---- end to end

    def judged_leaves(self, trusted: bool) -> list[Leaf]:
        """Each leaf's gradient against the difference of the whole graph.

        Where all else is right (`trusted`), that of F along all moves of `glances`, for the leaves that count in it; for the others, and
        to find victims, that of the roots, with all leaves moved at once, and halves of them where it does not agree.
        """
        verdicts: dict[Variable, tuple[str, float]] = {}
        if trusted:
            verdicts = {x: (OK, self.error / self.largest) for x in self.leaves if abs(self.told[x]) >= 1e3 * self.uncertain}
        stack = [[x for x in self.leaves if x not in verdicts]]
        if stack[0]:
            self.cotangents = [self.directions.like(root._data) for root in self.roots]
            flow = self._sweep([(self._twin(x), v) for x, v in zip(self.roots, self.cotangents, strict=True) if x._requires_grad])
            self.slopes = {x: self._slope(x, flow) for x in self.leaves}
        while stack:
            group = stack.pop()
            rest = self._together(group, verdicts) if group else []
            if len(group) == 1 and rest:
                verdicts[group[0]] = self._alone(group[0])
            else:
                stack += rest
        return [Leaf(x, name, *verdicts[x]) for x, name in self.names().items()]

    def _slope(self, leaf: Variable, flow: dict[Variable, Any]) -> float:
        """What a gradient says of a leaf's move."""
        g = flow.get(self.twins[leaf])
        return 0.0 if g is None else float(np.dot(g.ravel(), self.moves[leaf].ravel()))

    def _together(self, group: list[Variable], verdicts: dict[Variable, tuple[str, float]]) -> list[list[Variable]]:
        """Judge those leaves of a group for which its sum says enough; the others come back, to be asked in smaller groups."""
        slopes = self.slopes
        claimed = [slopes[x] for x in group]
        analytic, largest = sum(claimed), sum(map(abs, claimed))
        for h, rtol in ((STEP, RTOL), (STEP / 32, 1e-6)):  # of many leaves some relu may stand within a step of its kink
            (up, size), (down, _) = self.along(group, h), self.along(group, -h)
            numeric = (up - down) / (2 * h)
            rounding = 20 * EPS * size / h
            uncertain = rounding + rtol * largest
            if not abs(analytic - numeric) <= uncertain:  # nan is not
                continue
            error = abs(analytic - numeric) / (largest or 1.0)
            told = [x for x in group if abs(slopes[x]) >= 1e3 * uncertain or numeric == analytic == 0]
            verdicts.update(dict.fromkeys(told, (OK, error)))
            rest = [x for x in group if x not in verdicts]
            if told or largest < 1e3 * rounding:
                hopeless = [x for x in rest if abs(slopes[x]) < 1e3 * rounding and slopes[x] != 0]
                verdicts.update(dict.fromkeys(hopeless, (UNKNOWN, error)))
                return [rest] if (rest := [x for x in rest if x not in verdicts]) else []
            break
        middle = len(group) // 2
        return [group[:middle], group[middle:]]

    def _alone(self, leaf: Variable) -> tuple[str, float]:
        analytic = self.slopes[leaf]
        found = slope(lambda t: self.along([leaf], t))
        return judge(analytic, found), abs(analytic - found.numeric) / (max(abs(found.numeric), abs(analytic)) or 1.0)

    def along(self, leaves: Sequence[Variable], t: float) -> tuple[float, float]:
        """<v, roots> with `leaves` moved by t times their directions, and the sum of the absolute values of its terms: what they reach, again."""
        moved = {leaf: t * self.moves[leaf] for leaf in leaves}
        values: dict[Node, list[Any]] = {}
        for node in self.nodes:
            inputs, again = list(self.arrays[node]), False
            for i, x in enumerate(node.inputs):
                if isinstance(x, Variable) and x.node in values:
                    inputs[i], again = values[x.node][x.index], True
                elif isinstance(x, Variable) and x in moved:
                    inputs[i], again = inputs[i] + moved[x], True
            if again:
                values[node] = outputs(node.op.forward(*inputs, **node.params))
        ends = []
        for root in self.roots:
            if root.node is not None:
                ends.append(values.get(root.node, self.outputs[root.node])[root.index])
            else:
                ends.append(root._data.astype(np.float64) + moved.get(root, 0.0))
        return weighed(ends, self.cotangents)


def _add(sums: dict[Any, Any], x: Variable, g: Any) -> None:
    """Add a contribution to what `x` should get."""
    key = x if x.node is None else (x.node, x.index)
    sums[key] = sums[key] + g if key in sums else g


def _same(expected: Any, g: Any) -> bool:
    """The sweep adds in the order of its steps, as here: the numbers are equal to the last bit, or near to it."""
    if expected is g:
        return True
    if g is None:
        return False
    return bool(expected.tobytes() == g.tobytes() or np.allclose(expected, g, rtol=1e-9, atol=0, equal_nan=True))


def _arrival(name: str, sent: Any, g: Any, hooks: Any) -> Arrival:
    largest, arrived = (None if a is None else float(np.max(np.abs(a), initial=0.0)) for a in (sent, g))
    return Arrival(name, largest, arrived, bool(hooks))
