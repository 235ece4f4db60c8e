"""tinygrad_lite: autograd for small networks on NumPy.

A `Tensor` records the computation graph; `backward()` goes through it in reverse and fills `.grad`, to any order. Layers are in `nn`,
optimizers in `optim`; `verify` holds gradients against finite differences, `viz` shows the graph. NumPy's functions take Tensors, and are
here under their own names too.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import nn, ops, optim
from .engine import Op, enable_grad, is_grad_enabled, no_grad
from .errors import TinygradError
from .ops import names
from .ops.names import *  # noqa: F403
from .tensors import (
    Tensor,
    arange,
    eye,
    from_numpy,
    full,
    get_default_dtype,
    linspace,
    manual_seed,
    ones,
    rand,
    randn,
    set_default_dtype,
    tensor,
    zeros,
)

if TYPE_CHECKING:
    from . import autograd, coverage, data, func, linalg, train, utils, verify, viz
    from .viz import profile

__version__ = "0.1.0"

__all__ = ["Op", "Tensor", "TinygradError", "arange", "autograd", "coverage", "data", "enable_grad", "eye", "from_numpy", "full", "func",
           "get_default_dtype", "is_grad_enabled", "linalg", "linspace", "manual_seed", "nn", "no_grad", "ones", "ops", "optim", "profile",
           "rand", "randn", "set_default_dtype", "tensor", "train", "utils", "verify", "viz", "zeros"]
__all__ += names.__all__

del names

_ROOMS = {"autograd", "coverage", "data", "func", "linalg", "train", "utils", "verify", "viz"}  # imported when first asked for


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "profile":
        return importlib.import_module(f"{__name__}.viz").profile
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__ + ["__version__"]
