"""The chain rule, once, for every op. The sweep never names an op, and no op names the sweep.

Newest first: an input is older than what was made of it, so when the newest pending node is taken, all gradients that
flow into it have arrived. A heap of birth numbers, no recursion: the depth of a graph is bounded by memory alone.
"""

import sys
from collections.abc import Sequence
from functools import partial
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from ..errors import ShapeError
from .checks import check_unchanged, dropped, named
from .finite import Watch
from .modes import ANOMALY, CAPTURE, RECORD, here
from .origin import where
from .record import Node, Variable, handle
from .writes import writes

__all__ = ["Step", "newest_first", "sweep", "unbroadcast"]


class Step(NamedTuple):
    """One node of a backward pass: the gradient that has arrived at its output, and what it sends to each input."""

    node: Node
    incoming: Any  # dL/doutput; a tuple for several outputs
    outgoing: list[tuple[Variable, Any]]  # (input, this node's contribution to dL/dinput)

    def __str__(self) -> str:
        sent = ", ".join(f"{x.name or (x.node.op.name if x.node is not None else 'leaf')} {g.shape}" for x, g in self.outgoing)
        return f"{named(self.node)}: {getattr(self.incoming, 'shape', '')} -> {sent}"


def sweep(roots: Sequence[Variable], seeds: Sequence[Any], create_graph: bool = False, retain_graph: bool = True,
          targets: Sequence[Variable] | None = None, steps: "list[Step] | None" = None) -> list[tuple[Variable, Any]]:
    """Gradients of sum(<seed, root>) for every leaf, or for `targets` alone: pairs (Tensor, gradient).

    seeds: one gradient for each root, of its shape; arrays, or Tensors under `create_graph` and capture. Gradients come back in the
    same form, in the shape and dtype of what they belong to, and owned: no other name can reach their memory.
    Nothing is stored in any Tensor here, so a rule that raises leaves every `.grad` as it was. steps: a list that gets a Step for
    each node, in the order of the pass.
    """
    thread = here.thread
    mode, scope = thread.mode, thread.scope
    tensors = create_graph or mode & CAPTURE != 0
    plan = None if targets is None else _Plan(roots, targets)
    dropped_at = None if retain_graph else where(sys._getframe(1), scope)
    heap: list[tuple[int, Node]] = []  # (minus birth, node): the newest on top
    pending: dict[Node, Any] = {}  # gradient of a node's output, as far as it has arrived; a list, for several outputs
    leaves: dict[Variable, Any] = {}
    last_write = writes.last
    watch = Watch(roots, seeds) if mode & ANOMALY else None
    watching = watch is not None or steps is not None
    if tensors:
        thread.mode = mode | RECORD if create_graph else mode & ~RECORD
    try:
        if len(roots) == 1 and roots[0].node is not None and type(roots[0].node.output) is not tuple:
            pending[roots[0].node] = seeds[0]
            heap.append((0, roots[0].node))
        else:
            for root, seed in zip(roots, seeds, strict=True):
                _arrive(root, seed, True, heap, pending, leaves)
        while heap:
            node = heappop(heap)[1]
            g = pending.pop(node)
            op, held, y, params = node.op, node.held, node.output, node.params
            if y is None:
                raise dropped(node)
            if node.birth < last_write:
                check_unchanged(node, tensors)
            n = len(held) // 2
            if tensors:
                thread.scope = node.scope
                args = held[:n]
                y = _handles(node)
            else:
                args = held[n:]
            shown = g  # what others are told: with zeros for an output that nothing used
            if type(y) is tuple and (watching or not op.by_output or node.hooks is not None or (plan is not None and node in plan.results)):
                shown = tuple([_zeros(node, part, tensors) if g_part is None else g_part for g_part, part in zip(g, node.output, strict=True)])
                if not op.by_output or node.hooks is not None:
                    g = shown
            if node.hooks is not None:
                before = g
                shown = g = _run_hooks(node.hooks, _face(node), g)
                if watch is not None:
                    watch.hooked(node, before, g)
            if plan is not None:
                plan.collect(node, shown)
            if watching:
                if watch is not None:
                    watch.gathered(node, None, shown)
                if steps is not None:
                    steps.append(Step(node, shown, []))
            rules: Sequence[Any] = op.rules if op.each is None else _rules_of_each(node, g, y, args)
            if op.by_output and len(op.first_rules) == n and g[0] is not None and len([part for part in g if part is not None]) == 1:
                rules, g = op.first_rules, g[0]
            for x, rule in zip(held, rules):  # noqa: B905  the inputs stand first, one for each rule
                if rule is None or not (isinstance(x, Variable) and x._requires_grad) or (plan is not None and not plan.needs(x)):
                    continue
                try:
                    gx = rule(g, y, *args, **params) if params else rule(g, y, *args)
                except Exception as error:
                    error.add_note(f"in the backward rule of {named(node)}, for input {_position(node, x)}")
                    raise
                if gx is None:  # of the outputs that were used, none depends on this input
                    continue
                shape = x._data.shape
                if gx.shape != shape:
                    if not op.broadcasts:
                        raise ShapeError(f"the backward rule of {named(node)} gave {gx.shape} for input {_position(node, x)} of shape {shape}")
                    gx = unbroadcast(gx, shape)
                if watching:
                    if watch is not None:
                        watch.sent(node, _position(node, x), x, shown, gx)
                    if steps is not None:
                        steps[-1].outgoing.append((x, gx))
                maker = x.node
                if tensors or (maker is not None and type(maker.output) is tuple):
                    _arrive(x, gx, gx is g, heap, pending, leaves)
                elif maker is None:  # from here on it is _arrive again, for the usual case and without the call
                    leaves[x] = leaves[x] + gx if x in leaves else gx if type(gx) is ndarray and gx.base is None and gx is not g else gx.copy()
                elif maker in pending:
                    pending[maker] = pending[maker] + gx
                else:
                    pending[maker] = gx
                    heappush(heap, (-maker.birth, maker))
            if dropped_at is not None:
                node.held, node.output = dropped_at, None
        if watch is not None:
            for x, g in leaves.items():
                watch.gathered(None, x, g)
        if plan is not None:
            leaves = plan.found(leaves)
        return [(x, g if type(g) is ndarray and g.dtype is x._data.dtype and x.hooks is None else _finish(x, g)) for x, g in leaves.items()]
    finally:
        if tensors:
            thread.mode, thread.scope = mode, scope


