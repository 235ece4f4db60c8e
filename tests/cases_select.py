"""The rows of `ops.at`, `ops.selection` and `ops.order`, one line each: see `cases.py`. What is composed of other rows
is in `test_select.py`."""

from typing import Any

import numpy as np
from cases import A, Case, apart, real, rng


def _index(template: Any, arrays: Any) -> Any:
    rest = iter(arrays)
    return tuple(next(rest) if part is A else part for part in template)


def _set(x: Any, v: Any, *arrays: Any, template: Any) -> Any:
    """One place after the other, as the definition says."""
    y, where = x.copy(), np.arange(x.size).reshape(x.shape)[_index(template, arrays)]
    for place in np.ndindex(np.shape(where)):
        y.reshape(-1)[where[place]] = np.broadcast_to(v, np.shape(where))[place]
    return y


def _add(x: Any, v: Any, *arrays: Any, template: Any) -> Any:
    y, where = x.copy(), np.arange(x.size).reshape(x.shape)[_index(template, arrays)]
    for place in np.ndindex(np.shape(where)):
        y.reshape(-1)[where[place]] += np.broadcast_to(v, np.shape(where))[place]
    return y


def _last(x: Any, *arrays: Any, template: Any) -> Any:
    y, where = x[_index(template, arrays)].copy(), np.arange(x.size).reshape(x.shape)[_index(template, arrays)]
    seen: set[int] = set()
    for place in reversed(list(np.ndindex(where.shape))):
        if int(where[place]) in seen:
            y[place] = 0
        seen.add(int(where[place]))
    return y


_rows, _columns, _mask = np.array([0, 2, 2, 1]), np.array([1, 3, 3, 0]), rng.random((3, 4)) > 0.5
_grid = np.array([[0, 2], [2, 0]])
_some = (slice(None, None, -2), None, 1)

