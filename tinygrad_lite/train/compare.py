"""What a trained model is measured against: closed-form least squares on the same rows, and R² on held-out rows.
Both are plain NumPy in float64 and know nothing of gradients, so that they can bear witness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LeastSquares", "least_squares", "r2_score"]


def r2_score(y_true: NDArray[Any], y_pred: NDArray[Any]) -> float:
    """1 - sum((y - p)^2) / sum((y - mean(y))^2), both (rows,): 1 is perfect, 0 no better than the mean of these rows.

    nan where y_true is constant: then there is nothing to explain."""
    y = np.asarray(y_true, dtype=np.float64)
    total = float(np.sum((y - y.mean()) ** 2))
    return 1.0 - float(np.sum((y - y_pred) ** 2)) / total if total else math.nan


@dataclass(frozen=True)
class LeastSquares:
    """y = X @ coef + intercept, of all such functions the one with the least sum of squares over the rows given.

    unique is False where the columns of X are linearly dependent or outnumber the rows: many coef then do equally well,
    and this is the shortest."""

    coef: NDArray[Any]  # (columns,)
    intercept: float
    unique: bool

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """(rows, columns) -> (rows,)"""
        y: NDArray[Any] = X @ self.coef + self.intercept
        return y


def least_squares(X: NDArray[Any], y: NDArray[Any]) -> LeastSquares:
    """The closed form, by numpy.linalg.lstsq (singular values). X (rows, columns), y (rows,)."""
    with_ones = np.column_stack([X, np.ones(len(X))])  # the intercept is one more weight, of a column of ones
    weights, _, rank, _ = np.linalg.lstsq(with_ones, np.asarray(y, dtype=np.float64), rcond=None)
    return LeastSquares(weights[:-1], float(weights[-1]), bool(rank == with_ones.shape[1]))
