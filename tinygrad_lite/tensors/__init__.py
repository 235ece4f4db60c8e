"""The public face of the record: the class `Tensor`, how it is made, and how gradients are asked of it.

Called `tensors` because `tl.tensor` is a function, and a folder and a public function never share a name.
"""

from ..engine import get_default_dtype, set_default_dtype
from .create import arange, default_generator, eye, from_numpy, full, linspace, manual_seed, ones, rand, randn, tensor, zeros
from .gradients import grad
from .tensor import Tensor

__all__ = ["Tensor", "arange", "default_generator", "eye", "from_numpy", "full", "get_default_dtype", "grad", "linspace", "manual_seed", "ones",
           "rand", "randn", "set_default_dtype", "tensor", "zeros"]
