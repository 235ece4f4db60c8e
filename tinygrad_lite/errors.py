"""What can go wrong, as a tree. Each class also is the built-in exception that a NumPy or PyTorch user would catch.

    TinygradError
    ├── ShapeError        (ValueError)        shapes that do not go together
    ├── DtypeError        (TypeError)         a dtype that cannot do what is asked: an integer gradient
    ├── GradError         (RuntimeError)      a backward pass that cannot be run, or would be wrong
    ├── CompileError      (RuntimeError)      a function that cannot be replayed as it was captured
    ├── GradcheckError    (AssertionError)    a gradient that differs from its finite difference
    ├── AnomalyError      (ArithmeticError)   the first nan or infinity, under detect_anomaly
    ├── StateError        (KeyError)          a state_dict that does not fit its module or optimizer
    ├── DataError         (ValueError)        a table that cannot be trained on
    ├── DivergenceError   (ArithmeticError)   a training whose loss left the finite numbers
    └── MissingExtra      (ImportError)       an optional package that is not installed
    GradWarning           (UserWarning)       a training step that runs, and is probably not what is meant

An exception that NumPy raises inside an op keeps its type and gains a note (`BaseException.add_note`) with op and line.
"""

__all__ = ["AnomalyError", "CompileError", "DataError", "DivergenceError", "DtypeError", "GradError", "GradWarning", "GradcheckError", "MissingExtra",
           "ShapeError",
           "StateError", "TinygradError"]


class TinygradError(Exception):
    """The root: `except TinygradError` catches all that this package raises by itself."""


class ShapeError(TinygradError, ValueError):
    """Two shapes, or a shape and a layer, do not go together; the message gives both."""


class DtypeError(TinygradError, TypeError):
    """A dtype cannot do what is asked, such as an integer Tensor that should require a gradient."""


class GradError(TinygradError, RuntimeError):
    """A backward pass that cannot be run, or whose result would be wrong."""


class CompileError(TinygradError, RuntimeError):
    """A function that cannot be replayed as it was captured: the message names the line, and what to do."""


class GradWarning(UserWarning):
    """A step that runs and is probably not what is meant: a step with a gradient that was used before; a softmax taken twice."""


class GradcheckError(TinygradError, AssertionError):
    """A gradient differs from its finite difference by more than the tolerance."""


class AnomalyError(TinygradError, ArithmeticError):
    """An op, or a backward rule, made nan or inf of finite numbers; the message names it."""


class StateError(TinygradError, KeyError):
    """A state_dict has keys that its owner lacks, or lacks keys that its owner has."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError alone would print the repr, newlines escaped


class DataError(TinygradError, ValueError):
    """A table that cannot be trained on: the message names the file, the column and the row."""


class DivergenceError(TinygradError, ArithmeticError):
    """The loss became infinite or not a number while training."""


class MissingExtra(TinygradError, ImportError):
    """An optional package is not installed; the message says which `pip install` brings it."""
