"""Names in a printed program: a parameter's by its path, a constant's by its value, a view's by what it is of, an object's by what it is."""

import builtins
import inspect
import keyword
import re
from collections import Counter
from typing import Any

import numpy as np

from ...engine import Live, Variable, is_library
from ...nn import Module
from ..program import Call, Value
from ..record import Recorder
from .words import scalar_word

__all__ = ["Names", "array_name", "constant_name", "is_reversal", "name_tensors", "object_name", "outer_name", "result_name", "view_name"]

_REDUCED = {"np.add.reduce": "total", "np.multiply.reduce": "product", "np.maximum.reduce": "largest", "np.minimum.reduce": "least"}
_NUMBERS = {"0": "zero", "1": "one", "2": "two", "-1": "minus_one", "0.5": "half"}


class Names:
    """Names that are taken; `free` gives others."""

    def __init__(self, *taken: str) -> None:
        self._taken = {*taken}

    def free(self, wish: str) -> str:
        """A name like `wish` that nothing has yet, and takes it: 'net.0.weight' becomes net_0_weight, the second b0 is b1, the second x is x_2."""
        name = re.sub(r"\W", "_", wish) or "v"
        if name[0].isdigit() or keyword.iskeyword(name):
            name = ("p" if name[0].isdigit() else "") + name + ("_" if keyword.iskeyword(name) else "")
        if name in self._taken:
            counted = re.fullmatch(r"(.*[A-Za-z])0", name)
            stem, i = (counted[1], 1) if counted else (f"{name}_", 2)
            while f"{stem}{i}" in self._taken:
                i += 1
            name = f"{stem}{i}"
        self._taken.add(name)
        return name


def constant_name(value: Any) -> str:
    """Of a 0-d array: `zero`, `half`, `c_0_02`."""
    word = scalar_word(value).removesuffix(".0")
    return _NUMBERS.get(word) or ("c0" if len(word) > 8 else f"minus_{word[1:]}" if word[0] == "-" else f"c_{word}")


def outer_name(value: Value) -> str:
    """Of an array from outside."""
    return value.name or array_name(value.data)


def array_name(data: Any) -> str:
    """Of an array that no Tensor names."""
    if data.size and data.dtype.kind in "biuf":
        for number, name in ((1, "ones"), (0, "zeros")):
            if (data == number).all():
                return name
    return "table"


def object_name(thing: Any) -> str:
    """Of what live numbers are read from: a parameter group, an optimizer's state, a generator."""
    if isinstance(thing, dict):
        return "group" if "params" in thing else "state"
    if isinstance(thing, np.random.Generator):
        return "generator"
    return getattr(thing, "__name__", type(thing).__name__).lower()


def result_name(call: Call, inner: bool) -> str:
    """Of what is computed into new memory: the op's name; inside an op, which makes more calls, that of the function."""
    if not inner or call.function.kind in ("opaque", "draw"):
        return f"{call.op}_" if hasattr(builtins, call.op) else call.op or "result"
    return _REDUCED.get(call.function.text) or re.sub(r"\W", "", call.function.text.rpartition(".")[2]) or "part"


def view_name(call: Call, base: str, root: str) -> str:
    """Of a view of `base`, in the memory of `root`: weight_T, b2_flat, b5_32x16, b5_32x16_T; b5_v0 where that would be long."""
    text, made = call.function.text, call.output
    if text == "part":
        return f"{made.name}_T" if made.turned else made.name or "part0"
    if text in (".T", ".mT", ".swapaxes", "np.swapaxes") or is_reversal(call):
        name = f"{base}_T"
    elif text in (".reshape", "np.reshape"):
        name = f"{root}_flat" if len(made.shape) == 1 else f"{root}_{'x'.join(map(str, made.shape))}"
    else:
        return f"{root}_v0"
    return name if len(name) <= len(root) + 12 and not name.endswith("_T_T") else f"{root}_v0"


def is_reversal(call: Call) -> bool:
    """x.transpose(None), which is written x.T."""
    return call.function.text in (".transpose", "np.transpose") and [*call.args[1:], *call.keywords.values()] in ([], [None])


def name_tensors(function: Any, recorder: Recorder) -> None:
    """Call Tensors from outside that no module names as the function's code calls them; and 0.weight.exp_avg what an optimizer keeps for 0.weight."""
    names = _names_in(function)
    values = {tensor: recorder.values[id(array)].root for tensor, array in recorder.outer.items()}
    for module in sorted(recorder.modules, key=lambda module: -len(list(module.named_modules()))):  # the outermost first
        for path, part in module.named_modules():
            for attribute, x in vars(part).items():
                if isinstance(x, Variable):
                    names.setdefault(id(x), f"{path}.{attribute}" if path else attribute)
    seen = Counter(value.name for value in values.values())
    for tensor, value in values.items():
        if not value.name or seen[value.name] > 1:  # two models may each have a weight
            value.name = names.get(id(tensor), value.name)
    for condition in recorder.conditions:  # optimizer.state[p] is state
        match condition.args:
            case Live(kind="item", args=(_, Variable() as p)), dict() as state if p in values and values[p].name:
                for key, kept in state.items():
                    if kept in values:
                        values[kept].name = f"{values[p].name}.{key}"
    recorder.program.names = {tensor: value.name for tensor, value in values.items()}


def _names_in(function: Any) -> dict[int, str]:
    """id of a Tensor -> its name in `function`, or in a function of the user's that it names."""
    names: dict[int, str] = {}
    stack, seen = [function], set()
    while stack:
        f = inspect.unwrap(stack.pop())
        f = getattr(f, "__func__", f)
        code = getattr(f, "__code__", None)
        if code is None or code in seen or is_library[code.co_filename]:
            continue
        seen.add(code)
        cells = {n: c.cell_contents for n, c in zip(code.co_freevars, f.__closure__ or (), strict=True) if _full(c)}
        for name, value in {**{n: f.__globals__[n] for n in code.co_names if n in f.__globals__}, **cells}.items():
            if isinstance(value, Variable):
                names.setdefault(id(value), name)
            elif isinstance(value, Module):
                for path, parameter in value.named_parameters():
                    names.setdefault(id(parameter), f"{name}.{path}")
            elif isinstance(value, list | tuple | dict):
                for key, part in value.items() if isinstance(value, dict) else enumerate(value):
                    if isinstance(part, Variable):
                        names.setdefault(id(part), f"{name}.{key}")
            elif callable(value):
                stack.append(value)
    return names


def _full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that is set later
        return False
