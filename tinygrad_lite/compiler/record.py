"""A tape that writes a Program: each call of an op is expanded into NumPy calls as it happens, while its arrays still hold what it read."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import Node, Tape, Variable, describe, handle, here, module_path, parameter_paths, where
from ..errors import CompileError
from .program import Call, Function, Program, Value
from .trace import trace

__all__ = ["CLEARED", "Recorder", "give_gradients", "same", "stand_in"]

CLEARED = object()  # a leaf's gradient was set by the function before anything read it


class Recorder(Tape):
    """Records while it is captured to. `finish` gives the Program.

    leaves: (Tensor, name) of the arguments, each a handle of its own (`stand_in`), so that what the function reads by another way is told from
    it. strict: a value that leaves the Tensors raises; otherwise `broken` says so.
    """

    def __init__(self, name: str, leaves: list[tuple[Variable, str]], strict: bool) -> None:
        super().__init__()
        self.program = Program(name)
        self.strict = strict
        self.broken = ""  # why a replay would not be right
        self.values: dict[int, Value] = {}  # id of an array -> its value now
        self.arrays: list[Any] = []  # keeps them, and so their ids, alive
        self.outer: dict[Variable, Any] = {}  # Tensor read from outside -> its array
        self.bare: list[Any] = []  # arrays read from outside that no Tensor holds
        self.found: dict[Variable, Any] = {}  # leaf -> its .grad when the function began, or CLEARED
        self.stand_ins: dict[Variable, int] = {}  # handle of an argument -> its number among all leaves of the arguments
        self.scopes: dict[int, tuple[Any, str]] = {}
        self.modules: dict[Any, dict[str, Any]] = {}  # every module that was called -> its attributes at its first call
        for tensor, label in leaves:
            value = Value("input", tensor._data, name=label)
            self.program.inputs.append(value)
            self._know(tensor._data, value)

    # ---- what the engine tells

    def add(self, node: Node, result: Any) -> None:
        outputs = node.output if type(node.output) is tuple else (node.output,)
        if all(id(a) in self.values for a in outputs):
            return  # a Function or checkpoint, whose inside was seen
        inputs = [self._read(x, array) for x, array in zip(node.inputs, node.arrays, strict=True)]
        place = (node.op.name, self._path(node), describe(node.code, node.lasti))
        if not all(isinstance(a, np.ndarray) for a in outputs):
            self.break_(f"{node.op.name} made something that is no NumPy array")
            return
        generators = [v for v in node.params.values() if isinstance(v, np.random.Generator)]
        traced = None if generators else trace(node, inputs, place)
        if traced is None:
            values = tuple([Value("result", a, self._base(a, inputs)) for a in outputs])
            kind = "draw" if generators else "opaque"
            self.program.calls.append(Call(Function(node.op.name, node.op.forward, kind), tuple(inputs), dict(node.params), values,
                                           *place, several=type(node.output) is tuple))
        else:
            calls, values = traced
            self.program.calls += calls
        if _counts(node, inputs):
            self.break_(f"how large the result of {node.op.name} is depends on values, at {place[2]}")
        for value, array in zip(values, outputs, strict=True):
            value.data = array if value.kind == "result" else value.data
            self._know(array, value)

    def write(self, target: Variable, value: Any, code: Any, lasti: int) -> None:
        old = self._read(target, target._data)
        new = self._read(value, value._data if isinstance(value, Variable) else value)
        made = Value("result", target._data, base=old)
        self.program.calls.append(Call(Function("np.copyto", _copy_into, "write"), (old, new), {}, (made,), "write", "", describe(code, lasti)))
        self._know(target._data, made)

    def number(self, tensor: Variable, expression: Any) -> None:
        self._know(tensor._data, Value("number", tensor._data, name=tensor.name or "", expression=expression))

    def constant(self, tensor: Variable) -> None:
        self._know(tensor._data, Value("constant", tensor._data))

    def enters(self, module: Any) -> None:
        self.modules.setdefault(module, dict(vars(module)))

    def reads_grad(self, leaf: Variable) -> None:
        if leaf not in self.found:
            self.found[leaf] = leaf._grad
            if leaf._grad is not None and id(leaf._grad._data) not in self.values:
                value = Value("input", leaf._grad._data, name="grad")
                self.program.inputs.append(value)
                self._know(leaf._grad._data, value)

    def sets_grad(self, leaf: Variable) -> None:
        self.found.setdefault(leaf, CLEARED)

    def escapes(self, tensor: Variable, what: str) -> None:
        line = describe(*where(sys._getframe(1), here.thread.scope))
        text = f"{self.program.name}: {what} takes a value out of the Tensors at {line}"
        if self.strict:
            raise CompileError(f"{text}\n  A replay would go on with the first run's value. Keep to ops on Tensors (tl.where for a branch), "
                               "look at results outside,\n  or run this function eagerly: tl.compile(function, fullgraph=False)")
        self.break_(text)

    # ---- values

    def _know(self, array: Any, value: Value) -> None:
        self.arrays.append(array)
        self.values[id(array)] = value

    def _read(self, x: Any, array: Any) -> Any:
        """The Value of an input, as it is now; a Python number or None as it is."""
        if not isinstance(array, np.ndarray):
            if isinstance(x, Variable):
                self.break_("a Tensor holds an array that is not NumPy's")
            return x
        value = self.values.get(id(array))
        if value is None:
            value = Value("outer", array, name=x.name or "" if isinstance(x, Variable) else "")
            if isinstance(x, Variable):
                self.outer[x] = array
            else:
                self.bare.append(array)
            self._know(array, value)
        elif isinstance(x, Variable) and value.root.kind == "outer" and value.root.data is array:
            self.outer.setdefault(x, array)
        return value

    def _base(self, array: Any, inputs: list[Any]) -> Value | None:
        """Which input an opaque result is a view of."""
        if array.base is None:
            return None
        shared = [v for v in inputs if isinstance(v, Value) and np.may_share_memory(array, v.data)]
        return shared[0] if shared else None

    def _path(self, node: Node) -> str:
        scope = node.scope
        if scope is None:
            return ""
        known = self.scopes.get(id(scope))
        if known is None:
            self.scopes[id(scope)] = known = (node, module_path(scope))
        return known[1]

    def break_(self, reason: str) -> None:
        self.broken = self.broken or reason

    # ---- the end

    def finish(self, outputs: list[Variable]) -> Program:
        """The program with its outputs, and the gradients that it leaves behind."""
        program = self.program
        names = parameter_paths([node for node, _ in self.scopes.values()])
        self.scopes = {}  # nodes hold arrays
        program.outputs = [self._read(y, y._data) for y in outputs]
        for leaf, before in self.found.items():
            if leaf._grad is not None and leaf._grad is not before:
                program.gradients[leaf] = self._read(leaf._grad, leaf._grad._data)
        for module, attributes in self.modules.items():
            for name, before in attributes.items():
                if not same(vars(module).get(name), before):
                    self.break_(f"{type(module).__name__} sets its attribute {name!r} when it is called; a Tensor that is kept is to be written in "
                                "place, by engine.write(tensor, value)")
        written = [v.root for call in program.calls if call.function.kind == "write" for v in call.outputs]
        outer = [v for v in {id(v): v for v in self.values.values()}.values() if v.kind == "outer" or v.kind == "input"]
        for a in dict.fromkeys(written):
            for b in outer:
                if a is not b and np.may_share_memory(a.data, b.data):
                    self.break_("two arrays from outside share memory, and one of them is written")
        for tensor, array in self.outer.items():
            value = self.values[id(array)].root
            value.name = value.name or names.get(id(tensor), "")
        return program

    def find_movable(self) -> None:
        """Say which arrays nobody holds but the Tensor that they were read from: the user would not notice if they lay elsewhere."""
        self.arrays = []
        for value in {v for call in self.program.calls for v in call.outputs} | set(self.values.values()):
            if value.kind == "result":
                value.data = None
        tensors: dict[int, list[Variable]] = {}
        for tensor, array in self.outer.items():
            tensors.setdefault(id(array), []).append(tensor)
        for value in self.program.outers():
            array, holders = value.data, tensors.get(id(value.data), [])
            # holders: value.data, `array` here, the argument of getrefcount; each Tensor, and its entry in self.outer
            if (array.base is None and array.flags.c_contiguous and array.flags.writeable and holders
                    and sys.getrefcount(array) == 3 + 2 * len(holders)):
                self.program.movable.add(value)

    def move(self) -> None:
        """Let the Tensors hold the memory that the program works on."""
        place = {id(old): value.data.T if value.turned else value.data for value, old in self.program.moved.items()}
        for tensor, array in self.outer.items():
            if id(array) in place:
                tensor._data = self.outer[tensor] = place[id(array)]
        self.program.moved.clear()


def stand_in(x: Any, face: type) -> Any:
    """A Tensor for an argument: the same memory, hooks and gradient, and an identity of its own."""
    if not isinstance(x, Variable):
        return handle(face, x.view())
    tensor = handle(type(x), x._data.view(), x._requires_grad)
    tensor.name, tensor.hooks, tensor._grad = x.name, x.hooks, x._grad
    return tensor


def give_gradients(recorder: Recorder, leaves: Sequence[Any]) -> None:
    """What backward has left in the stand-ins is of the arguments; more than one way to the same leaf is more than a replay can tell apart."""
    for tensor, i in recorder.stand_ins.items():
        leaf, before = leaves[i], recorder.found.get(tensor)
        if tensor not in recorder.found:
            continue
        others = [t for t, k in recorder.stand_ins.items() if t is not tensor and leaves[k] is leaf and t in recorder.found]
        if leaf in recorder.found or others:
            recorder.break_("an argument that gets a gradient is read by another name too")
        if leaf._grad is (None if before is CLEARED else before):
            leaf._grad = tensor._grad
        elif tensor._grad is not None:  # the other way has left its own gradient there already
            start = None if before is CLEARED else before
            leaf._grad = handle(leaf.face, leaf._grad._data + tensor._grad._data - (0 if start is None else start._data))


def same(a: Any, b: Any) -> bool:
    """The same object, or numbers or strings that are equal."""
    return a is b or (type(a) is type(b) and isinstance(a, int | float | str) and a == b)


def _counts(node: Node, inputs: list[Any]) -> bool:
    """Does the shape of the output depend on what is in the inputs, as that of x[x > 0] does?"""
    return node.op.name in _COUNTING or (node.op.name == "gather" and any(isinstance(v, Value) and v.dtype == bool for v in inputs[1:]))


_COUNTING = {"bincount", "nonzero", "unique_places"}


def _copy_into(target: Any, value: Any) -> Any:
    np.copyto(target, value, casting="unsafe")
    return target


