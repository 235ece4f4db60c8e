"""gradcheck, gradgradcheck and check_module: the questions that users ask, put to `compare`.

Signatures are PyTorch's, where its arguments mean something here. Left out: check_batched_grad, check_forward_ad and their kin (there is one
sweep, and `func` is made of it), check_undefined_grad (the sweep itself fills in the gradient of an unused output), check_grad_dtypes (a gradient
always has its leaf's dtype), masked (there are no sparse Tensors).
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine import Variable, enable_grad
from ..errors import GradcheckError, ShapeError
from ..nn import Module
from ..tensors import Tensor, grad
from .differences import Tolerance, random_signs
from .recorded import compare
from .report import Report

__all__ = ["check_module", "gradcheck", "gradgradcheck"]


def gradcheck(func: Callable[..., Any], inputs: Any, *, eps: float | None = None, atol: float | None = None, rtol: float = 1e-6,
              raise_exception: bool = True, nondet_tol: float = 0.0, fast_mode: bool = False, seed: int = 0) -> Report:
    """Is the recorded gradient of func(*inputs) that of its values? Every entry of every float input gets one of four verdicts.

    inputs: a Tensor, an array, or a sequence of them. Arrays are checked; of Tensors those that require a gradient, or all float ones where
    none does. Everything is done in float64 copies. func returns a Tensor or a tuple of them, and must give the same for the same inputs.

    ok           |analytic - numeric| <= bound + rtol |numeric|, and the bound is small beside the gradient
    wrong        the difference is larger
    kink         the slopes on the two sides differ, and the gradient lies between them (relu at 0)
    cannot tell  the bound is not small beside the gradient: agreement would prove nothing. The report counts and names these

    numeric is a complex step, exact to 1e-16, where every op on the way is analytic and eps is None; else the extrapolated central difference.
    eps: its step relative to the input's largest entry (None: 6e-6, and others where that cannot tell); atol: takes the place of the bound,
    which is that of its rounding and truncation, so that no fixed number hides a wrong gradient of small scale.
    fast_mode: three random directions u through each input instead of its entries: <gradient, u> against the slope along u. It finds a single wrong
    entry among a thousand and names it; it misses errors below rtol times the gradient's norm.
    nondet_tol: how far two runs of func may be apart.
    Returns a Report, true where nothing is wrong; raises GradcheckError with its table otherwise, unless raise_exception=False.
    Raises GradError where nothing can be checked: no recorded way to any input, or a function that draws anew each time.
    """
    report = _gradcheck(func, inputs, Tolerance(eps, atol, rtol), fast_mode, nondet_tol, seed)
    return _judged(report, _name(func), raise_exception)


def gradgradcheck(func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float | None = None, atol: float | None = None,
                  rtol: float = 1e-6, raise_exception: bool = True, nondet_tol: float = 0.0, fast_mode: bool = False, seed: int = 0) -> Report:
    """Is the gradient of the gradient right? gradcheck of the function (inputs, v) -> grad(<v, func(inputs)>, inputs).

    grad_outputs: v for each output, of its shape (None: drawn). The other arguments are those of gradcheck.
    """
    given = _sequence(inputs)
    chosen = _chosen(given)
    probe = func(*[Tensor(x, np.float64) if i in chosen else _plain(x) for i, x in enumerate(given)])
    outputs = [y for y in _sequence(probe) if isinstance(y, Variable) and y._data.dtype.kind == "f"]
    cotangents = _cotangents(grad_outputs, outputs, seed)
    n = len(given)

    def first(*arguments: Any) -> Any:
        xs, vs = list(arguments[:n]), arguments[n:]
        with enable_grad():  # the difference is taken under no_grad, but what it is taken of is itself a gradient
            y = [r for r in _sequence(func(*xs)) if isinstance(r, Variable) and r._data.dtype.kind in "fc"]
            pairs = [(r, v) for r, v in zip(y, vs, strict=True) if r._requires_grad]
            found = grad([r for r, _ in pairs], [xs[i] for i in chosen], [v for _, v in pairs], create_graph=True, allow_unused=True)
        return tuple(xs[i] * 0 if g is None else g for g, i in zip(found, chosen, strict=True))

    marked = [Tensor(x, np.float64, True, getattr(x, "name", None)) if i in chosen else _plain(x) for i, x in enumerate(given)]
    everything = [*marked, *(Tensor(v, requires_grad=True, name=f"gradient of output {k}") for k, v in enumerate(cotangents))]
    report = _gradcheck(first, everything, Tolerance(eps, atol, rtol), fast_mode, nondet_tol, seed)
    return _judged(replace(report, notes=(*report.notes, *_notes(given))), f"the gradient of {_name(func)}", raise_exception)


def check_module(module: Module, *inputs: Any, loss: Callable[[Any], Any] | None = None, eps: float | None = None, atol: float | None = None,
                 rtol: float = 1e-6, raise_exception: bool = True, nondet_tol: float = 0.0, fast_mode: bool = False, seed: int = 0) -> Report:
    """gradcheck of a model: every parameter that requires a gradient, named by its path, and every float input that does.

    The model is copied and checked in float64; the one that was passed is left alone. loss: makes what is differentiated from the output.
    The other arguments are those of gradcheck.
    """
    narrow = sorted({str(p.dtype) for p in module.parameters() if p.dtype != np.float64})
    model = copy.deepcopy(module).to(np.float64)
    copies = [Tensor(x, np.float64, requires_grad=x.requires_grad) if isinstance(x, Tensor) and x.dtype.kind == "f" else
              Tensor(x, np.float64) if getattr(x, "dtype", np.dtype(int)).kind == "f" else _plain(x) for x in inputs]
    leaves: dict[str, Variable] = {path: p for path, p in model.named_parameters() if p.requires_grad}
    leaves |= {f"input {i}": x for i, x in enumerate(copies) if isinstance(x, Tensor) and x.requires_grad}

    def outputs() -> Any:
        y = model(*copies)
        return y if loss is None else loss(y)

    report = compare(outputs, leaves, eps=eps, atol=atol, rtol=rtol, seed=seed, fast_mode=fast_mode, nondet_tol=nondet_tol)
    if narrow:
        report = replace(report, notes=(*report.notes, f"the model is {' and '.join(narrow)}; what was checked is a float64 copy of it",))
    return _judged(report, type(module).__name__, raise_exception)


def _gradcheck(func: Callable[..., Any], inputs: Any, tolerance: Tolerance, fast_mode: bool, nondet_tol: float, seed: int) -> Report:
    given = _sequence(inputs)
    chosen = _chosen(given)
    copies = [Tensor(x, np.float64, requires_grad=True) if i in chosen else _plain(x) for i, x in enumerate(given)]
    leaves = {f"input {i}" + (f" {name!r}" if (name := getattr(given[i], "name", None)) else ""): copies[i] for i in chosen}
    report = compare(lambda: func(*copies), leaves, eps=tolerance.eps, atol=tolerance.atol, rtol=tolerance.rtol, fast_mode=fast_mode,
                     nondet_tol=nondet_tol, seed=seed)
    return replace(report, notes=report.notes + _notes(given))


def _sequence(inputs: Any) -> Sequence[Any]:
    return inputs if isinstance(inputs, tuple | list) else [inputs]


def _chosen(inputs: Sequence[Any]) -> list[int]:
    """Positions of the inputs whose gradient is checked."""
    floats = [i for i, x in enumerate(inputs) if isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f"]
    marked = [i for i in floats if isinstance(inputs[i], Variable) and inputs[i]._requires_grad]
    if not floats:
        raise TypeError("gradcheck needs at least one float input")
    return marked or floats


def _cotangents(given: Any, outputs: Sequence[Variable], seed: int) -> list[Any]:
    if given is None:
        rng = np.random.default_rng(seed + 1)
        return [random_signs(y._data.shape, rng) for y in outputs]
    arrays = [np.array(v._data if isinstance(v, Variable) else v, np.float64) for v in _sequence(given)]
    if [v.shape for v in arrays] != [y._data.shape for y in outputs]:
        raise ShapeError(f"grad_outputs have the shapes {[v.shape for v in arrays]}, the outputs {[y._data.shape for y in outputs]}")
    return arrays


def _plain(x: Any) -> Any:
    """An input that is not checked: its floats in float64 too, so that nothing falls back to float32 on the way."""
    if isinstance(x, Variable):
        return Tensor(x, np.float64 if x._data.dtype.kind == "f" else None)
    return x.astype(np.float64) if getattr(getattr(x, "dtype", None), "kind", "") == "f" else x


def _notes(given: Sequence[Any]) -> tuple[str, ...]:
    narrow = [(i, x.dtype) for i, x in enumerate(given) if getattr(getattr(x, "dtype", None), "kind", "") == "f" and x.dtype != np.float64]
    said = ", ".join([f"input {i} ({dtype})" for i, dtype in narrow])
    return (f"checked in float64 copies: {said}",) if narrow else ()


def _name(func: Callable[..., Any]) -> str:
    return str(getattr(func, "__name__", repr(func)))


def _judged(report: Report, name: str, raise_exception: bool) -> Report:
    if raise_exception and not report:
        raise GradcheckError(f"gradcheck of {name}: {report}")
    return report
