"""Closed forms as witnesses: problems whose loss, gradient and minimum stand in textbooks, held against autodiff and against differences.

Three ways to one number that share no code: the recorded graph differentiated, the loss moved entry by entry, and the formula in NumPy. A wrong loss
agrees with its own difference; only the formula tells.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import Variable
from ..errors import GradcheckError, ShapeError
from ..nn import functional as F
from ..tensors import Tensor, grad
from .slopes import slope

__all__ = ["Oracle", "Witness", "oracle"]

RTOL = 1e-9  # of the largest entry: sums of a few thousand float64 products lose three digits at most


@dataclass(frozen=True)
class Witness:
    """One quantity, three ways, at the entry where they are furthest apart."""

    name: str
    index: tuple[int, ...]
    autodiff: float
    difference: float
    closed: float
    allowed: float  # what the difference may be off; autodiff and closed form may differ by RTOL
    ok: bool


@dataclass(frozen=True)
class Oracle:
    """The loss, the gradient and, where a formula gives it, the gradient at the minimum: true where all three agree. `print` it for a table."""

    problem: str
    formula: str
    source: str
    rows: tuple[Witness, ...]
    minimum: tuple[Any, Any] | None  # (w, b) by the closed form

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        width = max(len(row.name) for row in self.rows)
        lines = [f"{self.problem}: {self.formula}  ({self.source})",
                 f"  {'':{width}}  worst at        autodiff     difference    closed form"]
        lines += [f"  {row.name:{width}}  {str(list(row.index)):10} {row.autodiff:13.6e}  {row.difference:13.6e}  {row.closed:13.6e}  "
                  f"{'agree' if row.ok else 'DISAGREE'}" for row in self.rows]
        return "\n".join(lines)

    def assert_ok(self) -> None:
        """Raise GradcheckError with the table unless the three agree."""
        if not self.ok:
            raise GradcheckError(str(self))


def oracle(problem: str, X: Any, y: Any, *, l2: float = 0.0, loss: Callable[[Any, Any], Any] | None = None, seed: int = 0) -> Oracle:
    """Autodiff, difference and closed form of a textbook problem at a random (w, b), and at its minimum where a formula gives one.

    X (m, n), y (m,): floats; class indices from 0 for 'logistic' (0 or 1) and 'softmax'. Everything is computed in float64.

        'linear'    1/(2m) sum (Xw + b - y)^2                       gradient X^T r / m, r = Xw + b - y            Ng, CS229 notes, part I
        'lstsq'     the same, with its minimum by numpy.linalg.lstsq                                               Legendre 1805
        'ridge'     1/(2m) sum (Xw + b - y)^2 + l2/2 |w|^2          gradient X^T r / m + l2 w                     Hoerl and Kennard 1970
        'logistic'  -1/m sum y ln s + (1 - y) ln(1 - s) + l2/2 |w|^2,  s = 1 / (1 + e^-(Xw + b))
                                                                    gradient X^T (s - y) / m + l2 w               Bishop 2006, eq. 4.91
        'softmax'   -1/m sum ln p_(i, y_i) + l2/2 |W|^2,  p = softmax(X W^T + b), W (C, n)
                                                                    gradient (P - Y)^T X / m + l2 W               Bishop 2006, eq. 4.109

    loss(w, b): your own loss of these Tensors, in place of the one that is built here: so that the formula checks your code.
    Raises ValueError for an unknown problem or y that does not suit it, ShapeError for shapes that do not go together.
    """
    if problem not in _PROBLEMS:
        raise ValueError(f"oracle: the problems are {', '.join(map(repr, _PROBLEMS))}, not {problem!r}")
    X, y = _array(X).astype(np.float64), _array(y)
    if X.ndim != 2 or y.shape != X.shape[:1] or not X.size:
        raise ShapeError(f"oracle: X must be (m, n) and y (m,), with m and n above 0; got {X.shape} and {y.shape}")
    if l2 and problem in ("linear", "lstsq"):
        raise ValueError(f"oracle: {problem!r} has no penalty; with l2={l2} it is 'ridge'")
    classes = problem in ("logistic", "softmax")
    if classes and (y.dtype.kind not in "iub" or y.min() < 0 or problem == "logistic" and y.max() > 1):
        raise ValueError(f"oracle: {problem!r} takes class indices from 0{' to 1' if problem == 'logistic' else ''} as integers, "
                         f"y has dtype {y.dtype} and goes from {y.min()} to {y.max()}")
    formula, source, own_loss, closed, minimum = _PROBLEMS[problem]
    y = y.astype(np.int64 if problem == "softmax" else np.float64)
    shape = (int(y.max()) + 1, X.shape[1]) if problem == "softmax" else (X.shape[1],)
    rng = np.random.default_rng(seed)
    w, b = rng.standard_normal(shape), rng.standard_normal(shape[:-1])
    f = loss or (lambda w, b: own_loss(X, y, w, b, l2))
    rows = _three_ways(f, lambda w, b: closed(X, y, w, b, l2), w, b, "")
    best = minimum(X, y, l2) if minimum is not None else None
    if best is not None:
        rows += _three_ways(f, lambda w, b: closed(X, y, w, b, l2), best[0], best[1], " at the minimum")
    return Oracle(problem, formula, source, tuple(rows), best)


def _three_ways(f: Callable[[Any, Any], Any], closed: Callable[[Any, Any], tuple[float, Any, Any]], w: Any, b: Any, where: str) -> list[Witness]:
    W, B = Tensor(w, np.float64, requires_grad=True), Tensor(b, np.float64, requires_grad=True)
    value = f(W, B)
    if not isinstance(value, Variable) or value._data.size != 1:
        raise ShapeError(f"oracle: loss(w, b) must return a Tensor with one entry, it returned {getattr(value, 'shape', type(value).__name__)}")
    gradients = grad(value, [W, B], allow_unused=True)
    expected = closed(w, b)
    scale = max(float(np.max(np.abs(g))) for g in closed(w + 1, b + 1)[1:])  # at a minimum all gradients are 0: a scale from beside it
    now = float(value._data.item())
    found = [Witness(f"loss{where}", (), now, now, expected[0], 0.0, bool(abs(now - expected[0]) <= RTOL * max(abs(expected[0]), 1e-300)))]
    for name, x, g, formula in zip(("w", "b"), (W, B), gradients, expected[1:], strict=True):
        analytic = np.zeros(x.shape) if g is None else g._data
        numeric, allowed = _differences(f, W, B, x)
        apart = np.abs(analytic - formula) / (RTOL * scale)
        off = np.abs(numeric - formula) / (allowed + RTOL * scale)
        worst = np.unravel_index(int(np.argmax(np.maximum(apart, off))), x.shape)
        found.append(Witness(f"dL/d{name}{where}", tuple(int(i) for i in worst), float(analytic[worst]), float(numeric[worst]),
                             float(np.asarray(formula)[worst]), float(allowed[worst]), bool(np.all(apart <= 1) and np.all(off <= 1))))
    return found


def _differences(f: Callable[[Any, Any], Any], W: Any, B: Any, x: Any) -> tuple[Any, Any]:
    """d f / d(entry) for every entry of x, extrapolated, and how far off it may be."""
    numeric, allowed = np.zeros(x.shape), np.zeros(x.shape)
    base = x._data
    size = float(np.max(np.abs(base), initial=1.0))
    for index in np.ndindex(x.shape):
        def along(t: float, index: Any = index) -> tuple[float, float]:
            moved = base.copy()
            moved[index] += t * size
            value = float(f(*[Tensor(moved) if p is x else Tensor(p) for p in (W, B)])._data.item())
            return value, abs(value)

        found = slope(along)
        numeric[index], allowed[index] = found.numeric / size, found.allowed / size
    return numeric, allowed


def _array(x: Any) -> Any:
    return x._data if isinstance(x, Variable) else np.asarray(x)


# ---- the losses, as a user would write them; the formulas, in NumPy; the minima


def _squares(X: Any, y: Any, w: Any, b: Any, l2: float) -> Any:
    r = X @ w + b - y
    loss = (r * r).sum() / (2 * len(y))
    return loss + (w * w).sum() * (l2 / 2) if l2 else loss


def _squares_closed(X: Any, y: Any, w: Any, b: Any, l2: float) -> tuple[float, Any, Any]:
    r = X @ w + b - y
    return float(r @ r / (2 * len(y)) + l2 / 2 * (w @ w)), X.T @ r / len(y) + l2 * w, np.mean(r)


def _least_squares(X: Any, y: Any, l2: float) -> tuple[Any, Any]:
    solution = np.linalg.lstsq(np.column_stack([X, np.ones(len(y))]), y, rcond=None)[0]
    return solution[:-1], np.asarray(solution[-1])


def _ridge(X: Any, y: Any, l2: float) -> tuple[Any, Any]:
    """(Xc^T Xc / m + l2 I) w = Xc^T yc / m with centred columns, since b has no penalty."""
    Xc, yc = X - X.mean(axis=0), y - y.mean()
    w = np.linalg.solve(Xc.T @ Xc / len(y) + l2 * np.eye(X.shape[1]), Xc.T @ yc / len(y)) if l2 else np.linalg.lstsq(Xc, yc, rcond=None)[0]
    return w, np.asarray(y.mean() - X.mean(axis=0) @ w)


def _logistic(X: Any, y: Any, w: Any, b: Any, l2: float) -> Any:
    loss = F.binary_cross_entropy_with_logits(X @ w + b, y)
    return loss + (w * w).sum() * (l2 / 2) if l2 else loss


def _logistic_closed(X: Any, y: Any, w: Any, b: Any, l2: float) -> tuple[float, Any, Any]:
    z = X @ w + b
    e = np.exp(-np.abs(z))
    s = np.where(z >= 0, 1, e) / (1 + e)
    value = np.mean(np.logaddexp(0, z) - y * z) + l2 / 2 * (w @ w)
    return float(value), X.T @ (s - y) / len(y) + l2 * w, np.mean(s - y)


def _softmax(X: Any, y: Any, w: Any, b: Any, l2: float) -> Any:
    loss = F.cross_entropy(X @ w.T + b, y)
    return loss + (w * w).sum() * (l2 / 2) if l2 else loss


def _softmax_closed(X: Any, y: Any, w: Any, b: Any, l2: float) -> tuple[float, Any, Any]:
    z = X @ w.T + b
    z = z - z.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    value = np.mean(np.log(np.exp(z).sum(axis=1)) - z[rows, y]) + l2 / 2 * np.sum(w * w)
    p[rows, y] -= 1
    return float(value), p.T @ X / len(y) + l2 * w, p.mean(axis=0)


_PROBLEMS: dict[str, tuple[str, str, Callable[..., Any], Callable[..., Any], Callable[..., Any] | None]] = {
    "linear": ("1/(2m) sum (Xw + b - y)^2", "Ng, CS229 notes, part I", _squares, _squares_closed, None),
    "lstsq": ("1/(2m) sum (Xw + b - y)^2", "Legendre 1805", _squares, _squares_closed, _least_squares),
    "ridge": ("1/(2m) sum (Xw + b - y)^2 + l2/2 |w|^2", "Hoerl and Kennard 1970", _squares, _squares_closed, _ridge),
    "logistic": ("-1/m sum y ln s + (1 - y) ln(1 - s) + l2/2 |w|^2", "Bishop 2006, eq. 4.91", _logistic, _logistic_closed, None),
    "softmax": ("-1/m sum ln p_(i, y_i) + l2/2 |W|^2", "Bishop 2006, eq. 4.109", _softmax, _softmax_closed, None),
}
