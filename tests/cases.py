"""One line per op: its inputs, its parameters, what it must equal. `test_table.py` runs every line through every property.

Inputs are drawn once, in float64, inside the domain and away from kinks. `like` computes the value independently of the op's own forward,
from NumPy's public function or a formula; it is applied to the bare arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

rng = np.random.default_rng(7)


def real(*shape: int) -> Any:
    """Numbers of either sign, none within 0.1 of 0."""
    return np.asarray(rng.uniform(0.1, 2.0, shape) * rng.choice([-1.0, 1.0], shape))


def positive(*shape: int) -> Any:
    return rng.uniform(0.3, 2.5, shape)


def apart(*shape: int) -> Any:
    """Numbers that differ from each other by at least 0.1: no ties, no kink within reach of a difference."""
    n = int(np.prod(shape))
    return ((rng.permutation(n) - n / 2 + 0.25) * 0.2).reshape(shape)


@dataclass(frozen=True)
class Case:
    op: str
    inputs: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    like: Callable[..., Any] | None = None  # (*inputs, **params) -> value; None: np.<op>
    elementwise: bool = False  # then 0-d, empty and broadcast forms are made from these inputs by the test
    empty: tuple[Any, ...] | None = None  # inputs with no entries, where the op allows them and they cannot be made by the test
    empty_params: dict[str, Any] | None = None
    linear: bool = False  # second derivative 0 in every input

    @property
    def id(self) -> str:
        extra = ",".join(f"{k}={v}" for k, v in self.params.items())
        return f"{self.op}[{'x'.join(str(np.shape(x)) for x in self.inputs)}{' ' + extra if extra else ''}]".replace(" ", "")


def _one(name: str, x: Any = None, **more: Any) -> Case:
    return Case(name, (real(3, 4) if x is None else x,), elementwise=True, **more)


def _two(name: str, a: Any = None, b: Any = None, **more: Any) -> Case:
    return Case(name, (real(3, 4) if a is None else a, real(3, 4) if b is None else b), elementwise=True, **more)


def _sum_at(places: Any, x: Any, shape: tuple[int, ...]) -> Any:
    y = np.zeros(shape)
    for index in np.ndindex(np.shape(x)):  # one entry after the other, as the definition says
        y[tuple(p[index] for p in places)] += x[index]
    return y


def _recurrence(u: Any, a: Any) -> Any:
    y = np.zeros_like(u)
    for k in range(u.shape[-1]):
        y[..., k] = u[..., k] + (a[..., k] * y[..., k - 1] if k else 0)
    return y


_near = np.array([[0.5, -1.5, 2.0], [1.0, -0.3, 0.7]])
_mask = rng.random((3, 4)) > 0.5
_rows, _columns = np.array([0, 2, 2, 1]), np.array([1, 3, 3, 0])
_labels = np.array([[1], [3], [0]])
A = "array"

CASES: list[Case] = [
    _two("add", linear=True), _two("subtract", linear=True), _two("multiply"), _two("divide"), _one("negative", linear=True),
    _one("reciprocal"), _one("square"), _one("sqrt", positive(3, 4)), _one("abs", linear=True), _one("sign", linear=True),
    _two("floor_divide", apart(3, 4), positive(3, 4)), _two("remainder", apart(3, 4), np.full((3, 4), 0.71), linear=True),
    _two("remainder", apart(3, 4), np.full((3, 4), -0.71), linear=True),
    _two("power", positive(3, 4), real(3, 4)), Case("power", (real(3, 4), 2), like=np.power), Case("power", (real(3, 4), 3), like=np.power),
    Case("power", (real(3, 4), 5), like=np.power), Case("power", (positive(3, 4), 0.5), like=np.power), Case("power", (2.5, real(3, 4)), like=np.power),
    Case("power", (real(3, 4), -1.0), like=np.power), Case("power", (real(3, 4), 1), like=np.power, linear=True),
    _two("maximum", apart(3, 4), apart(3, 4) + 0.05, linear=True), _two("minimum", apart(3, 4), apart(3, 4) + 0.05, linear=True),
    Case("clip", (apart(3, 4), -0.71, 0.72), like=np.clip, linear=True), Case("clip", (apart(3, 4), None, 0.33), like=np.clip, linear=True),
    Case("clip", (apart(3, 4), -0.37, None), like=np.clip, linear=True), Case("clip", (apart(3, 4), np.full(4, -0.33), np.full((3, 1), 0.37)), linear=True),
    Case("where", (_mask, real(3, 4), real(3, 4)), linear=True), Case("where", (_mask[0], real(3, 4), 2.0), linear=True),
    *(_two(name, apart(3, 4), apart(3, 4)) for name in ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")),
    *(_two(name, _mask, rng.random((3, 4)) > 0.5) for name in ("logical_and", "logical_or", "logical_xor")), _one("logical_not", _mask),
    *(_one(name, np.array([[1.0, np.nan, np.inf, -np.inf]])) for name in ("isnan", "isinf", "isfinite")),
    _one("exp"), _one("expm1"), _one("log", positive(3, 4)), _one("log1p", positive(3, 4) - 0.8), _one("sin"), _one("cos"), _one("tan", real(3, 4) / 2),
    _one("sinh"), _one("cosh"), _one("tanh"), _one("arctan"), _two("arctan2"),
    _one("sigmoid", like=lambda x: 1 / (1 + np.exp(-x))), _one("relu", like=lambda x: np.where(x > 0, x, 0), linear=True),
    _one("softplus", like=lambda x: np.log(1 + np.exp(x))),
    *(Case(name, (x,), params, empty=(np.zeros((0, 4)),) if name in ("sum", "mean", "prod") and params == {"axis": 1} else None, linear=name in ("sum", "mean", "max", "min"),
           like=(lambda x, axis=None, keepdims=False: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))) if name == "logsumexp" else None)
      for name, x in (("sum", real(3, 4, 2)), ("mean", real(3, 4, 2)), ("max", apart(3, 4, 2)), ("min", apart(3, 4, 2)), ("prod", real(3, 2, 2)),
                      ("logsumexp", real(3, 4, 2)), ("var", real(3, 4, 2)), ("std", real(3, 4, 2)))
      for params in ({}, {"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": (0, 2)}, {"axis": (-1, 0), "keepdims": True})),
    Case("var", (real(3, 4),), {"axis": 0, "ddof": 1}), Case("std", (real(3, 4),), {"axis": None, "ddof": 1}), Case("sum", (np.array(0.7),), linear=True),
    Case("prod", (np.array([2.0, 0.0, 3.0]),)), Case("prod", (np.array([[0.0, 0.0, 3.0, 2.0], [1.5, 0.0, -2.0, 0.5]]),), {"axis": 1}),
    Case("argmax", (apart(3, 4),), {"axis": 1}), Case("argmin", (apart(3, 4),), {"axis": 0, "keepdims": True}), Case("argmax", (apart(3, 4),)),
    Case("all", (_mask,), {"axis": 1}), Case("any", (_mask,), {"axis": 0}),
    Case("cumsum", (real(3, 4),), {"axis": 1}, empty=(np.zeros((0, 4)),), linear=True), Case("cumsum", (real(3, 4),), linear=True),
    Case("cumprod", (real(3, 4),), {"axis": 0}, empty=(np.zeros((3, 0)),)), Case("cumprod", (real(2, 3),)),
    Case("cumprod", (np.array([2.0, 0.0, 3.0, 0.0]),), {"axis": 0}),
    Case("linear_recurrence", (real(3, 4), real(3, 4)), like=_recurrence, empty=(np.zeros((3, 0)), np.zeros((3, 0)))),
    Case("reshape", (real(3, 4),), {"shape": (2, -1)}, empty=(np.zeros((0, 4)),), empty_params={"shape": (2, 0)}, linear=True),
    Case("transpose", (real(2, 3, 4),), linear=True), Case("transpose", (real(2, 3, 4),), {"axes": (2, 0, 1)}, empty=(np.zeros((2, 0, 4)),), linear=True),
    Case("transpose", (real(2, 3, 4),), {"axes": (-1, 0, 1)}, linear=True),
    Case("swapaxes", (real(2, 3, 4),), {"axis1": 0, "axis2": -1}, empty=(np.zeros((2, 0, 4)),), linear=True),
    Case("expand_dims", (real(3, 4),), {"axis": 1}, empty=(np.zeros((0, 4)),), linear=True), Case("expand_dims", (real(3),), {"axis": (0, 2)}, linear=True),
    Case("squeeze", (real(3, 1, 4, 1),), linear=True), Case("squeeze", (real(3, 1, 4, 1),), {"axis": 1}, empty=(np.zeros((0, 1, 4)),), linear=True),
    Case("broadcast_to", (real(3, 1),), {"shape": (2, 3, 4)}, empty=(np.zeros((0, 1)),), empty_params={"shape": (2, 0, 4)}, linear=True),
    Case("broadcast_to", (np.array(0.7),), {"shape": (3, 2)}, linear=True), Case("broadcast_to", (real(1, 1),), {"shape": (1, 1)}, linear=True), Case("broadcast_to", (real(1, 2),), {"shape": (9000, 2)}, linear=True),
    Case("flip", (real(3, 4),), linear=True), Case("flip", (real(3, 4),), {"axis": 1}, empty=(np.zeros((3, 0)),), linear=True),
    _one("copy", like=lambda x: x + 0, linear=True), Case("astype", (real(3, 4),), {"dtype": "float64"}, like=lambda x, dtype: x, linear=True),
    Case("cast", (real(3, 4),), {"dtype": "int64"}, like=lambda x, dtype: np.trunc(x).astype(int)),
    Case("zeros_like", (real(3, 4),)), Case("ones_like", (real(3, 4),)),
    Case("concatenate", (real(2, 3), real(4, 3)), {"axis": 0}, lambda *xs, axis: np.concatenate(xs, axis), linear=True,
         empty=(np.zeros((0, 3)), np.zeros((2, 3)))),
    Case("concatenate", (real(2, 3), real(2, 1), real(2, 2)), {"axis": -1}, lambda *xs, axis: np.concatenate(xs, axis), linear=True),
    Case("concatenate", (real(2, 3), real(4)), {"axis": None}, lambda *xs, axis: np.concatenate(xs, axis), linear=True),
    Case("stack", (real(2, 3), real(2, 3)), {"axis": 0}, lambda *xs, axis: np.stack(xs, axis), linear=True, empty=(np.zeros((0, 3)),) * 2),
    Case("stack", (real(2, 3), real(2, 3), real(2, 3)), {"axis": -1}, lambda *xs, axis: np.stack(xs, axis), linear=True),
    Case("split", (real(6, 2),), {"indices_or_sections": 3}, linear=True), Case("split", (real(2, 6),), {"indices_or_sections": (1, 4), "axis": 1}, linear=True,
         empty=(np.zeros((0, 6)),)),
    Case("getitem", (real(3, 4),), {"index": (1,)}, lambda x, index: x[index], linear=True),
    Case("getitem", (real(3, 4),), {"index": (slice(None, None, -2), None, ..., 2)}, lambda x, index: x[index], linear=True),
    Case("getitem", (real(3, 4),), {"index": (2, 1)}, lambda x, index: x[index], linear=True, empty=(np.zeros((0, 4)),), empty_params={"index": (slice(1),)}),
    Case("place", (real(2, 4),), {"index": (slice(0, 2),), "shape": (3, 4)}, lambda x, index, shape: np.vstack([x, np.zeros((1, 4))]), linear=True),
    Case("gather", (real(3, 4), _rows), {"template": (A,)}, lambda x, i, template: x[i], linear=True),
    Case("gather", (real(3, 4), _rows, _columns), {"template": (A, A)}, lambda x, i, j, template: x[i, j], linear=True),
    Case("gather", (real(3, 4), _mask), {"template": (A,)}, lambda x, m, template: x[m], linear=True),
    Case("gather", (real(3, 4), _columns), {"template": (slice(1, None), A)}, lambda x, j, template: x[1:, j], linear=True,
         empty=(np.zeros((0, 4)), np.zeros(0, int))),
    Case("scatter_add", (real(4), _rows, _columns), {"template": (A, A), "shape": (3, 4)},
         lambda x, i, j, template, shape: _sum_at((i, j), x, shape), linear=True),
    Case("scatter_add", (real(int(_mask.sum())), _mask), {"template": (A,), "shape": (3, 4)},
         lambda x, m, template, shape: _sum_at(np.nonzero(m), x, shape), linear=True),
    Case("take_along_axis", (real(3, 4), _labels), {"axis": 1}, linear=True), Case("take_along_axis", (real(3, 4), np.array([3, 3, 0])), {"axis": None}, linear=True),
    Case("take_along_axis", (real(3, 4), np.array([[0, 2, 2, 1], [1, 1, 0, 0]])), {"axis": 0}, linear=True, empty=(np.zeros((3, 0)), np.zeros((2, 0), int))),
    Case("take_along_axis_add", (real(3, 1), _labels), {"axis": 1, "shape": (3, 4)},
         lambda x, i, axis, shape: _sum_at((np.arange(3)[:, None], i), x, shape), linear=True),
    Case("take_along_axis_add", (real(3), np.array([3, 3, 0])), {"axis": None, "shape": (2, 3)},
         lambda x, i, axis, shape: _sum_at((i,), x, (6,)).reshape(shape), linear=True),
    *(Case("matmul", (real(*a), real(*b))) for a, b in (((3, 4), (4, 2)), ((4,), (4,)), ((4,), (4, 2)), ((3, 4), (4,)), ((5, 3, 4), (4, 2)), ((3, 4), (5, 4, 2)),
                                                        ((2, 1, 3, 4), (5, 4, 2)), ((5, 3, 4), (4,)), ((4,), (5, 4, 2)), ((1, 1), (1, 1)))),
    Case("matmul", (real(3, 4), real(4, 2)), empty=(np.zeros((0, 4)), np.zeros((4, 2)))), Case("matmul", (real(3, 2), real(2, 2)), empty=(np.zeros((3, 0)), np.zeros((0, 2)))),
    Case("outer", (real(3), real(4)), empty=(np.zeros(0), np.zeros(4))), Case("outer", (real(3, 2), real(2, 2))),
    *(Case("einsum", tuple(real(*s) for s in shapes), {"subscripts": subscripts}, lambda *xs, subscripts: np.einsum(subscripts, *xs), linear=len(shapes) == 1)
      for subscripts, shapes in (("ij,jk->ik", ((3, 4), (4, 2))), ("ij->ji", ((3, 4),)), ("ij->", ((3, 4),)), ("ii->i", ((3, 3),)), ("ii->", ((3, 3),)),
                                 ("ij,ij->", ((3, 4), (3, 4))), ("bij,bjk->bik", ((2, 3, 4), (2, 4, 2))), ("ij,k->ik", ((3, 4), (2,))), ("i,j,k->ijk", ((2,), (3,), (2,))),
                                 ("ij,jk,kl->il", ((2, 3), (3, 2), (2, 4))), ("iji,j->i", ((2, 3, 2), (3,))), ("i,i->i", ((3,), (3,))), (",i->i", ((), (3,))))),
    Case("linear", (real(5, 4), real(3, 4), real(3)), like=lambda x, w, b: x @ w.T + b, empty=(np.zeros((0, 4)), np.ones((3, 4)), np.ones(3))),
    Case("linear", (real(2, 5, 4), real(3, 4), real(3)), like=lambda x, w, b: x @ w.T + b), Case("linear", (real(4), real(3, 4), real(3)), like=lambda x, w, b: x @ w.T + b),
    Case("linear", (real(5, 4), real(3, 4), None), like=lambda x, w, b: x @ w.T), Case("linear", (real(1500, 2), real(1, 2), real(1)), like=lambda x, w, b: x @ w.T + b),
    Case("mse_loss", (real(5, 3), real(5, 3)), like=lambda a, b: np.mean((a - b) ** 2)),
]

# no array goes in, so there is nothing to differentiate: tests/test_random.py
WITHOUT_INPUTS = {"normal", "uniform"}


def all_cases() -> tuple[list[Case], set[str]]:
    """The lines of this file and of every `cases_*.py` beside it, and the ops that take no array."""
    rooms = [import_module(path.stem) for path in sorted(Path(__file__).parent.glob("cases_*.py"))]
    return CASES + [case for room in rooms for case in room.CASES], WITHOUT_INPUTS
