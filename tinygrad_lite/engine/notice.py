"""Warnings that point: one for each kind and line of the user, with that line in the text."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType

from ..errors import GradWarning
from .modes import here
from .origin import describe, is_library, where

__all__ = ["quiet", "warn_once"]

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
