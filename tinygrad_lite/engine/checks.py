"""Why a backward pass refuses: the graph was dropped, or an array that a rule reads was changed after the forward pass.

All of it is off the fast path: it runs when an error is already likely.
"""

import dis
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any

from ..errors import GradError
from .origin import describe, module_path
from .record import Node, Variable

__all__ = ["check_unchanged", "dropped", "named", "reads_value"]

_FACTS = {"shape", "ndim", "size", "dtype"}  # attributes that a write in place leaves as they are


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
    """Does any rule that will run for `node` read the value of this input (or an output that is a view of it)?"""
    op = node.op
    if op.each is not None:
        return reads_value(op.each, None)
    live = [rule for rule, x in zip(op.rules, node.inputs, strict=True)
            if rule is not None and isinstance(x, Variable) and x._requires_grad]
    return any(reads_value(rule, position + 2) or (op.view and reads_value(rule, 1)) for rule in live)


@cache
def reads_value(rule: Callable[..., Any], position: int | None) -> bool:
    """Does the code of `rule` use its argument at `position` for more than its shape or dtype?

    `lambda g, y, a, b: g * b` reads b and not a. A rule that is not plain Python, or position None, is taken to read all.
    """
    code = getattr(rule, "__code__", None)
    if code is None or position is None or position >= code.co_argcount:
        return True
    name = code.co_varnames[position]
    if name in code.co_cellvars:
        return True
    steps = list(dis.get_instructions(code))
    for step, after in zip(steps, steps[1:], strict=False):
        names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
        if step.opname.startswith("LOAD_FAST") and name in names and not (
                names[-1] == name and after.opname == "LOAD_ATTR" and after.argval in _FACTS):
            return True
    return False
