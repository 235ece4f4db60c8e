"""A claimed gradient against the values, in float64: how far off may the difference itself be, and what follows for the claim?

The values come as an array of terms whose sum is L. Along a line x + t u,

    D(h) = (L(h) - L(-h)) / 2h           its error: h^2 L'''/6, and rounding: of the terms that change, eps |term| / h
    R    = (4 D(h) - D(2h)) / 3          the h^2 is gone (Richardson 1911); |D(h) - D(2h)| bounds what is left
    J    = the slope to the right minus the slope to the left, both extrapolated: near 0 where L is smooth (of order h^3)

Rounding inside L is larger than that of its terms where large numbers cancel on the way; `noise` is a bound for it, and `unsure` one for the
rounding of the claim. Agreement does not need them, an accusation does. At a kink J stays as h shrinks; where rounding rules it grows as
1/h; where L is smooth it falls as h^3. So a second step tells the three apart, and every verdict but "ok" takes one: nothing is called wrong
that only one step says, or on which two disagree.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import frexp, inf, isfinite, ldexp
from typing import Any

import numpy as np

from .report import COMPLEX, DIFFERENCES, KINK, OK, UNKNOWN, WRONG, Entry

__all__ = ["EPS", "STEP", "Line", "Problem", "Tolerance", "along_directions", "entry_by_entry", "random_signs", "scale_of"]

EPS = float(np.finfo(np.float64).eps)
STEP = EPS ** (1 / 3)  # balances the truncation h^2 f'''/6 against the rounding eps f / h: both near 4e-11 for f, f''' near 1
TELLING = 5e-4  # a bound larger than this part of the gradient would let a rule that is off by a thousandth pass
DIRECTIONS = 3
COMPLEX_STEP = 1e-40  # its square is below eps^4, and products of several such numbers are still far from underflow



@dataclass(frozen=True)
class Problem:
    """An array, which is moved in place and put back, the terms of L as they then are, and what dL/darray is claimed to be."""

    terms: Callable[[], Any]  # a flat array
    array: Any
    claimed: Any
    unsure: Any = None  # how far rounding may have moved the claim, entry by entry
    noise: float = 0.0  # how far rounding on the way may move L


@dataclass(frozen=True)
class Tolerance:
    """eps: the step relative to the input's largest entry (None: chosen); atol: in place of the bound (None); rtol: added to either."""

    eps: float | None = None
    atol: float | None = None
    rtol: float = 1e-6


@dataclass(frozen=True)
class Slope:
    """dL/dt at t = 0, from one step h."""

    h: float
    numeric: float
    rounding: float
    spread: float  # of the two steps: what truncation, or rounding inside L, may have done
    jump: float = 0.0  # |J|, summed over the terms
    sides: tuple[float, float] = (0.0, 0.0)  # the slopes to the left and to the right
    noise: float = 0.0  # what rounding inside L may have done
    method: str = DIFFERENCES

    def bound(self, tolerance: Tolerance) -> float:
        return self.rounding + self.spread if tolerance.atol is None else tolerance.atol


def entry_by_entry(problem: Problem, tolerance: Tolerance, complex_step: bool = False) -> list[Entry]:
    """Every entry of the array against its claimed gradient."""
    return _judged([Line(problem, index) for index in np.ndindex(problem.claimed.shape)], tolerance, complex_step)


def along_directions(problem: Problem, tolerance: Tolerance, rng: np.random.Generator, complex_step: bool = False) -> list[Entry]:
    """<claimed, u> along random directions u through the whole array; a direction that is wrong is halved until one entry is left.

    A wrong entry among n moves <claimed, u> by its own error, beside a sum of size sqrt(n): a direction misses it only where the error
    is below rtol sqrt(n) gradients, or the bound.
    """
    shape = problem.claimed.shape
    lines = [Line(problem, None, random_signs(shape, rng)) for _ in range(DIRECTIONS)] if problem.claimed.size else []
    entries = _judged(lines, tolerance, complex_step)
    for k, entry in enumerate(entries):
        if entry.verdict == WRONG:
            entries[k] = _culprit(lines[k], tolerance, complex_step) or entry
            if entries[k].verdict == WRONG:  # one culprit is enough; a kink in its place says nothing about the other directions
                break
    return entries


