"""Are the gradients right? Recorded gradients against finite differences, in float64, of functions and of whole models."""

from .differences import Report, Row, compare
from .gradcheck import check_module, gradcheck, gradgradcheck

__all__ = ["Report", "Row", "check_module", "compare", "gradcheck", "gradgradcheck"]
