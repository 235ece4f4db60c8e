"""Common subexpressions: of equal calls on the same values only the first stays. A backward pass computes much that the forward pass has."""

from typing import Any

import numpy as np

from ..program import Call, Program, Value

__all__ = ["share_equal_calls"]


def share_equal_calls(program: Program) -> None:
    """A write between two calls is no matter: what it leaves is another value."""
    first: dict[Any, Call] = {}
    replaced: dict[Value, Value] = {}
    kept = []
    written = {v.root for call in program.calls if call.function.kind == "write" for v in call.inputs[:1]}
    for call in program.calls:
        key = _key(call, replaced)
        # a view of memory that is written later shows what is in it then: it is the same view
        if key is None or any(v.root in written and v.kind == "result" for v in call.inputs):
            kept.append(call)
        elif key in first:
            replaced |= dict(zip(call.outputs, first[key].outputs, strict=True))
        else:
            first[key] = call
            kept.append(call)
    program.calls = kept
    program.replace(replaced)


def _key(call: Call, replaced: dict[Value, Value]) -> Any:
    """Equal for calls that give the same; None for calls that must stay."""
    if not call.pure:
        return None
    try:
        key = (call.function.text, id(call.function.run) if call.function.kind == "opaque" else None, _frozen(call.args, replaced),
               _frozen(call.keywords, replaced), call.errstate)
        hash(key)
    except TypeError:
        return None
    return key


def _frozen(tree: Any, replaced: dict[Value, Value]) -> Any:
    if isinstance(tree, Value):
        value = replaced.get(tree, tree)
        if value.kind == "constant" and value.size == 1:
            return "constant", value.dtype, value.shape, value.data.item()
        return value
    if isinstance(tree, tuple | list):
        return tuple([_frozen(part, replaced) for part in tree])
    if isinstance(tree, dict):
        return tuple([(key, _frozen(part, replaced)) for key, part in tree.items()])
    if isinstance(tree, slice):
        return "slice", _frozen((tree.start, tree.stop, tree.step), replaced)
    if isinstance(tree, np.ndarray):
        return id(tree)
    return type(tree), repr(tree) if isinstance(tree, float) else tree  # 0.0 == -0.0, but not here


