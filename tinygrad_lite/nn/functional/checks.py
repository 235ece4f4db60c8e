"""What every loss asks of its arguments before it computes anything, and how it is reduced afterwards.

Each check raises with the name of the loss, the argument, and both shapes.
"""

from typing import Any

from ...errors import DtypeError, ShapeError
from ...ops.activations import check_labels
from ...ops.losses import mismatch

__all__ = ["as_rows", "bare", "check_classes", "check_indices", "check_pair", "check_reduction", "check_target",
           "check_weight", "reduced", "times"]


def check_reduction(name: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction is 'mean', 'sum' or 'none', not {reduction!r}")


def check_pair(name: str, reduction: str, input: Any, target: Any, argument: str = "target") -> None:
    check_reduction(name, reduction)
    if input.shape != target.shape:
        raise ShapeError(mismatch(name, input.shape, target.shape).replace("target", argument))


def check_weight(name: str, argument: str, weight: Any, input: Any) -> None:
    if weight is None or weight.shape == input.shape:
        return
    if weight.ndim > input.ndim or any(m not in (1, n) for m, n in zip(weight.shape[::-1], input.shape[::-1],
                                                                       strict=False)):
        raise ShapeError(f"{name}: {argument} has shape {weight.shape}, input has {input.shape}; "
                         f"{argument} must broadcast to it")


def check_classes(name: str, input: Any, weight: Any) -> tuple[int, int]:
    """The axis of the classes, and their number."""
    if input.ndim == 0:
        raise ShapeError(f"{name}: input must be (C,), (N, C) or (N, C, d1, ...), it is a single number")
    axis = 0 if input.ndim == 1 else 1
    classes = input.shape[axis]
    if weight is not None and weight.shape != (classes,):
        raise ShapeError(f"{name}: weight has shape {weight.shape}, input has {input.shape}; "
                         f"weight must be ({classes},), one for each class")
    return axis, classes


def check_target(name: str, input: Any, target: Any) -> None:
    """Integers, in the input's shape without its classes; `check_indices`, or a row, looks at their values."""
    expected = () if input.ndim == 1 else (input.shape[0], *input.shape[2:])
    if target.dtype.kind not in "iu" and target.shape in (expected, input.shape):
        raise DtypeError(f"{name}: target has dtype {target.dtype}; class indices are integers: target.astype(int)")
    if target.shape != expected:
        raise ShapeError(f"{name}: input has shape {input.shape}, target has {target.shape}; "
                         f"class indices must be {expected}")


def check_indices(name: str, target: Any, classes: int, ignore_index: int | None) -> None:
    """Every class index is below `classes`, or is `ignore_index`."""
    check_labels(name, "target", bare(target), classes, ignore_index)


def as_rows(input: Any, target: Any) -> tuple[Any, Any]:
    """Scores as (n, C) and labels as (n,)."""
    if input.ndim == 2:
        return input, target
    if input.ndim == 1:
        return input.reshape(1, -1), target.reshape(1)
    return input.transpose((0, *range(2, input.ndim), 1)).reshape(-1, input.shape[1]), target.reshape(-1)


def bare(x: Any) -> Any:
    return getattr(x, "_data", x)


def times(loss: Any, weight: Any) -> Any:
    return loss if weight is None else loss * weight


def reduced(loss: Any, reduction: str) -> Any:
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss
