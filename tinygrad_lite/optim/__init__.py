"""Optimizers. Each writes its update once; it runs on arrays, and is captured on Tensors."""

from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["Optimizer", "SGD"]
