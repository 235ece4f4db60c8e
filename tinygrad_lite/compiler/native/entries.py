"""A call at one entry of an array, as an expression of scalars; and which calls have a native form at all.

Numba calls many of NumPy's ufuncs by the same name. Where a loop has to be one of vectors, the expression is written out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..program import Call, Value
from .places import DTYPES

__all__ = ["cast", "entry", "kind_and_shape", "literal", "number", "reduction"]

_MAXIMUM, _MINIMUM = "({0} if {0} >= {1} or {0} != {0} else {1})", "({0} if {0} <= {1} or {0} != {0} else {1})"  # nan if one is, as in NumPy
_FORMS = {"add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "divide": "{0} / {1}", "greater": "{0} > {1}",
          "greater_equal": "{0} >= {1}", "less": "{0} < {1}", "less_equal": "{0} <= {1}", "equal": "{0} == {1}", "not_equal": "{0} != {1}",
          "maximum": _MAXIMUM, "minimum": _MINIMUM, "square": "{0} * {0}", "negative": "-{0}", "absolute": "abs({0})", "positive": "{0}",
          "reciprocal": "{dtype}(1) / {0}"}
_LOGIC = {"logical_and": "{0} and {1}", "logical_or": "{0} or {1}", "logical_not": "not {0}", "logical_xor": "{0} != {1}", "equal": "{0} == {1}",
          "not_equal": "{0} != {1}", "invert": "not {0}", "bitwise_and": "{0} and {1}", "bitwise_or": "{0} or {1}", "multiply": "{0} and {1}"}
_SAME = frozenset(("arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cbrt", "ceil", "copysign", "cos", "cosh", "exp", "exp2",
                   "expm1", "floor", "fmax", "fmin", "hypot", "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2", "logaddexp", "rint",
                   "sign", "signbit", "sin", "sinh", "sqrt", "tan", "tanh", "trunc"))
_POWERS = {2: "{0} * {0}", 0.5: "np.sqrt({0})", 1: "{0}", -1: "{dtype}(1) / {0}", 3: "{0} * {0} * {0}"}
_COPIES = frozenset((".copy", "np.copy", ".astype"))
_ARRANGED = frozenset((".flatten", ".ravel", "np.ravel", ".reshape", "np.reshape"))  # where these are no views, they copy in order
_JOINS = {"sum": ("{0} + {1}", 0), "prod": ("{0} * {1}", 1), "max": (_MAXIMUM, -np.inf), "min": (_MINIMUM, np.inf), "mean": ("{0} + {1}", 0)}
_REDUCES = {"np.add.reduce": "sum", "np.multiply.reduce": "prod", "np.maximum.reduce": "max", "np.minimum.reduce": "min",
            **{f"{prefix}{name}": name for prefix in ("np.", ".") for name in _JOINS}}



def kind_and_shape(call: Call) -> tuple[str, tuple[int, ...]]:
    """How a call is done: ("loop", the shape it runs over), or "reduce", "product", or "python": by NumPy, for want of a native form."""
    made, text = call.output, call.function.text
    arrays = [*call.inputs, *call.outputs]
    if len(call.outputs) == 1 and all(v.dtype in DTYPES and v.size for v in arrays):
        match call.function.kind:
            case "write":
                return "loop", call.args[0].shape
            case "map" if _operator(call):
                return "loop", made.shape
            case "call" if text == "np.where" and len(call.args) == 3 and not call.keywords:
                return "loop", made.shape
            case "call" if text in _COPIES | _ARRANGED and len(call.inputs) == 1 and not call.keywords:
                return "loop", made.shape if text in _COPIES else call.inputs[0].shape
            case "reduce" | "call" if text in _REDUCES and _is_reduce(call):
                return "reduce", made.shape
            case "product" if _is_product(call):
                return "product", made.shape
    return "python", made.shape


def _is_reduce(call: Call) -> bool:
    x, made = call.args[0], call.output
    plain = isinstance(x, Value) and x.kind != "number" and len(call.inputs) == 1 and len(call.args) <= 2
    return (plain and x.dtype == made.dtype and made.dtype.kind == "f"
            and not set(call.keywords) - {"axis", "keepdims", "dtype"})


def reduction(call: Call) -> tuple[str, Any, set[int], bool]:
    """Of a "reduce": how two entries are joined, what to begin with, which axes go, and whether it is a mean."""
    name = _REDUCES[call.function.text]
    axis = call.keywords.get("axis", call.args[1] if len(call.args) > 1 else 0 if call.function.text.endswith(".reduce") else None)
    ndim = len(call.args[0].shape)
    axes = set(range(ndim)) if axis is None else {a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))}
    return *_JOINS[name], axes, name == "mean"


def _is_product(call: Call) -> bool:
    if len(call.args) != 2 or call.keywords or not all(isinstance(x, Value) and x.shape and x.kind != "number" for x in call.args):
        return False
    (a, b), made = call.args, call.output
    laid = made.contiguous and a.dtype == b.dtype == made.dtype and made.dtype.kind == "f"
    return laid and (call.function.text in ("np.matmul", "np.vecdot") or call.function.text == "np.dot" and len(b.shape) <= 2)


def entry(call: Call, read: Callable[[Any, Any], str]) -> str:
    """What a call of a loop gives at one entry; read(operand, dtype) is the operand there, as that dtype."""
    dtype = call.output.dtype
    if call.function.kind == "map":
        form, dtypes = _operator(call) or ("", [])
        return form.format(*[read(x, t) for x, t in zip(call.args, dtypes, strict=True)], dtype=f"np.{dtype}")
    if call.function.kind == "write":
        return read(call.args[1], dtype)
    if call.function.text == "np.where":
        condition, a, b = call.args
        return f"{read(a, dtype)} if {read(condition, np.dtype(bool))} else {read(b, dtype)}"
    return read(call.args[0], dtype)


def _operator(call: Call) -> tuple[str, list[Any]] | None:
    """(form, dtypes of the operands) of a map, or None."""
    kinds = [x.dtype if isinstance(x, Value) else type(x) for x in call.args]
    name = call.function.text.removeprefix("np.")
    if not isinstance(call.function.run, np.ufunc) or not all(isinstance(k, np.dtype) or k in (int, float, bool) for k in kinds):
        return None
    try:
        *dtypes, out = call.function.run.resolve_dtypes((*kinds, None))
    except TypeError:
        return None
    if out != call.output.dtype or not DTYPES.issuperset((*dtypes, out)):
        return None
    if dtypes[0].kind == "b":
        form = _LOGIC.get(name)
    elif name == "power":
        form = _power(call.args[1]) if out.kind == "f" else None
    elif name in _FORMS and not (name in ("divide", "reciprocal") and out.kind != "f"):
        form = _FORMS[name] if out.kind in "fb" else f"{{dtype}}({_FORMS[name]})"  # numba computes integers in 64 bits
    else:
        form = f"np.{name}({', '.join(f'{{{i}}}' for i in range(len(kinds)))})" if name in _SAME and dtypes[0].kind == "f" else None
    return (form, dtypes) if form else None


def _power(exponent: Any) -> str:
    if isinstance(exponent, Value):
        exponent = exponent.data.item() if exponent.kind == "constant" and not exponent.shape else None
    return _POWERS.get(exponent, "{0} ** {1}")


def cast(word: str, have: Any, want: Any) -> str:
    if have == want:
        return word
    if want.kind == "b":
        return f"({word} != 0)"
    return f"(np.{want}(1) if {word} else np.{want}(0))" if have.kind == "b" else f"np.{want}({word})"


def literal(x: Any, dtype: Any) -> str:
    return repr(bool(x)) if dtype.kind == "b" else f"np.{dtype}({number(x)})"


def number(x: Any) -> str:
    return "np.nan" if x != x else ("np.inf" if x > 0 else "-np.inf") if x in (np.inf, -np.inf) else repr(x)
