"""Everything that `tinygrad_lite` hands on as its own name, gathered: Tensor and what makes one, NumPy's functions, modes, layers, optimizers.

The package imports this file, and with it NumPy, when the first of these names is asked for, and not before. `autograd`, `verify` and the
other rooms are imported one by one, when asked for.
"""

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

__all__ = ["Op", "Tensor", "TinygradError", "arange", "enable_grad", "eye", "from_numpy", "full", "get_default_dtype", "is_grad_enabled", "linspace",
           "manual_seed", "nn", "no_grad", "ones", "ops", "optim", "rand", "randn", "set_default_dtype", "tensor", "zeros"]
__all__ += names.__all__
