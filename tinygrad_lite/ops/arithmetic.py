"""Arithmetic, comparison and choice: what the operators of a Tensor stand for, with maximum, minimum, clip and where.

Constants stay Python numbers, which NumPy 2 takes for weak: a float32 array stays float32. Masks multiply `g` directly and never
meet a Python float first, since bool * 0.5 would be float64.
"""

import math
from typing import Any

import numpy as np

from ..engine import Op, get_default_dtype
from .elementary import log
from .indexing import ARRAY, gather, scatter_add
from .shape import broadcast_to

__all__ = ["abs", "add", "clip", "divide", "equal", "floor_divide", "greater", "greater_equal", "isfinite", "isinf", "isnan", "less",
           "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "negative",
           "not_equal", "power", "reciprocal", "remainder", "sign", "sqrt", "square", "subtract", "where"]

add = Op("add", np.add, lambda g, y, a, b: g, lambda g, y, a, b: g,
         doc="y = a + b")
subtract = Op("subtract", np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g,
              doc="y = a - b")
multiply = Op("multiply", np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a,
              doc="y = a b")
divide = Op("divide", np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b,
            doc="y = a / b; dy/db = -y / b")
negative = Op("negative", np.negative, lambda g, y, x: -g,
              doc="y = -x")
reciprocal = Op("reciprocal", np.reciprocal, lambda g, y, x: -g * y * y,
                doc="y = 1 / x; dy/dx = -y^2")
square = Op("square", np.square, lambda g, y, x: g * (2 * x),
            doc="y = x^2")
sqrt = Op("sqrt", np.sqrt, lambda g, y, x: g / (2 * y),
          doc="y = x^(1/2); dy/dx = 1 / (2 y), and inf at x = 0")
abs = Op("abs", np.abs, lambda g, y, x: g * sign(x),
         doc="y = |x|; dy/dx = sign(x), and 0 at x = 0")
sign: Op = Op("sign", np.sign, lambda g, y, x: g * 0,
          doc="y = -1, 0, 1; dy/dx = 0 everywhere, also at the step")
floor_divide = Op("floor_divide", np.floor_divide, None, None,
                  doc="y = floor(a / b): a step function, no gradient flows")
remainder = Op("remainder", np.remainder, lambda g, y, a, b: g, lambda g, y, a, b: -g * floor_divide(a, b),
               doc="y = a - b floor(a / b), the sign of b; the step at each multiple of b has no gradient")


def _power(a: Any, b: Any) -> Any:
    if type(b) is int and b == 2:
        return np.square(a)
    if type(b) is int and b == 3:
        return a * a * a  # np.power is 60 times slower for float32 a < 0
    return np.power(a, b)


def _power_by_base(g: Any, y: Any, a: Any, b: Any) -> Any:
    if isinstance(b, int | float):
        return g * (b * _integer_power(a, b - 1)) if b else g * 0
    return g * (b * a ** where(b == 0, 1, b - 1))  # where b is 0 any exponent will do, and 1 makes no infinity


def _integer_power(a: Any, b: float) -> Any:
    return 1 if b == 0 else a if b == 1 else a ** b


power = Op("power", _power, _power_by_base,
           lambda g, y, a, b: g * y * _log_of_base(a), broadcasts=True,
           doc="y = a^b; dy/da = b a^(b-1), 0 where b = 0; dy/db = y log(a), 0 where a = 0, nan where a < 0")


def _log_of_base(a: Any) -> Any:
    if isinstance(a, int | float):
        return math.log(a) if a > 0 else math.nan if a < 0 else 0.0
    return log(where(a == 0, 1, a))


maximum = Op("maximum", np.maximum, lambda g, y, a, b: _share(g, a, b, a > b), lambda g, y, a, b: _share(g, a, b, b > a),
             doc="y = max(a, b); equal entries share the gradient, half each")
minimum = Op("minimum", np.minimum, lambda g, y, a, b: _share(g, a, b, a < b), lambda g, y, a, b: _share(g, a, b, b < a),
             doc="y = min(a, b); equal entries share the gradient, half each")


def _share(g: Any, a: Any, b: Any, chosen: Any) -> Any:
    return g * chosen + g * 0.5 * (equal(a, b))


