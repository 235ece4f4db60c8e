"""From what users have (numbers, lists, arrays, Tensors) to arrays.

An array keeps its dtype. Python floats, bare or in lists, have none: they take the default, float32; ints and bools stay ints and bools.
"""

from typing import Any

import numpy as np

from ..engine import Variable, get_default_dtype
from ..errors import DtypeError

__all__ = ["as_array", "check_differentiable"]

def as_array(data: Any, dtype: Any = None, copy: bool | None = None) -> Any:
    """The array of `data`: of a Tensor its own, of lists and numbers a new one. copy=True: never shared; None: shared where it can be."""
    if isinstance(data, Variable):
        data = data._data
    if hasattr(data, "__array_function__"):  # an array, of NumPy or of another library: left as what it is
        array = data.astype(data.dtype if dtype is None else np.dtype(dtype), copy=bool(copy))
    else:
        array = np.array([x._data if isinstance(x, Variable) else x for x in data] if isinstance(data, list | tuple) else data, dtype=dtype)
        if dtype is None and array.dtype == np.float64 and not _has_dtype(data):
            array = array.astype(get_default_dtype())
    if array.dtype.kind not in "biuf":
        raise DtypeError(f"a Tensor holds real numbers, not {array.dtype}: {str(data)[:60]}")
    return array


def _has_dtype(data: Any) -> bool:
    """Does the first entry bring a dtype of its own? np.float64(1.0) does, 1.0 does not."""
    while isinstance(data, list | tuple):
        if not data:
            return False
        data = data[0]
    return hasattr(data, "dtype")


def check_differentiable(array: Any) -> None:
    """A gradient needs real numbers: floats."""
    if array.dtype.kind != "f":
        raise DtypeError(f"a Tensor of dtype {array.dtype} cannot require a gradient: it needs a float dtype, "
                         "such as tensor(data, dtype='float32')")
