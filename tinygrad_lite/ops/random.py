"""Random draws. The generator is a parameter, never a global: the record shows where the numbers came from, and a replay draws again."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Op

__all__ = ["normal", "uniform"]


def _normal(*, generator: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    dtype = np.dtype(dtype)
    if dtype in (np.float32, np.float64):
        return generator.standard_normal(shape, dtype=dtype)
    return generator.standard_normal(shape).astype(dtype)


def _uniform(*, generator: np.random.Generator, shape: tuple[int, ...], dtype: Any, low: float = 0.0, high: float = 1.0) -> Any:
    dtype = np.dtype(dtype)
    if dtype in (np.float32, np.float64):
        y = generator.random(shape, dtype=dtype)
    else:
        y = generator.random(shape).astype(dtype)
    return np.minimum(y * (high - low) + low, np.nextafter(dtype.type(high), dtype.type(low)))  # rounding may reach `high`


normal = Op("normal", _normal, doc="independent draws from N(0, 1)")
uniform = Op("uniform", _uniform, doc="independent draws from the uniform distribution on [low, high)")
