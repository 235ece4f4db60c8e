"""Rules for the ufuncs of scipy.special: with SciPy installed, `scipy.special.gammaln(t)` is recorded, to any order.

SciPy calls the Tensor's `__array_ufunc__` by itself, so nothing is imported here before its user has done so. A row is
made at its first use. Formulas: Abramowitz and Stegun 1964, chapters 6, 7, 9; NIST DLMF.
"""

import math
import sys
from importlib import import_module
from typing import Any

import numpy as np

from ..engine import Op
from ..engine.op import Rule
from ..errors import GradError
from .arithmetic import clip, sign, sqrt, where
from .elementary import cos, exp, log, log1p, sigmoid, sin
from .shape import ones_like
from .special import TWO_OVER_ROOT_PI, erf, erfc, xlogy
from .ufuncs import LN10, cbrt, exp2

__all__ = ["row_of"]

ROOT_PI = math.sqrt(math.pi)
ROOT_TWO_PI = math.sqrt(2 * math.pi)


class _Special:
    """scipy.special's ufuncs by their names, as rows."""

    def __getattr__(self, name: str) -> Op:
        row = _rows.get(name)
        if row is None:
            row = _rows[name] = Op(name, getattr(import_module("scipy.special"), name), *_rules[name],
                                   doc=f"scipy.special.{name}")
        return row


def row_of(ufunc: np.ufunc) -> Op | None:
    """The row of a ufunc from scipy.special, or None where there is no rule for it."""
    module = sys.modules.get("scipy.special")  # who holds one of its ufuncs has imported it
    name = ufunc.__name__
    if module is None or name not in _rules or getattr(module, name, None) is not ufunc:
        return None
    return getattr(_sp, name)  # type: ignore[no-any-return]


_sp = _Special()
_rows: dict[str, Op] = {}


def _polygamma(x: Any, *, n: int) -> Any:
    return import_module("scipy.special").polygamma(n, x).astype(x.dtype)


polygamma: Op = Op("polygamma", _polygamma, lambda g, y, x, n: g * polygamma(x, n=n + 1),
                   doc="y = the n-th derivative of digamma(x); dy/dx = the next one")


def _array(a: Any, x: Any) -> Any:
    """A number as an array of x's shape and dtype: a NumPy scalar from SciPy would widen float32."""
    return ones_like(x) * a if isinstance(a, int | float) else a


def _no_rule(name: str, parameter: str) -> Rule:
    def refuse(g: Any, y: Any, *inputs: Any) -> Any:
        raise GradError(f"scipy.special.{name} has no rule for the derivative by {parameter}, which has no closed "
                        f"form. Pass {parameter}.detach()")
    return refuse


def _xlog1py_inner(a: Any, b: Any) -> Any:
    return where((a == 0) * ((b <= -1) + (b == math.inf)), 0, _array(b, a))


def _gamma_density(a: Any, x: Any) -> Any:
    """x^(a-1) e^-x / Gamma(a)."""
    a = _array(a, x)
    return exp(xlogy(a - 1, x) - x - _sp.gammaln(a))


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    """x^(a-1) (1-x)^(b-1) / B(a, b)."""
    a, b = _array(a, x), _array(b, x)
    return exp(xlogy(a - 1, x) + _sp.xlog1py(b - 1, -x) - _sp.betaln(a, b))


def _pseudo_root(delta: Any, r: Any) -> Any:
    return sqrt(1 + (r / delta) * (r / delta))