CASES: list[Case] = [
    *(Case(op, (real(3, 4), *inputs), {"template": template}, like, linear=True,
           empty=empty if op == "at_add" else None)
      for op, like in (("at_set", _set), ("at_add", _add))
      for template, inputs, empty in (
          ((A,), (real(4, 4), _rows), (np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0, int))),
          ((A, A), (real(4), _rows, _columns), None),
          ((A,), (real(), _grid), None),
          ((A,), (real(2, 1, 4), _grid), None),
          ((slice(1, None), A), (real(2, 4), _columns), None),
          ((A,), (real(int(_mask.sum())), _mask), None),
          ((A,), (0.5, _mask), None),
          ((slice(1, 3),), (real(2, 4),), None),
          (_some, (real(2, 1),), None),
          ((2, 1), (real(),), None))),
    Case("at_set", (real(3, 4), real(3, 4)), {"template": (...,)}, _set, linear=True,
         empty=(np.zeros((0, 4)), np.zeros((0, 4)))),
    Case("at_set", (real(3, 4), real(1, 1, 4)), {"template": (slice(1, 3),)},
         lambda x, v, template: np.vstack([x[:1], v[0], v[0]]), linear=True),
    Case("gather_last", (real(3, 4), _rows, _columns), {"template": (A, A)}, _last, linear=True),
    Case("gather_last", (real(3, 4), _grid), {"template": (slice(1, None), A)}, _last, linear=True,
         empty=(np.zeros((3, 0)), np.zeros((0, 2), int))),
    Case("gather_last", (real(3, 4), _mask), {"template": (A,)}, _last, linear=True),
    Case("put_last", (real(4), _rows, _columns), {"template": (A, A), "shape": (3, 4)},
         lambda v, *arrays, template, shape: _set(np.zeros(shape), v, *arrays, template=template), linear=True),
    Case("put_last", (real(2, 2, 4), _grid), {"template": (A,), "shape": (3, 4)},
         lambda v, *arrays, template, shape: _set(np.zeros(shape), v, *arrays, template=template), linear=True,
         empty=(np.zeros((0, 4)), np.zeros(0, int))),
    Case("choose", (np.array([[0, 2], [1, 1]]), real(2, 2), real(2), real()),
         like=lambda a, *choices, mode="raise": np.choose(a, choices), linear=True),
    Case("choose", (np.array([-1, 5, 1]), real(3), real(3)), {"mode": "wrap"},
         lambda a, *choices, mode: np.choose(a % 2, choices), linear=True),
    Case("choose", (np.array([-1, 5, 1]), real(2, 1), real(3)), {"mode": "clip"},
         lambda a, *choices, mode: np.choose([0, 1, 1], choices), linear=True,
         empty=(np.zeros(0, int), np.zeros((2, 1)), np.zeros(0))),
    *(Case("diagonal", (real(*shape),), params, linear=True, empty=(np.zeros((0, 3, 2)[:len(shape)]),))
      for shape, params in (((3, 4), {}), ((3, 4), {"offset": 2}), ((4, 3), {"offset": -1}),
                            ((2, 3, 4), {"offset": 1, "axis1": -1, "axis2": 0}))),
    Case("place_diagonal", (real(3),), {"offset": 1, "axis1": 0, "axis2": 1, "shape": (4, 4)},
         lambda x, offset, axis1, axis2, shape: np.diag(x, offset), linear=True),
    Case("place_diagonal", (real(4, 2),), {"offset": -1, "axis1": 2, "axis2": 0, "shape": (2, 4, 3)},
         lambda x, offset, axis1, axis2, shape: np.stack([np.diag(row, -1)[:, :2].T for row in x], 1), linear=True),
    *(Case(op, (real(*shape),), {"k": k}, linear=True, empty=(np.zeros((0, 3)),))
      for op in ("tril", "triu") for shape in ((3, 4), (2, 3, 3), (3,)) for k in (0, -1, 2)),
    Case("sort", (apart(3, 4),), linear=True),
    Case("sort", (apart(3, 4),), {"axis": 0}, linear=True, empty=(np.zeros((0, 4)),)),
    Case("argsort", (apart(3, 4),)),
    Case("ranks", (apart(3, 4),), {"axis": 0}, lambda x, axis: np.argsort(np.argsort(x, axis), axis)),
    Case("ranks", (np.array([1.0, 0.0, 1.0, 0.0]),), like=lambda x: np.array([2, 0, 3, 1])),
    Case("argsort", (np.array([1.0, 0.0, 1.0, 0.0]),), {"axis": 0}, lambda x, axis: np.array([1, 3, 0, 2])),
    Case("topk_places", (np.array([[1.0, 3.0, 2.0, 3.0], [0.0, np.nan, 5.0, 4.0]]),),
         {"k": 3, "axis": 1, "largest": True},
         lambda x, k, axis, largest: np.array([[1, 3, 2], [1, 2, 3]])),
    Case("topk_places", (np.array([[1.0, 3.0, 1.0, 3.0]]),), {"k": 3, "axis": -1, "largest": False},
         lambda x, k, axis, largest: np.array([[0, 2, 1]])),
    Case("unique_places", (np.array([3.0, 1.0, 3.0, 2.0, 1.0]),),
         like=lambda x: (np.array([1, 3, 0]), np.array([2, 0, 2, 1, 0]), np.array([2, 1, 2]))),
    Case("nonzero", (np.array([[0.0, 2.0], [-1.0, 0.0]]),)),
    Case("searchsorted", (np.array([1.0, 2.0, 2.0, 3.0]), np.array([[2.0, 0.5], [4.0, 3.0]]))),
    Case("searchsorted", (np.array([1.0, 2.0, 2.0, 3.0]), np.array([2.0, 3.0])), {"side": "right"}),
    Case("digitize", (real(3, 2), np.array([-1.0, 0.0, 1.0]))),
    Case("digitize", (np.array([0.0, 1.0]), np.array([0.0, 1.0, 2.0])), {"right": True}),
    Case("bincount", (np.array([2, 0, 2, 3]),)), Case("bincount", (np.array([2, 0]),), {"minlength": 5}),
]
