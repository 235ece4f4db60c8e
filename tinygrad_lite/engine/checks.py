"""Why a backward pass refuses: the graph was dropped, or an array that a rule reads was changed after the forward pass.

All of it is off the fast path: it runs when an error is already likely.
"""

from functools import partial
from typing import Any

import numpy as np

from ..errors import GradError
from .origin import describe, module_path
from .record import Node, Variable
from .writes import Mark, writes

__all__ = ["check_unchanged", "dropped", "named"]


def named(node: Node) -> str:
    """`tanh 'net.1' at train.py:31    h = net(x)`."""
    path = module_path(node.scope)
    return f"{node.op.name}{f' {path!r}' if path else ''} at {describe(node.code, node.lasti)}"


def dropped(node: Node) -> GradError:
    """A second backward pass through what the first one dropped."""
    return GradError(f"the graph was dropped: the record of {named(node)}\n"
                     f"  was dropped by backward(retain_graph=False) at {describe(*node.held)}\n"
                     "  To go through it again, leave retain_graph=True in the first backward().")


def check_unchanged(node: Node, tensors: bool) -> None:
    """Raise if the memory of an input or output of `node` was written since, and a rule that will run needs the value it had.

    Rules on arrays read those of the forward pass, so a Tensor that was given another array since does no harm; rules on Tensors would see it.
    """
    for i, x in enumerate(node.inputs):
        mark = writes.of(x._data if tensors else node.arrays[i]) if isinstance(x, Variable) else None
        if mark is not None and mark[0] > node.birth and _needs(node, i):
            raise _changed(f"leaf {x.name!r}" if x.name else f"input {i}", node, mark)
    for k, y in enumerate(node.output if type(node.output) is tuple else (node.output,)):
        mark = writes.of(y)
        if mark is not None and mark[0] > node.birth and _needs(node, None):
            raise _changed("the output" if not k else f"output {k}", node, mark)


def _changed(what: str, node: Node, mark: Mark) -> GradError:
    return GradError(f"{what} of {named(node)}\n  was changed in place at {describe(*mark[1:])}\n"
                     f"  and the gradient of {node.op.name} needs the value that it had. Run the forward pass again before backward(), "
                     "or change a copy.")


def _needs(node: Node, position: int | None) -> bool:
    """Does any rule that will run for `node` use the value of this input (None: of the output), and not its shape and dtype alone? The
    rules are asked: run with a stand-in that has no value, those raise."""
    op, y = node.op, node.output
    g = tuple([np.zeros_like(part) for part in y]) if type(y) is tuple else np.zeros_like(y)
    arrays = list(node.arrays)
    if position is None:
        y = tuple([_Facts(part) for part in y]) if type(y) is tuple else _Facts(y)
    else:
        arrays[position] = _Facts(arrays[position])
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
