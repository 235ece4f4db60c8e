"""An array that is not NumPy's: it wraps one, speaks NumPy's protocols, and refuses to be turned into it. CuPy's arrays behave so."""

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

__all__ = ["Duck", "unwrap"]


def unwrap(x: Any) -> Any:
    """The NumPy arrays inside, wherever a Duck stands in x."""
    if isinstance(x, Duck):
        return x.inside
    if isinstance(x, list):
        return [unwrap(v) for v in x]
    if isinstance(x, tuple):
        return tuple(unwrap(v) for v in x)
    if isinstance(x, dict):
        return {key: unwrap(v) for key, v in x.items()}
    return x


def wrap(x: Any) -> Any:
    if isinstance(x, np.ndarray | np.generic):
        return Duck(np.asarray(x))  # reductions give 0-d arrays, as CuPy's do
    return [wrap(v) for v in x] if isinstance(x, list) else tuple(wrap(v) for v in x) if isinstance(x, tuple) else x


def strange(x: Any) -> bool:
    """Is a NumPy array of one entry or more mixed in? CuPy refuses that; 0-d ones it takes."""
    if isinstance(x, list | tuple):
        return any(strange(v) for v in x)
    return isinstance(x, np.ndarray) and x.ndim > 0


class Duck(NDArrayOperatorsMixin):
    def __init__(self, inside: Any) -> None:
        self.inside = inside

    def __array__(self, *args: Any, **keywords: Any) -> Any:
        raise TypeError("this array cannot become NumPy's without a word")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        if strange(inputs):
            return NotImplemented
        return wrap(getattr(ufunc, method)(*unwrap(inputs), **unwrap(keywords)))

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        if strange(args) or strange(tuple(keywords.values())):
            return NotImplemented
        keywords.pop("like", None)
        return wrap(function(*unwrap(args), **unwrap(keywords)))

    def __getattr__(self, name: str) -> Any:  # shape, dtype, ndim, reshape, astype, sum, T, ...
        if name in ("inside", "__array_interface__", "__array_struct__", "base"):
            raise AttributeError(name)
        value = getattr(self.inside, name)
        return (lambda *args, **keywords: wrap(value(*unwrap(args), **unwrap(keywords)))) if callable(value) and name != "dtype" else wrap(value)

    def __getitem__(self, key: Any) -> Any:
        return wrap(self.inside[unwrap(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        assert not strange(value)
        self.inside[unwrap(key)] = unwrap(value)

    def __len__(self) -> int:
        return len(self.inside)

    def __bool__(self) -> bool:
        return bool(self.inside)
