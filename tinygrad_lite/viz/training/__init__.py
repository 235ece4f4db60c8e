"""Pictures of a training and of what it trained: its history, sorted into `panels` that `curves` (matplotlib) and `svg` (our own ink, NumPy alone)
both draw; gradients and weights (`parameters`); decision regions and confusion (`classes`).
"""

from .classes import confusion, decision
from .curves import curves
from .parameters import gradients, weights
from .svg import curves_svg

__all__ = ["confusion", "curves", "curves_svg", "decision", "gradients", "weights"]
