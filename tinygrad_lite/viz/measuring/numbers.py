"""What an array looks like in a few numbers: range, root mean square, nan and inf counts, a histogram of sixteen bins."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine import Node, Step, Variable, here, newest_first, sweep
from ...errors import GradError

__all__ = ["Numbers", "gradients", "measure", "short", "si", "value_of"]

BINS = 16
SAMPLE = 65_536  # entries that a histogram looks at; range and rms are of all


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of one array. Range, rms and histogram are of the finite entries."""

    size: int
    low: float
    high: float
    rms: float
    nan: int
    inf: int
    bins: tuple[int, ...]  # counts between low and high, all of equal width; () for one entry or equal entries


def measure(array: Any) -> Numbers | None:
    """None for what has no entries, or entries that are not real numbers."""
    try:
        a = np.asarray(array).ravel()
    except TypeError:  # another library's array, which does not come to NumPy without a word
        return None
    if not a.size or a.dtype.kind not in "fiub":
        return None
    size, nan, inf = a.size, 0, 0
    if a.dtype.kind == "f":
        low, high = float(a.min()), float(a.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            nan, inf = int(np.isnan(a).sum()), int(np.isinf(a).sum())
            a = a[np.isfinite(a)]
            if not a.size:
                return Numbers(size, math.nan, math.nan, math.nan, nan, inf, ())
            low, high = float(a.min()), float(a.max())
    else:
        a = a.astype(np.float64)
        low, high = float(a.min()), float(a.max())
    top = max(abs(low), abs(high))
    rms = top * math.sqrt(float(np.mean(np.square(a / top, dtype=np.float64)))) if top else 0.0  # no square overflows
    return Numbers(size, low, high, rms, nan, inf, _bins(a, low, high))


def _bins(a: Any, low: float, high: float) -> tuple[int, ...]:
    if a.size > SAMPLE:
        a = a[::a.size // SAMPLE]
    spread = high / 2 - low / 2  # of half the numbers: the range itself may overflow
    if not spread > abs(low) * 1e-6:
        return ()
    places = ((a.astype(np.float64) / 2 - low / 2) * (BINS / spread)).astype(np.intp)
    return tuple(np.bincount(np.minimum(places, BINS - 1), minlength=BINS).tolist())


def short(x: float) -> str:
    """Three digits, with a true minus: `−0.0123`, `1e−06`."""
    return f"{x:.3g}".replace("-", "−").replace("e−0", "e−").replace("e+0", "e").replace("e+", "e")


def si(value: float, unit: str) -> str:
    """Three digits and a prefix: 0.0000123 s is "12.3 µs"."""
    if not value:
        return f"0 {unit}".rstrip()
    power = max(-3, min(4, math.floor(math.log10(abs(value)) / 3)))
    if round(value / 1000 ** power) >= 1000 and power < 4:  # 999.7 rounds up into the next prefix
        power += 1
    return f"{value / 1000 ** power:.3g} {'nµm kMGT'[power + 3].strip()}{unit}".rstrip()


def value_of(thing: Any) -> Any:
    """The array of a Tensor, the (first) output of a Node, a constant itself; None where the graph was dropped."""
    if isinstance(thing, Node):
        return (thing.output[0] if thing.output else None) if type(thing.output) is tuple else thing.output
    return thing._data if isinstance(thing, Variable) else thing


def gradients(roots: Sequence[Variable], steps: list[Step] | None = None) -> dict[int, Any]:
    """id of each node and leaf -> dL/doutput, L the sum of all entries of `roots`: a backward pass that changes no `.grad` and runs no hook.
    steps: a list that gets each step of it.

    Raises GradError where no backward pass can be run any more: the graph was dropped, or weights were changed in place.
    """
    roots = [root for root in roots if root._requires_grad]
    nodes = newest_first(roots)
    owners: list[Any] = [*nodes, *{id(x): x for node in nodes for x in node.inputs if isinstance(x, Variable) and x.node is None}.values()]
    hooked = [(owner, owner.hooks) for owner in owners if owner.hooks is not None]
    if any(node.output is None for node in nodes):
        raise GradError("the graph was dropped by backward(retain_graph=False)")
    thread, steps = here.thread, [] if steps is None else steps
    mode = thread.mode
    try:
        thread.mode = 0  # also where a capture runs, or anomalies are looked for: a picture records nothing
        for owner, _ in hooked:
            owner.hooks = None
        flow = sweep(roots, [np.ones_like(root._data) for root in roots], steps=steps)
    finally:
        thread.mode = mode
        for owner, hooks in hooked:
            owner.hooks = hooks
    found = {id(leaf): g for leaf, g in flow}
    for step in steps:
        found[id(step.node)] = step.incoming[0] if type(step.incoming) is tuple else step.incoming
    return found
