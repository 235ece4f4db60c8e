"""Why a backward pass refuses: the graph was dropped, or an array that a rule reads was changed after the forward pass.

All of it is off the fast path: it runs when an error is already likely.
"""

from functools import partial
from types import CodeType
from typing import Any

import numpy as np

from ..errors import GradError
from .origin import describe, module_path
from .record import Node, Variable

__all__ = ["check_unchanged", "dropped", "named"]


def named(node: Node) -> str:
    """`tanh 'net.1' at train.py:31    h = net(x)`."""
    path = module_path(node.scope)
    return f"{node.op.name}{f' {path!r}' if path else ''} at {describe(node.code, node.lasti)}"


def dropped(node: Node) -> GradError:
    """A second backward pass through what the first one dropped."""
    return GradError(f"the graph was dropped: the record of {named(node)}\n"
                     f"  was dropped by backward(retain_graph=False) at {describe(*node.inputs)}\n"
                     "  To go through it again, leave retain_graph=True in the first backward().")


def check_unchanged(node: Node) -> None:
    """Raise if an input of `node`, or the array that it is a view of, was written after `node` read it, and a rule needs it."""
    for i, x in enumerate(node.inputs):
        if not isinstance(x, Variable):
            continue
        written = _written(x)
        if written is not None and written[0] > node.birth and _needs(node, i):
            name = f"leaf {x.name!r}" if x.name else f"input {i}"
            raise GradError(f"{name} of {named(node)}\n  was changed in place at {describe(*written[1:])}\n"
                            f"  and the gradient of {node.op.name} needs the value that it had. Run the forward pass again before backward(), "
                            "or change a copy.")


def _written(x: Variable) -> tuple[int, CodeType, int] | None:
    """The last write to `x` or to an array that it is a view of."""
    last = x.written
    while x.node is not None and x.node.op.view and x.node.output is not None:
        x = x.node.inputs[0]
        if x.written is not None and (last is None or x.written[0] > last[0]):
            last = x.written
    return last


def _needs(node: Node, position: int) -> bool:
    """Does any rule that will run for `node` use the value of this input, and not its shape and dtype alone? The rules are asked: run
    with a stand-in that has no value, those raise."""
    op = node.op
    arrays = [x._data if isinstance(x, Variable) else x for x in node.inputs]
    y = node.output
    g = tuple([np.zeros_like(part) for part in y]) if type(y) is tuple else np.zeros_like(y)
    arrays[position] = _Facts(arrays[position])
    if op.view and position == 0:
        y = _Facts(y)  # the output shares the memory that was written
    rules = op.rules if op.each is None else [partial(op.each, i) for i in range(len(arrays))]
    for x, rule in zip(node.inputs, rules, strict=True):
        if rule is not None and isinstance(x, Variable) and x._requires_grad:
            try:
                rule(g, y, *arrays, **node.params)
            except Exception:  # noqa: BLE001  whatever it tried, it wanted the value
                return True
    return False


class _Facts:
    """What a write in place leaves as it is: shape and dtype. NumPy refuses to compute with it."""

    __array_ufunc__ = None

    def __init__(self, array: Any) -> None:
        self.shape, self.ndim, self.size, self.dtype = array.shape, array.ndim, array.size, array.dtype

    def __array_function__(self, *args: Any) -> Any:
        raise TypeError("no value")

    def __array__(self, *args: Any, **keywords: Any) -> Any:
        raise TypeError("no value")
