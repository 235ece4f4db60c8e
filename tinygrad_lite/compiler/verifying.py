"""Is a program right? Each of its lines against what its NumPy call gives, and all that it leaves against the function run eagerly."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import Live, Variable, flatten, handle
from ..engine.writes import writes
from ..tensors import Tensor
from .entry import Bound
from .instrument import on_copies, statements
from .program import Call, Value, substitute
from .record import CLEARED
from .snapshot import copied, copied_objects, part_of

__all__ = ["Difference", "Verification", "verify"]


@dataclass(frozen=True)
class Difference:
    """How far something is from what it should be: `largest` is |a - b| at the worst entry, inf where only one of the two is a number."""

    what: str  # a line of the program; or "output 0", "parameter net.0.weight", "gradient of net.0.weight"
    largest: float
    scale: float  # the largest finite entry of what it should be
    op: str = ""
    path: str = ""
    origin: str = ""
    number: int = 0  # of the line in the program's text


@dataclass(frozen=True)
class Verification:
    """lines: in the order of the program, each against the NumPy call that it stands for. results: against the eager function's."""

    name: str
    lines: tuple[Difference, ...]
    results: tuple[Difference, ...]
    rtol: float

    @property
    def wrong(self) -> tuple[Difference, ...]:
        """Those that differ by more than rtol times the scale, the first line first."""
        return tuple([d for d in (*self.lines, *self.results) if not d.largest <= self.rtol * d.scale])

    @property
    def ok(self) -> bool:
        return not self.wrong

    @property
    def largest(self) -> float:
        return max([d.largest for d in (*self.lines, *self.results)], default=0.0)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        if self.ok:
            how = "to the bit" if not self.largest else f"within {self.largest:.1e}"
            return f"{self.name}: all {len(self.lines)} lines and {len(self.results)} results agree with the eager function {how}"
        rows = [f"{self.name}: {len(self.wrong)} of {len(self.lines) + len(self.results)} lines and results differ; the first is where to look"]
        for d in self.wrong[:20]:
            where = f"line {d.number}: " if d.number else ""
            origin = f"    {' '.join(filter(None, [d.path, d.op]))}, {d.origin}" if d.op else ""
            rows.append(f"  {d.largest:.1e} of {d.scale:.1e}  {where}{d.what}{origin}")
        return "\n".join(rows + [f"  and {len(self.wrong) - 20} more"] * (len(self.wrong) > 20))


def verify(bound: Bound, function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any], inputs: Sequence[Any],
           rtol: float) -> Verification:
    """Run both from the same state; afterwards it is as it was."""
    seen: dict[int, list[tuple[Any, ...]]] = {}

    def observe(number: int, *arrays: Any) -> None:
        seen.setdefault(number, []).append(tuple([np.array(a) for a in arrays]))

    step, arrays, _ = on_copies(bound.program, bound.source, observe, results=True)
    outputs = step(*[x.copy() for x in inputs])
    lines = tuple(_lines(bound, inputs, seen))
    leaves, build = flatten((args, keywords))
    state = _State(bound, inputs, leaves)
    try:
        own_args, own_keywords = build([handle(Tensor, x) if isinstance(x, np.ndarray) else x for x in leaves])
        results = tuple(_results(bound, outputs, arrays, state, leaves, flatten(function(*own_args, **own_keywords))[0]))
    finally:
        state.restore()
    return Verification(bound.program.name, lines, results, rtol)


# ---- line by line

def _lines(bound: Bound, inputs: Sequence[Any], seen: dict[int, list[tuple[Any, ...]]]) -> Iterator[Difference]:
    """Make each call of the program as it stands in the list, into new memory, and compare with what its line wrote."""
    program, source = bound.program, bound.source
    arrays, objects = copied(source.arrays), copied_objects(source.objects)
    copies = {id(source.arrays[name]): array for name, array in arrays.items()} | {id(source.objects[name]): x for name, x in objects.items()}
    values: dict[Value, Any] = dict(zip(program.inputs, [x.copy() for x in inputs], strict=True))
    text = statements(source)

    def value(v: Value) -> Any:
        if v not in values:
            values[v] = (np.asarray(v.expression(), v.dtype) if v.kind == "number" else copies.get(id(v.data), v.data))
        return values[v]

    def given(x: Any) -> Any:
        return copies[id(x)] if isinstance(x, np.random.Generator) else x

    for call in program.calls:
        with np.errstate(all="ignore"):
            keywords = {key: given(x) for key, x in substitute(call.keywords, value).items()}
            made = call.function.run(*substitute(call.args, value), **keywords)
        if call.function.kind == "write":
            made = values[call.args[0]]
        values |= dict(zip(call.outputs, [np.asarray(y) for y in (made if call.several else (made,))], strict=True))
        number = source.lines.get(call)
        if number is None or not source.results.get(call):
            continue
        for v, parts in zip(call.outputs, zip(*seen[number], strict=True), strict=False):
            own = parts[0] if len(parts) == 1 else np.concatenate([p.reshape(-1) for p in parts]).reshape(v.shape)
            yield _difference(text[number], own, values[v], call, number)


