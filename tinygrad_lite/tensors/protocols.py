"""NumPy's own protocols, upward: `np.exp(t)`, `np.concatenate([t, u])` and `array * t` find the row of the table, and are recorded.

The lookup is by the function object. What has no row is an error that says so; nothing is turned into an array behind the user's back.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..engine import Op
from ..ops import public, table

__all__ = ["call_function", "call_ufunc"]

_ufuncs: dict[Any, Op] = {op.forward: op for op in table.values() if isinstance(op.forward, np.ufunc)}
_ufuncs |= {ufunc: table[name] for name in ("power",) if isinstance(ufunc := getattr(np, name), np.ufunc)}
_reductions = {np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min", np.logical_and: "all", np.logical_or: "any"}
_functions: dict[Any, Callable[..., Any]] = {getattr(np, name): function for name, function in public.items() if hasattr(np, name)}
_functions |= {np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim, np.size: lambda x: x.size}


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """`__array_ufunc__`: np.exp(t), t added to an array, np.add.reduce(t, axis)."""
    if keywords.get("out") is not None:
        raise TypeError(f"np.{ufunc.__name__}(..., out=...) with a Tensor: results are new Tensors. "
                        "For an array that should change in place, use the Tensor's .data")
    if method == "__call__" and ufunc in _ufuncs:
        if keywords:
            raise TypeError(f"np.{ufunc.__name__} of a Tensor does not take {', '.join(keywords)}")
        return _ufuncs[ufunc](*inputs)
    if method == "reduce" and ufunc in _reductions:
        return _reduce(_reductions[ufunc], *inputs, **keywords)
    call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    raise _missing(call)


def _reduce(name: str, x: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    if dtype is not None:
        raise TypeError(f"a reduction of a Tensor does not take dtype; write {name}(x.astype(dtype))")
    return table[name](x, axis=axis, keepdims=keepdims)


def call_function(function: Callable[..., Any], args: Iterable[Any], keywords: dict[str, Any]) -> Any:
    """`__array_function__`: np.concatenate([t, u]), np.where(t > 0, t, 0), np.sum(t)."""
    ours = _functions.get(function)
    if ours is None:
        module = getattr(function, "__module__", "numpy").removeprefix("numpy").strip(".")
        raise _missing(".".join([*([module] if module else []), getattr(function, "__name__", str(function))]))
    return ours(*args, **keywords)


def _missing(call: str) -> TypeError:
    return TypeError(f"np.{call} has no gradient rule here, so it does not take Tensors. For the plain value, pass t.detach().numpy()")


