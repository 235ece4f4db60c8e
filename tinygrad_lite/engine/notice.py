"""Warnings that point: one for each kind and line of the user, with that line in the text."""

import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any, NamedTuple

from ..errors import GradWarning
from .modes import here
from .origin import describe, is_library, where
from .record import Variable
from .writes import Mark, writes

__all__ = ["mixed", "note_mixed", "quiet", "warn_if_mixed", "warn_once"]

_told: set[tuple[str, CodeType, int]] = set()


def warn_once(kind: str, text: Callable[[str], str]) -> None:
    """Warn with text(the user's line), unless that line was told of this kind before."""
    if here.thread.quiet:
        return
    place = where(sys._getframe(1), here.thread.scope)
    if (kind, *place) in _told:
        return
    _told.add((kind, *place))
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and is_library[frame.f_code.co_filename]:
        level, frame = level + 1, frame.f_back
    warnings.warn(text(describe(*place)), GradWarning, stacklevel=level)


@contextmanager
def quiet() -> Iterator[None]:
    """No such warnings on this thread until the end of the block, nor are they taken for told."""
    thread = here.thread
    before, thread.quiet = thread.quiet, True
    try:
        yield
    finally:
        thread.quiet = before


# ---- gradients that were used, and added to: no harm before they are used again

class _Mixed(NamedTuple):
    leaf: Any  # weak references, to the leaf and to the gradient that it has now
    gradient: Any
    mark: Mark  # the write that used it
    place: str  # the backward pass that added to it


mixed: dict[int, _Mixed] = {}  # by the id of the leaf


def note_mixed(leaf: Variable, old: Variable, new: Variable) -> None:
    """A backward pass has added to the gradient `old` of a leaf and made `new` of it: was `old` used for a write to the leaf before?"""
    key, known, mark = id(leaf), mixed.get(id(leaf)), writes.of(leaf._data)
    if known is not None and known.gradient() is old:
        mixed[key] = known._replace(gradient=weakref.ref(new))
    elif mark is not None and 0 < old.index < mark[0]:
        place = describe(*where(sys._getframe(1), here.thread.scope))
        mixed[key] = _Mixed(weakref.ref(leaf, lambda _: mixed.pop(key, None)), weakref.ref(new), mark, place)


def warn_if_mixed(leaf: Variable) -> None:
    """Warn if the gradient with which `leaf` has just been updated is that of several passes, one of them used before."""
    known = mixed.pop(id(leaf), None)
    if known is None or known.leaf() is not leaf or known.gradient() is not leaf._grad:
        return
    name = f"{leaf.name!r}" if leaf.name else f"a leaf of shape {leaf._data.shape}"
    warn_once("mixed", lambda place: f"a step with a gradient that was used before: at {place}\n"
                                     f"  the .grad of {name} was used at {describe(*known.mark[1:])}\n"
                                     f"  and backward() has added to it at {known.place}\n"
                                     "  Call optimizer.zero_grad() before each backward(), or set .grad = None.")
