"""Who made the first nan or infinity: asked only under `verify.detect_anomaly`, off the fast path.

An op is named when all its float inputs were finite and its output is not; one that passes on what it was given is not. In a backward pass the
sum of several contributions, and a hook, may be the first, too.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AnomalyError
from .checks import named
from .record import Node, Variable

if TYPE_CHECKING:
    from .op import Op

__all__ = ["Watch", "check_forward"]


def check_forward(op: "Op", args: tuple[Any, ...], params: dict[str, Any], arrays: Sequence[Any], y: Any) -> None:
    """Raise AnomalyError if the forward of `op` made `y`, not finite, of finite `arrays`."""
    if all(map(_finite, arrays)) and not all(map(_finite, y if type(y) is tuple else (y,))):
        text = f"{op.name} made {_what(y)} of finite numbers\n  {op.failure(args, params)}\n{_ranges(arrays)}{_overflow(y)}"
        if isinstance(op.forward, np.ufunc) and np.isnan(_value(y)).any():  # entry by entry: a mask may hide some afterwards
            text += (f"\n  If a where() leaves these entries out afterwards, let it call {op.name} only where it is chosen:"
                     f"\n    {_remedy(op.name, len(arrays))}")
        raise AnomalyError(text)


class Watch:
    """What one backward pass sends and gathers, looked at as it goes."""

    def __init__(self, roots: Sequence[Variable], seeds: Sequence[Any]) -> None:
        # nodes and leaves that were sent something not finite: what they gather is not their own doing
        self._told: set[Any] = {x if x.node is None else x.node for x, seed in zip(roots, seeds, strict=True) if not _finite(seed)}

    def sent(self, node: Node, position: int, x: Variable, g: Any, gx: Any) -> None:
        """Raise AnomalyError if a rule of `node` made `gx`, not finite, of a finite gradient `g` and finite arrays."""
        if _finite(gx):
            return
        before = g if type(g) is tuple else (g,)
        if not all(map(_finite, [*before, *node.arrays])):
            self._told.add(x if x.node is None else x.node)
            return
        text = (f"the backward rule of {named(node)}\n  made {_what(gx)} of finite numbers, for input {position}\n"
                f"{_ranges(node.arrays)}\n{_range('the incoming gradient', _value(before[0]))}{_overflow(gx)}")
        outputs = node.output if type(node.output) is tuple else (node.output,)
        if not all(map(_finite, outputs)):
            text += f"\n  Its forward had made {_what(node.output)} of them before"
        if _masked(_value(gx), _value(before[0])):
            name, inputs = node.op.name, len(node.inputs)
            text += ("\n  The incoming gradient is 0 there: a where() has not chosen this branch, or a mask hides the entry."
                     "\n  The derivative is infinite, and 0 times infinity is nan. Compute the branch only where it is chosen:"
                     f"\n    {_remedy(name, inputs)}")
            if inputs == 1:
                text += f"\n  or choose its argument first:\n    tl.where(cond, {name}(tl.where(cond, x, 1)), other)"
        raise AnomalyError(text)

    def gathered(self, node: Node | None, x: Variable | None, g: Any) -> None:
        """Raise AnomalyError if contributions that were all finite add up to what is not."""
        if (node if node is not None else x) in self._told or all(map(_finite, g if type(g) is tuple else (g,))):
            return
        place = f"the output of {named(node)}" if node is not None else f"leaf {x.name!r}" if x is not None and x.name else "a leaf"
        raise AnomalyError(f"the gradients that arrive at {place}\n  are finite, and their sum has {_what(g)}{_overflow(g)}")

    def hooked(self, node: Node, before: Any, g: Any) -> None:
        """Raise AnomalyError if a hook put a gradient that is not finite in the place of a finite one."""
        self.gathered(node, None, before)
        if all(map(_finite, before if type(before) is tuple else (before,))) and not all(map(_finite, g if type(g) is tuple else (g,))):
            raise AnomalyError(f"a hook on the output of {named(node)}\n  returned {_what(g)} for a finite gradient")


def _masked(gx: Any, g: Any) -> bool:
    """Is the incoming gradient 0 wherever the outgoing one is not finite? Where the shapes differ: is it 0 anywhere, and the answer nan?"""
    broken = ~np.isfinite(gx)
    if gx.shape == g.shape:
        return bool(np.all(g[broken] == 0))
    return bool(np.any(g == 0) and np.all(np.isnan(gx[broken])))


def _remedy(name: str, inputs: int) -> str:
    return f"tl.where(cond, {name}, other, {'x' if inputs == 1 else ', '.join('abcdefgh'[:inputs])})"


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
    return "\n".join(_range(f"input {i}", a) for i, a in enumerate(arrays) if isinstance(a, int | float) or _is_float_array(a) and a.size)


def _range(name: str, a: Any) -> str:
    if not getattr(a, "ndim", 0):
        return f"  {name}: {float(a):.4g}"
    mean, std = float(np.mean(a, dtype=np.float64)), float(np.std(a, dtype=np.float64))
    return (f"  {name}: {a.dtype} {a.shape}, from {float(a.min()):.4g} to {float(a.max()):.4g}, mean {mean:.4g}, std {std:.4g}, "
            f"{int((a == 0).sum())} zeros")


def _is_float_array(a: Any) -> bool:
    return getattr(getattr(a, "dtype", None), "kind", "") == "f"


def _overflow(y: Any) -> str:
    """Where infinities come alone, the numbers may only be too large for their dtype."""
    parts = [_value(part) for part in (y if type(y) is tuple else (y,)) if _is_float_array(_value(part))]
    if any(bool(np.isnan(part).any()) for part in parts):
        return ""
    dtype = parts[0].dtype
    return f"\n  {dtype} ends at {float(np.finfo(dtype).max):.4g}"
