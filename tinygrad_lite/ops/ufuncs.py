"""The other elementwise functions of NumPy on floats: roots and logarithms, inverse functions, angles, steps, pairs.

With `arithmetic` and `elementary` these are all the ufuncs that have a derivative. Steps have the gradient 0, as
`sign` has.
"""

import math
from typing import Any

import numpy as np

from ..engine import Op
from .arithmetic import equal, floor_divide, isfinite, isnan, logical_or, power, remainder, sign, sqrt, where
from .elementary import sigmoid
from .shape import astype, zeros_like

__all__ = ["arccos", "arccosh", "arcsin", "arcsinh", "arctanh", "cbrt", "ceil", "copysign", "deg2rad", "degrees",
           "divmod", "exp2", "fabs", "float_power", "floor", "fmax", "fmin", "fmod", "heaviside", "hypot", "ldexp",
           "lerp", "log10", "log2", "logaddexp", "logaddexp2", "modf", "nan_to_num", "positive", "rad2deg", "radians",
           "rint", "round", "signbit", "trunc"]

LN2, LN10 = math.log(2), math.log(10)
DEGREE = math.pi / 180  # in radians

# ---- one argument, smooth

positive = Op("positive", np.positive, lambda g, y, x: g,
              doc="y = x")
fabs = Op("fabs", np.fabs, lambda g, y, x: g * sign(x),
          doc="y = |x|, a float for integers too; dy/dx = sign(x), and 0 at x = 0")
exp2 = Op("exp2", np.exp2, lambda g, y, x: g * (y * LN2),
          doc="y = 2^x; dy/dx = y ln 2")
log2 = Op("log2", np.log2, lambda g, y, x: g / (x * LN2),
          doc="y = ln x / ln 2; dy/dx = 1 / (x ln 2)")
log10 = Op("log10", np.log10, lambda g, y, x: g / (x * LN10),
           doc="y = ln x / ln 10; dy/dx = 1 / (x ln 10)")
cbrt = Op("cbrt", np.cbrt, lambda g, y, x: g / (3 * (y * y)),
          doc="y = x^(1/3), of the sign of x; dy/dx = 1 / (3 y^2), and inf at x = 0")
arcsin = Op("arcsin", np.arcsin, lambda g, y, x: g / sqrt((1 - x) * (1 + x)),
            doc="y = arcsin x; dy/dx = 1 / sqrt((1 - x) (1 + x)): exact near |x| = 1, where 1 - x^2 is not; "
                "inf at |x| = 1")
arccos = Op("arccos", np.arccos, lambda g, y, x: -g / sqrt((1 - x) * (1 + x)),
            doc="y = arccos x; dy/dx = -1 / sqrt((1 - x) (1 + x)), and -inf at |x| = 1")
arcsinh = Op("arcsinh", np.arcsinh, lambda g, y, x: g / hypot(x, 1),
             doc="y = arcsinh x; dy/dx = 1 / sqrt(x^2 + 1), without overflow of x^2")
arccosh = Op("arccosh", np.arccosh, lambda g, y, x: g / (sqrt(x - 1) * sqrt(x + 1)),
             doc="y = arccosh x; dy/dx = 1 / sqrt((x - 1) (x + 1)), and inf at x = 1")
arctanh = Op("arctanh", np.arctanh, lambda g, y, x: g / ((1 - x) * (1 + x)),
             doc="y = arctanh x; dy/dx = 1 / ((1 - x) (1 + x)), and inf at |x| = 1")
deg2rad = Op("deg2rad", np.deg2rad, lambda g, y, x: g * DEGREE,
             doc="y = x pi / 180")
radians = Op("radians", np.radians, lambda g, y, x: g * DEGREE,
             doc="y = x pi / 180: NumPy's other name for deg2rad")
rad2deg = Op("rad2deg", np.rad2deg, lambda g, y, x: g / DEGREE,
             doc="y = x 180 / pi")
degrees = Op("degrees", np.degrees, lambda g, y, x: g / DEGREE,
             doc="y = x 180 / pi: NumPy's other name for rad2deg")

# ---- one argument, steps


def _round(x: Any, *, decimals: int = 0) -> Any:
    return np.round(x, decimals)


floor = Op("floor", np.floor, lambda g, y, x: g * 0,
           doc="y = the largest integer <= x; dy/dx = 0 everywhere, also at the step")
ceil = Op("ceil", np.ceil, lambda g, y, x: g * 0,
          doc="y = the smallest integer >= x; dy/dx = 0 everywhere, also at the step")
trunc = Op("trunc", np.trunc, lambda g, y, x: g * 0,
           doc="y = x without its fraction; dy/dx = 0 everywhere, also at the step")
rint = Op("rint", np.rint, lambda g, y, x: g * 0,
          doc="y = the nearest integer, halves to the even one; dy/dx = 0 everywhere, also at the step")
round = Op("round", _round, lambda g, y, x, decimals: g * 0,
           doc="y = the nearest multiple of 10^-decimals, halves to the even one; dy/dx = 0 everywhere, also "
               "at the step")
signbit = Op("signbit", np.signbit, None, doc="is the sign bit set? True for -0.0")
modf: Op = Op("modf", np.modf, lambda g, y, x: g[0],
              doc="(fraction, integer) of x, both with the sign of x; the fraction has the slope 1, the integer 0")