def random_signs(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Random numbers of size 0.5 to 1.5 and either sign: none is near 0, so none hides an error."""
    return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


def scale_of(array: Any) -> float:
    """The largest finite |entry|, or 1 where all are 0: what a step is relative to."""
    size = np.abs(array)
    return float(np.max(size, initial=0.0, where=np.isfinite(size))) or 1.0


class Line:
    """The values along one entry of an array (index), or along a direction u through all of it (index None)."""

    def __init__(self, problem: Problem, index: tuple[int, ...] | None, u: Any = 1.0) -> None:
        self.problem, self.array, self.index, self.u = problem, problem.array, index, u
        self.place: Any = ... if index is None else index
        claimed, unsure = problem.claimed[self.place], 0.0 if problem.unsure is None else problem.unsure[self.place]
        with np.errstate(all="ignore"):
            self.claim = float(np.sum(claimed * u))
            self.unsure = float(np.sum(np.abs(unsure * u)))
            # x + t u is rounded: an entry is not moved by exactly t u
            self.inexact = float(np.abs(claimed * self.array[self.place]).sum()) if isfinite(self.claim) else 0.0

    def at(self, t: Any) -> Any:
        """The terms at x + t u."""
        kept = self.array[self.place].copy()
        try:
            self.array[self.place] = kept + t * self.u
            return self.problem.terms()
        finally:
            self.array[self.place] = kept

    def slope(self, h: float, middle: Any) -> Slope:
        """R, from the steps h and 2h."""
        h = ldexp(1.0, frexp(h)[1] - 1)  # a power of two: most entries then move by exactly h
        up, down, up2, down2 = (self.at(t) for t in (h, -h, 2 * h, -2 * h))
        with np.errstate(all="ignore"):
            near, far = (up - down) / (2 * h), (up2 - down2) / (4 * h)
            bend = (4 * (up + down) - (up2 + down2) - 6 * middle) / (2 * h)
            numeric, half = float((4 * near - far).sum()) / 3, float(bend.sum()) / 2
            size = np.maximum(np.abs(up), np.abs(down)).sum(where=(up != down) | (up2 != down2) | (up != middle))
            rounding = 5 * EPS * (float(size) + self.inexact) / h
            return Slope(h, numeric, rounding, float(np.abs(near - far).sum()), float(np.abs(bend).sum()), (numeric - half, numeric + half),
                         5 * self.problem.noise / h + self.unsure)

    def complex_slope(self, h: float, middle: Any) -> Slope:
        """Im L(x + i h u) / h: nothing is subtracted, so nothing is lost (Squire and Trapp 1998). A second step shows the rounding inside."""
        first, second = self.at(1j * h).imag / h, self.at(1j * (h * 1.37)).imag / (h * 1.37)
        scale = h / COMPLEX_STEP
        size = float(np.abs(middle).sum()) / scale + float(np.abs(first).sum())
        return Slope(h, float(first.sum()), 100 * EPS * size, 10 * float(np.abs(first - second).sum()), noise=self.unsure, method=COMPLEX)


def _judged(lines: Sequence[Line], tolerance: Tolerance, complex_step: bool) -> list[Entry]:
    if not lines:
        return []
    middle, scale = lines[0].problem.terms(), scale_of(lines[0].array)
    if complex_step:
        exact = [line.complex_slope(COMPLEX_STEP * scale, middle) for line in lines]
        return [_entry(line, slope, _verdict(line.claim, slope, tolerance), tolerance) for line, slope in zip(lines, exact, strict=True)]
    h = scale * (STEP if tolerance.eps is None else tolerance.eps)
    return [_settled(line, line.slope(h, middle), middle, tolerance) for line in lines]


def _settled(line: Line, first: Slope, middle: Any, tolerance: Tolerance) -> Entry:
    """The verdict on one line, after as many steps as it takes."""
    verdict = _verdict(line.claim, first, tolerance)
    if verdict == OK:
        return _entry(line, first, OK, tolerance)
    tried, wrong = [first], [first] if verdict == WRONG else []
    for factor in _other_steps(line, first) if tolerance.eps is None else ():
        slope = line.slope(first.h * factor, middle)
        verdict = _verdict(line.claim, slope, tolerance)
        if verdict == OK:
            return _entry(line, slope, OK, tolerance)
        if _same_jump(first, slope, tolerance):
            inside = abs(line.claim - slope.numeric) <= _allowed(slope, tolerance) + slope.jump / 2
            return _entry(line, slope, KINK if inside else WRONG, tolerance, slope.sides)
        if verdict == WRONG:
            agreeing = [other for other in wrong if _consistent(slope, other, tolerance)] if _no_alias(first, slope, tolerance) else []
            if agreeing:
                return _entry(line, min([slope, *agreeing], key=lambda s: s.bound(tolerance)), WRONG, tolerance)
            wrong.append(slope)
        tried.append(slope)
    best = min(tried, key=lambda s: s.bound(tolerance) + s.jump if isfinite(s.numeric) else inf)
    if tolerance.eps is not None and wrong:  # the caller chose the one step there is
        return _entry(line, first, WRONG, tolerance)
    if tolerance.eps is not None and first.jump > 2 * first.bound(tolerance):
        return _entry(line, first, KINK, tolerance, first.sides)
    return _entry(line, best, UNKNOWN, tolerance)


def _other_steps(line: Line, first: Slope) -> list[float]:
    """Steps to try, relative to the first: larger ones where rounding rules, smaller ones where a kink or much curvature is within reach."""
    larger = [32, 1024, 8192]
    if first.rounding >= first.spread + first.jump:
        return [*larger, 1 / 32]
    own = abs(line.array[line.index]) / scale_of(line.array) if line.index is not None else 0.0
    return [1 / 32, 1 / 1024, *([own, own / 32] if 0 < own < 1 / 1024 else []), *larger]


def _verdict(claim: float, slope: Slope, tolerance: Tolerance) -> str:
    """What one step alone says. "cannot tell" where there may be a kink, too: a second step will show it."""
    if not isfinite(slope.numeric):
        return UNKNOWN
    if claim == slope.numeric:
        return OK if slope.jump <= slope.bound(tolerance) else UNKNOWN
    error, half_jump = abs(claim - slope.numeric), slope.jump / 2
    if not error <= _allowed(slope, tolerance) + half_jump + slope.noise:  # nan is wrong
        return WRONG
    if error > _allowed(slope, tolerance) + half_jump:
        return UNKNOWN
    return OK if slope.bound(tolerance) + half_jump <= TELLING * max(abs(claim), abs(slope.numeric)) else UNKNOWN


def _allowed(slope: Slope, tolerance: Tolerance) -> float:
    return slope.bound(tolerance) + tolerance.rtol * abs(slope.numeric)


def _same_jump(a: Slope, b: Slope, tolerance: Tolerance) -> bool:
    """A kink: the same jump at steps that are far apart."""
    return min(a.jump, b.jump) > 2 * max(a.bound(tolerance) + a.noise, b.bound(tolerance) + b.noise) and 0.7 <= a.jump / b.jump <= 1.5


def _consistent(a: Slope, b: Slope, tolerance: Tolerance) -> bool:
    """Do the two steps agree within their own bounds? Where they do not, the bounds are not to be believed."""
    return abs(a.numeric - b.numeric) <= a.bound(tolerance) + b.bound(tolerance) + (a.jump + b.jump) / 2 + a.noise + b.noise


def _no_alias(first: Slope, other: Slope, tolerance: Tolerance) -> bool:
    """A step far larger than the first averages over what the function does in between: it may not contradict what the first one saw."""
    return other.h <= first.h or abs(first.numeric - other.numeric) <= 3 * (first.bound(tolerance) + first.jump + other.bound(tolerance) + other.jump)


def _entry(line: Line, slope: Slope, verdict: str, tolerance: Tolerance, sides: tuple[float, float] | None = None) -> Entry:
    return Entry(line.index, line.claim, slope.numeric, _allowed(slope, tolerance), verdict, slope.method, sides)


def _culprit(line: Line, tolerance: Tolerance, complex_step: bool) -> Entry | None:
    """Of a direction that is wrong, the entry that is: halves, and the half that is further off, until one entry is left. None where that
    entry alone is neither wrong nor at a kink."""
    shape, chosen = line.problem.claimed.shape, np.arange(line.problem.claimed.size)

    middle, h = line.problem.terms(), scale_of(line.array)

    def excess(half: Any) -> float:
        u = np.zeros(line.problem.claimed.size)
        u[half] = line.u.reshape(-1)[half]
        part = Line(line.problem, None, u.reshape(shape))
        slope = part.complex_slope(COMPLEX_STEP * h, middle) if complex_step else part.slope(h * (tolerance.eps or STEP), middle)
        return _entry(part, slope, WRONG, tolerance).excess

    while len(chosen) > 1:
        chosen = max(np.array_split(chosen, 2), key=excess)
    index = tuple([int(i) for i in np.unravel_index(chosen[0], shape)])
    (entry,) = _judged([Line(line.problem, index)], tolerance, complex_step)
    return entry if entry.verdict in (WRONG, KINK) else None