def _clip(x: Any, low: Any, high: Any) -> Any:
    return np.clip(x, low, high)


clip_op = Op("clip", _clip, lambda g, y, x, low, high: g * _inside(x, low, high),
             lambda g, y, x, low, high: g * _at_low(x, low, high), lambda g, y, x, low, high: g * _at_high(x, low, high), broadcasts=True,
             doc="y = min(max(x, low), high); the gradient passes where low <= x <= high, bounds included, else goes to the bound that y is")


def _inside(x: Any, low: Any, high: Any) -> Any:
    if low is None or high is None:
        return x >= low if high is None else x <= high
    return (x >= low) * (x <= high)


def _at_low(x: Any, low: Any, high: Any) -> Any:
    return x < low if high is None else (x < low) * (low < high)


def _at_high(x: Any, low: Any, high: Any) -> Any:
    return x > high if low is None else logical_or(x > high, low > high)


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """min(max(a, a_min), a_max), entry by entry; a bound that is None does not bind. `min` and `max` are NumPy 2's names for them.

    The gradient passes where a_min <= a <= a_max, bounds included (as in PyTorch), and is 0 outside.
    """
    low = a_min if min is None else min
    high = a_max if max is None else max
    if low is None and high is None:
        raise ValueError("clip() needs a lower or an upper bound")
    return clip_op(a, low, high)


where_op: Op = Op("where", np.where, None, lambda g, y, condition, a, b: where_op(condition, g, 0),
                  lambda g, y, condition, a, b: where_op(condition, 0, g), broadcasts=True,
                  doc="y = a where condition, else b. Both are computed before: nan in the one not chosen gives a nan gradient there")


def where(condition: Any, a: Any, b: Any, *xs: Any) -> Any:
    """a where condition, else b, entry by entry. Two Python floats take the default dtype: a float32 network stays float32.

    Both are computed before: where(x > 0, log(x), 0) has the gradient nan at 0. Two remedies: choose the argument first,
    log(where(x > 0, x, 1)); or pass functions and what they are of, where(x > 0, log, 0, x): each is called with the entries of xs that it
    is chosen for, and with no others.
    """
    if callable(a) or callable(b):
        return _by_branches(condition, a, b, xs)
    if xs:
        raise TypeError("where(condition, a, b, *xs): xs are what a and b are functions of, and neither is a function")
    if isinstance(a, int | float) and isinstance(b, int | float) and (type(a) is float or type(b) is float):
        a = np.asarray(a, get_default_dtype())
    return where_op(condition, a, b)


def _by_branches(condition: Any, a: Any, b: Any, xs: tuple[Any, ...]) -> Any:
    shape = condition.shape
    wide = [x if x.shape == shape else broadcast_to(x, shape=shape) for x in xs]

    def branch(chosen: Any, function: Any) -> Any:
        values = function(*[gather(x, chosen, template=(ARRAY,)) for x in wide])
        return scatter_add(values, chosen, template=(ARRAY,), shape=shape)

    if not callable(b):
        return where_op(condition, branch(condition, a), b)
    otherwise = branch(logical_not(condition), b)
    return branch(condition, a) + otherwise if callable(a) else where_op(condition, a, otherwise)


greater = Op("greater", np.greater, None, None, doc="a > b")
greater_equal = Op("greater_equal", np.greater_equal, None, None, doc="a >= b")
less = Op("less", np.less, None, None, doc="a < b")
less_equal = Op("less_equal", np.less_equal, None, None, doc="a <= b")
equal = Op("equal", np.equal, None, None, doc="a == b")
not_equal = Op("not_equal", np.not_equal, None, None, doc="a != b")
logical_and = Op("logical_and", np.logical_and, None, None, doc="a and b")
logical_or = Op("logical_or", np.logical_or, None, None, doc="a or b")
logical_xor = Op("logical_xor", np.logical_xor, None, None, doc="a xor b")
logical_not = Op("logical_not", np.logical_not, None, doc="not a")
isnan = Op("isnan", np.isnan, None, doc="is it not a number?")
isinf = Op("isinf", np.isinf, None, doc="is it infinite?")
isfinite = Op("isfinite", np.isfinite, None, doc="is it a finite number?")
