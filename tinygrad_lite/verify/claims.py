"""For other people's code: any function and any claimed gradient, in NumPy or wrapped from another framework, against finite differences."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import GradcheckError, ShapeError
from .differences import Report, difference_report

__all__ = ["check"]


def check(fn: Callable[..., Any], grad_fn: Callable[..., Any], *arrays: Any, eps: float | None = None, atol: float | None = None,
          rtol: float = 1e-6, raise_exception: bool = True) -> Report:
    """Is grad_fn(*arrays) the gradient of the scalar fn(*arrays)? With the same bound and report as `gradcheck`.

    arrays: numbers or float arrays; float64 copies are what both functions get. fn returns one number. grad_fn returns dfn/darray for
    each array, as a tuple, or bare for a single one. Raises GradcheckError where they differ, unless raise_exception=False; ShapeError
    where a gradient has not the shape of its array, or fn returns more than one number.
    """
    xs = [np.array(a, dtype=np.float64) for a in arrays]

    def value() -> float:
        result = np.asarray(fn(*[x.copy() for x in xs]))
        if result.size != 1:
            raise ShapeError(f"check() needs a function that returns one number; it returned shape {result.shape}. Weigh and sum its entries first")
        return float(result.reshape(()))

    claimed = grad_fn(*[x.copy() for x in xs])
    claims = list(claimed) if isinstance(claimed, tuple | list) and len(xs) > 1 else [claimed[0] if isinstance(claimed, tuple) else claimed]
    if len(claims) != len(xs):
        raise ShapeError(f"grad_fn returned {len(claims)} gradients for {len(xs)} arrays")
    pairs = {}
    for i, (x, claim) in enumerate(zip(xs, claims, strict=True)):
        g = np.asarray(claim, dtype=np.float64)
        if g.shape != x.shape:
            raise ShapeError(f"the gradient for array {i} has shape {g.shape}, the array has {x.shape}")
        pairs[f"array {i}"] = (x, g)

    def total() -> tuple[float, float]:
        result = value()
        return result, abs(result)

    report = difference_report(total, pairs, eps=eps, atol=atol, rtol=rtol)
    if raise_exception and not report:
        raise GradcheckError(f"check of {getattr(grad_fn, '__name__', repr(grad_fn))}: {report}")
    return report
