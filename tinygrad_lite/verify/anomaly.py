"""Where a nan or an infinity comes from: the first op, forward or backward, that makes one of finite numbers."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..engine import ANOMALY, here

__all__ = ["detect_anomaly"]


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """`with detect_anomaly():` every op, and every rule of a backward pass, is looked at on this thread; the first that turns finite numbers
    into nan or inf raises AnomalyError with op, module, line, and the range of its inputs. An op that only passes on what it was given does not.
    """
    thread = here.thread
    before = thread.mode
    thread.mode = before | ANOMALY
    try:
        yield
    finally:
        thread.mode = before
