"""The slope of a function along a random direction, and what may be said of a gradient that claims to be it.

What `audit` needs for every node: random directions without a draw for each, ordinary numbers in the place of huge ones, a central difference
with its own error bound, and the verdict.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .differences import EPS, STEP

__all__ = ["KINK", "OK", "RTOL", "UNKNOWN", "WRONG", "Directions", "Ordinary", "Slope", "cotangents", "is_float", "judge", "outputs", "size_of",
           "slope", "weighed"]

OK, WRONG, KINK, UNKNOWN = "ok", "wrong", "kink", "cannot tell"
RTOL = 1e-8  # beside the difference's own bound: its extrapolated error is near 1e-10 of the slope
LARGE, SMALL = 1e3, 1e-3  # outside, a stand-in takes a value's place: the rule is audited, and not the value


class Directions:
    """Random numbers of size 0.5 to 1.5 and either sign: none is near 0, so none hides an error.

    Drawn once, and handed out as pieces that begin anywhere: a draw for each array would cost more than the arithmetic of a small node.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._uniform = random.Random(seed).random
        self._pool = np.empty(0)

    def flat(self, n: int) -> Any:
        """n of them, read-only."""
        room = len(self._pool) - n
        if room < 4096:
            room = n + 8192
            self._pool = self.rng.uniform(0.5, 1.5, n + room) * self.rng.choice([-1.0, 1.0], n + room)
            self._pool.flags.writeable = False  # a rule that wrote into its g would spoil all that come after
        start = int(self._uniform() * room)
        return self._pool[start:start + n]

    def like(self, a: Any) -> Any:
        """One for each entry of `a`, read-only."""
        return self.flat(a.size).reshape(a.shape)


class Ordinary:
    """Arrays with ordinary numbers, and how long a step is small beside each: asked once for an array that several nodes read."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._known: dict[int, tuple[Any, Any, float]] = {}  # id -> the array itself, so that the id stays its own; its stand-in; a length

    def __call__(self, x: Any) -> tuple[Any, float]:
        """The float64 array `x` and its size, with stand-ins of the same sign for what is huge or not finite; for all of it, where it is tiny."""
        known = self._known.get(id(x))
        if known is None:
            flat = x.ravel()
            square = float(np.dot(flat, flat))
            if SMALL * SMALL * flat.size <= square < LARGE * LARGE and flat.size:  # no entry is too large, and not all are too small
                known = x, x, math.sqrt(square / flat.size)
            else:
                stand_in = np.where(x < 0, -1.0, 1.0) * self._rng.uniform(0.3, 0.9, x.shape)
                y = np.where(np.abs(x) < LARGE, x, stand_in)
                y = y if np.any(np.abs(y) >= SMALL) else stand_in
                known = x, y, size_of(y)
            self._known[id(x)] = known
        return known[1:]


@dataclass(frozen=True)
class Slope:
    """d/dt of a scalar at t = 0: extrapolated, how far off it may be, and whether it can be trusted at all."""

    numeric: float
    allowed: float
    kink: bool  # the slope jumps within reach of the step
    steady: bool  # the two steps agree well enough for a verdict


def slope(along: Callable[[float], tuple[float, float]]) -> Slope:
    """Of `along(t)`, which gives a scalar and the sum of the absolute values of its terms: five evaluations, Richardson 1911."""
    h = STEP
    (up, size), (down, _), (up2, _), (down2, _), (middle, _) = (along(t) for t in (h, -h, 2 * h, -2 * h, 0.0))
    near, far = (up - down) / (2 * h), (up2 - down2) / (4 * h)
    jump = abs(2 * (up - 2 * middle + down) - (up2 - 2 * middle + down2) / 2) / h  # of order h^3 where it is smooth
    rounding, level = 20 * EPS * size / h, max(abs(near), abs(far))
    return Slope((4 * near - far) / 3, rounding + 3 * abs(near - far), jump > 1e-5 * level + 10 * rounding,
                 abs(near - far) <= 1e-3 * level + 10 * rounding)


def judge(analytic: float, found: Slope) -> str:
    """Is `analytic` that slope? "cannot tell" where the slope's own error is larger than a thousandth of it."""
    largest = max(abs(found.numeric), abs(analytic))
    if abs(analytic - found.numeric) <= found.allowed + RTOL * abs(found.numeric):
        return OK if found.allowed <= 1e-3 * largest or found.numeric == analytic else UNKNOWN
    if found.kink:  # several kinks at once may cancel in the jump, so its size bounds nothing
        return KINK
    return WRONG if found.steady and np.isfinite(found.numeric) else UNKNOWN


def outputs(y: Any) -> list[Any]:
    """The arrays that a forward returned, one or several."""
    if type(y) is np.ndarray:
        return [y]
    return [np.asarray(part) for part in y] if isinstance(y, tuple | list) else [np.asarray(y)]


def cotangents(y: Sequence[Any], directions: Directions) -> tuple[list[Any], float, bool]:
    """A random weight for each entry of `y`, 0 where it is not finite, None for an output that is not of floats; the sum of the squares of what
    has a weight; and has something none because it is not finite?"""
    v: list[Any] = []
    total, holes = 0.0, False
    for part in y:
        if not is_float(part):
            v.append(None)
            continue
        flat, c = part.ravel(), directions.flat(part.size)
        square = float(np.dot(flat, flat))
        if not square < math.inf:
            known = np.isfinite(flat)
            flat, c, holes = np.where(known, flat, 0.0), np.where(known, c, 0.0), True
            square = float(np.dot(flat, flat))
        v.append(c if part.ndim == 1 else c.reshape(part.shape))
        total += square
    return v, total, holes


def weighed(y: Sequence[Any], v: Sequence[Any]) -> tuple[float, float]:
    """<v, y>, and the sum of the absolute values of its terms; what has no weight does not count, and may be infinite."""
    pairs = [(part, c) for part, c in zip(y, v, strict=True) if c is not None]
    terms = np.concatenate([np.multiply(part, c, out=np.zeros(part.shape), where=c != 0).ravel() for part, c in pairs])
    return float(terms.sum()), float(np.abs(terms).sum())


def is_float(a: Any) -> bool:
    return a.dtype.kind == "f" if hasattr(a, "dtype") else False


def size_of(a: Any) -> float:
    """The root mean square of the finite entries, 1 where they are all 0: the length of a step that is small beside `a`."""
    flat = a.astype(np.float64, copy=False).ravel()
    square = float(np.dot(flat, flat))
    if not square < math.inf:
        flat = np.where(np.isfinite(flat), flat, 0.0)
        square = float(np.dot(flat, flat))
    return math.sqrt(square / flat.size) if 0 < square < math.inf else 1.0
