"""gradcheck, gradgradcheck and check_module: the questions that users ask, put to the differences."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Variable, enable_grad
from ..errors import GradcheckError
from ..nn import Module
from ..tensors import Tensor, grad
from .differences import Report, compare

__all__ = ["check_module", "gradcheck", "gradgradcheck"]


def gradcheck(fn: Callable[..., Any], inputs: Any, *, eps: float | None = None, atol: float | None = None, rtol: float = 1e-6,
              raise_exception: bool = True, seed: int = 0) -> Report:
    """Is the recorded gradient of fn(*inputs) that of its values? Central differences over every entry of every float input.

    inputs: a Tensor, an array, or a sequence of them. Arrays are checked; of Tensors those that require a gradient, or all float ones where
    none does. Everything is done in float64 copies. An entry agrees where |analytic - numeric| <= atol + rtol |numeric|; atol None means
    the rounding of the difference itself. fn returns a Tensor or a tuple of them, and must give the same for the same inputs.
    Returns a Report, true where all agree; raises GradcheckError with its table otherwise, unless raise_exception=False.
    """
    given = _sequence(inputs)
    chosen = _chosen(given)
    copies = [Tensor(x, np.float64, requires_grad=True) if i in chosen else _plain(x) for i, x in enumerate(given)]
    leaves = {f"input {i}" + (f" {name!r}" if (name := getattr(given[i], "name", None)) else ""): copies[i] for i in chosen}
    report = compare(lambda: fn(*copies), leaves, eps=eps, atol=atol, rtol=rtol, seed=seed)
    return _judged(report, getattr(fn, "__name__", repr(fn)), raise_exception)


def gradgradcheck(fn: Callable[..., Any], inputs: Any, *, eps: float | None = None, atol: float | None = None, rtol: float = 1e-6,
                  raise_exception: bool = True, seed: int = 0) -> Report:
    """Is the gradient of the gradient right? gradcheck of the function (inputs, v) -> grad(<v, fn(inputs)>, inputs)."""
    given = _sequence(inputs)
    chosen = _chosen(given)
    probe = fn(*[Tensor(x, np.float64) if i in chosen else _plain(x) for i, x in enumerate(given)])
    outputs = [y for y in _sequence(probe) if isinstance(y, Variable) and y._data.dtype.kind == "f"]
    rng = np.random.default_rng(seed + 1)
    cotangents = [rng.standard_normal(y._data.shape) for y in outputs]
    n = len(given)

    def first(*arguments: Any) -> Any:
        xs, vs = list(arguments[:n]), arguments[n:]
        with enable_grad():  # the difference is taken under no_grad, but what it is taken of is itself a gradient
            y = [r for r in _sequence(fn(*xs)) if isinstance(r, Variable) and r._data.dtype.kind == "f"]
            pairs = [(r, v) for r, v in zip(y, vs, strict=True) if r._requires_grad]
            found = grad([r for r, _ in pairs], [xs[i] for i in chosen], [v for _, v in pairs], create_graph=True, allow_unused=True)
        return tuple(xs[i] * 0 if g is None else g for g, i in zip(found, chosen, strict=True))

    marked = [Tensor(x, np.float64, requires_grad=True) if i in chosen else _plain(x) for i, x in enumerate(given)]
    everything = [*marked, *(Tensor(v, requires_grad=True, name=f"gradient of output {k}") for k, v in enumerate(cotangents))]
    report = gradcheck(first, everything, eps=eps, atol=atol, rtol=rtol, raise_exception=False, seed=seed)
    return _judged(report, f"the gradient of {getattr(fn, '__name__', repr(fn))}", raise_exception)


def check_module(module: Module, *inputs: Any, loss: Callable[[Any], Any] | None = None, rtol: float = 1e-6, raise_exception: bool = True,
                 seed: int = 0) -> Report:
    """gradcheck of a model: every parameter that requires a gradient, named by its path, and every float input that does.

    The model is copied and checked in float64; the one that was passed is left alone. loss: makes what is differentiated from the output.
    """
    model = copy.deepcopy(module).to(np.float64)
    copies = [Tensor(x, np.float64, requires_grad=x.requires_grad) if isinstance(x, Tensor) and x.dtype.kind == "f" else
              Tensor(x, np.float64) if getattr(x, "dtype", np.dtype(int)).kind == "f" else _plain(x) for x in inputs]
    leaves: dict[str, Variable] = {path: p for path, p in model.named_parameters() if p.requires_grad}
    leaves |= {f"input {i}": x for i, x in enumerate(copies) if isinstance(x, Tensor) and x.requires_grad}

    def outputs() -> Any:
        y = model(*copies)
        return y if loss is None else loss(y)

    return _judged(compare(outputs, leaves, rtol=rtol, seed=seed), type(module).__name__, raise_exception)


def _sequence(inputs: Any) -> Sequence[Any]:
    return inputs if isinstance(inputs, tuple | list) else [inputs]


def _chosen(inputs: Sequence[Any]) -> list[int]:
    """Positions of the inputs whose gradient is checked."""
    floats = [i for i, x in enumerate(inputs) if isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f"]
    marked = [i for i in floats if isinstance(inputs[i], Variable) and inputs[i]._requires_grad]
    if not floats:
        raise TypeError("gradcheck needs at least one float input")
    return marked or floats


def _plain(x: Any) -> Any:
    """An input that is not checked: its floats in float64 too, so that nothing falls back to float32 on the way."""
    if isinstance(x, Variable):
        return Tensor(x, np.float64 if x._data.dtype.kind == "f" else None)
    return x.astype(np.float64) if getattr(getattr(x, "dtype", None), "kind", "") == "f" else x


def _judged(report: Report, name: str, raise_exception: bool) -> Report:
    if raise_exception and not report:
        raise GradcheckError(f"gradcheck of {name}: {report}")
    return report
