"""Gradients by central differences in float64, and how far a recorded gradient may be from them.

One random cotangent v makes a scalar L = sum <v, output> of any outputs; then every entry of every input is moved up and down, and
D(h) = (L(x + h) - L(x - h)) / 2h is held against what the backward pass says. A cotangent of ones could hide errors that cancel.
D(h) and D(2h) together give (4 D(h) - D(2h)) / 3, in which the error of order h^2 is gone (Richardson 1911), and |D(h) - D(2h)|, a bound
for what is left. With S(h) = (L(x + h) - 2 L(x) + L(x - h)) / h, 2 S(h) - S(2h) vanishes where L is smooth; at a kink it is the jump of the
slope, and any value between the two slopes is right.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import Variable, no_grad, sweep
from ..errors import DtypeError, GradError

__all__ = ["EPS", "STEP", "Report", "Row", "compare", "difference_report"]

EPS = float(np.finfo(np.float64).eps)
STEP = EPS ** (1 / 3)  # balances the truncation h^2 f'''/6 against the rounding eps f / h: both near 4e-11 for f, f''' near 1


@dataclass(frozen=True)
class Row:
    """What was found for one input: the entry that is furthest off, relative to what is allowed there."""

    name: str
    entries: int
    wrong: int  # entries outside the tolerance
    index: tuple[int, ...]
    analytic: float
    numeric: float
    allowed: float  # |analytic - numeric| may be this large at that entry
    relative_error: float  # largest |analytic - numeric| of the input over its largest gradient


@dataclass(frozen=True)
class Report:
    """The result of a check: true where all entries agree. `print` it for a table."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        return not any(row.wrong for row in self.rows)

    @property
    def max_relative_error(self) -> float:
        """The largest error over all inputs, relative to the largest gradient of its input; nan counts as the largest."""
        return float(np.max([row.relative_error for row in self.rows], initial=0.0))

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        entries, wrong = sum(row.entries for row in self.rows), sum(row.wrong for row in self.rows)
        verdict = f"{wrong} of {entries} entries differ from" if wrong else f"all {entries} entries agree with"
        width = max([len(row.name) for row in self.rows] + [5])
        lines = [f"{verdict} finite differences, largest relative error {self.max_relative_error:.1e}",
                 f"  {'input':{width}}  entries  wrong  worst at      backward    difference  allowed error"]
        lines += [f"  {row.name:{width}}  {row.entries:7}  {row.wrong:5}  {str(list(row.index)):10} {row.analytic:11.4e}   "
                  f"{row.numeric:11.4e}  {row.allowed:.1e}"
                  for row in self.rows]
        return "\n".join(lines)


def compare(outputs: Callable[[], Any], leaves: Mapping[str, Variable], *, eps: float | None = None, atol: float | None = None,
            rtol: float = 1e-6, seed: int = 0) -> Report:
    """Hold the gradients of `outputs()` with respect to float64 `leaves` against central differences, entry by entry.

    outputs computes from the leaves' own arrays, which are moved in place and put back. An entry agrees where
    |analytic - numeric| <= atol + rtol |numeric|. atol None: what the difference itself may be off, which is ten times its rounding
    eps |L| / h, plus |D(h) - D(2h)|, plus half the jump of the slope at a kink; so no fixed number hides a wrong gradient of small scale.
    eps: the step h relative to an input's largest entry (None: 6e-6).
    """
    for name, x in leaves.items():
        if x._data.dtype != np.float64:
            raise DtypeError(f"{name} is {x._data.dtype}; finite differences need float64")
    results = _float_outputs(outputs())
    rng = np.random.default_rng(seed)
    cotangents = [rng.uniform(0.5, 1.5, r._data.shape) * rng.choice([-1.0, 1.0], r._data.shape) for r in results]
    tracked = [(r, v) for r, v in zip(results, cotangents, strict=True) if r._requires_grad]
    if not tracked:
        raise GradError("the output does not depend on any input through recorded operations: there is no gradient to check")
    analytic = dict(sweep([r for r, _ in tracked], [v for _, v in tracked], targets=list(leaves.values())))

    def total() -> tuple[float, float]:
        with no_grad():
            terms = [(v * r._data).ravel() for r, v in zip(_float_outputs(outputs()), cotangents, strict=True)]
        flat = np.concatenate(terms) if terms else np.zeros(0)
        return float(flat.sum()), float(np.abs(flat).sum())

    pairs = {name: (x._data, analytic[x] if x in analytic else np.zeros_like(x._data)) for name, x in leaves.items()}
    return difference_report(total, pairs, eps=eps, atol=atol, rtol=rtol)


