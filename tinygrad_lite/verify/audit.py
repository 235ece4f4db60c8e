"""The audit of a recorded graph: every rule checked by itself, on its own node's arrays, so that a wrong one is named.

An end-to-end check only says that gradients are wrong; here each op is asked alone. Three questions: does the rule agree with the difference of
that op's own forward (cause), does the forward still give the stored output (an array changed in place), does each leaf's gradient agree
with the difference of the whole graph (victims)?
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..engine import Node, Variable, enable_grad, handle, named, newest_first, parameter_paths, sweep, unbroadcast
from ..errors import GradcheckError, GradError
from .differences import EPS, STEP

__all__ = ["Audit", "Edge", "Leaf", "audit"]

OK, WRONG, KINK, UNKNOWN = "ok", "wrong", "kink", "cannot tell"
RTOL = 1e-8  # beside the difference's own bound: its extrapolated error is near 1e-10 of the slope
LARGE, SMALL = 1e3, 1e-3  # outside, a stand-in takes a value's place: the rule is audited, and not the value


@dataclass(frozen=True)
class Edge:
    """One rule of one node: from its output to one input."""

    node: Node
    position: int
    verdict: str
    analytic: float
    numeric: float
    allowed: float
    order: int = 1  # 2: the gradient of the rule itself

    @property
    def error(self) -> float:
        """|analytic - numeric| relative to the larger of the two."""
        return abs(self.analytic - self.numeric) / (max(abs(self.analytic), abs(self.numeric)) or 1.0)


@dataclass(frozen=True)
class Leaf:
    """The gradient of one leaf, end to end, along one random direction."""

    tensor: Variable
    name: str
    verdict: str
    error: float


@dataclass(frozen=True)
class Audit:
    """What was found. `print` it for a table; true where nothing is wrong and nothing was changed in place."""

    edges: tuple[Edge, ...]
    leaves: tuple[Leaf, ...]
    changed: tuple[Node, ...]  # their forward no longer gives the output that they stored

    @property
    def wrong(self) -> tuple[Edge, ...]:
        """The causes: rules that differ from the difference of their own op."""
        return tuple([edge for edge in self.edges if edge.verdict == WRONG])

    @property
    def victims(self) -> tuple[Leaf, ...]:
        """Leaves whose gradient is wrong from end to end."""
        return tuple([leaf for leaf in self.leaves if leaf.verdict == WRONG])

    @property
    def ok(self) -> bool:
        return not (self.wrong or self.victims or self.changed)

    def __bool__(self) -> bool:
        return self.ok

    def verdict(self) -> str:
        """One line: "1 wrong backward rule (tanh); 2 of 4 leaf gradients are wrong because of it; 2 edges could not be told"."""
        ops = sorted({edge.node.op.name for edge in self.wrong})
        parts = [f"{len(ops)} wrong backward rule{'s' * (len(ops) != 1)} ({', '.join(ops)})" if ops else
                 f"{len(self.edges)} backward rules checked, none wrong"]
        if self.victims:
            parts.append(f"{len(self.victims)} of {len(self.leaves)} leaf gradients are wrong" + (" because of it" if ops else ""))
        if self.changed:
            parts.append(f"{len(self.changed)} outputs are no longer what their op gives: an array was changed in place")
        untold = sum(edge.verdict in (KINK, UNKNOWN) for edge in self.edges)
        if untold:
            parts.append(f"{untold} edge{'s' * (untold != 1)} could not be told")
        return "; ".join(parts)

    def table(self) -> str:
        """The verdict, then a line for each thing that is not as it should be, with the user's line of code."""
        lines = [self.verdict()]
        lines += [f"  wrong rule   {named(edge.node)}, input {edge.position}: {_WHAT[edge.order]} {edge.analytic:.6g}, "
                  f"the difference {edge.numeric:.6g}" for edge in self.wrong]
        lines += [f"  changed      {named(node)}" for node in self.changed]
        lines += [f"  victim       {leaf.name}: relative error {leaf.error:.1e}" for leaf in self.victims]
        lines += [f"  {edge.verdict:12} {named(edge.node)}, input {edge.position}" for edge in self.edges if edge.verdict in (KINK, UNKNOWN)]
        return "\n".join(lines)

    __str__ = table

    def assert_ok(self) -> None:
        """Raise GradcheckError with the table unless all is well."""
        if not self.ok:
            raise GradcheckError(self.table())


