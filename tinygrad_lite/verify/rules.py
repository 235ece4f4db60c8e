"""One node's rules, each against the difference of its own forward: what `audit` asks of every op alone.

Most rules are right, so the first look is a cheap one: all inputs of a node move together, along one random direction, up and down.
Only where that does not agree, to eight digits, is each input asked by itself, with an extrapolated difference and at a second point.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..engine import Node, Variable, enable_grad, handle, sweep, unbroadcast
from .differences import EPS, STEP
from .slopes import KINK, OK, RTOL, UNKNOWN, Directions, Ordinary, cotangents, is_float, judge, outputs, size_of, slope, weighed

__all__ = ["Edge", "first_order", "positions_of", "second_order"]


class Edge(NamedTuple):
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


def positions_of(node: Node) -> list[int]:
    """The inputs that a rule sends a gradient to."""
    rules = node.op.rules if node.op.each is None else None
    return [i for i, x in enumerate(node.inputs) if isinstance(x, Variable) and x._requires_grad and (rules is None or rules[i] is not None)]


def first_order(node: Node, positions: Sequence[int], arrays: Sequence[Any], y: list[Any], directions: Directions,
                ordinary: Ordinary, known: tuple[float, float, float] | None = None) -> list[Edge]:
    """The rules of `node` for the inputs at `positions`, at float64 `arrays`, where its forward gives `y`. known: they agree there, with these
    numbers, and only where the arrays are not ordinary they are asked again."""
    if not positions:
        return []
    recorded = y
    arrays, sizes, y = _tame(node, arrays, y, ordinary)
    quick = known if known is not None and y is recorded else _at_a_glance(node, arrays, sizes, y, positions, directions)
    if quick is not None:
        return [Edge(node, i, OK, *quick) for i in positions]
    edges = []
    for i in positions:
        edge = _alone(node, arrays, i, directions)
        if edge.verdict in (KINK, UNKNOWN):  # a second try at a point nearby
            moved = [a + 0.01 * directions.like(a) * (np.abs(a) + 0.1) if is_float(a) else a for a in arrays]
            again = _alone(node, moved, i, directions)
            edge = edge if again.verdict == UNKNOWN else again
        edges.append(edge)
    return edges


def _tame(node: Node, arrays: Sequence[Any], y: list[Any], ordinary: Ordinary) -> tuple[list[Any], list[float], list[Any]]:
    """Ordinary numbers for a node's arrays, the size of each, and what the forward gives of them."""
    tame, sizes, same = [], [], True
    for a in arrays:
        b, size = ordinary(a) if is_float(a) else (a, 1.0)
        same = same and a is b
        tame.append(b)
        sizes.append(size)
    return tame, sizes, y if same else outputs(node.op.forward(*tame, **node.params))


def _at_a_glance(node: Node, arrays: Sequence[Any], sizes: list[float], y: list[Any], positions: Sequence[int],
                 directions: Directions) -> tuple[float, float, float] | None:
    """(<rules(v), u>, the difference of <v, forward> along u, what it may be off) where they agree and rounding is far below them."""
    op, params, rules = node.op, node.params, node.op.rules
    v, square, holes = cotangents(y, directions)
    up, down, analytic = list(arrays), list(arrays), 0.0
    several = type(node.output) is tuple
    g, out = (_cotangent(v, y, True), tuple(y)) if several else (v[0], y[0])
    for i in positions:
        a = arrays[i]
        gx = (op.each(i, g, out, *arrays, **params) if op.each is not None else rules[i](g, out, *arrays, **params))  # type: ignore[misc]
        if gx.shape != a.shape:
            gx = unbroadcast(gx, a.shape)
        step = directions.flat(a.size) * (STEP * sizes[i])
        analytic += float(np.dot(gx.ravel(), step))
        step = step.reshape(a.shape)
        up[i], down[i] = a + step, a - step
    numeric = 0.0
    for above, below, c in zip(outputs(op.forward(*up, **params)), outputs(op.forward(*down, **params)), v, strict=True):
        if c is not None:
            change = above - below
            numeric += float(np.dot((np.where(c == 0, 0.0, change) if holes else change).ravel(), c.ravel()))
    analytic, numeric = analytic / STEP, numeric / (2 * STEP)
    rounding = 4 * EPS * math.sqrt(square * sum([part.size for part in y])) / STEP  # sum |v y| <= |v| |y|
    if abs(analytic - numeric) <= rounding + RTOL * abs(numeric) and (rounding <= 1e-3 * abs(numeric) or analytic == numeric):
        return analytic, numeric, rounding
    return None


