"""A program as two files: Python text that needs NumPy alone, and beside it the arrays. Imported, they go on where the program was.

    train_step.py       the printed program, its settings, and the function with checks of what it is given
    train_step.npz      parameters, buffers, gradients; without pickles
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CompileError
from .entry import Bound
from .printing.naming import Names
from .printing.words import dtype_word, literal, wrapped
from .program import Program, Value
from .record import CLEARED
from .snapshot import Part, memory_of, part_of

__all__ = ["save"]


def save(bound: Bound, labels: list[str], path: Any) -> None:
    """Write the program to `path`, and its arrays beside it. labels: names of the function's arguments."""
    path = Path(path)
    if path.suffix != ".py":
        raise ValueError(f"save() writes a Python file: its name ends in .py, not as {path.name!r} does")
    writer = _Writer(bound, labels)
    text = writer.text()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:  # both are whole before either is in its place
        written = Path(folder) / path.name
        np.savez(written.with_suffix(".npz"), **writer.pieces)
        written.write_text(text, encoding="utf-8")
        for name in (written.with_suffix(".npz"), written):
            os.replace(name, path.parent / name.name)


class _Writer:
    """Gathers all that must be written; `text` and `pieces` are the two files."""

    def __init__(self, bound: Bound, labels: list[str]) -> None:
        self.bound = bound
        self.program = bound.program
        self.name = bound.program.name
        self.arrays = dict(bound.source.arrays)
        self.settings, self.generators = self._objects()
        self.gradients: dict[str, Part] = {}
        self.begins: list[str] = []  # names of the gradients that it begins with, in the order of its inputs
        self._find_gradients()
        self.state = self._state()
        memory, self.views = memory_of(self.arrays)
        copies = {name: view.of(memory) for name, view in self.views.items()}
        for (_, leaf), part in zip(self._leaves, self.gradients.values(), strict=True):
            if leaf._grad is not None and leaf in self.program.names:
                part.of(copies)[...] = leaf._grad._data  # after a capture alone it is not yet where the program leaves it
        own = {view.piece: name for name, view in self.views.items() if view.whole}
        self.keys = [f"array_{own[i]}" if i in own else f"memory_{i}" for i in range(len(memory))]
        self.pieces = dict(zip(self.keys, memory, strict=True))
        args, keywords = bound.arguments
        free = Names("answer", "arrays", "call", "check", "gradients", "np", "settings", "step").free
        self.arguments = {free(labels[i] if i < len(labels) else f"x{i}"): tree for i, tree in enumerate(args)} | keywords

    # ---- what there is

    def _objects(self) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        settings, generators, source = {}, {}, self.bound.source
        for name, thing in source.objects.items():
            if isinstance(thing, dict):
                settings[name] = {key: value for key, value in thing.items() if literal(value) is not None}
            elif isinstance(thing, np.random.Generator) and hasattr(np.random, type(thing.bit_generator).__name__):
                generators[name] = thing
            else:
                code = getattr(getattr(thing, "func", thing), "__qualname__", type(thing).__name__)
                reason = source.definitions.unsaved.get(name) or f"{code} computes a number for it anew at each call, by more than arithmetic"
                raise CompileError(f"{self.name} can't be saved: {reason}")
        return settings, generators

    def _find_gradients(self) -> None:
        self._leaves: list[tuple[str, Any]] = []
        arguments = {id(value.data): value.name for value in self.program.inputs}
        for leaf, before in self.bound.recorder.found.items():
            began, left = before is not None and before is not CLEARED, leaf in self.bound.gradients
            argument = arguments.get(id(leaf._data))
            name = _fresh(argument or self.program.names.get(leaf) or leaf.name or "leaf", self.gradients)
            if argument and began:
                raise CompileError(f"{self.name} can't be saved: it adds to a gradient that its argument {name} brings with it")
            if before is None and left and not argument:
                raise CompileError(f"{self.name} can't be saved: it began without a gradient of {name}, and the next call would add to the one that "
                                   "it left. Let it begin with zero_grad(), or call it once more first")
            if began and leaf._grad is None:
                raise CompileError(f"{self.name} can't be saved: it adds to the gradient of {name}, which has been cleared. Call it once more first")
            if not began and not left:
                continue
            array = self.bound.gradients[leaf] if left else leaf._grad._data
            if not left:
                self.arrays[_fresh(f"{name}_grad", self.arrays)] = array
            self.gradients[name] = self._part(array)
            self._leaves.append((name, leaf))
            if began:
                self.begins.append(name)

    def _state(self) -> dict[str, Part]:
        """What has a name, and is not the memory of gradients."""
        state: dict[str, Part] = {}
        for value in _held_values(self.program):
            part = self._part(value.data.T if value.turned else value.data)
            if value.name and part.array not in {gradient.array for gradient in self.gradients.values()}:
                state[_fresh(value.name, state)] = part
        return state

    def _part(self, array: Any) -> Part:
        part = part_of(array, self.arrays)
        if part is None:
            raise CompileError(f"{self.name} can't be saved: an array of shape {array.shape} is in none of those that its program was given")
        return part

    # ---- the text

    def text(self) -> str:
        program = self.bound.source.text.partition('"""')[2].partition('"""')[2].strip()
        body = [*self._load(), *self._function()]
        digest = hashlib.sha256("\n".join([program, *body, *self.pieces]).encode())
        for array in self.pieces.values():
            digest.update(array.tobytes())
        stamp = digest.hexdigest()[:16]
        self.pieces["saved"] = np.array(stamp)
        calls = len(self.bound.source.lines)
        needs = self.bound.source.definitions.needs
        head = [f'"""{self.name}, a program of {calls} NumPy calls, with the arrays that lie beside this file. It needs {needs}.', "",
                *self._usage(), '"""', ""]
        load = [f"def load(path, saved={stamp!r}):", f'    """{self.name}, with the arrays in the file at `path`."""', *body]
        return "\n".join([*head, program, "", "", *load, "", "", f'{self.name} = load(__file__.removesuffix(".py") + ".npz")', ""])

    def _usage(self) -> list[str]:
        lines = [f"    {self.name}({', '.join(self.arguments)})", ""]
        forms = [f"{word}: {x.dtype} {x.shape}" if isinstance(x, Value) else f"{word}: {x!r}"
                 for name, tree in self.arguments.items() for word, x in _leaves(name, tree)]
        lines += [*forms, ""] if forms else []
        lines.append(f"{self.name}.state       arrays that it works on, by name; change them in place")
        if self.gradients:
            lines.append(f"{self.name}.gradients   those that it left, by the name of what they are the gradient of")
        if self.settings:
            lines.append(f"{self.name}.settings    numbers that it reads anew at each call; change them as you like")
        if self.generators:
            lines.append(f"{self.name}.generators  of random numbers")
        return [line.replace("\\", "\\\\").replace('"', '\\"') if '"""' in line or "\\" in line else line for line in lines]

    def _load(self) -> list[str]:
        """Lines of `load` up to the function: everything by its name."""
        whole = [key.removeprefix("array_") for key in self.keys if key.startswith("array_")]
        lines = ["with np.load(path, allow_pickle=False) as file:",
                 "    if str(file['saved']) != saved:",
                 '        raise ValueError(f"{path} was saved with another program than this one")',
                 f"    arrays = {{name: file['array_' + name] for name in {whole}}}"]
        shared = [(name, view) for name, view in self.views.items() if name not in whole]
        for i in dict.fromkeys(view.piece for _, view in shared):
            lines.append(f"    memory_{i} = file['memory_{i}']")
        for name, view in shared:
            place = f"{view.shape}, {dtype_word(view.dtype)}, memory_{view.piece}, {view.offset}, {view.strides}"
            lines.append(f"arrays[{name!r}] = np.ndarray({place})")
        for title, parts in (("state", self.state), ("gradients", self.gradients)):
            lines += _dictionary(title, {name: part.text(self.arrays[part.array].ndim == 1) for name, part in parts.items()})
        lines += _dictionary("settings", {name: literal(value) for name, value in self.settings.items()})
        kinds = {name: type(g.bit_generator).__name__ for name, g in self.generators.items()}
        lines += _dictionary("generators", {name: f"np.random.Generator(np.random.{kind}())" for name, kind in kinds.items()})
        for name, g in self.generators.items():
            lines.append(f"generators[{name!r}].bit_generator.state = {literal(g.bit_generator.state)}")
        given = [f"{name}=arrays[{name!r}]" for name in self.bound.source.arrays]
        given += [f"{name}=settings[{name!r}]" for name in self.settings]
        given += [f"{name}=generators[{name!r}]" for name in self.generators]
        lines += [f"step = build({', '.join(given)})", ""]
        return [part for line in lines for part in (wrapped(line.lstrip(), 4 + len(line) - len(line.lstrip())) if line else [""])]

    def _function(self) -> list[str]:
        """Lines of `load` that define the function and what hangs on it."""
        leaves = [leaf for name, tree in self.arguments.items() for leaf in _leaves(name, tree)]
        inputs = [(word, x) for word, x in leaves if isinstance(x, Value)]
        lines: list[str] = []
        if inputs:
            message = f"{self.name}(): {{name}} must be {{np.dtype(dtype)}} {{shape}}, not {{array.dtype}} {{array.shape}}"
            lines += ["def check(name, array, shape, dtype):", "    array = np.asarray(array)",
                      "    if array.shape != shape or array.dtype != dtype:", f"        raise ValueError(f{message!r})", "    return array", ""]
        lines.append(f"def call({', '.join(self.arguments)}):")
        for word, x in leaves:
            if not isinstance(x, Value):
                value = literal(x)
                if value is None:
                    raise CompileError(f"{self.name} can't be saved: it was called with {x!r}, which has no text")
                message = f"{self.name}(): {word} is {value} in this program"
                lines += [f"    if {word} != {value}:", f"        raise ValueError({message!r})"]
        for wrong, held in self._conditions():
            message = f"{self.name}(): this program holds only while {held}"
            lines += [f"    if {wrong}:", f"        raise ValueError({message!r})"]
        given = [f"check({word!r}, {word}, {x.shape}, {dtype_word(x.dtype)})" for word, x in inputs]
        given += [f"gradients[{name!r}].copy()" for name in self.begins]
        lines.append(f"    answer = step({', '.join(given)})")
        counts = {id(state) for state in self.bound.recorder.counts}
        lines += [f"    settings[{name!r}]['step'] += 1" for name in self.settings if id(self.bound.source.objects[name]) in counts]
        made = {id(value): f"answer[{i}]" for i, value in reversed([*enumerate(self.program.outputs)])}
        lines += [f"    return {self._answer(self.bound.answer, made)}", ""]
        for attribute in ("state", "gradients", "settings", "generators"):
            if getattr(self, attribute) or attribute == "state":
                lines.append(f"call.{attribute} = {attribute}")
        lines += [f"call.__name__ = call.__qualname__ = {self.name!r}", "return call"]
        return [part for line in lines for part in (wrapped(line.lstrip(), 4 + len(line) - len(line.lstrip())) if line else [""])]

    def _conditions(self) -> Iterator[tuple[str, str]]:
        """(when it does not hold, what must hold) of the settings, as at the capture: a branch was taken on them."""
        names = {id(self.bound.source.objects[name]): name for name in self.settings}
        for condition in self.bound.conditions:
            try:
                text = condition.text(lambda thing: f"settings['{names[id(thing)]}']")[1:-1]
            except KeyError:  # it is about something else, which this file does not have
                continue
            if "['params']" in text:
                continue
            flag = re.fullmatch(r"(?:bool\((.*)\)|(.*)) == (True|False)", text)
            if flag is None:
                yield f"not ({text})", text
            elif flag[3] == "True":
                yield f"not {flag[1] or flag[2]}", flag[1] or flag[2]
            else:
                yield flag[1] or flag[2], f"not {flag[1] or flag[2]}"

    def _answer(self, tree: Any, made: dict[int, str]) -> str:
        if isinstance(tree, Value):
            return made[id(tree)]
        if isinstance(tree, dict):
            return "{" + ", ".join([f"{key!r}: {self._answer(value, made)}" for key, value in tree.items()]) + "}"
        if isinstance(tree, tuple | list):
            inside = ", ".join([self._answer(part, made) for part in tree])
            return f"[{inside}]" if isinstance(tree, list) else f"({inside}{',' * (len(tree) == 1)})"
        word = literal(tree)
        if word is None:
            raise CompileError(f"{self.name} can't be saved: it returns {tree!r}, which has no text")
        return word


def _held_values(program: Program) -> list[Value]:
    """Values from outside, with what lies in a flat array in its place."""
    members = {flat.value: flat.members for flat in program.flats}
    return [part for value in program.outers() for part in (members.get(value) or [value])]


def _leaves(word: str, tree: Any) -> Iterator[tuple[str, Any]]:
    """(how a text reaches it, leaf) for the leaves of an argument called `word`."""
    if isinstance(tree, dict):
        for key, part in tree.items():
            yield from _leaves(f"{word}[{key!r}]", part)
    elif isinstance(tree, tuple | list):
        for i, part in enumerate(tree):
            yield from _leaves(f"{word}[{i}]", part)
    else:
        yield word, tree


def _fresh(name: str, taken: Any) -> str:
    i, wish = 1, name
    while name in taken:
        i += 1
        name = f"{wish}_{i}"
    return name


def _dictionary(name: str, entries: dict[str, Any]) -> list[str]:
    """An assignment, one line for each entry."""
    if not entries:
        return [f"{name} = {{}}"] if name == "state" else []
    return [f"{name} = {{", *[f'    {key!r}: {value},' for key, value in entries.items()], "}"]
