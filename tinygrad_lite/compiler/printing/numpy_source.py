"""The program as Python source that needs NumPy alone: what one would have written by hand.

    def build(net_0_weight, ...):          # arrays from outside, and the objects that live numbers are read from
        b0 = np.empty((100, 16), np.float32)
        net_0_weight_T = net_0_weight.T

        def train_step(x, y):
            # net.0    train.py:31    loss = loss_fn(model(x), y)
            np.dot(x, net_0_weight_T, out=b0)      # (100, 2) @ (2, 16) -> (100, 16)
            ...
            return loss

        return train_step
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np

from ...engine import Live
from ...ops.random import normal, uniform
from ..memory import BLOCK, Plan
from ..program import Call, Program, Value
from .naming import Names, array_name, constant_name, is_reversal, object_name, outer_name, result_name, view_name
from .opaque import Definitions
from .source import Source, bound
from .words import WIDTH, allocation, dtype_word, literal, scalar_word, wrapped

__all__ = ["Source", "bound", "numpy_source"]

_SIGNS = {"np.add": "+", "np.subtract": "-", "np.multiply": "*", "np.divide": "/"}
_PRODUCTS = {"np.dot", "np.matmul"}
_REDUCE = {"dtype": None, "keepdims": False}


def numpy_source(program: Program, plan: Plan, gradients: dict[Any, Any]) -> Source:
    """Print `program` with the memory of `plan`; gradients: leaf -> the array in which its gradient is left."""
    return _Printer(program, plan, gradients).source()


class _Printer:
    def __init__(self, program: Program, plan: Plan, gradients: dict[Any, Any]) -> None:
        self.program = program
        self.plan = plan
        self.gradients = gradients
        self.free = Names("np", "build", "load", program.name).free
        self.name: dict[Any, str] = {}  # of a value or buffer
        self.makers = program.makers()
        self.inner = {call for call, after in pairwise(program.calls) if (call.op, call.path, call.line) == (after.op, after.path, after.line)}
        self.arrays: dict[str, Any] = {}
        self.objects: dict[str, Any] = {}
        self.object_names: dict[int, str] = {}
        self.definitions = Definitions(self.free)
        self.parts: list[str] = []  # lines of build
        self.buffers: list[str] = []
        self.numbers: list[str] = []
        self.views: list[str] = []
        self.inside: list[tuple[str, str, Call | None]] = []  # (code, comment, call) of the step
        self.results: dict[Call, tuple[str, ...]] = {}

    def source(self) -> Source:
        program, plan = self.program, self.plan
        for i, value in enumerate(program.inputs):
            self.name[value] = self.free(value.name or f"x{i}")
        for value in program.outers():
            self.name[value] = name = self.free(outer_name(value) + "_T" * value.turned)
            self.arrays[name] = value.data
        kept: dict[Any, str] = {}
        for leaf, value in program.gradients.items():
            if value.data is self.gradients[leaf]:
                continue
            kept[leaf] = name = self.free(f"{self._leaf_name(leaf)}_grad")
            self.arrays[name] = self.gradients[leaf]
            own = plan.buffer.get(value)
            if own is not None and own not in self.name and own.usual and own.whole is own and not own.parts:
                self.name[own] = name
        for buffer in plan.buffers:
            if buffer not in self.name:
                self.name[buffer] = buffer.name = self.free("b0")
                self.buffers.append(allocation(buffer))
        for value in {v: None for call in program.calls for v in call.inputs} | dict.fromkeys(program.results()):
            if value.kind == "number":
                self._number(value)
        first = {run[0]: run for run in program.blocks}
        looped = {call for run in program.blocks for call in run}
        for call in program.calls:
            if call in first:
                self._loop(first[call])
            elif call not in looped:
                self._call(call)
        for leaf, value in program.gradients.items():
            if leaf in kept and self._value(value) != kept[leaf]:
                self.inside.append((f"np.copyto({kept[leaf]}, {self._value(value)})", "", None))
        returned = [self._result(v) for v in program.outputs]
        self.objects |= self.definitions.objects
        body, numbers = self._body(f"return {', '.join(returned)}{',' * (len(returned) == 1)}" if returned else "return ()")
        inputs = ", ".join(self.name[v] for v in program.inputs)
        head = [f'"""{program.name}({inputs}): {len(numbers)} NumPy calls. Needs {self.definitions.needs}."""', "", *self.definitions.lines, "", ""]
        head += wrapped(f"def build({', '.join([*self.arrays, *self.objects])}):")
        for title, lines in (("what lies in these arrays", self.parts), ("memory that every run uses again", self.buffers),
                             ("numbers, as arrays, which NumPy takes sooner than Python's", self.numbers), ("views", self.views)):
            if lines:
                head += [f"    # {title}", *[part for line in lines for part in wrapped(line, 4)], ""]
        head += wrapped(f"def {program.name}({inputs}):", 4)
        text = "\n".join([*head, *body, "", f"    return {program.name}", ""])
        return Source(text, self.arrays, self.objects, {call: n + len(head) for call, n in numbers.items()}, self.results, self.definitions)

    def _body(self, last: str) -> tuple[list[str], dict[Call, int]]:
        """The lines of the step, under headings of module and user's line; and which of them, from 1, each call is."""
        column = min(70, max([len(code) for code, _, _ in self.inside] or [0]) + 2)
        lines: list[str] = []
        numbers: dict[Call, int] = {}
        path = line = ""
        for i, (code, comment, call) in enumerate(self.inside):
            here = call if i + 1 == len(self.inside) or not code.startswith("for ") else self.inside[i + 1][2]
            if here is not None and here.line and (here.path, here.line) != (path, line):
                new_line = here.line if here.line != line or not here.path else ""
                path, line = here.path, here.line
                heading = f"        # {'    '.join(filter(None, [path, new_line]))}"
                lines += [""] * bool(lines) + [heading if len(heading) <= WIDTH else heading[:WIDTH - 3] + "..."]
            parts = wrapped(code, 8)
            start = max(8 + column, len(parts[-1]) + 2) if len(parts) == 1 else len(parts[-1]) + 2
            note = next((c for c in (comment, "-> " + comment.rpartition("-> ")[2]) if c and start + 2 + len(c) <= WIDTH), "")
            if note and comment:
                parts[-1] = f"{parts[-1]:<{start}}# {note}"
            if call is not None:
                numbers[call] = len(lines) + 1
            lines += parts
        return [*lines, f"        {last}"] if len(last) + 8 <= WIDTH else [*lines, *wrapped(f"return ({last[7:]})", 8)], numbers

    # ---- names

    def _leaf_name(self, leaf: Any) -> str:
        value = next((v for v in self.name if isinstance(v, Value) and v.data is leaf._data), None)
        return self.name[value] if value is not None else self.program.names.get(leaf) or leaf.name or "x"

    def _held(self, thing: Any) -> str:
        """A parameter of build: an array that no Tensor holds, a generator, or what a live number is read from."""
        name = self.object_names.get(id(thing))
        if name is None:
            array = isinstance(thing, np.ndarray)
            name = self.object_names[id(thing)] = self.free(array_name(thing) if array else object_name(thing))
            (self.arrays if array else self.objects)[name] = thing
        return name

    def _number(self, value: Value) -> None:
        """A live number is written into a 0-d array at the start of each run."""
        expression: Live = value.expression
        self.name[value] = name = self.free(value.name or "number")
        self.numbers.append(f"{name} = np.empty((), {dtype_word(value.dtype)})")
        text = expression.text(self._held)
        self.inside.append((f"{name}[...] = {text[1:-1] if text[0] == '(' and len(text) < 100 else text}", "", None))

    def _word(self, x: Any) -> str:
        """An argument as it is printed."""
        if isinstance(x, Value):
            return self._value(x)
        if isinstance(x, tuple | list):
            inside = ", ".join([self._word(part) for part in x])
            return f"({inside}{',' * (len(x) == 1)})" if isinstance(x, tuple) else f"[{inside}]"
        if isinstance(x, np.ndarray | np.random.Generator):
            return self._held(x)
        word = None if isinstance(x, slice) else literal(x)
        if word is None and isinstance(x, slice):
            word = f"slice({self._word(x.start)}, {self._word(x.stop)}, {self._word(x.step)})"
        return self.definitions.constant(x) if word is None else word

    def _value(self, value: Value) -> str:
        if value not in self.name:
            if value.kind == "constant":
                self._constant(value)
            elif value in self.plan.buffer:
                return self.name[self.plan.buffer[value]]
            elif value in self.plan.target:
                return self._value(self.plan.target[value])
            elif value in self.plan.once:  # printed when something reads it
                call = self.makers[value]
                text = self._expression(call)
                if ("view", text) not in self.name:
                    self.name["view", text] = name = self.free(view_name(call, self._word(call.args[0]), self._word(self._owner(value))))
                    (self.parts if call.function.text == "part" else self.views).append(f"{name} = {text}")
                self.name[value] = self.name["view", text]
            else:
                raise KeyError(f"{value!r} is read before it is made")
        return self.name[value]

    def _owner(self, value: Value) -> Value:
        """What names a view: the memory that it shows, or the part of that which has a name of its own."""
        while value.base is not None and (value not in self.makers or self.makers[value].function.text != "part"):
            value = value.base
        return value.base if value.base is not None and value not in self.name else value

    def _constant(self, value: Value) -> None:
        if value.size and (value.data == value.data.flat[0]).all():
            entry = value.data.flat[0]
            self.name[value] = self._same(entry, value.shape, outer_name(value) if value.shape else constant_name(entry))
        else:
            self.name[value] = name = self.free("table")
            self.arrays[name] = value.data

    def _same(self, entry: Any, shape: tuple[int, ...], wish: str) -> str:
        """An array whose entries are all the same, made when the program is built; each once."""
        word, dtype = scalar_word(entry), dtype_word(entry.dtype)
        key = "constant", shape, word, dtype
        if key not in self.name:
            self.name[key] = name = self.free(wish)
            self.numbers.append(f"{name} = np.full({shape}, {word}, {dtype})" if shape else f"{name} = np.array({word}, {dtype})")
        return self.name[key]

    # ---- calls

    def _call(self, call: Call) -> None:
        kind, made = call.function.kind, call.output
        if kind == "write":
            if call not in self.plan.done:
                self._line(call, f"np.copyto({self._word(call.args[0])}, {self._word(call.args[1])}{_casting(call)})", self._value(call.args[0]))
            self.name[made] = self._value(call.args[0])
        elif made in self.plan.buffer or made in self.plan.target:
            where = self.name[self.plan.buffer[made]] if made in self.plan.buffer else self._value(self.plan.target[made])
            self._line(call, f"{self._expression(call)[:-1]}, out={where})", where)
        elif made not in self.plan.once:
            text = self._expression(call)
            if call.function.kind == "view":
                names = [self.free(view_name(call, self._word(call.args[0]), self._word(self._owner(made))))]
            else:
                names = [self.free(result_name(call, call in self.inner)) for _ in call.outputs]
            self.name |= dict(zip(call.outputs, names, strict=True))
            self._line(call, f"{', '.join(names)}{',' * (call.several and len(names) == 1)} = {text}", *names)
        dead = [self.name[v] for v in self.plan.dead.get(call, ())]
        if dead:
            self.inside.append((f"del {', '.join(dead)}", "", None))

    def _loop(self, run: list[Call]) -> None:
        """A run of calls, piece by piece: the pieces of all arrays are cut once, when the program is built."""
        names: dict[str, str] = {}
        cut = []
        size = run[0].output.size
        for word in dict.fromkeys([self._value(v) for call in run for v in [*call.inputs, call.output] if v.shape]):
            names[word] = self.free(f"{word}_i")
            small = any(b.shape == (BLOCK,) and self.name[b] == word for b in self.plan.buffers) and size > BLOCK
            flat = word if small or len(run[0].output.shape) == 1 else f"{word}.reshape(-1)"
            cut.append(f"{flat}[:min({BLOCK}, {size} - i)]" if small else f"{flat}[i:i + {BLOCK}]")
        pieces = self.free("pieces")
        self.views.append(f"{pieces} = [({', '.join(cut)}) for i in range(0, {size}, {BLOCK})]")
        self.inside.append((f"for ({', '.join(names.values())}) in {pieces}:", f"{size} entries, {BLOCK} at a time", None))
        for call in run:
            words = [names.get(w, w) for w in [self._operand(a, call, (BLOCK,) if size % BLOCK == 0 else ()) for a in call.args]]
            own = names[self._value(call.output)]
            self._line(call, f"    {call.function.text}({', '.join(words)}, out={own})", own)

    def _line(self, call: Call, code: str, *results: str) -> None:
        """One line of the step, with its shapes; `results` is what its results are called."""
        shapes = [str(v.shape) for v in call.inputs if v.kind != "number" and v.shape]
        made = ", ".join(str(v.shape) if v.shape else "scalar" for v in call.outputs)
        given = (" @ " if call.function.text in _PRODUCTS else " ").join(shapes)
        comment = made if not shapes else given if call.function.kind == "write" else f"{given} -> {made}"
        if call.errstate:
            code = f"with np.errstate({', '.join(f'{k}={v!r}' for k, v in call.errstate)}): {code}"
        self.results[call] = results
        self.inside.append((code, comment, call))

    def _expression(self, call: Call) -> str:
        function, args = call.function, call.args
        if function.kind == "draw" and (simple := self._draw(call)):
            return simple
        if function.kind in ("opaque", "draw"):
            words = [self._word(a) for a in args]
            return f"{self.definitions.function(function)}({', '.join([*words, *self._keywords(call)])})"
        if function.text == "[]":
            return f"{self._word(args[0])}[{self._index(args[1])}]"
        if function.text == "part":
            flat, begin, end, shape = args
            return f"{self._word(flat)}[{begin}:{end}]" + (f".reshape{shape}" if len(shape) != 1 else "")
        if function.text in (".T", ".mT"):
            return self._word(args[0]) + function.text
        if is_reversal(call):
            return f"{self._word(args[0])}.T"
        if function.kind == "map" and not call.output.shape and function.text in _SIGNS:
            return f" {_SIGNS[function.text]} ".join([self._scalar(a, call) for a in args])
        words = [self._operand(a, call, call.output.shape) for a in args]
        if function.text.startswith("."):
            return f"{words[0]}{function.text}({', '.join([*words[1:], *self._keywords(call)])})"
        return f"{function.text}({', '.join([*words, *self._keywords(call)])})"

    def _draw(self, call: Call) -> str:
        """A draw as the call of the generator that it is; "" where its row does more than that."""
        k = call.keywords
        dtype = np.dtype(k["dtype"]) if "dtype" in k else None
        plain = call.function.run is normal.forward or (call.function.run is uniform.forward and (k["low"], k["high"]) == (0.0, 1.0))
        if not plain or dtype not in (np.float32, np.float64):
            return ""
        method = "standard_normal" if call.function.run is normal.forward else "random"
        return f"{self._word(k['generator'])}.{method}({self._word(k['shape'])}, dtype={dtype_word(dtype)})"

    def _operand(self, x: Any, call: Call, shape: tuple[int, ...] = ()) -> str:
        """A Python number beside an array is held as a 0-d array of the array's dtype, which is what NumPy would make of it each time.

        For np.maximum and np.minimum as an array of `shape`: NumPy has vector instructions for two arrays, and takes a third of the time.
        """
        floats = call.function.kind == "map" and type(x) in (int, float) and call.output.shape
        if floats:
            others = {v.dtype for v in call.inputs if v.shape}
            if len(others) == 1 and (dtype := others.pop()).kind == "f":
                number = dtype.type(x)
                if call.function.text not in ("np.maximum", "np.minimum") or math.prod(shape) > 2 * BLOCK or not all(
                        v.contiguous and v.shape == call.output.shape for v in [*call.inputs, call.output]):
                    shape = ()
                return self._same(number, shape, constant_name(number) + "s" * bool(shape))
        return dtype_word(x) if isinstance(x, np.dtype) else self._word(x)

    def _scalar(self, x: Any, call: Call) -> str:
        if isinstance(x, Value) and x.kind == "constant" and not x.shape and x.dtype == call.output.dtype:
            alone = all(not isinstance(a, Value) or a.kind == "constant" for a in call.args)
            return f"{dtype_word(x.dtype)}({scalar_word(x.data)})" if alone else self._word(x.data.item())
        return self._word(x)

    def _keywords(self, call: Call) -> list[str]:
        """Those that are not the default anyway, the axis first."""
        defaults = getattr(call.function.run, "__kwdefaults__", None) or (_REDUCE if call.function.kind == "reduce" else {})
        given = {k: v for k, v in call.keywords.items() if k not in defaults or type(v) is not type(defaults[k]) or v != defaults[k]}
        word = self._word if call.function.kind in ("opaque", "draw") else lambda x: self._operand(x, call)
        return [f"{key}={word(given[key])}" for key in sorted(given, key=lambda key: key != "axis")]

    def _index(self, key: Any) -> str:
        parts = key if isinstance(key, tuple) else (key,)
        words = []
        for part in parts:
            if isinstance(part, slice):
                text = ":".join("" if p is None else self._word(p) for p in (part.start, part.stop))
                words.append(text if part.step is None else f"{text}:{self._word(part.step)}")
            else:
                words.append(self._word(part))
        return ", ".join(words) + "," * (len(parts) == 1 and isinstance(parts[0], tuple)) if parts else "()"

    def _result(self, value: Value) -> str:
        """What is returned must not be memory that the next run writes again."""
        word = self._word(value)
        held = value.root in self.plan.buffer or value.root.kind == "constant" or (value.kind == "number")
        return f"{word}.copy()" if held else word


def _casting(call: Call) -> str:
    target, value = call.args
    same = isinstance(value, Value) and np.can_cast(value.dtype, target.dtype, "same_kind") or isinstance(value, int | float)
    return "" if same else ", casting='unsafe'"