def _difference(what: str, own: Any, right: Any, call: Call | None = None, number: int = 0) -> Difference:
    own, right = np.asarray(own), np.asarray(right)
    place = (call.op, call.path, call.line) if call is not None else ("", "", "")
    if own.shape != right.shape or own.dtype != right.dtype:
        return Difference(f"{what}: {own.dtype} {own.shape} in place of {right.dtype} {right.shape}", np.inf, 0.0, *place, number)
    if not own.size:
        return Difference(what, 0.0, 0.0, *place, number)
    a, b = own.astype(np.float64), right.astype(np.float64)
    with np.errstate(all="ignore"):
        apart = np.where((own == right) | ((a != a) & (b != b)), 0.0, np.abs(a - b))
    finite = np.abs(b[np.isfinite(b)])
    return Difference(what, float(np.where(apart == apart, apart, np.inf).max()), float(finite.max()) if finite.size else 0.0, *place, number)


# ---- against the eager function

class _State:
    """All that the eager function may change: what its Tensors hold, gradients, what optimizers keep, generators, marks of writes."""

    def __init__(self, bound: Bound, inputs: Sequence[Any], leaves: Sequence[Any]) -> None:
        recorder = bound.recorder
        kept = [c.args[1] for c in recorder.conditions if isinstance(c.args[0], Live) and c.args[0].kind == "item" and isinstance(c.args[1], dict)]
        self.dicts = [(d, dict(d)) for d in {id(d): d for d in [*kept, *[x for x in bound.source.objects.values() if isinstance(x, dict)]]}.values()]
        own = [x for x in [*leaves, *[v for d, _ in self.dicts for v in d.values()]] if isinstance(x, Variable)]
        tensors = {id(t): t for t in [*recorder.outer, *recorder.found, *own]}
        self.tensors = [(t, t._data, t._data.copy(), t._grad, t._grad._data.copy() if t._grad is not None else None) for t in tensors.values()]
        self.before = {id(t): copy for t, _, copy, _, _ in self.tensors}
        self.inputs = [(x, x.copy()) for x in inputs]
        self.generators = [(g, g.bit_generator.state) for g in bound.source.objects.values() if isinstance(g, np.random.Generator)]
        self.marks = dict(writes.marks)

    def restore(self) -> None:
        for tensor, array, copy, grad, values in self.tensors:
            tensor._data, tensor._grad = array, grad
            _put_back(array, copy)
            if grad is not None:
                _put_back(grad._data, values)
        for array, copy in self.inputs:
            _put_back(array, copy)
        for d, items in self.dicts:
            d.clear()
            d.update(items)
        for generator, state in self.generators:
            generator.bit_generator.state = state
        for key in list(writes.marks):  # the values are those of before: a graph that read them is still right
            if key in self.marks:
                writes.marks[key] = self.marks[key]
            else:
                del writes.marks[key]


def _put_back(array: Any, copy: Any) -> None:
    if not np.array_equal(array, copy, equal_nan=array.dtype.kind in "fc"):
        array[...] = copy


def _results(bound: Bound, outputs: Sequence[Any], arrays: dict[str, Any], state: _State, leaves: Sequence[Any],
             answer: list[Any]) -> Iterator[Difference]:
    """What the program returned and left, against the same of the eager run that has just been."""
    program, recorder, own = bound.program, bound.recorder, iter(outputs)
    for i, y in enumerate([y for y in answer if isinstance(y, Variable | np.ndarray)]):
        yield _difference(f"output {i}", next(own), y._data if isinstance(y, Variable) else y)
    for tensor, array in recorder.outer.items():
        part = part_of(array, bound.source.arrays)
        left = part.of(arrays) if part is not None else state.before[id(tensor)]
        yield _difference(program.names.get(tensor) or "an array from outside", left, tensor._data)
    for leaf, before in recorder.found.items():
        what = f"gradient of {program.names.get(leaf) or 'a leaf'}"
        grad = (leaves[recorder.stand_ins[leaf]] if leaf in recorder.stand_ins else leaf)._grad
        if leaf in program.gradients:
            part = part_of(bound.gradients[leaf], bound.source.arrays)
            assert part is not None
            yield _difference(what, part.of(arrays), grad._data) if grad is not None else Difference(f"{what}: eager leaves none", np.inf, 0.0)
        elif before is CLEARED and grad is not None:
            yield Difference(f"{what}: the program leaves none", np.inf, 0.0)