_rules: dict[str, tuple[Rule | None, ...]] = {
    # the error function and the normal distribution
    "erf": erf.rules, "erfc": erfc.rules,
    "erfcx": (lambda g, y, x: g * (2 * x * y - TWO_OVER_ROOT_PI),),
    "erfi": (lambda g, y, x: g * (exp(x * x) * TWO_OVER_ROOT_PI),),
    "dawsn": (lambda g, y, x: g * (1 - 2 * x * y),),
    "erfinv": (lambda g, y, x: g * (exp(y * y) * (ROOT_PI / 2)),),
    "erfcinv": (lambda g, y, x: g * (exp(y * y) * (-ROOT_PI / 2)),),
    "ndtr": (lambda g, y, x: g * (exp(-0.5 * (x * x)) / ROOT_TWO_PI),),
    "log_ndtr": (lambda g, y, x: g * (exp(-0.5 * (x * x) - y) / ROOT_TWO_PI),),
    "ndtri": (lambda g, y, x: g * (exp(0.5 * (y * y)) * ROOT_TWO_PI),),
    # logistic
    "expit": (lambda g, y, x: g * y * (1 - y),),
    "logit": (lambda g, y, x: g / (x * (1 - x)),),
    "log_expit": (lambda g, y, x: g * sigmoid(-x),),
    # exponentials, logarithms, entropies
    "expm1": (lambda g, y, x: g * exp(x),),
    "log1p": (lambda g, y, x: g / (x + 1),),
    "exp2": exp2.rules,
    "exp10": (lambda g, y, x: g * (y * LN10),),
    "cbrt": cbrt.rules,
    "cosm1": (lambda g, y, x: -g * sin(x),),
    "xlogy": xlogy.rules,
    "xlog1py": (lambda g, y, a, b: g * log1p(_xlog1py_inner(a, b)),
                lambda g, y, a, b: g * a / (1 + _xlog1py_inner(a, b))),
    "entr": (lambda g, y, x: -g * (log(x) + 1),),
    "rel_entr": (lambda g, y, a, b: g * (log(a / b) + 1), lambda g, y, a, b: -g * a / b),
    "kl_div": (lambda g, y, a, b: g * log(a / b), lambda g, y, a, b: g * (1 - a / b)),
    "huber": (lambda g, y, d, r: g * ((r * sign(r) > d) * (r * sign(r) - d)), lambda g, y, d, r: g * clip(r, -d, d)),
    "pseudo_huber": (lambda g, y, d, r: g * (2 * y / d - r * r / (d * _pseudo_root(d, r))),
                     lambda g, y, d, r: g * (r / _pseudo_root(d, r))),
    # gamma and beta
    "gammaln": (lambda g, y, x: g * _sp.psi(x),),
    "loggamma": (lambda g, y, x: g * _sp.psi(x),),
    "gamma": (lambda g, y, x: g * (y * _sp.psi(x)),),
    "psi": (lambda g, y, x: g * polygamma(x, n=1),),
    "beta": (lambda g, y, a, b: g * (y * (_sp.psi(a) - _sp.psi(a + b))),
             lambda g, y, a, b: g * (y * (_sp.psi(b) - _sp.psi(a + b)))),
    "betaln": (lambda g, y, a, b: g * (_sp.psi(a) - _sp.psi(a + b)),
               lambda g, y, a, b: g * (_sp.psi(b) - _sp.psi(a + b))),
    "gammainc": (_no_rule("gammainc", "a"), lambda g, y, a, x: g * _gamma_density(a, x)),
    "gammaincc": (_no_rule("gammaincc", "a"), lambda g, y, a, x: -g * _gamma_density(a, x)),
    "betainc": (_no_rule("betainc", "a"), _no_rule("betainc", "b"), lambda g, y, a, b, x: g * _beta_density(a, b, x)),
    # integrals
    "exp1": (lambda g, y, x: -g * exp(-x) / x,),
    "expi": (lambda g, y, x: g * exp(x) / x,),
    "sici": (lambda g, y, x: g[0] * (sin(x) / x) + g[1] * (cos(x) / x),),
    # Bessel functions, by their neighbours in the order
    "j0": (lambda g, y, x: -g * _sp.j1(x),),
    "j1": (lambda g, y, x: g * (0.5 * (_sp.j0(x) - _sp.jv(2, x))),),
    "jv": (_no_rule("jv", "v"), lambda g, y, v, x: g * (0.5 * (_sp.jv(v - 1, x) - _sp.jv(v + 1, x)))),
    "y0": (lambda g, y, x: -g * _sp.y1(x),),
    "y1": (lambda g, y, x: g * (0.5 * (_sp.y0(x) - _sp.yv(2, x))),),
    "yv": (_no_rule("yv", "v"), lambda g, y, v, x: g * (0.5 * (_sp.yv(v - 1, x) - _sp.yv(v + 1, x)))),
    "i0": (lambda g, y, x: g * _sp.i1(x),),
    "i1": (lambda g, y, x: g * (0.5 * (_sp.i0(x) + _sp.iv(2, x))),),
    "iv": (_no_rule("iv", "v"), lambda g, y, v, x: g * (0.5 * (_sp.iv(v - 1, x) + _sp.iv(v + 1, x)))),
    "i0e": (lambda g, y, x: g * (_sp.i1e(x) - sign(x) * y),),
    "i1e": (lambda g, y, x: g * (0.5 * (_sp.i0e(x) + _sp.ive(2, x)) - sign(x) * y),),
    "ive": (_no_rule("ive", "v"), lambda g, y, v, x: g * (0.5 * (_sp.ive(v - 1, x) + _sp.ive(v + 1, x)) - sign(x) * y)),
    "k0": (lambda g, y, x: -g * _sp.k1(x),),
    "k1": (lambda g, y, x: g * (-0.5 * (_sp.k0(x) + _sp.kv(2, x))),),
    "kv": (_no_rule("kv", "v"), lambda g, y, v, x: g * (-0.5 * (_sp.kv(v - 1, x) + _sp.kv(v + 1, x)))),
}
