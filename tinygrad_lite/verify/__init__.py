"""Are the gradients right? Recorded gradients against finite differences, in float64, of functions and of whole models."""

from .anomaly import detect_anomaly
from .audit import Audit, audit
from .claims import check
from .diagnose import Diagnosis, Finding, diagnose
from .gradcheck import check_module, gradcheck, gradgradcheck
from .oracle import Oracle, oracle
from .recorded import compare
from .report import Entry, Report, Row

__all__ = ["Audit", "Diagnosis", "Entry", "Finding", "Oracle", "Report", "Row", "audit", "check", "check_module", "compare", "detect_anomaly",
           "diagnose", "gradcheck", "gradgradcheck", "oracle"]
