"""Cases of `ops/ufuncs.py` and `ops/special.py`: one line a row, as in `cases.py`."""

import math
from typing import Any

import numpy as np
from cases import Case, apart, positive, real


def _one(name: str, x: Any = None, **more: Any) -> Case:
    return Case(name, (real(3, 4) if x is None else x,), elementwise=True, **more)


def _two(name: str, a: Any = None, b: Any = None, **more: Any) -> Case:
    return Case(name, (real(3, 4) if a is None else a, real(3, 4) if b is None else b), elementwise=True, **more)


_each = np.vectorize  # the C library's functions, a number at a time
_inside = real(3, 4) / 2.2  # within 0.91 of 0
_holes = np.where(np.arange(12).reshape(3, 4) % 5 == 2, [np.nan, np.inf, -np.inf, np.nan], real(3, 4))


def _sinc_derivative(z: Any, order: int) -> Any:
    """The derivatives of sin(z) / z, written out."""
    s, c = np.sin(z), np.cos(z)
    return (s / z, (c - s / z) / z, (-s - 2 * (c - s / z) / z) / z)[order]


CASES: list[Case] = [
    _one("positive", linear=True), _one("fabs", linear=True), _one("exp2"), _one("log2", positive(3, 4)),
    _one("log10", positive(3, 4)), _one("cbrt"), _one("arcsin", _inside), _one("arccos", _inside), _one("arcsinh"),
    _one("arccosh", positive(3, 4) + 1), _one("arctanh", _inside), _one("deg2rad", linear=True),
    _one("radians", linear=True), _one("rad2deg", linear=True), _one("degrees", linear=True),
    _one("floor", apart(3, 4), linear=True), _one("ceil", apart(3, 4), linear=True),
    _one("trunc", apart(3, 4), linear=True), _one("rint", apart(3, 4), linear=True),
    Case("round", (apart(3, 4),), linear=True), Case("round", (apart(3, 4) * 0.1,), {"decimals": 1}, linear=True),
    _one("signbit"), Case("modf", (apart(3, 4),), linear=True, empty=(np.zeros((0, 4)),)),
    Case("nan_to_num", (real(3, 4),), linear=True, empty=(np.zeros((0, 4)),)),
    Case("nan_to_num", (real(3, 4) * 1e3,), {"nan": 2.0, "posinf": 1.0, "neginf": -3.0}, linear=True),
    _two("fmax", apart(3, 4), apart(3, 4) + 0.05, linear=True),
    _two("fmin", apart(3, 4), apart(3, 4) + 0.05, linear=True),
    # of two shapes: fmod(x, x) is a step, where nothing can be shared
    *(Case("fmod", (apart(3, 4), np.full((1, 4), b)), linear=True, empty=(np.zeros((0, 4)), np.ones(4)))
      for b in (0.71, -0.71)),
    Case("fmod", (apart(4), np.full((3, 1), 0.71)), linear=True),
    Case("fmod", (np.array(1.7), np.full(3, 0.71)), linear=True),
    _two("copysign", linear=True), _two("hypot"), _two("logaddexp"), _two("logaddexp2"), _two("heaviside", linear=True),
    Case("ldexp", (real(3, 4), np.array([-2, 0, 1, 3])), linear=True, empty=(np.zeros((0, 4)), np.zeros(4, int))),
    Case("ldexp", (real(3, 1), np.array([-2, 0, 1, 3])), linear=True),
    Case("ldexp", (np.array(0.7), np.array([-2, 5])), linear=True),
    Case("lerp", (real(3, 4), real(3, 4), positive(3, 4)), elementwise=True, like=lambda a, b, w: (1 - w) * a + w * b),
    Case("lerp", (real(3, 1), real(4), 0.25), like=lambda a, b, w: (1 - w) * a + w * b, linear=True),
    _one("erf", like=_each(math.erf, otypes=[float])), _one("erf", _inside / 2, like=_each(math.erf, otypes=[float])),
    _one("erfc", like=_each(math.erfc, otypes=[float])),
    _one("erfc", positive(3, 4) * 2, like=_each(math.erfc, otypes=[float])),
    _one("sinc"), _one("sinc", real(3, 4) * 5),
    *(Case("sinc_derivative", (x,), {"order": order}, like=_sinc_derivative, empty=(np.zeros((0, 4)),))
      for order in (0, 1, 2) for x in (real(3, 4) + 0.3, real(3, 4) * 9)),
    _two("xlogy", real(3, 4), positive(3, 4), like=lambda a, b: a * np.log(b)),
]