_WHAT = {1: "the rule gives", 2: "differentiated once more it gives"}


def audit(root: Any, *, order: int = 1, seed: int = 0) -> Audit:
    """Check every recorded node that `root` (a Tensor, or a sequence of them) was made by.

    Each rule gets a random cotangent v, and <rule(v), u> is held against the extrapolated central difference of <v, forward> along a random
    direction u, in float64. Entries that are huge (a mask of -1e9) are replaced by ordinary ones of the same sign; at a kink a second, moved
    point is tried. order=2 also differentiates each rule once more, and asks the same of that. Costs about four forward passes for the
    rules and four for the leaves. Raises GradError for a graph that was dropped.
    """
    if order not in (1, 2):
        raise ValueError(f"order is 1 or 2, not {order}")
    roots: Sequence[Variable] = [root] if isinstance(root, Variable) else list(root)
    nodes = newest_first(roots)
    dropped = next((node for node in nodes if node.output is None), None)
    if dropped is not None:
        raise GradError("the graph was dropped by backward(retain_graph=False): there is nothing left to audit")
    rng = np.random.default_rng(seed)
    edges = [edge for node in nodes for edge in _node_edges(node, rng)]
    if order == 2:
        edges += [edge for node in nodes for edge in _second(node, rng)]
    changed = [node for node in nodes if not _still_gives(node)]
    return Audit(tuple(edges), tuple(_leaves(roots, nodes, rng)) if not changed else (), tuple(changed))


def _node_edges(node: Node, rng: np.random.Generator) -> list[Edge]:
    """All rules of one node at once; each alone where together they do not agree, or one cannot be told."""
    positions = [i for i, x in enumerate(node.inputs) if isinstance(x, Variable) and x._requires_grad and _rule(node, i) is not None]
    if not positions:
        return []
    arrays = [_ordinary(a, rng) if _is_float(a) else a for a in node.arrays]
    together = _compare(node, arrays, positions, rng)
    if together.verdict == OK:
        return [Edge(node, i, OK, together.analytic, together.numeric, together.allowed) for i in positions]
    edges = []
    for i in positions:
        edge = _compare(node, arrays, [i], rng)
        if edge.verdict in (KINK, UNKNOWN):  # a second try at a point nearby
            moved = [a + 0.01 * rng.standard_normal(a.shape) * (np.abs(a) + 0.1) if _is_float(a) else a for a in arrays]
            again = _compare(node, moved, [i], rng)
            edge = edge if again.verdict == UNKNOWN else again
        edges.append(edge)
    return edges


def _compare(node: Node, arrays: list[Any], positions: list[int], rng: np.random.Generator) -> Edge:
    """<rules(v), u> against the difference along u, moving the inputs at `positions` together."""
    op, params = node.op, node.params
    with np.errstate(all="ignore"):
        y = _outputs(op.forward(*arrays, **params))
        v = [_signs(part.shape, rng) if _is_float(part) else None for part in y]
        u = {i: _signs(arrays[i].shape, rng) * _scale(arrays[i]) for i in positions}
        several = type(node.output) is tuple
        g: Any = tuple([np.zeros_like(part) if c is None else c for c, part in zip(v, y, strict=True)]) if several else v[0]
        analytic = 0.0
        for i in positions:
            rule = _rule(node, i)
            gx = rule(g, tuple(y) if several else y[0], *arrays, **params)  # type: ignore[misc]
            if gx.shape != arrays[i].shape:
                gx = unbroadcast(gx, arrays[i].shape)
            analytic += float(np.sum(gx * u[i]))

        def along(t: float) -> tuple[float, float]:
            moved = [a + t * u[i] if i in u else a for i, a in enumerate(arrays)]
            return _weighed(_outputs(op.forward(*moved, **params)), v)

        slope = _slope(along)
    return Edge(node, positions[0], _judge(analytic, slope), analytic, slope.numeric, slope.allowed)