def difference_report(total: Callable[[], tuple[float, float]], pairs: Mapping[str, tuple[Any, Any]], *, eps: float | None, atol: float | None,
                      rtol: float) -> Report:
    """Hold claimed gradients against differences. total() computes (L, sum of the absolute terms of L) from the arrays, which are moved in
    place; pairs: {name: (array, claimed gradient)}."""
    rows = []
    for name, (array, g) in pairs.items():
        numeric, uncertain = _difference(total, array, STEP if eps is None else eps)
        rows.append(_row(name, np.asarray(g), numeric, (uncertain if atol is None else atol) + rtol * np.abs(numeric)))
    return Report(tuple(rows))


def _difference(total: Callable[[], tuple[float, float]], array: Any, step: float) -> tuple[Any, Any]:
    """dL/d(entry) for every entry, extrapolated, and how far off it may be."""
    scale = float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array))) or 1.0
    numeric, spread, rounding, jump = (np.zeros(array.shape) for _ in range(4))
    middle, _ = total()
    for index in np.ndindex(array.shape):
        near, bend, rounding[index] = _central(total, array, index, step * scale, middle)
        far, far_bend, _ = _central(total, array, index, 2 * step * scale, middle)
        numeric[index] = (4 * near - far) / 3
        spread[index] = abs(near - far)
        jump[index] = abs(2 * bend - far_bend)
    # one spread may be small by chance where rounding inside L rules; the median of all entries is not
    return numeric, 10 * rounding + spread + (np.median(spread) if spread.size else 0.0) + jump / 2


def _central(total: Callable[[], tuple[float, float]], array: Any, index: tuple[int, ...], h: float,
             middle: float) -> tuple[float, float, float]:
    """D(h) and S(h) for one entry, and the rounding error of D."""
    kept = array[index]
    try:
        array[index] = kept + h
        above = array[index]
        up, high = total()
        array[index] = kept - h
        width = above - array[index]  # twice the step, as float64 has it
        down, low = total()
    finally:
        array[index] = kept
    return (up - down) / width, (up - 2 * middle + down) / (width / 2), EPS * max(high, low) / abs(width)


def _row(name: str, analytic: Any, numeric: Any, allowed: Any) -> Row:
    if not analytic.size:
        return Row(name, 0, 0, (), 0.0, 0.0, 0.0, 0.0)
    error = np.abs(analytic - numeric)
    wrong = ~(error <= allowed)  # nan is wrong
    with np.errstate(over="ignore"):
        excess = np.where(np.isnan(error), np.inf, error / np.maximum(allowed, np.finfo(float).tiny))
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(excess)), error.shape))
    largest = float(np.max(np.abs(numeric)))
    relative = float(np.max(error)) / largest if largest else float(np.max(error))
    return Row(name, analytic.size, int(wrong.sum()), index, float(analytic[index]), float(numeric[index]), float(allowed[index]), relative)


def _float_outputs(result: Any) -> Sequence[Any]:
    found = [r for r in (result if isinstance(result, tuple | list) else [result]) if isinstance(r, Variable) and r._data.dtype.kind == "f"]
    if not found:
        raise GradError("the function returned no float Tensor, so there is no gradient to check")
    return found
