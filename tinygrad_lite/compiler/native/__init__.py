"""The native backend: a program as machine code, compiled by numba and kept on disk, that does a whole step in one call.

A step of a small network is mostly the time between its NumPy calls. Here there are none: one call runs all of it.
"""

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..memory import Plan
from ..program import Call, Program
from .cache import load
from .places import Unsupported
from .source import native_source

__all__ = ["BACKENDS", "Native", "native"]

BACKENDS = ("numpy", "native")


class Native(NamedTuple):
    text: str  # the source of the kernels and of the step that calls them
    step: Callable[..., Any]  # called as the NumPy program's step is, with the same results
    numpy_calls: list[Call]  # calls that have no native form and are made as NumPy calls between two kernels


def native(program: Program, plan: Plan, gradients: dict[Any, Any]) -> Native | None:
    """The native form of `program`, whose arrays are where they will stay; None, with a warning that says why, where there is none.

    gradients: leaf -> the array in which its gradient is left.
    """
    if importlib.util.find_spec("numba") is None:
        warnings.warn(f"{program.name} runs as NumPy calls: backend='native' needs numba: pip install 'tinygrad_lite[native]'", stacklevel=2)
        return None
    from numba.core.errors import NumbaError

    try:
        source = native_source(program, plan, gradients)
        module = load(source.text)
    except (Unsupported, NumbaError) as reason:
        warnings.warn(f"{program.name} runs as NumPy calls, not natively: {str(reason) or type(reason).__name__}", stacklevel=2)
        return None
    table = np.array([array.__array_interface__["data"][0] for array in source.table], np.int64)
    step = module.build(table, *source.views.values(), *source.objects.values())
    step.arrays = source.table  # what the addresses point to lives as long as the step
    return Native(source.text, step, source.numpy_calls)
