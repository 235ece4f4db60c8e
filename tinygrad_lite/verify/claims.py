"""For other people's code: any function and any claimed gradient, in NumPy or wrapped from another framework, against finite differences."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import GradcheckError, ShapeError
from .differences import Problem, Tolerance, along_directions, entry_by_entry
from .report import DIFFERENCES, Report, row

__all__ = ["check"]


def check(fn: Callable[..., Any], grad_fn: Callable[..., Any], *arrays: Any, eps: float | None = None, atol: float | None = None,
          rtol: float = 1e-6, raise_exception: bool = True, fast_mode: bool = False, seed: int = 0) -> Report:
    """Is grad_fn(*arrays) the gradient of the scalar fn(*arrays)? With the same verdicts, bound and report as `gradcheck`.

    arrays: numbers or float arrays; float64 copies are what both functions get. fn returns one number. grad_fn returns dfn/darray for
    each array, as a tuple, or bare for a single one. Raises GradcheckError where they differ, unless raise_exception=False; ShapeError
    where a gradient has not the shape of its array, or fn returns more than one number. A function whose result is
    float32 is known to seven digits, and its differences to three: what they cannot tell is counted, and a larger eps may tell it.
    """
    xs = [np.array(a, dtype=np.float64) for a in arrays]

    def result() -> Any:
        with np.errstate(all="ignore"):
            y = np.asarray(fn(*[x.copy() for x in xs]))
        if y.size != 1:
            raise ShapeError(f"check() needs a function that returns one number; it returned shape {y.shape}. Weigh and sum its entries first")
        return y.reshape(1)

    def value() -> Any:
        return result().astype(np.float64)

    y = result()
    noise = float(np.finfo(y.dtype).eps * np.abs(y[0])) if y.dtype.kind == "f" else 0.0
    claimed = grad_fn(*[x.copy() for x in xs])
    claims = list(claimed) if isinstance(claimed, tuple | list) and len(xs) > 1 else [claimed[0] if isinstance(claimed, tuple) else claimed]
    if len(claims) != len(xs):
        raise ShapeError(f"grad_fn returned {len(claims)} gradients for {len(xs)} arrays")
    tolerance, rng, rows = Tolerance(eps, atol, rtol), np.random.default_rng(seed), []
    gradients = [np.asarray(claim, dtype=np.float64) for claim in claims]
    for i, (x, g) in enumerate(zip(xs, gradients, strict=True)):
        if g.shape != x.shape:
            raise ShapeError(f"the gradient for array {i} has shape {g.shape}, the array has {x.shape}")
    for i, (x, g) in enumerate(zip(xs, gradients, strict=True)):
        problem = Problem(value, x, g, noise=noise)
        entries = along_directions(problem, tolerance, rng) if fast_mode else entry_by_entry(problem, tolerance)
        rows.append(row(f"array {i}", entries, DIFFERENCES))
    report = Report(tuple(rows), unit="random directions" if fast_mode else "entries")
    if raise_exception and not report:
        raise GradcheckError(f"check of {getattr(grad_fn, '__name__', repr(grad_fn))}: {report}")
    return report
