"""The rows of `ops.series`, one line each: see `cases.py`."""

import numpy as np
from cases import Case, real

CASES: list[Case] = [
    Case("convolve", (real(5), real(3))), Case("convolve", (real(2), real(4))), Case("convolve", (real(1), real(1))),
    Case("convolve", (real(3), real(3))),
    Case("unwrap", (np.array([0.1, 3.0, -2.5, 2.0, -1.0, 0.3]),), linear=True),
    Case("unwrap", (np.array([[0.1, 3.0, -2.5], [2.0, -1.0, 0.3]]),), {"axis": 0, "period": 4.0},
         lambda x, axis, period: np.unwrap(x, axis=axis, period=period), linear=True, empty=(np.zeros((2, 0)),)),
]
