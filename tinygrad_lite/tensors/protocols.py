"""NumPy's own protocols, upward: `np.exp(t)`, `np.concatenate([t, u])` and `array * t` find the row of the table, and are recorded.

The lookup is by the function object. What has no row is an error that says so; nothing is turned into an array behind the user's back.
"""

import inspect
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import takewhile
from typing import Any

import numpy as np

from ..ops import factor, norms, public, scipy_ufuncs, spectral, table

__all__ = ["call_function", "call_ufunc", "functions", "ufuncs"]

ufuncs: dict[Any, Callable[..., Any]] = {op.forward: op for op in table.values() if isinstance(op.forward, np.ufunc)}
ufuncs |= {ufunc: function for name, function in public.items() if isinstance(ufunc := getattr(np, name, None), np.ufunc)}
ufuncs |= {np.conjugate: public["positive"]}
_reductions = {np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min", np.logical_and: "all", np.logical_or: "any",
               np.logaddexp: "logsumexp"}
_accumulations = {np.add: "cumsum", np.multiply: "cumprod", np.maximum: "cummax", np.minimum: "cummin"}


def _diagonals(x: Any, *, offset: int = 0) -> Any:
    """The diagonal of each matrix in a stack: the last two axes."""
    return public["diagonal"](x, offset, -2, -1)


functions: dict[Any, Callable[..., Any]] = {getattr(np, name): function for name, function in public.items() if hasattr(np, name)}
functions |= {getattr(np.linalg, name): getattr(room, name) for room in (factor, norms, spectral) for name in room.__all__
               if hasattr(np.linalg, name)}
functions |= {getattr(np.linalg, name): public[name] for name in ("cross", "matmul", "outer", "tensordot", "vecdot")}
functions |= {np.linalg.trace: norms.matrix_trace, np.linalg.matrix_transpose: public["matrix_transpose"],
              np.linalg.diagonal: _diagonals}
functions |= {np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim, np.size: lambda x: x.size}
functions |= {np.around: public["round"], np.fix: public["trunc"], np.amax: public["max"], np.amin: public["min"]}
functions.pop(np.put_along_axis, None)  # it writes in place


def _where(condition: Any, *choices: Any) -> Any:
    """`where` with its choices; without, the places where the condition holds, one array of indices for each axis."""
    return public["where"](condition, *choices) if choices else public["nonzero"](condition)


functions[np.where] = _where


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """`__array_ufunc__`: np.exp(t), t added to an array, np.add.reduce(t, axis)."""
    if keywords.get("out") is not None:
        raise TypeError(f"np.{ufunc.__name__}(..., out=...) with a Tensor: results are new Tensors. "
                        "For an array that should change in place, use the Tensor's .data")
    ours = (ufuncs.get(ufunc) or scipy_ufuncs.row_of(ufunc)) if method == "__call__" else None
    if ours is not None:
        if keywords:
            raise TypeError(f"np.{ufunc.__name__} of a Tensor does not take {', '.join(keywords)}")
        return ours(*inputs)
    if method == "reduce" and ufunc in _reductions:
        return _reduce(_reductions[ufunc], *inputs, **keywords)
    if method == "accumulate" and ufunc in _accumulations:
        return _accumulate(_accumulations[ufunc], *inputs, **keywords)
    call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    raise _missing(call)


def _reduce(name: str, x: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    if dtype is not None:
        raise TypeError(f"a reduction of a Tensor does not take dtype; write {name}(x.astype(dtype))")
    return table[name](x, axis=axis, keepdims=keepdims)


def _accumulate(name: str, x: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    if dtype is not None:
        raise TypeError(f"accumulate of a Tensor does not take dtype; write {name}(x.astype(dtype), axis={axis})")
    return table[name](x, axis=axis)


def call_function(function: Callable[..., Any], args: Iterable[Any], keywords: dict[str, Any]) -> Any:
    """`__array_function__`: np.concatenate([t, u]), np.where(t > 0, t, 0), np.sum(t)."""
    ours = functions.get(function)
    if ours is None:
        module = getattr(function, "__module__", "numpy").removeprefix("numpy").strip(".")
        raise _missing(".".join([*([module] if module else []), getattr(function, "__name__", str(function))]))
    return ours(*_in_order(function, tuple(args), keywords), **keywords)


def _in_order(function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments that NumPy demands, where they were given by NumPy's names for them: np.sum(a=t) is np.sum(t). Taken out of `keywords`."""
    for name in _demanded(function)[len(args):]:
        if name not in keywords:
            break
        args += (keywords.pop(name),)
    return args


@lru_cache(maxsize=512)
def _demanded(function: Callable[..., Any]) -> list[str]:
    """The names of NumPy's leading parameters, as far as none has a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some functions made in C do not say, and take no names
        return []
    return [p.name for p in takewhile(lambda p: p.default is p.empty and p.kind is not p.VAR_POSITIONAL, parameters)]


def _missing(call: str) -> TypeError:
    return TypeError(f"np.{call} has no gradient rule here, so it does not take Tensors. For the plain value, pass t.detach().numpy()")


