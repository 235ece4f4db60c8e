"""Training: the loop (`fit`), and the job around it that the command line runs on a table.

`prepare` (a table becomes a Task) -> `solve` (a Task becomes an Outcome) -> `write` (an Outcome becomes files);
the words for a reader are in `report`.
"""

from .compare import LeastSquares, least_squares, r2_score
from .files import TrainedModel, load_trained
from .fit import Epoch, History, fit
from .job import PENGUIN_JOB, Outcome, Settings, Task, prepare, solve, write

__all__ = [
    "PENGUIN_JOB",
    "Epoch",
    "History",
    "LeastSquares",
    "Outcome",
    "Settings",
    "Task",
    "TrainedModel",
    "fit",
    "least_squares",
    "load_trained",
    "prepare",
    "r2_score",
    "solve",
    "write",
]
