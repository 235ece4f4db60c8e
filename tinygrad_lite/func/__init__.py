"""Transforms of functions, with torch.func's names: gradients, Jacobians, Hessians, batches. They nest in any order."""

from .checkpoint import checkpoint
from .forward import jacfwd, jvp, linearize
from .function import Context, Function
from .modules import functional_call
from .reverse import grad, hessian, hvp, jacrev, value_and_grad, vjp
from .vmap import vmap

__all__ = ["Context", "Function", "checkpoint", "functional_call", "grad", "hessian", "hvp", "jacfwd", "jacrev", "jvp", "linearize",
           "value_and_grad", "vjp", "vmap"]
