"""The dtype of numbers that have none: Python's floats, where no array beside them says otherwise. Ops never look at it; who calls them may."""

from typing import Any

import numpy as np

from ..errors import DtypeError

__all__ = ["get_default_dtype", "set_default_dtype"]

_default: np.dtype[Any] = np.dtype(np.float32)


def get_default_dtype() -> np.dtype[Any]:
    """The dtype of Tensors made from Python floats, and of parameters: float32 unless set."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Make `dtype`, a float dtype, the default for Python floats and parameters. It holds for all threads."""
    global _default
    new = np.dtype(dtype)
    if new.kind != "f":
        raise DtypeError(f"the default dtype must be a float dtype, not {new}")
    _default = new
