"""What this thread is doing: recording a graph or not, capturing a program or not, and inside which module call.

One small object per thread; `no_grad`, `enable_grad` and `capture` are the only writers, and each puts back what it found.
"""

import contextlib
import sys
import threading
from contextlib import ContextDecorator
from typing import Any

from .origin import Cut, Scope, where

__all__ = ["ANOMALY", "CAPTURE", "GUARD", "RECORD", "NotBatched", "Thread", "enable_grad", "here", "is_grad_enabled", "no_grad", "once_for_each"]

RECORD, CAPTURE, ANOMALY, GUARD = 1, 2, 4, 8  # bits of Thread.mode


class Thread:
    """The state of one thread. A plain object, so that who needs more than one of its parts asks `here` once."""

    __slots__ = ("mode", "scope", "tape", "guard", "cut", "quiet", "batched")

    def __init__(self) -> None:
        self.mode: int = RECORD
        self.scope: Scope | None = None  # the innermost module call
        self.tape: Any = None  # the Tape that is captured to, while mode has CAPTURE
        self.quiet = False  # GradWarnings are left out
        self.batched = False  # `func.vmap` runs a function once for all of its examples
        self.cut: Cut | None = None  # the no_grad block that it is in
        self.guard: Any = None  # who protects what nodes save, while mode has GUARD


class _Here(threading.local):
    def __init__(self) -> None:  # runs once in each thread, when it first looks
        self.thread = Thread()


here = _Here()


class _Mode(ContextDecorator):
    """Sets or clears the RECORD bit between `with` and its end; the same object may be entered again inside itself."""

    recording: bool

    def __init__(self) -> None:
        self._before: list[tuple[int, Cut | None]] = []

    def __enter__(self) -> None:
        thread = here.thread
        self._before.append((thread.mode, thread.cut))
        if self.recording:
            thread.mode |= RECORD
        else:
            if thread.mode & RECORD:  # the outermost of several is the one to blame
                frame = sys._getframe(1)
                if frame.f_code.co_filename == contextlib.__file__ and frame.f_back is not None:  # as a decorator: who called the function
                    frame = frame.f_back
                thread.cut = Cut("it was computed under no_grad(), entered", *where(frame, thread.scope))
            thread.mode &= ~RECORD

    def __exit__(self, *error: object) -> None:
        here.thread.mode, here.thread.cut = self._before.pop()

    def _recreate_cm(self) -> "_Mode":  # as a decorator: each call, and so each thread, has a stack of its own
        return type(self)()


class no_grad(_Mode):
    """`with no_grad():` nothing is recorded: results do not require a gradient. Also a decorator: `@no_grad()`."""

    recording = False


class enable_grad(_Mode):
    """`with enable_grad():` recording is on again, inside a `no_grad`. Also a decorator: `@enable_grad()`."""

    recording = True


def is_grad_enabled() -> bool:
    """Is this thread recording?"""
    return bool(here.thread.mode & RECORD)


class NotBatched(BaseException):
    """What a function does cannot be done once for all of its examples; `func.vmap` catches this and takes one after the other.

    No Exception, so that it passes through whatever the function itself catches.
    """


def once_for_each(deed: str) -> None:
    """Before a deed that each example must do by itself, such as a random draw: refuse, where one call stands for all of them."""
    if here.thread.batched:
        raise NotBatched(deed)
