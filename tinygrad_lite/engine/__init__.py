"""The engine: a row of the table (`Op`), the record of a call (`Node`), and the chain rule over records (`sweep`).

It knows no op by name and no layer; read op, record, sweep, in that order.
"""

from .capture import Call, Tape, capture, escapes, live
from .checks import named
from .default import get_default_dtype, set_default_dtype
from .guard import guard, guarded, lifted
from .live import Live, Settings, condition
from .modes import ANOMALY, CAPTURE, GUARD, NotBatched, enable_grad, here, is_grad_enabled, no_grad, once_for_each
from .notice import mixed, note_mixed, quiet, warn_if_mixed, warn_once
from .op import Op
from .origin import Cut, Scope, describe, is_library, line_number, module_path, parameter_paths, source_line, where
from .record import LENT, Node, Removable, Variable, birth, handle, made_by, on_numpy
from .sweep import Step, newest_first, sweep, unbroadcast
from .trees import flatten
from .writes import stamp, write, writes

__all__ = ["ANOMALY", "CAPTURE", "GUARD", "LENT", "Call", "Cut", "Live", "Node", "NotBatched", "Op", "Removable", "Scope", "Settings", "Step",
           "Tape", "Variable", "birth", "capture", "condition", "describe", "enable_grad", "escapes", "flatten", "get_default_dtype",
           "guard", "guarded", "handle", "here", "is_grad_enabled", "is_library", "lifted", "line_number", "live", "made_by", "mixed",
           "module_path", "named", "newest_first", "no_grad", "note_mixed", "on_numpy", "once_for_each", "parameter_paths", "quiet",
           "set_default_dtype", "source_line", "stamp", "sweep", "unbroadcast", "warn_if_mixed", "warn_once", "where", "write", "writes"]
