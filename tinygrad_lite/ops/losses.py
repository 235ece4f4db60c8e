"""Losses as one row each, where that is what makes a small network fast: one record and two passes over the data instead of three of each."""

from typing import Any

import numpy as np

from ..engine import Op
from ..errors import ShapeError

__all__ = ["mse_loss"]

_total: Any = np.add.reduce


def _mse_loss(a: Any, b: Any) -> Any:
    if a.shape != b.shape:
        raise ShapeError(mismatch("mse_loss", a.shape, b.shape))
    d = a - b
    if d.dtype.itemsize < 4:
        return np.mean(d * d)  # float16 sums in float32
    return _total(d * d, None) / d.size


def mismatch(name: str, input: tuple[int, ...], target: tuple[int, ...]) -> str:
    """What is wrong with an input and a target of these shapes, and the remedy where there is one."""
    text = f"{name}: input has shape {input}, target has {target}"
    if [n for n in input if n != 1] == [n for n in target if n != 1]:
        return f"{text}. Write target.reshape({', '.join(map(str, input))}): broadcasting would compare every entry with every other"
    return f"{text}; they must be the same"


mse_loss = Op("mse_loss", _mse_loss, lambda g, y, a, b: g * (2 / a.size) * (a - b), lambda g, y, a, b: g * (2 / a.size) * (b - a),
              doc="y = (1/n) sum (a - b)^2 over all n entries; dy/da = (2/n) (a - b). ShapeError unless a and b have one shape")