def _rules_of_each(node: Node, g: Any, y: Any, args: Sequence[Any]) -> list[Any]:
    """A rule for each input, of an op that has one for all: those that are found together are found here."""
    op = node.op
    if op.together is None:
        assert op.each is not None
        return [partial(op.each, i) for i in range(len(args))]
    try:
        found = op.together(g, y, *args, **node.params)
    except Exception as error:
        error.add_note(f"in the backward rule of {named(node)}")
        raise
    return [lambda *_, gx=gx, **__: gx for gx in found]


def _arrive(x: Variable, g: Any, alias: bool, heap: list[tuple[int, Node]], pending: dict[Node, Any], leaves: dict[Variable, Any]) -> None:
    """Add `g` to what has arrived for `x`; out of place, since a rule may have returned its own `g`, or a read-only view.

    A leaf keeps what it gets: its first contribution is copied where it could share memory with another gradient.
    """
    node = x.node
    if node is None:
        leaves[x] = leaves[x] + g if x in leaves else g.copy() if alias or _base(g) is not None else g
        return
    known = node in pending
    if not known:
        heappush(heap, (-node.birth, node))
    if type(node.output) is tuple:
        parts = pending.setdefault(node, [None] * len(node.output))
        parts[x.index] = g if parts[x.index] is None else parts[x.index] + g
    else:
        pending[node] = pending[node] + g if known else g


