"""Cases of `ops/quantiles.py`: one line a row, as in `cases.py`."""

from typing import Any

import numpy as np
from cases import Case, apart


def _sorted_at(x: Any, k: Any) -> Any:
    return np.take_along_axis(np.sort(x), k, -1) if k.ndim > 1 else np.sort(x)[..., k]


def _running(of: Any) -> Any:
    def run(x: Any, axis: int = 0) -> Any:
        return np.stack([of(np.take(x, range(k + 1), axis), axis=axis) for k in range(x.shape[axis])], axis)
    return run


CASES: list[Case] = [
    Case("order_statistic", (apart(3, 5), np.array([1, 4, 0])), like=_sorted_at, linear=True,
         empty=(np.zeros((0, 3)), np.array([1, 2]))),
    Case("order_statistic", (apart(3, 5), np.array([[1, 2], [0, 4], [3, 3]])), like=_sorted_at, linear=True),
    Case("cummax", (apart(3, 4),), like=_running(np.max), linear=True, empty=(np.zeros((3, 0)),)),
    Case("cummax", (apart(3, 4),), {"axis": -1}, like=_running(np.max), linear=True),
    Case("cummin", (apart(3, 4),), {"axis": 1}, like=_running(np.min), linear=True, empty=(np.zeros((0, 4)),)),
]
