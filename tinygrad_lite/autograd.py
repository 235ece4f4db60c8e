"""What PyTorch users look for under this name, gathered; it holds no code of its own."""

from .engine import enable_grad, guard, is_grad_enabled, no_grad
from .func.function import Function
from .tensors import grad
from .tensors.gradients import backward
from .verify import detect_anomaly, gradcheck, gradgradcheck

__all__ = ["Function", "backward", "detect_anomaly", "enable_grad", "grad", "gradcheck", "gradgradcheck", "guard", "is_grad_enabled", "no_grad"]
