"""vmap: a function of one example as a function of a batch. It is called once for all examples, or, where that cannot be, once for each.

Once for all, it gets Batches in place of arrays, and what it records is a graph of its own: in the graph of the caller it is one node, whose
rule is a backward pass through the inner graph. The recorded form of that rule is again a vmap, of the function's vector-Jacobian product.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from ..engine import ANOMALY, CAPTURE, GUARD, NotBatched, Op, Variable, birth, enable_grad, flatten, handle, here, is_grad_enabled, sweep, writes
from ..engine.checks import check_unchanged
from ..errors import GradError, ShapeError
from ..ops.arrange import moveaxis
from ..ops.shape import copy, zeros_like
from ..tensors import Tensor
from . import batch_functions  # noqa: F401  it tells Batch what NumPy's functions do
from .apart import array_of, one_after_the_other, stacked
from .batch import Batch, hide, reveal
from .part import grafted, holding, inside, origin, wanted

__all__ = ["vmap"]

_keys = count(1)  # one for each batched call: Batches of different calls never mix up their hidden axes


def vmap(func: Callable[..., Any], in_dims: Any = 0, out_dims: int = 0) -> Callable[..., Any]:
    """The function that applies func along an axis of its arguments and stacks what it returns.

    in_dims: the axis to go along, for all arguments or one for each (None: the argument is the same for all); out_dims: where the new axis
    goes. Arguments may be trees: their leaves are all cut along the argument's axis. Raises ShapeError where lengths differ.

    func is called once for all examples together, many times faster than a loop. Where they cannot go together (a branch, a Python number or
    a shape that differs between examples, a random draw, a write in place, a call in `compile`, `guard` or `detect_anomaly`) it is called for
    each of them, after a first call that was given up. So it should have no side effects, and draw from this package's generators alone.
    """

    def batched(*args: Any, **keywords: Any) -> Any:
        dims = list(in_dims) if isinstance(in_dims, tuple | list) else [in_dims] * len(args)
        if len(dims) != len(args):
            raise ValueError(f"vmap() got {len(args)} arguments and {len(dims)} in_dims")
        trees = [flatten(arg) for arg in args]
        lengths = {array_of(leaf).shape[dim] for (leaves, _), dim in zip(trees, dims, strict=True) if dim is not None for leaf in leaves}
        if len(lengths) != 1:
            raise ShapeError(f"vmap() goes along axes of one length; it got {sorted(lengths) or 'none'}")
        (length,) = lengths
        if not length:
            raise ShapeError("vmap() over an axis of length 0: what func returns is not known")
        if not here.thread.mode & (CAPTURE | ANOMALY | GUARD):
            try:
                return _Together(func, keywords, trees, dims, out_dims, length).result()
            except (NotBatched, Exception):  # noqa: BLE001  an error of func's own comes again, from its first example
                pass
        return one_after_the_other(func, args, keywords, trees, dims, out_dims, length)

    return batched


def _example(x: Batch) -> Batch:
    """What one example of a bare array is: where it has no axes, a number."""
    return x if x.ndim else Batch(x.whole.copy(), x.hidden)


class _Together:
    """One call of func for all examples."""

    def __init__(self, func: Any, keywords: Any, trees: Any, dims: Any, out_dims: int, length: int) -> None:
        self.func, self.keywords, self.trees, self.dims, self.out_dims, self.length = func, keywords, trees, dims, out_dims, length
        self.key, self.start = next(_keys), birth()
        recording = is_grad_enabled()
        self.given: list[_End] = []  # the Tensors among the leaves that want a gradient
        slots = count()
        inner = [build([self._stand_in(x, dim, next(slots), recording) for x in leaves])
                 for (leaves, build), dim in zip(trees, dims, strict=True)]
        thread, before = here.thread, here.thread.batched
        thread.batched = True
        try:
            self.outputs, self.build = flatten(func(*inner, **keywords))
        finally:
            thread.batched = before
        self.places = [i for i, y in enumerate(self.outputs) if recording and wanted(y)]

    def _stand_in(self, x: Any, dim: int | None, slot: int, recording: bool) -> Any:
        if dim is not None and type(array_of(x)) not in (np.ndarray, Batch):
            raise NotBatched("another library's array")
        if not isinstance(x, Variable):
            return x if dim is None else _example(hide(x, dim, self.key))
        if dim is None and not x._requires_grad:
            return x
        inner = handle(Tensor, x._data if dim is None else hide(x._data, dim, self.key), x._requires_grad and recording)
        if inner._requires_grad:
            self.given.append(_End(x, inner, dim, slot))
        return inner

    def result(self) -> Any:
        arrays = [reveal(y._data if isinstance(y, Variable) else y, self.out_dims, self.key, self.length)
                  if isinstance(y, Variable) or type(y) is Batch else stacked([y] * self.length, self.out_dims) for y in self.outputs]
        results = [handle(Tensor, a) if isinstance(y, Variable) else a for y, a in zip(self.outputs, arrays, strict=True)]
        for way in self._ways():
            made = way.record([arrays[i] for i in way.places])
            for i, y in zip(way.places, made if type(made) is tuple else (made,), strict=True):
                results[i] = y
        del self.outputs
        return self.build(results)

    def _ways(self) -> "list[_Way]":
        """The outputs that depend on the same Tensors of the graph outside become those of one node."""
        roots = [self.outputs[i] for i in self.places]
        reached = [inside([y], self.start) for y in roots]
        ends: dict[Any, _End] = {end.inner: end for end in self.given}
        for _, outside in reached:
            for place, x in outside.items():
                if place not in ends and (type(x._data) is not Batch or self.key not in x._data.hidden):  # else it was made inside
                    ends[place] = _End(x, handle(Tensor, x._data, True), None, None)
        inner = {place: end.inner for place, end in ends.items()}
        groups: dict[Any, _Way] = {}
        for i, y, (nodes, outside) in zip(self.places, roots, reached, strict=True):
            used = tuple([place for place in ends if place in outside])
            if not used:  # all that it depends on was made inside
                continue
            way = groups.setdefault(used, _Way(self, [ends[place] for place in used]))
            way.places.append(i)
            way.roots += grafted([y], nodes, inner)
            way.nodes += nodes
        return list(groups.values())

    def arguments(self, args: Sequence[Any], values: dict[Any, Any]) -> list[Any]:
        """args, or those of one example, with other values in some slots."""
        slots = count()
        return [build([values.get(next(slots), x) for x in flatten(arg)[0]]) for arg, (_, build) in zip(args, self.trees, strict=True)]

    def originals(self, values: dict[Any, Any]) -> list[Any]:
        """The arguments as they were, as Tensors of these arrays where they want a gradient: for a further call that is for other Tensors."""
        arrays = {end.slot: end.outer._data for end in self.given} | values
        return self.arguments([build(leaves) for leaves, build in self.trees], {slot: handle(Tensor, a) for slot, a in arrays.items()})


class _End(NamedTuple):
    """Where an inner graph begins."""

    outer: Variable  # in the graph around it
    inner: Variable  # its stand-in
    dim: int | None  # the axis along which the examples lie; None: it is the same for all
    slot: int | None  # its number among the leaves of the arguments; None: func used it from outside


class _Way:
    """Outputs of a call, and the way back from them through what it recorded."""

    def __init__(self, call: _Together, ends: list[_End]) -> None:
        self.call, self.ends = call, ends
        self.places: list[int] = []  # of the outputs among all
        self.roots: list[Variable] = []
        self.nodes: list[Any] = []

    def record(self, arrays: list[Any]) -> Any:
        """The outputs as those of one node, whose inputs are the Tensors at the ends."""
        call, extras = self.call, [end for end in self.ends if end.slot is None]
        self.arrays = [end.outer._data for end in self.ends]

        def together(g: Any, y: Any, *xs: Any) -> list[Any]:
            return self._gradients(g if type(g) is tuple else (g,), xs)

        def forward(*values: Any) -> Any:
            given = {end.slot: a for end, a in zip(self.ends, values, strict=True) if end.slot is not None}
            with holding([end.outer for end in extras], values[len(given):]):
                outputs = flatten(vmap(call.func, call.dims, call.out_dims)(*call.originals(given), **call.keywords))[0]
            parts = tuple([outputs[i]._data for i in self.places])
            return parts if len(parts) > 1 else parts[0]

        op = Op("vmap", forward, together=together, doc="a function of one example, called once for all of them")
        return op.record(Tensor, tuple([end.outer for end in self.ends]), self.arrays, {}, tuple(arrays) if len(arrays) > 1 else arrays[0], True)

    def _gradients(self, gs: tuple[Any, ...], xs: tuple[Any, ...]) -> list[Any]:
        """For each input of the node; gs: dL/doutput. As arrays through the inner graph, as Tensors through one that is recorded again."""
        call = self.call
        recorded = any(isinstance(x, Variable) for x in (*gs, *xs))
        arrays = [array_of(x) for x in xs]
        # verification asks about other arrays; what is none at all asks whether the values are read: the inner graph knows
        if not recorded and all(a is b or type(a) not in (np.ndarray, Batch) for a, b in zip(arrays, self.arrays, strict=True)):
            try:
                flow = dict(sweep(self.roots, [hide(g, call.out_dims, call.key) for g in gs], False, True, [end.inner for end in self.ends]))
                return [self._outward(flow.get(end.inner), end.dim) for end in self.ends]
            except GradError:
                raise
            except (NotBatched, Exception):  # noqa: BLE001  a rule that cannot go together; an error of its own comes again
                pass
        if any(x is end.outer and a is not before for x, end, a, before in zip(xs, self.ends, arrays, self.arrays, strict=True)):
            raise GradError("a Tensor that vmap() used was given other data after the forward pass, and a gradient that is recorded needs those that "
                            "it had. Run the forward pass again before backward()")
        for node in self.nodes:
            if node.birth < writes.last:
                check_unchanged(node, False)
        reached: set[int] = set()
        pull = vmap(self._pull(recorded, reached), (call.out_dims, *[end.dim for end in self.ends], *call.dims))
        outside = [(end.outer, a) for end, a in zip(self.ends, arrays, strict=True) if end.slot is None]
        with holding([x for x, _ in outside], [a for _, a in outside]):
            found = pull(gs, *xs, *call.originals({}))
        return [None if i not in reached else g.sum(0) if end.dim is None else moveaxis(g, 0, end.dim)
                for i, (g, end) in enumerate(zip(found, self.ends, strict=True))]

    def _outward(self, g: Any, dim: int | None) -> Any:
        """A gradient of the inner graph, which is one for each example, as that of an input of the node."""
        if g is None:
            return None
        if dim is not None:
            return reveal(g, dim, self.call.key, self.call.length)
        if type(g) is not Batch or self.call.key not in g.hidden:
            return g * self.call.length
        return np.add.reduce(reveal(g, 0, self.call.key, self.call.length), 0)

    def _pull(self, recorded: bool, reached: set[int]) -> Callable[..., Any]:
        """The vector-Jacobian product of func for one example: of cotangents, what the gradients are for, and the arguments.

        reached: gets the positions of those that the outputs depend on, in any example; for the others the gradient is 0.
        """
        call, n = self.call, len(self.ends)

        def pull(gs: Any, *values: Any) -> Any:
            with enable_grad():
                ends = [copy(x) if wanted(x) else handle(Tensor, array_of(x), True) for x in values[:n]]
                start = birth()
                given = {old.slot: new for old, new in zip(self.ends, ends, strict=True) if old.slot is not None}
                outputs = flatten(call.func(*call.arguments(values[n:], given), **call.keywords))[0]
            roots = [outputs[i] for i in self.places]
            used = {origin(old.outer): new for old, new in zip(self.ends, ends, strict=True) if old.slot is None}
            roots = grafted(roots, inside(roots, start)[0], used)
            pairs = [(y, g) for y, g in zip(roots, gs, strict=True) if y._requires_grad]
            flow = dict(sweep([y for y, _ in pairs], [g for _, g in pairs], recorded, True, ends))
            reached.update(i for i, end in enumerate(ends) if end in flow)
            return tuple([flow[end] if end in flow else zeros_like(end if recorded else end._data) for end in ends])

        return pull
