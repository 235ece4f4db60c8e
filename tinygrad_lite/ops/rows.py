"""Sums over the rows and columns of an array, and zeros, as NumPy computes with them soonest; for forwards, not rows of the table.

A product with ones is a sum that BLAS computes: 128x64 float32 in 1.0 us along rows and 0.9 along columns, where
NumPy's own take 4.4 and 3.3.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from types import TracebackType
from typing import Any

import numpy as np

__all__ = ["MANY", "by_rows", "long_rows", "total_along", "total_of_product", "total_to", "zeros"]

Axis = int | tuple[int, ...]
_add: Any = np.add  # typed Any: the stubs know no axis that may be a tuple
FEW = 256  # entries: NumPy's sum of so few is as soon there
LONG = 4096  # entries in a row: NumPy's sum of more is the more exact one, since it adds in pairs


def total_along(x: Any, axis: Axis) -> Any:
    """The sum along axis, which stays as an axis of length 1."""
    if x.size > FEW and axis in (-1, (-1,), x.ndim - 1) and (n := x.shape[-1]) <= LONG and _in_blas(x):
        if x.ndim == 2:
            return np.dot(x, _ones(n, x.dtype))[:, None]
        return np.dot(x.reshape(-1, n), _ones(n, x.dtype)).reshape(*x.shape[:-1], 1)
    return _add.reduce(x, axis, keepdims=True)


def total_of_product(a: Any, b: Any, axis: Axis) -> Any:
    """The sum of a b along axis, which stays as an axis of length 1."""
    if axis in (-1, (-1,), a.ndim - 1):
        return np.vecdot(a, b)[..., None]
    return _add.reduce(a * b, axis, keepdims=True)


def total_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """The sum over the first axes, so that `shape` is left."""
    n = math.prod(shape)
    if n and x.size // n <= LONG and _in_blas(x):
        if x.ndim == 2 and len(shape) == 1:
            return np.dot(_ones(len(x), x.dtype), x)
        return np.dot(_ones(x.size // n, x.dtype), x.reshape(-1, n)).reshape(shape)
    return _add.reduce(x, tuple(range(x.ndim - len(shape))))


def _in_blas(x: Any) -> bool:
    return (type(x) is np.ndarray or getattr(type(x), "on_numpy", False)) and x.dtype.char in "fd"


@lru_cache(maxsize=64)
def _ones(n: int, dtype: Any) -> Any:
    y = np.ones(n, dtype)
    y.flags.writeable = False
    return y


MANY = 1 << 17  # entries


@lru_cache(maxsize=16)
def zeros(shape: tuple[int, ...], dtype: Any) -> Any:
    """Read-only zeros, for np.maximum: it has vector instructions for two arrays, and takes three times as long for an array and a number."""
    y = np.zeros(shape, dtype)
    y.flags.writeable = False
    return y


BUFFER = 512  # entries


def long_rows(x: Any) -> AbstractContextManager[None]:
    """Where NumPy broadcasts along the rows of `x`, and they are long: without copies, in 0.6 of the time.

    NumPy copies an operand that is broadcast into a buffer of 8192 entries, to make one long loop of several rows. Rows as
    long as the buffer are computed where they lie, so a smaller buffer spares the copies. It is this thread's alone, and
    is what it was afterwards.
    """
    if x.ndim > 1 and x.shape[-1] >= BUFFER and x.size >= 64 * BUFFER:
        if type(x) is np.ndarray:
            return _SmallBuffer()
        if getattr(type(x), "on_numpy", False):  # the compiler's stand-in: it sees calls of NumPy, and would miss the buffer
            raise TypeError("a forward that sets the size of NumPy's buffer is one call")
    return _AS_IT_IS


def by_rows(ufunc: Any, a: Any, b: Any, out: Any = None) -> Any:
    """ufunc(a, b), b broadcast along the rows of `a`, as `long_rows` has it."""
    if a.size < 64 * BUFFER:
        return ufunc(a, b, out=out)
    with long_rows(a):
        return ufunc(a, b, out=out)


_AS_IT_IS = nullcontext()


class _SmallBuffer:
    def __enter__(self) -> None:
        self.before = np.setbufsize(BUFFER)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        np.setbufsize(self.before)
