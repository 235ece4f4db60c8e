"""What PyTorch users look for under this name, gathered; it holds no code of its own."""

from .func.checkpoint import checkpoint

__all__ = ["checkpoint"]
