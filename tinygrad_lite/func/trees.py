"""The leaves of arguments and results (numbers, arrays, Tensors): tracked, and given back as the caller's own kind."""

from typing import Any

import numpy as np

from ..engine import Variable, flatten, handle
from ..errors import DtypeError
from ..ops.shape import copy
from ..tensors import Tensor
from ..tensors.dtypes import as_array

__all__ = ["as_like", "has_tensor", "plain", "track"]


def has_tensor(tree: Any) -> bool:
    return any(isinstance(leaf, Variable) for leaf in flatten(tree)[0])


def track(x: Any, where: str) -> Any:
    """A Tensor that stands for x alone: gradients with respect to it are asked for here, and go on to x where x is tracked itself."""
    if isinstance(x, Variable) and x._requires_grad:
        return copy(x)
    array = as_array(x)
    if array.dtype.kind != "f":
        raise DtypeError(f"{where} differentiates floats; an argument is of dtype {array.dtype}: write 3.0 for 3, or leave it out by argnums")
    return handle(Tensor, array, True)


def plain(result: Any, like: Any, tensors: bool) -> Any:
    """A result as the caller's own kind: a Tensor where Tensors came in or an outer transform needs it, else an array; a float for a float."""
    if tensors or (isinstance(result, Variable) and result._requires_grad):
        return result if isinstance(result, Variable) else handle(Tensor, result)
    array = result._data if isinstance(result, Variable) else result
    return array.item() if type(like) is float and np.ndim(array) == 0 else array


def as_like(x: Any, other: Any) -> Any:
    """x, an array or a number, as an array of the dtype and kind of another."""
    if hasattr(x, "__array_function__"):
        return x.astype(other.dtype, copy=False)
    return np.asarray(x, dtype=other.dtype, like=other)
