"""From class indices to vectors, and dropout, which sets entries to 0 at random."""

from __future__ import annotations  # NumPy loads np.random when it is first touched: annotations must not touch it

from typing import Any

import numpy as np

from ...engine import Variable
from ...errors import ShapeError
from ...ops import activations as rows
from ...ops import random
from ...ops.arithmetic import greater_equal
from ...ops.reduce import max
from ...tensors import Tensor, default_generator

__all__ = ["dropout", "embedding", "one_hot"]


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """weight[input]: integers of any shape, and a table (rows, size) -> (*input.shape, size).

    padding_idx: a row that gets no gradient (negative: counted from the end). Raises IndexError for an index outside 0
    to rows - 1, DtypeError for indices that are not integers, ShapeError for a table that is no matrix.
    """
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be (rows, size), it has shape {weight.shape}")
    n = weight.shape[0]
    if padding_idx is not None:
        if not -n <= padding_idx < n:
            raise IndexError(f"embedding: padding_idx {padding_idx} is outside weight, which has {n} rows")
        padding_idx %= n
    return rows.embedding(input, weight, padding_idx=padding_idx)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """1 at the class index, 0 elsewhere: integers (...) -> integers (..., num_classes). No gradient flows through it.

    num_classes -1: one more than the largest index; a captured program keeps the number that it was captured with.
    Raises IndexError for an index outside 0 to num_classes - 1, DtypeError for indices that are not integers.
    """
    if num_classes == -1:
        rows.check_labels("one_hot", "tensor", getattr(tensor, "_data", tensor), np.iinfo(np.int64).max)
        if not tensor.size:
            raise ValueError("one_hot: num_classes cannot be found from no indices; give it")
        num_classes = int(max(tensor)) + 1
    return rows.one_hot(tensor, num_classes=num_classes)


def dropout(input: Any, p: float = 0.5, training: bool = True, generator: np.random.Generator | None = None) -> Any:
    """Each entry is 0 with probability p, else x / (1 - p), so that the mean stays; the input itself unless training.

    generator: where the draws come from, None for the default one. The draw is recorded: a replay draws anew.
    Srivastava et al. 2014. Raises ValueError for p outside 0 to 1.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability, from 0 to 1, not {p}")
    if not training or p == 0:
        return input
    draw: Any = random.uniform.draw if isinstance(input, Variable) else random.uniform
    faces = (Tensor,) if isinstance(input, Variable) else ()
    generator = generator or default_generator()
    noise = draw(*faces, generator=generator, shape=input.shape, dtype=input.dtype, low=0.0, high=1.0)
    return rows.dropout(input, greater_equal(noise, p), scale=1 / (1 - p) if p < 1 else 0.0)
