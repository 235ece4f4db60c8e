"""Layers and losses as functions, with PyTorch's names, defaults and meaning."""

from typing import Any

from ..errors import ShapeError
from ..ops import losses
from ..ops.arithmetic import square
from ..ops.elementary import relu, sigmoid, tanh
from ..ops.linalg import linear
from ..tensors import Tensor

__all__ = ["linear", "mse_loss", "relu", "sigmoid", "tanh"]


def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Mean of squared differences over all entries: sum((input - target)^2) / input.size.

    input, target: the same shape, float. reduction: 'mean', 'sum', or 'none' for the squares themselves.
    Raises ShapeError when the shapes differ: (8,) against (8, 1) would silently make an (8, 8) table.
    """
    if reduction == "mean":
        return losses.mse_loss(input, target)  # type: ignore[no-any-return]
    if reduction not in ("sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")
    if input.shape != target.shape:
        raise ShapeError(losses.mismatch("mse_loss", input.shape, target.shape))
    squares: Tensor = square(input - target)
    return squares.sum() if reduction == "sum" else squares