def _second(node: Node, rng: np.random.Generator) -> list[Edge]:
    """The rules of one node as functions of cotangent and inputs: their recorded gradient against their own difference."""
    op, params, face = node.op, node.params, next(x.face for x in node.inputs if isinstance(x, Variable))
    positions = [i for i, x in enumerate(node.inputs) if isinstance(x, Variable) and x._requires_grad and _rule(node, i) is not None]
    arrays = [_ordinary(a, rng) if _is_float(a) else a for a in node.arrays]
    with np.errstate(all="ignore"):
        y = _outputs(op.forward(*arrays, **params))
        v = [_signs(part.shape, rng) if _is_float(part) else None for part in y]
        u = [_signs(a.shape, rng) * _scale(a) if _is_float(a) else 0.0 for a in arrays]
        uv = [0.0 if c is None else _signs(c.shape, rng) for c in v]
        edges = []
        for i in positions:
            w = _signs(arrays[i].shape, rng)

            def first(xs: Sequence[Any], cotangents: Sequence[Any], i: int = i) -> Any:
                out = op(*xs, **params)
                several = type(out) is tuple
                g = tuple([np.zeros_like(part) if c is None else c for c, part in zip(cotangents, out, strict=True)]) if several else cotangents[0]
                gx = _rule(node, i)(g, out, *xs, **params)  # type: ignore[misc]
                return gx if gx.shape == arrays[i].shape else unbroadcast(gx, arrays[i].shape)

            def along(t: float, first: Any = first, w: Any = w) -> tuple[float, float]:
                moved = [a + t * d if _is_float(a) else a for a, d in zip(arrays, u, strict=True)]
                return _weighed([first(moved, [c if c is None else c + t * d for c, d in zip(v, uv, strict=True)])], [w])

            xs = [handle(face, a.copy(), True) if _is_float(a) else a for a in arrays]
            vs = [c if c is None else handle(face, c.copy(), True) for c in v]
            with enable_grad():
                gx = first(xs, vs)
            if not (isinstance(gx, Variable) and gx._requires_grad):
                continue
            flow = dict(sweep([gx], [w], targets=[x for x in [*xs, *vs] if isinstance(x, Variable)]))
            analytic = sum(float(np.sum(flow[x] * d)) for x, d in zip([*xs, *vs], [*u, *uv], strict=True) if isinstance(x, Variable) and x in flow)
            slope = _slope(along)
            edges.append(Edge(node, i, _judge(analytic, slope), analytic, slope.numeric, slope.allowed, 2))
    return edges


@dataclass(frozen=True)
class _Slope:
    """d/dt of a scalar at t = 0: extrapolated, how far off it may be, and whether it can be trusted at all."""

    numeric: float
    allowed: float
    kink: bool  # the slope jumps within reach of the step
    steady: bool  # the two steps agree well enough for a verdict


def _slope(along: Callable[[float], tuple[float, float]]) -> _Slope:
    h = STEP
    (up, size), (down, _), (up2, _), (down2, _), (middle, _) = (along(t) for t in (h, -h, 2 * h, -2 * h, 0.0))
    near, far = (up - down) / (2 * h), (up2 - down2) / (4 * h)
    jump = abs(2 * (up - 2 * middle + down) - (up2 - 2 * middle + down2) / 2) / h  # of order h^3 where it is smooth
    rounding, level = 20 * EPS * size / h, max(abs(near), abs(far))
    return _Slope((4 * near - far) / 3, rounding + 3 * abs(near - far), jump > 1e-5 * level + 10 * rounding,
                  abs(near - far) <= 1e-3 * level + 10 * rounding)


def _judge(analytic: float, slope: _Slope) -> str:
    largest = max(abs(slope.numeric), abs(analytic))
    if abs(analytic - slope.numeric) <= slope.allowed + RTOL * abs(slope.numeric):
        return OK if slope.allowed <= 1e-3 * largest or slope.numeric == analytic else UNKNOWN
    if slope.kink:  # several kinks at once may cancel in the jump, so its size bounds nothing
        return KINK
    return WRONG if slope.steady and np.isfinite(slope.numeric) else UNKNOWN


