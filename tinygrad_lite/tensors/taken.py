"""Arrays that `.numpy()` took out of a graph: a Tensor that is made of one later has no gradient, and the error can say where it was lost.

Kept by weak reference: a note goes when its array does.
"""

import weakref
from typing import Any

from ..engine import Cut

__all__ = ["cuts", "note", "of"]

cuts: dict[int, tuple[Any, Cut]] = {}  # id of an array -> weak reference to it, and who took it


def note(array: Any, cut: Cut) -> None:
    """Remember who took `array`."""
    key = id(array)
    cuts[key] = weakref.ref(array, lambda _: cuts.pop(key, None)), cut


def of(data: Any) -> Cut | None:
    """Who took this array, or the one that it is a view of."""
    while data is not None:
        found = cuts.get(id(data))
        if found is not None and found[0]() is data:
            return found[1]
        data = getattr(data, "base", None)
    return None
