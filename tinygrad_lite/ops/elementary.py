"""Elementary functions of one real variable (and arctan2), and the activations of small networks.

Each rule is written from the output where that is cheaper or more exact than from the input.
"""

from typing import Any

import numpy as np

from ..engine import Op
from .rows import MANY, zeros

__all__ = ["arctan", "arctan2", "cos", "cosh", "exp", "expm1", "log", "log1p", "relu", "sigmoid", "sin", "sinh", "softplus", "tan", "tanh"]

exp = Op("exp", np.exp, lambda g, y, x: g * y,
         doc="y = e^x; dy/dx = y")
expm1 = Op("expm1", np.expm1, lambda g, y, x: g * (y + 1),
           doc="y = e^x - 1, exact near 0; dy/dx = y + 1")
log = Op("log", np.log, lambda g, y, x: g / x,
         doc="y = ln x; dy/dx = 1 / x")
log1p = Op("log1p", np.log1p, lambda g, y, x: g / (x + 1),
           doc="y = ln(1 + x), exact near 0; dy/dx = 1 / (1 + x)")
sin = Op("sin", np.sin, lambda g, y, x: g * cos(x),
         doc="y = sin x")
cos: Op = Op("cos", np.cos, lambda g, y, x: -g * sin(x),
         doc="y = cos x")
tan = Op("tan", np.tan, lambda g, y, x: g * (1 + y * y),
         doc="y = tan x; dy/dx = 1 + y^2")
sinh = Op("sinh", np.sinh, lambda g, y, x: g * cosh(x),
          doc="y = sinh x")
cosh: Op = Op("cosh", np.cosh, lambda g, y, x: g * sinh(x),
          doc="y = cosh x")
tanh = Op("tanh", np.tanh, lambda g, y, x: g * (1 - y * y),
          doc="y = tanh(x); dy/dx = 1 - y^2, from y: cheaper than cosh, relative error 1e-8 at |x| = 10")
arctan = Op("arctan", np.arctan, lambda g, y, x: g / (1 + x * x),
            doc="y = arctan x; dy/dx = 1 / (1 + x^2)")
arctan2 = Op("arctan2", np.arctan2, lambda g, y, a, b: g * b / (a * a + b * b), lambda g, y, a, b: -g * a / (a * a + b * b),
             doc="y = the angle of the point (b, a); dy/da = b / (a^2 + b^2), dy/db = -a / (a^2 + b^2)")


def _sigmoid(x: Any) -> Any:
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))  # no overflow on either side, and exact to the last digits at x = -700


def _relu(x: Any) -> Any:
    if type(x) is np.ndarray and x.size <= MANY and x.dtype.char in "fd":
        return np.maximum(x, zeros(x.shape, x.dtype))
    return np.maximum(x, 0)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


sigmoid = Op("sigmoid", _sigmoid, lambda g, y, x: g * y * (1 - y),
             doc="y = 1 / (1 + e^-x); dy/dx = y (1 - y)")
relu = Op("relu", _relu, lambda g, y, x: g * (y > 0),
          doc="y = max(x, 0); dy/dx = 1 where x > 0, and 0 at x = 0")
softplus = Op("softplus", _softplus, lambda g, y, x: g * sigmoid(x),
              doc="y = ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), exact at |x| = 1000; dy/dx = sigmoid(x)")