def _base(g: Any) -> Any:
    """What `g` is a view of, or None."""
    return getattr(g._data if isinstance(g, Variable) else g, "base", None)


def _finish(x: Variable, g: Any) -> Any:
    """The gradient of a leaf or target as an array (or Tensor) of its dtype, after its hooks."""
    if g.dtype != x._data.dtype:
        g = g.astype(x._data.dtype)
    if isinstance(g, np.generic):
        g = np.asarray(g)
    return g if x.hooks is None else _run_hooks([(0, hook) for hook in x.hooks], x.face, g)


class _Plan:
    """For a sweep to targets: which nodes lie between them and the roots, and the gradients of targets that are not leaves."""

    def __init__(self, roots: Sequence[Variable], targets: Sequence[Variable]) -> None:
        self.targets = set(targets)
        self.results: dict[Node, list[Variable]] = {}
        for x in self.targets:
            if x.node is not None:
                self.results.setdefault(x.node, []).append(x)
        self.gradients: dict[Variable, Any] = {}
        self.nodes = set(self.results)
        for node in reversed(newest_first(roots)):
            if any(isinstance(x, Variable) and self.needs(x) for x in node.inputs):
                self.nodes.add(node)

    def needs(self, x: Variable) -> bool:
        """Is `x` a target, or made from one?"""
        return x.node in self.nodes or x in self.targets

    def collect(self, node: Node, g: Any) -> None:
        for x in self.results.get(node, ()):
            self.gradients[x] = (g[x.index] if type(node.output) is tuple else g).copy()

    def found(self, leaves: dict[Variable, Any]) -> dict[Variable, Any]:
        return {x: g for x, g in leaves.items() if x in self.targets} | self.gradients


def newest_first(roots: Sequence[Variable]) -> list[Node]:
    """Every node that the roots were made from, each once, the newest first: each before its inputs."""
    seen: set[Node] = set()
    stack = [root.node for root in roots if root.node is not None]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += [x.node for x in node.inputs if isinstance(x, Variable) and x.node is not None]
    return sorted(seen, key=lambda node: -node.birth)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` over the axes along which an input of `shape` was broadcast: the transpose of broadcasting."""
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    if g.shape[extra:] == shape:
        return np.add.reduce(g, tuple(range(extra)) if extra > 1 else 0)
    axes = (*range(extra), *[i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1])
    return np.add.reduce(g, axes).reshape(shape)


def _zeros(node: Node, part: Any, tensors: bool) -> Any:
    """The gradient of an output that nothing used."""
    zeros = np.zeros_like(part)
    if not tensors:
        return zeros
    g = handle(_face(node), zeros)
    if here.thread.mode & CAPTURE:
        here.thread.tape.constant(g)
    return g


def _position(node: Node, x: Variable) -> int:
    return next(i for i, other in enumerate(node.inputs) if other is x)


def _face(node: Node) -> type:
    return next(x.face for x in node.inputs if isinstance(x, Variable))


def _handles(node: Node) -> Any:
    """The output of `node` as Tensors again, so that a rule that uses it is recorded with it."""
    face, y = _face(node), node.output
    return tuple(handle(face, part, True, node, i) for i, part in enumerate(y)) if type(y) is tuple else handle(face, y, True, node)


def _run_hooks(hooks: list[tuple[int, Any]], face: type, g: Any) -> Any:
    """Let each hook see its gradient as a Tensor, and replace it where it returns one."""
    several = type(g) is tuple
    parts = list(g) if several else [g]
    for index, hook in list(hooks):
        part = parts[index]
        recorded = isinstance(part, Variable)
        answer = hook(part if recorded else handle(face, np.asarray(part) if isinstance(part, np.generic) else part))
        if answer is not None:
            if answer.shape != part.shape:
                raise ShapeError(f"a hook got a gradient of shape {part.shape} and returned {answer.shape}")
            parts[index] = answer if recorded or not isinstance(answer, Variable) else answer._data
    return tuple(parts) if several else parts[0]
