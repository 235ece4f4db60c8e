"""Which rows train and which are held out, and z-scores that know the training rows only.
Both are decided by a seed and by nothing else, so that a run can be had again.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

__all__ = ["StandardScaler", "split_rows"]


def split_rows(rows: int, test_size: float = 0.2, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """(training rows, held-out rows): row numbers in a random order, ceil(rows * test_size) of them held out.

    Raises DataError where that would leave fewer than two rows on either side: one row has no variance."""
    held_out = math.ceil(rows * test_size)
    if held_out < 2 or rows - held_out < 2:
        raise DataError(f"{rows} rows are too few to hold out {test_size:.0%} of them: each side needs at least 2")
    order = np.random.default_rng(seed).permutation(rows)
    return order[held_out:], order[:held_out]


class StandardScaler:
    """z = (x - mean_) / scale_, column by column, scale_ being the standard deviation sqrt(sum((x - mean)^2) / n).

    `fit` reads the training rows; `transform` and `inverse_transform` then serve any rows of the same columns. Arrays
    are (rows,) or (rows, columns), float. A column without variance has scale_ 1 and becomes 0.

        scaler = StandardScaler().fit(X[train])
        Z = scaler.transform(X[test])        # the test rows' own mean is never looked at"""

    mean_: NDArray[Any]
    scale_: NDArray[Any]

    def fit(self, X: NDArray[Any]) -> StandardScaler:
        """Take mean and standard deviation from these rows."""
        self.mean_ = np.asarray(X.mean(axis=0))
        deviation = np.asarray(X.std(axis=0))
        # the rounding of the mean leaves a constant column of 0.1 a deviation of 1e-17
        rounding = 4 * np.finfo(np.float64).eps * np.abs(self.mean_)
        self.scale_ = np.where(deviation > rounding, deviation, 1.0)
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """To z-scores."""
        z: NDArray[Any] = (X - self.mean_) / self.scale_
        return z

    def inverse_transform(self, Z: NDArray[Any]) -> NDArray[Any]:
        """From z-scores back to the units of the data."""
        x: NDArray[Any] = Z * self.scale_ + self.mean_
        return x
