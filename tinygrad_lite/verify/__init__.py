"""Are the gradients right? Recorded gradients against finite differences, in float64, of functions and of whole models."""

from .anomaly import detect_anomaly
from .audit import Audit, audit
from .claims import check
from .gradcheck import check_module, gradcheck, gradgradcheck
from .recorded import compare
from .report import Entry, Report, Row

__all__ = ["Audit", "Entry", "Report", "Row", "audit", "check", "check_module", "compare", "detect_anomaly", "gradcheck", "gradgradcheck"]
