"""Who made the first nan or infinity: asked only under `verify.detect_anomaly`, off the fast path.

An op is named when all its float inputs were finite and its output is not; one that passes on what it was given is not.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AnomalyError
from .checks import named
from .record import Node, Variable

if TYPE_CHECKING:
    from .op import Op

__all__ = ["check_backward", "check_forward"]


def check_forward(op: "Op", args: tuple[Any, ...], params: dict[str, Any], arrays: Sequence[Any], y: Any) -> None:
    """Raise AnomalyError if the forward of `op` made `y`, not finite, of finite `arrays`."""
    if all(map(_finite, arrays)) and not all(map(_finite, y if type(y) is tuple else (y,))):
        raise AnomalyError(f"{op.name} made {_what(y)} of finite numbers\n  {op.failure(args, params)}\n{_ranges(arrays)}")


def check_backward(node: Node, position: int, g: Any, gx: Any) -> None:
    """Raise AnomalyError if a backward rule of `node` made `gx`, not finite, of a finite gradient and finite arrays."""
    before = g if type(g) is tuple else (g,)
    outputs = node.output if type(node.output) is tuple else (node.output,)
    if _finite(gx) or not all(map(_finite, [*before, *node.arrays, *outputs])):
        return
    text = f"the backward rule of {named(node)}\n  made {_what(gx)} of finite numbers, for input {position}\n{_ranges(node.arrays)}"
    values, incoming = _value(gx), _value(before[0])
    if values.shape == incoming.shape and np.all(incoming[~np.isfinite(values)] == 0):
        text += ("\n  The incoming gradient is 0 there: the branch of a where() that was not chosen, or a masked entry. Its own derivative is "
                 f"infinite, and 0 times infinity is nan.\n  Choose the argument first: {node.op.name}(where(mask, x, 1)), then the result.")
    raise AnomalyError(text)


def _value(x: Any) -> Any:
    return x._data if isinstance(x, Variable) else x


def _finite(x: Any) -> bool:
    x = _value(x)
    kind = getattr(getattr(x, "dtype", None), "kind", "")
    return bool(np.isfinite(x).all()) if kind == "f" or isinstance(x, float) else True


def _what(y: Any) -> str:
    parts = [_value(part) for part in (y if type(y) is tuple else (y,))]
    nans = sum(int(np.isnan(part).sum()) for part in parts)
    infs = sum(int(np.isinf(part).sum()) for part in parts)
    return " and ".join([f"{n} {word}" for n, word in ((nans, "nan"), (infs, "inf")) if n])


def _ranges(arrays: Sequence[Any]) -> str:
    lines = []
    for i, a in enumerate(arrays):
        if getattr(getattr(a, "dtype", None), "kind", "") == "f" and a.size:
            lines.append(f"  input {i}: shape {a.shape}, from {float(a.min()):.4g} to {float(a.max()):.4g}, {int((a == 0).sum())} zeros")
        elif isinstance(a, int | float):
            lines.append(f"  input {i}: {a}")
    return "\n".join(lines)
