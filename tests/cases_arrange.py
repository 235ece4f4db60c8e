"""The rows of `ops.arrange`, one line each: see `cases.py`. What is composed of other rows is in `test_arrange.py`."""

from typing import Any

import numpy as np
from cases import Case, real


def _by_index(x: Any, pad_width: Any, mode: str) -> Any:
    """Padding by the definition of which entry each place shows."""
    maps = [np.pad(np.arange(n), width, mode) for n, width in zip(x.shape, pad_width, strict=True)]
    return x[np.ix_(*maps)]


def _back(g: Any, pad_width: Any, mode: str, shape: Any) -> Any:
    maps = [np.pad(np.arange(n), width, mode) for n, width in zip(shape, pad_width, strict=True)]
    y = np.zeros(shape)
    for place in np.ndindex(g.shape):
        y[tuple(m[i] for m, i in zip(maps, place, strict=True))] += g[place]
    return y


def _padded(mode: str, *shape: int, width: Any, **more: Any) -> Case:
    return Case("pad", (real(*shape),), {"pad_width": width, "mode": mode}, _by_index, linear=True, **more)


CASES: list[Case] = [
    Case("pad", (real(3, 2),), {"pad_width": ((1, 2), (0, 3))}, linear=True, empty=(np.zeros((0, 2)),)),
    Case("pad", (real(3),), {"pad_width": ((2, 1),), "mode": "constant", "constant_values": 1.5}, linear=True),
    Case("pad", (real(2, 3),), {"pad_width": ((1, 1), (0, 2)), "mode": "constant",
                                "constant_values": ((1.0, 2.0), (3.0, 4.0))}, linear=True),
    _padded("edge", 3, 2, width=((1, 2), (0, 3))), _padded("edge", 1, width=((3, 3),)),
    _padded("reflect", 3, 4, width=((2, 1), (1, 5))), _padded("symmetric", 3, 2, width=((2, 4), (1, 0))),
    _padded("wrap", 3, 4, width=((1, 2), (5, 9)), empty=(np.zeros((3, 0)),),
            empty_params={"pad_width": ((1, 0), (0, 0)), "mode": "wrap"}),
    *(Case("pad_back", (real(6, 5),), {"pad_width": ((1, 2), (2, 0)), "mode": mode, "shape": (3, 3)}, _back,
           linear=True)
      for mode in ("edge", "reflect", "symmetric", "wrap")),
    Case("tile", (real(2, 3),), {"reps": 2}, linear=True), Case("tile", (real(2, 3),), {"reps": (3, 2)}, linear=True),
    Case("tile", (real(2, 3),), {"reps": (2, 1, 2)}, linear=True, empty=(np.zeros((0, 3)),)),
    Case("tile", (real(2, 1, 3),), {"reps": (2,)}, linear=True),
    Case("tile", (np.array(0.7),), {"reps": (2, 3)}, linear=True),
    Case("repeat", (real(2, 3),), {"repeats": 3}, linear=True),
    Case("repeat", (real(2, 3),), {"repeats": 2, "axis": 0}, linear=True),
    Case("repeat", (real(2, 3),), {"repeats": 2, "axis": -1}, linear=True, empty=(np.zeros((0, 3)),)),
    Case("repeat_each", (real(3, 2), np.array([2, 0, 3])), {"axis": 0}, np.repeat, linear=True),
    Case("repeat_each", (real(2, 3), np.array([1, 0, 2])), {"axis": -1}, np.repeat, linear=True,
         empty=(np.zeros((2, 0)), np.zeros(0, int))),
    Case("roll", (real(2, 3),), {"shift": 2}, linear=True),
    Case("roll", (real(3, 4),), {"shift": -1, "axis": 1}, linear=True, empty=(np.zeros((0, 4)),)),
    Case("roll", (real(3, 4),), {"shift": (1, -2), "axis": (0, 1)}, linear=True),
    Case("unstack", (real(3, 2),), like=lambda x, axis=0: tuple(x), linear=True),
    Case("unstack", (real(2, 3, 2),), {"axis": -1}, lambda x, axis: (x[..., 0], x[..., 1]), linear=True,
         empty=(np.zeros((0, 2)),)),
]
