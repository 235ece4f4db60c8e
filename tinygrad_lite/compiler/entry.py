"""The way into a program: a generated function that checks what must still hold, runs the step, and puts gradients and counts in place.

It is source as well, without a loop or a look-up, since on a small network it is a part of the time that can be seen.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import LENT, Live, Variable, guarded, handle, here
from ..tensors import Tensor
from .memory import Plan
from .native import Native, native
from .printing.numpy_source import Source, bound, numpy_source
from .program import Program
from .record import CLEARED, Recorder

__all__ = ["MISS", "Bound", "bind"]

MISS = object()  # what an entry answers when its program is not the one for this call


@dataclass(eq=False)
class Bound:
    """A program with its source, bound to the arrays and objects that it was captured with."""

    program: Program
    plan: Plan
    source: Source
    step: Callable[..., Any]
    entry: Callable[..., Any]
    conditions: list[Live]
    direct: bool  # every argument is one leaf, so that the entry can be called with the arguments themselves
    gradients: dict[Any, Any]  # leaf -> the array in which its gradient is left
    recorder: Recorder
    native: Native | None  # the native form, where that is what runs
    arguments: Any  # (arguments, keywords), where an array is its Value
    answer: Any  # what is returned, where an array is its Value


def bind(program: Program, recorder: Recorder, plan: Plan, conditions: list[Live], leaves: Sequence[Any], outputs: Sequence[Any],
         rebuild: Callable[[Sequence[Any]], Any], build: Callable[[Sequence[Any]], Any], direct: bool, backend: str) -> Bound:
    gradients = {leaf: v.data if v.root.kind == "outer" and v.base is not None else np.empty_like(leaf._data)
                 for leaf, v in program.gradients.items()}
    source = numpy_source(program, plan, gradients)
    machine = native(program, plan, gradients) if backend == "native" else None
    step = machine.step if machine is not None else bound(source, program.name)
    entry = _Entry(program, recorder, conditions, leaves, outputs, rebuild, gradients, step).function()
    values, made = iter(program.inputs), iter(program.outputs)
    return Bound(program, plan, source, step, entry, conditions, direct, gradients, recorder, machine,
                 build([next(values) if isinstance(x, Variable | np.ndarray) else x for x in leaves]),
                 rebuild([next(made) if isinstance(y, Variable | np.ndarray) else y for y in outputs]))


class _Entry:
    def __init__(self, program: Program, recorder: Recorder, conditions: list[Live], leaves: Sequence[Any], outputs: Sequence[Any],
                 rebuild: Callable[[Sequence[Any]], Any], gradients: dict[Any, Any], step: Callable[..., Any]) -> None:
        self.names: dict[int, str] = {}
        self.bound: dict[str, Any] = {"Tensor": Tensor, "handle": handle, "MISS": MISS, "step": step, "here": here, "np": np, "rebuild": rebuild,
                                      "guarded": guarded}
        checks: list[str] = ["not more", "not guarded", f"here.thread.mode == {here.thread.mode}"]
        given: list[str] = []
        before: list[str] = []
        for i, x in enumerate(leaves):
            if isinstance(x, Variable):
                before.append(f"a{i} = x{i}._data")
                checks += [f"type(x{i}) is {self.name(type(x))}", f"x{i}._requires_grad is {x._requires_grad}", *self.form(f"a{i}", x._data)]
                given.append(f"a{i}")
            elif isinstance(x, np.ndarray):
                checks += [f"type(x{i}) is np.ndarray", *self.form(f"x{i}", x)]
                given.append(f"x{i}")
            else:
                same = x is None or isinstance(x, bool)
                checks.append(f"x{i} is {x}" if same else f"type(x{i}) is {self.name(type(x))} and x{i} == {self.name(x)}")
        count = len(given)
        with_grad = [leaf for leaf, g in recorder.found.items() if g is not None and g is not CLEARED]
        for value, leaf in zip(program.inputs[count:], with_grad, strict=True):
            name = f"g{len(given)}"
            before.append(f"{name} = {self.leaf(leaf, recorder)}._grad._data")
            checks += self.form(name, value.data)
            given.append(name)
        checks += [c.text(self.name)[1:-1] for c in conditions]
        checks += self.apart(program, given[:count])
        after = []
        for leaf, before_leaf in recorder.found.items():
            word = self.leaf(leaf, recorder)
            if leaf in recorder.stand_ins:
                if before_leaf is None:
                    checks.append(f"{word}._grad is None")
                others = [i for t, i in recorder.stand_ins.items() if t._requires_grad and t is not leaf]
                checks += [f"{word} is not x{i}" for i in others]
            if leaf in program.gradients and leaf in recorder.stand_ins:  # of another leaf at the next call: this one keeps what it got
                after.append(f"{word}._grad = handle(Tensor, {self.name(gradients[leaf])}.copy())")
            elif leaf in program.gradients:
                lent = handle(Tensor, gradients[leaf])
                lent.index = LENT
                after.append(f"{word}._grad = {self.name(lent)}")
            elif before_leaf is CLEARED:
                after.append(f"{word}._grad = None")
        after += [f"{self.name(state)}['step'] += 1" for state in recorder.counts]
        self.lines = ["try:", *[f"    {line}" for line in before], f"    if not ({' and '.join(checks)}):", "        return MISS",
                      "except (AttributeError, LookupError, TypeError):", "    return MISS", *self.run(outputs, given, recorder), ]
        self.after(after)
        self.arguments = ", ".join([*[f"x{i}=MISS" for i in range(len(leaves))], "*more"])

    def run(self, outputs: Sequence[Any], given: list[str], recorder: Recorder) -> list[str]:
        """Call the step; `self.answer` is what to return."""
        words, taken, several = [], [], 0
        for y in outputs:
            if isinstance(y, Variable | np.ndarray):
                name = f"y{several}"
                several += 1
                taken.append(name)
                outer = isinstance(y, Variable) and y in recorder.outer and y.node is None
                if isinstance(y, Variable) and y in recorder.stand_ins:
                    words.append(f"x{recorder.stand_ins[y]}")
                    continue
                array = f"{name} if type({name}) is np.ndarray else np.asarray({name})"
                words.append(self.name(y) if outer else f"handle(Tensor, {array})" if isinstance(y, Variable) else f"({array})")
            else:
                words.append(self.name(y))
        self.answer = words[0] if len(words) == 1 and self.bound["rebuild"]([self]) is self else f"rebuild([{', '.join(words)}])"
        call = f"step({', '.join(given)})"
        return [f"{', '.join(taken)}{',' * (len(taken) == 1)} = {call}" if taken else call]

    def after(self, lines: list[str]) -> None:
        self.lines += [*lines, f"return {self.answer}"]

    def form(self, word: str, array: Any) -> list[str]:
        return [f"type({word}) is np.ndarray", f"{word}.shape == {array.shape}", f"{word}.dtype == {self.name(array.dtype)}"]

    def name(self, thing: Any) -> str:
        if isinstance(thing, int | float | str | bool | None) and not (isinstance(thing, float) and thing - thing != 0):
            return repr(thing)
        if id(thing) not in self.names:
            self.names[id(thing)] = name = f"{type(thing).__name__.lower()}_{len(self.names)}"
            self.bound[name] = thing
        return self.names[id(thing)]

    def leaf(self, leaf: Any, recorder: Recorder) -> str:
        return f"x{recorder.stand_ins[leaf]}" if leaf in recorder.stand_ins else self.name(leaf)

    def apart(self, program: Program, given: list[str]) -> Iterator[str]:
        """What is written must not be memory of something else that was another array when the program was captured."""
        roots = {v.root: v for call in program.calls if call.function.kind == "write" for v in call.outputs}
        for root in roots:
            if root.kind == "outer":
                owner = root.data if root.data.base is None else root.data.base
                for word in given:
                    yield f"{word} is not {self.name(owner)} and {word}.base is not {self.name(owner)}"
            elif root.kind == "input":
                written = given[program.inputs.index(root)] if root in program.inputs[:len(given)] else None
                for word in given:
                    if written is not None and word != written:
                        yield f"not np.may_share_memory({word}, {written})"
                for value in program.outers():
                    if written is not None:
                        yield f"not np.may_share_memory({written}, {self.name(value.data)})"

    def function(self) -> Callable[..., Any]:
        body = "\n".join([f"def make({', '.join(self.bound)}):", f"    def entry({self.arguments}):", *[f"        {line}" for line in self.lines],
                          "    return entry"])
        namespace: dict[str, Any] = {}
        exec(compile(body, "<entry of a compiled function>", "exec"), namespace)  # noqa: S102  our own text
        entry: Callable[..., Any] = namespace["make"](*self.bound.values())
        return entry


