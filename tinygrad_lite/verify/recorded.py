"""compare: the gradients that a backward pass through the record gives, held against the values that the same function gives.

One random cotangent v makes a scalar L = sum <v, output> of any outputs; a cotangent of ones could hide errors that cancel. Then every entry
of every leaf, or random directions through it, goes to the complex step where it can be used, and to differences elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine import Step, Variable, no_grad, sweep
from ..errors import DtypeError, GradError
from .complex_step import complex_leaves, is_analytic
from .differences import EPS, Problem, Tolerance, along_directions, entry_by_entry, random_signs
from .explain import explained
from .report import COMPLEX, DIFFERENCES, UNKNOWN, Entry, Report, row

__all__ = ["compare", "float_outputs"]


def compare(outputs: Callable[[], Any], leaves: Mapping[str, Variable], *, eps: float | None = None, atol: float | None = None,
            rtol: float = 1e-6, seed: int = 0, fast_mode: bool = False, nondet_tol: float = 0.0) -> Report:
    """Hold the gradients of `outputs()` with respect to float64 `leaves` against its values. Parameters as of `gradcheck`.

    outputs computes from the leaves' own arrays, which are moved in place and put back. Raises DtypeError for leaves that are not float64,
    GradError where no leaf is reached, or where the same leaves do not give the same outputs.
    """
    for name, x in leaves.items():
        if x._data.dtype != np.float64:
            raise DtypeError(f"{name} is {x._data.dtype}; finite differences need float64")
    with np.errstate(all="ignore"):
        results = float_outputs(outputs())
    rng = np.random.default_rng(seed)
    finite = [np.isfinite(r._data) for r in results]
    cotangents = [random_signs(r._data.shape, rng) * told for r, told in zip(results, finite, strict=True)]
    tracked = [(r, v) for r, v in zip(results, cotangents, strict=True) if r._requires_grad]
    if not tracked:
        raise GradError("the output does not depend on any input through recorded operations: there is no gradient to check")
    roots, seeds = [r for r, _ in tracked], [v for _, v in tracked]
    steps: list[Step] = []
    with np.errstate(all="ignore"):
        claimed = dict(sweep(roots, seeds, targets=list(leaves.values()), steps=steps))
        # the pass is linear in its seeds: what a third of them gives, times three, differs by rounding alone
        again = dict(sweep(roots, [v / 3 for v in seeds], targets=list(leaves.values())))

    def terms() -> Any:
        with no_grad(), np.errstate(all="ignore"):
            return _terms(float_outputs(outputs()), cotangents, finite)

    _check_deterministic(_terms(results, cotangents, finite), terms(), nondet_tol)
    tolerance, rows, noise = Tolerance(eps, atol, rtol), [], _noise(steps)
    left_out = sum([int(np.sum(~told)) for told in finite])
    exact = eps is None and is_analytic(terms, leaves, rng)
    with complex_leaves(leaves) if exact else nullcontext():
        for name, x in leaves.items():
            g = claimed[x] if x in claimed else np.zeros(x._data.shape)
            unsure = 10 * np.abs(g - 3 * again[x]) if x in claimed and np.isfinite(g).all() else None
            problem = Problem(terms, x._data, g, unsure, noise)
            entries = along_directions(problem, tolerance, rng, exact) if fast_mode else entry_by_entry(problem, tolerance, exact)
            rows.append(row(name, _without_proof(entries) if left_out else entries, COMPLEX if exact else DIFFERENCES))
    notes = (f"outputs that are nan or inf were left out: {left_out} of {sum([told.size for told in finite])}",) if left_out else ()
    report = Report(tuple(rows), notes, unit="random directions" if fast_mode else "entries")
    if report:
        return report

    def nearby(x: Variable) -> list[Entry]:
        y = float_outputs(outputs())
        g = dict(sweep(y, cotangents, targets=[x])).get(x, np.zeros(x._data.shape))
        return entry_by_entry(Problem(terms, x._data, g, noise=noise), tolerance)

    return explained(report, leaves, roots, nearby, rng)


def _terms(results: Sequence[Variable], cotangents: Sequence[Any], finite: Sequence[Any]) -> Any:
    """<v, output> term by term; 0 where the output was not finite."""
    shapes = [[r._data.shape for r in results], [v.shape for v in cotangents]]
    if shapes[0] != shapes[1]:
        raise GradError(f"the function gives outputs of shapes {shapes[1]} and then {shapes[0]} for the same inputs: it cannot be checked")
    return np.concatenate([np.where(told, v * r._data, 0).reshape(-1) for r, v, told in zip(results, cotangents, finite, strict=True)])


def _noise(steps: Sequence[Step]) -> float:
    """How far the rounding of every op on the way may move L, to first order: eps sum |dL/dy y| over all intermediate y."""
    total = 0.0
    with np.errstate(all="ignore"):
        for step in steps:
            pairs = zip(step.incoming, step.node.output, strict=True) if type(step.node.output) is tuple else [(step.incoming, step.node.output)]
            for g, y in pairs:
                size = np.abs(g * y)
                total += float(np.sum(size, where=np.isfinite(size)))
    return EPS * total


def _without_proof(entries: Sequence[Entry]) -> list[Entry]:
    """What an output that was left out may have hidden: a gradient that is not finite, and one of 0 from an entry that moves nothing else."""
    return [replace(entry, verdict=UNKNOWN) if not np.isfinite(entry.analytic) or entry.analytic == entry.numeric == 0 else entry
            for entry in entries]


def float_outputs(result: Any) -> Sequence[Variable]:
    """The Tensors of a function's result that have gradients: floats, and what the complex step makes of them."""
    found = [r for r in (result if isinstance(result, tuple | list) else [result]) if isinstance(r, Variable) and r._data.dtype.kind in "fc"]
    if not found:
        raise GradError("the function returned no float Tensor, so there is no gradient to check")
    return found


def _check_deterministic(first: Any, second: Any, nondet_tol: float) -> None:
    apart = float(np.max(np.abs(first - second), initial=0.0))
    if not apart <= nondet_tol:
        raise GradError(f"the function gives different values for the same inputs, up to {apart:.1e} apart: it cannot be checked.\n"
                        "  A random draw, such as dropout in training, or a state that it changes? Call eval() first, or seed inside it.")