def _alone(node: Node, arrays: Sequence[Any], i: int, directions: Directions) -> Edge:
    """<rule(v), u> against the extrapolated difference along u, moving input i."""
    op, params = node.op, node.params
    y = outputs(op.forward(*arrays, **params))
    v, _, _ = cotangents(y, directions)
    u = directions.like(arrays[i]) * size_of(arrays[i])
    several = type(node.output) is tuple
    gx = _rule(node, i)(_cotangent(v, y, several), tuple(y) if several else y[0], *arrays, **params)
    if gx.shape != arrays[i].shape:
        gx = unbroadcast(gx, arrays[i].shape)
    analytic = float(np.sum(gx * u))

    def along(t: float) -> tuple[float, float]:
        moved = [a + t * u if k == i else a for k, a in enumerate(arrays)]
        return weighed(outputs(op.forward(*moved, **params)), v)

    found = slope(along)
    return Edge(node, i, judge(analytic, found), analytic, found.numeric, found.allowed)


def second_order(node: Node, positions: Sequence[int], arrays: Sequence[Any], y: list[Any], directions: Directions, ordinary: Ordinary) -> list[Edge]:
    """The rules of one node as functions of cotangent and inputs: their recorded gradient against their own difference."""
    op, params, face = node.op, node.params, next(x.face for x in node.inputs if isinstance(x, Variable))
    arrays, sizes, y = _tame(node, arrays, y, ordinary)
    v, _, _ = cotangents(y, directions)
    u = [directions.like(a) * size if is_float(a) else 0.0 for a, size in zip(arrays, sizes, strict=True)]
    uv = [0.0 if c is None else directions.like(c) for c in v]
    edges = []
    for i in positions:
        w = directions.like(arrays[i])

        def first(xs: Sequence[Any], cotangents: Sequence[Any], i: int = i) -> Any:
            out = op(*xs, **params)
            several = type(out) is tuple
            gx = _rule(node, i)(_cotangent(cotangents, out, several), out, *xs, **params)
            return gx if gx.shape == arrays[i].shape else unbroadcast(gx, arrays[i].shape)

        def along(t: float, first: Any = first, w: Any = w) -> tuple[float, float]:
            moved = [a + t * d if is_float(a) else a for a, d in zip(arrays, u, strict=True)]
            return weighed([first(moved, [c if c is None else c + t * d for c, d in zip(v, uv, strict=True)])], [w])

        xs = [handle(face, a.copy(), True) if is_float(a) else a for a in arrays]
        vs = [c if c is None else handle(face, c.copy(), True) for c in v]
        with enable_grad():
            gx = first(xs, vs)
        if not (isinstance(gx, Variable) and gx._requires_grad):
            continue
        flow = dict(sweep([gx], [w], targets=[x for x in [*xs, *vs] if isinstance(x, Variable)]))
        analytic = sum(float(np.sum(flow[x] * d)) for x, d in zip([*xs, *vs], [*u, *uv], strict=True) if isinstance(x, Variable) and x in flow)
        found = slope(along)
        edges.append(Edge(node, i, judge(analytic, found), analytic, found.numeric, found.allowed, 2))
    return edges


def _cotangent(v: Sequence[Any], y: Sequence[Any], several: bool) -> Any:
    return tuple([np.zeros_like(part) if c is None else c for c, part in zip(v, y, strict=True)]) if several else v[0]


def _rule(node: Node, i: int) -> Callable[..., Any]:
    return partial(node.op.each, i) if node.op.each is not None else node.op.rules[i]  # type: ignore[return-value]
