"""Are the gradients right? Recorded gradients against finite differences, in float64, of functions and of whole models."""

from .audit import Audit, audit
from .differences import Report, Row, compare
from .gradcheck import check_module, gradcheck, gradgradcheck

__all__ = ["Audit", "Report", "Row", "audit", "check_module", "compare", "gradcheck", "gradgradcheck"]