def _leaves(roots: Sequence[Variable], nodes: Sequence[Node], rng: np.random.Generator) -> list[Leaf]:
    """Each leaf's gradient from end to end: the graph is run again from moved leaves, all in float64."""
    leaves = list({x: None for node in nodes for x in node.inputs if isinstance(x, Variable) and x.node is None and x._requires_grad})
    v = [_signs(root._data.shape, rng) for root in roots]
    seeds = [c.astype(root._data.dtype) for c, root in zip(v, roots, strict=True)]
    flow = dict(sweep([r for r in roots if r._requires_grad], [s for s, r in zip(seeds, roots, strict=True) if r._requires_grad], targets=leaves))
    paths = parameter_paths(nodes)
    found = []
    for k, leaf in enumerate(leaves):
        u = _signs(leaf._data.shape, rng) * _scale(leaf._data)
        g = flow.get(leaf)
        analytic = 0.0 if g is None else float(np.sum(np.asarray(g, np.float64) * u))
        with np.errstate(all="ignore"):
            slope = _slope(partial(_run_again, roots, nodes, v, leaf, u))
        size = 0.0 if g is None else float(np.sum(np.abs(np.asarray(g, np.float64) * u)))
        loose = 50 * float(np.finfo(leaf._data.dtype).eps) * size  # the recorded gradient was computed in the leaf's own dtype
        verdict = _judge(analytic, replace(slope, allowed=slope.allowed + loose))
        scale = max(abs(slope.numeric), abs(analytic)) or 1.0
        found.append(Leaf(leaf, paths.get(id(leaf)) or leaf.name or f"leaf {k} {leaf._data.shape}", verdict, abs(analytic - slope.numeric) / scale))
    return found


def _run_again(roots: Sequence[Variable], nodes: Sequence[Node], v: Sequence[Any], leaf: Variable, u: Any, t: float) -> tuple[float, float]:
    """<v, roots> with `leaf` moved by t u: every node once more, oldest first."""
    values: dict[Node, list[Any]] = {}

    def value(x: Any, array: Any) -> Any:
        if isinstance(x, Variable) and x.node is not None:
            return values[x.node][x.index]
        if x is leaf:
            return array + t * u
        return array.astype(np.float64) if _is_float(array) else array

    for node in reversed(nodes):
        inputs = [value(x, a) for x, a in zip(node.inputs, node.arrays, strict=True)]
        values[node] = _outputs(node.op.forward(*inputs, **node.params))
    return _weighed([value(r, r._data) for r in roots], v)


def _still_gives(node: Node) -> bool:
    """Does the forward, run again on the node's arrays, give what it stored? Random ops have no inputs and are no nodes of a gradient graph."""
    with np.errstate(all="ignore"):
        again = _outputs(node.op.forward(*node.arrays, **node.params))
    stored = node.output if type(node.output) is tuple else (node.output,)
    return all(np.allclose(a, b, rtol=1e-5 if a.dtype.itemsize < 8 else 1e-12, atol=0, equal_nan=True) for a, b in zip(again, stored, strict=True))


def _rule(node: Node, i: int) -> Callable[..., Any] | None:
    return partial(node.op.each, i) if node.op.each is not None else node.op.rules[i]


def _outputs(y: Any) -> list[Any]:
    return [np.asarray(part) for part in y] if isinstance(y, tuple | list) else [np.asarray(y)]


def _weighed(y: Sequence[Any], v: Sequence[Any]) -> tuple[float, float]:
    terms = np.concatenate([(part * c).ravel() for part, c in zip(y, v, strict=True) if c is not None])
    return float(terms.sum()), float(np.abs(terms).sum())


def _is_float(a: Any) -> bool:
    return getattr(getattr(a, "dtype", None), "kind", "") == "f"


def _signs(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Random numbers of size 0.5 to 1.5 and either sign: none is near 0, so none hides an error."""
    return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


def _scale(a: Any) -> float:
    return float(np.max(np.abs(a), initial=0.0, where=np.isfinite(a))) or 1.0


def _ordinary(a: Any, rng: np.random.Generator) -> Any:
    """float64, with stand-ins of the same sign for what is huge or not finite; for all of it, where it is tiny."""
    x = a.astype(np.float64)
    stand_in = np.where(x < 0, -1.0, 1.0) * rng.uniform(0.3, 0.9, x.shape)
    x = np.where(np.abs(x) < LARGE, x, stand_in)
    return stand_in if _scale(x) < SMALL or not np.any(x) else x
