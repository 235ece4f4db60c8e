"""New Tensors: from data, filled, in steps, and at random from an explicit generator or this package's default one."""

from __future__ import annotations  # NumPy loads np.random when it is first touched, 11 ms: annotations must not touch it

from functools import cache
from threading import Lock
from typing import Any

import numpy as np

from ..engine import get_default_dtype, handle
from ..errors import DtypeError
from ..ops import random
from .dtypes import as_array, check_differentiable
from .tensor import Tensor

__all__ = ["arange", "default_generator", "eye", "from_numpy", "full", "linspace", "manual_seed", "ones", "rand", "randn",
           "tensor", "zeros"]


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """A Tensor that holds a copy of `data`. Arrays keep their dtype; Python floats take `get_default_dtype()`, ints stay ints."""
    return Tensor(data, dtype, requires_grad, name)


def from_numpy(array: Any) -> Tensor:
    """A Tensor that shares the memory of `array`: a write to one is seen in the other, and by no backward pass."""
    if not hasattr(array, "__array_function__"):
        raise DtypeError(f"from_numpy() takes an array, not {type(array).__name__}; use tensor() for numbers and lists")
    return handle(Tensor, as_array(array))  # type: ignore[no-any-return]


def _made(array: Any, requires_grad: bool) -> Tensor:
    if requires_grad:
        check_differentiable(array)
    return handle(Tensor, array, requires_grad)  # type: ignore[no-any-return]


def _shape(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """zeros(2, 3) and zeros((2, 3)) are the same."""
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape


def zeros(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """All 0, of the default dtype unless another is given: zeros(2, 3) or zeros((2, 3))."""
    return _made(np.zeros(_shape(shape), dtype or get_default_dtype()), requires_grad)


def ones(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """All 1, of the default dtype unless another is given."""
    return _made(np.ones(_shape(shape), dtype or get_default_dtype()), requires_grad)


def full(shape: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """All `fill_value`, whose dtype it takes: a float the default one, an int int64."""
    return _made(np.full(shape, fill_value, dtype or as_array(fill_value).dtype), requires_grad)


def eye(n: int, m: int | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """1 on the diagonal of an n-by-m matrix (m = n unless given), 0 elsewhere."""
    return _made(np.eye(n, m, dtype=dtype or get_default_dtype()), requires_grad)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """start, start + step, ..., below stop; arange(n) counts from 0. Ints give ints, floats the default dtype."""
    low, high = (0, start) if stop is None else (start, stop)
    if dtype is None and any(isinstance(v, float) for v in (low, high, step)):
        dtype = get_default_dtype()
    return _made(np.arange(low, high, step, dtype=dtype), requires_grad)


def linspace(start: float, stop: float, num: int = 50, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`num` numbers at equal distances from start to stop, both included."""
    return _made(np.linspace(start, stop, num, dtype=dtype or get_default_dtype()), requires_grad)


_lock = Lock()


@cache
def _generator() -> np.random.Generator:
    return np.random.default_rng()


def default_generator() -> np.random.Generator:
    """The generator of all draws that name none; made from the system's entropy when it is first asked for."""
    with _lock:  # two threads that ask first at once get the same one
        return _generator()


def manual_seed(seed: int) -> np.random.Generator:
    """Start the default generator again from `seed`: what is drawn without a `generator` is then the same in every run. Returns it."""
    generator = default_generator()
    generator.bit_generator.state = np.random.PCG64(seed).state
    return generator


def randn(*shape: Any, generator: np.random.Generator | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Independent draws from N(0, 1), by `generator` (None: the default one, see `manual_seed`)."""
    return _drawn(random.normal, shape, generator, dtype, requires_grad)


def rand(*shape: Any, generator: np.random.Generator | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Independent draws from the uniform distribution on [0, 1), by `generator` (None: the default one)."""
    return _drawn(random.uniform, shape, generator, dtype, requires_grad)


def _drawn(op: Any, shape: tuple[Any, ...], generator: np.random.Generator | None, dtype: Any, requires_grad: bool) -> Tensor:
    result: Tensor = op.draw(Tensor, generator=generator or default_generator(), shape=_shape(shape), dtype=dtype or get_default_dtype())
    return result.requires_grad_() if requires_grad else result
