"""What a captured function read from outside without a call that shows it: flags of modules, numbers and objects in its Python names.

Each becomes a condition, checked before each replay: where one no longer holds, the function is captured again.
"""

import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine import Live, Variable, get_default_dtype, is_library
from ..nn import Module
from .record import Recorder, same

__all__ = ["Before", "watch"]

_PLAIN = bool | int | float | str | None


class Before:
    """The names that a function reads, and the settings of optimizers among them, before it is called."""

    def __init__(self, function: Any, recorder: Recorder) -> None:
        self.names = list(_names(function, recorder))
        objects = {id(x): x for c in self.names for x in c.args if hasattr(x, "__dict__") and not isinstance(x, Module | types.ModuleType | type)}
        for thing in list(objects.values()):
            objects |= {id(x): x for x in vars(thing).values() if hasattr(x, "param_groups")}
        self.groups = [(group, dict(group)) for thing in objects.values() for group in getattr(thing, "param_groups", ())]

    def changed(self) -> str:
        """Which of them the call has set, in words; "" for none. A replay would not set it again."""
        for group, before in self.groups:
            for key, value in before.items():
                if not same(group.get(key), value):
                    return f"it sets {key!r} of an optimizer's group; call the schedule outside of it"
        for condition in self.names:
            if not condition():
                where = condition.args[0].text(lambda x: type(x).__name__)
                return f"it sets what it reads by {where}; return it instead, or write into a Tensor in place"
        return ""


def watch(function: Any, recorder: Recorder) -> list[Live]:
    """Conditions for a replay of what `recorder` captured of `function`."""
    found: dict[Any, Live] = {}
    default = Live("is", Live("call", get_default_dtype), get_default_dtype())
    for condition in [default, *recorder.conditions, *_tensors(recorder), *_names(function, recorder), *_modules(recorder)]:
        key = (condition.kind, *[_key(a) for a in condition.args])
        found.setdefault(key, condition)
    return list(found.values())


def _key(x: Any) -> Any:
    return (x.kind, *[_key(a) for a in x.args]) if isinstance(x, Live) else (type(x), x) if isinstance(x, _PLAIN) else id(x)


def _is(where: Live, value: Any) -> Live:
    """`where` is still this value: the same object, or an equal number or string."""
    same = value is None or isinstance(value, bool) or not isinstance(value, _PLAIN)
    return Live("is" if same else "==", where, value)


def _tensors(recorder: Recorder) -> Iterator[Live]:
    """Each Tensor from outside holds the array that it held; each leaf has a gradient, or none, as before."""
    for tensor, array in recorder.outer.items():
        yield Live("is", Live("attribute", tensor, "_data"), array)
        yield Live("is", Live("attribute", tensor, "_requires_grad"), tensor._requires_grad)
        if tensor.node is None:
            yield from _contents(Live("attribute", tensor, "hooks"), tensor.hooks)
    for leaf, before in recorder.found.items():
        if before is None and leaf not in recorder.stand_ins:
            yield Live("is", Live("attribute", leaf, "_grad"), None)


def _modules(recorder: Recorder) -> Iterator[Live]:
    for module in recorder.modules:
        yield from _parts(module)


def _parts(thing: Any) -> Iterator[Live]:
    """Plain attributes are equal, and what holds Tensors or modules holds the same."""
    yield Live("==", Live("len", Live("attribute", thing, "__dict__")), len(vars(thing)))
    for name, value in vars(thing).items():
        yield from _contents(Live("attribute", thing, name), value)


def _contents(where: Live, value: Any) -> Iterator[Live]:
    """`where` is still this object, number or string, or a list, tuple or dict of the same ones."""
    if not isinstance(value, list | tuple | dict):
        yield _is(where, value)
        return
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    yield Live("==", Live("len", where), len(items))
    for key, v in items[:256]:
        yield _is(Live("item", where, key), v)


def _names(function: Any, recorder: Recorder) -> Iterator[Live]:
    """Global names and closures that the function's code reads, and those of the functions of the user's that it names."""
    stack, seen = [function], set()
    while stack:
        f = stack.pop()
        f = getattr(f, "__wrapped__", f)
        owner = getattr(f, "__self__", None)
        f = getattr(f, "__func__", f)
        code = getattr(f, "__code__", None)
        if code is None or code in seen or is_library[code.co_filename]:
            continue
        seen.add(code)
        if owner is not None and hasattr(owner, "__dict__") and owner not in recorder.modules:
            yield from _parts(owner)
        places = [(Live("attribute", cell, "cell_contents"), cell.cell_contents) for cell in f.__closure__ or () if _full(cell)]
        names = {name for inner in _codes(code) for name in inner.co_names}
        places += [(Live("item", f.__globals__, name), f.__globals__[name]) for name in sorted(names & f.__globals__.keys())]
        for where, value in places:
            if isinstance(value, types.FunctionType | types.MethodType):
                yield _is(where, value)
                stack.append(value)
            elif isinstance(value, _PLAIN | Module | Variable | np.ndarray):
                yield _is(where, value)
            elif not isinstance(value, types.ModuleType | type) and hasattr(value, "__dict__"):
                yield _is(where, value)
                if not callable(value):
                    yield from (Live("==", Live("attribute", value, name), v) for name, v in vars(value).items() if isinstance(v, _PLAIN))


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