def _nan_to_num(x: Any, *, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


nan_to_num_op = Op("nan_to_num", _nan_to_num, lambda g, y, x, nan, posinf, neginf: where(isfinite(x), g, 0),
                   doc="y = x, with numbers in place of nan, inf and -inf; dy/dx = 1 where x is finite, else 0")


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: float | None = None,
               neginf: float | None = None) -> Any:
    """x with `nan`, `posinf` and `neginf` in place of what is not finite.

    None: the largest number of the dtype, and its negative.

    The gradient passes where x is finite and is 0 elsewhere. copy=False raises TypeError: results are new Tensors.
    """
    if not copy:
        raise TypeError("nan_to_num(copy=False) would change a Tensor in place; results are new Tensors")
    return nan_to_num_op(x, nan=nan, posinf=posinf, neginf=neginf)


# ---- two arguments and three

fmax = Op("fmax", np.fmax, lambda g, y, a, b: _share(g, a, b, a > b), lambda g, y, a, b: _share(g, b, a, b > a),
          doc="y = max(a, b), or the one that is not nan; equal entries share the gradient, half each; none where both "
              "are nan")
fmin = Op("fmin", np.fmin, lambda g, y, a, b: _share(g, a, b, a < b), lambda g, y, a, b: _share(g, b, a, b < a),
          doc="y = min(a, b), or the one that is not nan; equal entries share the gradient, half each; none where both "
              "are nan")


def _share(g: Any, a: Any, b: Any, chosen: Any) -> Any:
    """What of g belongs to a: all where it is chosen or the only number, half where both are equal."""
    return g * logical_or(chosen, isnan(b) > isnan(a)) + g * 0.5 * equal(a, b)


fmod = Op("fmod", np.fmod, lambda g, y, a, b: g, lambda g, y, a, b: -g * trunc(a / b),
          doc="y = a - b trunc(a / b), the sign of a; the step at each multiple of b has no gradient")
copysign = Op("copysign", np.copysign, lambda g, y, a, b: g * (sign(a) * sign(y)), lambda g, y, a, b: g * 0,
              doc="y = |a| with the sign of b; dy/da = sign(a) sign(b), and 0 at a = 0; dy/db = 0 everywhere, "
                  "also at the step")
hypot: Op = Op("hypot", np.hypot, lambda g, y, a, b: g * (a / where(y == 0, 1, y)),
               lambda g, y, a, b: g * (b / where(y == 0, 1, y)),
               doc="y = sqrt(a^2 + b^2) without overflow; dy/da = a / y, and 0 at a = b = 0")
logaddexp = Op("logaddexp", np.logaddexp, lambda g, y, a, b: g * sigmoid(a - _second(b, y)),
               lambda g, y, a, b: g * sigmoid(b - _second(a, y)),
               doc="y = ln(e^a + e^b); dy/da = sigmoid(a - b), and 0 where a = b = -inf")
logaddexp2 = Op("logaddexp2", np.logaddexp2, lambda g, y, a, b: g * sigmoid((a - _second(b, y)) * LN2),
                lambda g, y, a, b: g * sigmoid((b - _second(a, y)) * LN2),
                doc="y = log2(2^a + 2^b); dy/da = sigmoid((a - b) ln 2), and 0 where a = b = -inf")


def _second(b: Any, y: Any) -> Any:
    """b, and 0 where both arguments are -inf, whose difference is no number."""
    return where(y == -math.inf, 0, b + zeros_like(y) if isinstance(b, int | float) else b)


heaviside = Op("heaviside", np.heaviside, lambda g, y, x, h: g * 0, lambda g, y, x, h: g * (x == 0),
               doc="y = 0 for x < 0, h at x = 0, 1 for x > 0; dy/dx = 0 everywhere, also at the step; "
                   "dy/dh = 1 at x = 0")
ldexp: Op = Op("ldexp", np.ldexp, lambda g, y, x, i: ldexp(g, i), None,
               doc="y = x 2^i for integers i; dy/dx = 2^i")


def _lerp(start: Any, end: Any, weight: Any) -> Any:
    return start + weight * (end - start)


lerp = Op("lerp", _lerp, lambda g, y, start, end, weight: g * (1 - weight), lambda g, y, start, end, weight: g * weight,
          lambda g, y, start, end, weight: g * (end - start), broadcasts=True,
          doc="y = start + weight (end - start): from start at weight 0 to end at weight 1, and beyond")


def float_power(a: Any, b: Any) -> Any:
    """a^b in float64, whatever the dtypes: an integer to a negative power is a fraction.

    Gradients as of `power`, in the dtypes of the inputs.
    """
    return power(_as_float64(a), _as_float64(b))


def _as_float64(x: Any) -> Any:
    if isinstance(x, int | float):
        return float(x)
    return np.asarray(x, np.float64) if isinstance(x, list | tuple) else astype(x, dtype=np.float64)


def divmod(a: Any, b: Any) -> tuple[Any, Any]:
    """(floor_divide(a, b), remainder(a, b)): the gradient flows through the remainder."""
    return floor_divide(a, b), remainder(a, b)
