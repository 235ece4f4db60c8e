"""Where a nan or an infinity comes from: the first op, forward or backward, that makes one of finite numbers."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..engine import ANOMALY, here

__all__ = ["detect_anomaly"]


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """`with detect_anomaly():` every op, every rule of a backward pass, every sum of gradients and every hook is looked at on this thread; the
    first that turns finite numbers into nan or inf raises AnomalyError with op, module, line, and statistics of its inputs. An op that only
    passes on what it was given does not. For the nan of a branch that a where() did not choose, the message gives the remedy.
    """
    thread = here.thread
    before = thread.mode
    thread.mode = before | ANOMALY
    try:
        yield
    finally:
        thread.mode = before
