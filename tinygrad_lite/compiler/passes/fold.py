"""Constant folding: a call that reads nothing but constants is made once, now; and a constant array of equal entries becomes one number.

Zeros of the size of an activation, the gradient of an output that nothing used, would otherwise be held and read at each run.
"""

from typing import Any

import numpy as np

from ..program import Call, Program, Value, substitute

__all__ = ["fold_constants"]

LIMIT = 1 << 16  # entries: a constant is held for the life of the program


def fold_constants(program: Program) -> None:
    kept = []
    written = {v.root for call in program.calls if call.function.kind == "write" for v in call.inputs[:1]}
    numbers: dict[Any, Value] = {}
    for call in program.calls:
        if call.function.kind == "map":
            call.args = tuple([_one_number(x, call, numbers) for x in call.args])
        constant = (call.pure and call.function.kind != "opaque" and call.inputs and all(v.kind == "constant" for v in call.inputs)
                    and not any(v.root in written or v.size > LIMIT for v in [*call.outputs, *call.inputs]))
        if not constant:
            kept.append(call)
            continue
        with np.errstate(all="ignore"):
            made = call.function.run(*substitute(call.args, _array), **substitute(call.keywords, _array))
        for value, array in zip(call.outputs, made if call.several else (made,), strict=True):
            value.kind, value.base, value.data = "constant", None, np.array(array)
    program.calls = kept


def _one_number(x: Any, call: Call, numbers: dict[Any, Value]) -> Any:
    """In place of an array of equal entries a 0-d one, where the other arguments alone give the result its shape."""
    if not isinstance(x, Value) or x.kind != "constant" or not x.shape or not x.size:
        return x
    others = [v.shape for v in call.inputs if v is not x]
    if not others or np.broadcast_shapes(*others) != call.output.shape:
        return x
    first = x.data.flat[0]
    if not (x.data == first).all() or (first == 0 and np.signbit(x.data).any() != np.signbit(x.data).all()):
        return x
    key = x.dtype, first.tobytes()
    if key not in numbers:
        numbers[key] = Value("constant", np.array(first))
    return numbers[key]


def _array(value: Value) -> Any:
    return value.data
