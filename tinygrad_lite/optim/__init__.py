"""Optimizers and learning-rate schedules. Each writes its update once; it runs on arrays, and is captured on Tensors."""

from . import lr_scheduler
from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["Adam", "AdamW", "Optimizer", "SGD", "lr_scheduler"]
