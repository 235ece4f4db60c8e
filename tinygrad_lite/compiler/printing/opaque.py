"""Python functions that a program calls as they are, printed with everything that they use, so that the program's text needs NumPy alone.

A function's source comes with the functions, classes and constants that its code names, as far as they are of this package or the user's
own; other modules are imported. Two things of one name get two. What has no source at hand is bound as an object, and can't be saved.
"""

import builtins
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ...engine import Op
from ..program import Function
from .pieces import NoSource, Piece, assignment, piece_of
from .words import literal, wrapped

__all__ = ["Definitions"]

_PACKAGE = __name__.partition(".")[0]
_VALUES = {"contextlib", "operator", "fractions", "decimal"}  # modules whose objects never change, so that a second one is as good


class Definitions:
    """`lines` are the imports and definitions that must stand before the program; `function` and `constant` give the word that is written in it.

    free(wish) gives a name that nothing has yet. objects: name -> what is bound from outside, since it can't be printed; unsaved: why.
    """

    def __init__(self, free: Callable[[str], str]) -> None:
        self._free = free
        self.objects: dict[str, Any] = {}
        self.unsaved: dict[str, str] = {}  # name of an object -> why it has no text
        self.originals: dict[str, Any] = {}  # name -> the function or class that it is printed from
        self._imports: dict[str, None] = {}
        self._constants: list[str] = []
        self._blocks: list[str] = []
        self._names: dict[int, str] = {id(np): "np"}
        self._same: dict[tuple[str, str], str] = {}  # (wish, value of a constant) -> its name: modules may have a constant in common
        self._kept: list[Any] = []  # so that no id is used again

    @property
    def lines(self) -> list[str]:
        blocks = [line for block in self._blocks for line in ("", "", *block.splitlines())]
        imports = sorted(self._imports)
        return [*imports, *[""] * bool(imports), "import numpy as np", *[""] * bool(self._constants), *self._constants, *blocks]

    def function(self, function: Function) -> str:
        """The word for a row's forward in the program."""
        return self._word(function.run, function.text)

    def constant(self, thing: Any) -> str:
        """The word for a parameter that has no literal."""
        return self._word(thing, "constant0")

    def _word(self, thing: Any, wish: str) -> str:
        if id(thing) in self._names:
            return self._names[id(thing)]
        before: Any = [part.copy() for part in self._printed()]
        try:
            return self._define(thing, f"_{wish}")
        except NoSource as reason:
            self._imports, self._constants, self._blocks, self._names, self._same, self.originals = before
            name = self._name(thing, wish)
            self.objects[name] = thing
            self.unsaved[name] = str(reason)
            return name

    def _printed(self) -> tuple[Any, ...]:
        return self._imports, self._constants, self._blocks, self._names, self._same, self.originals

    def _name(self, thing: Any, wish: str) -> str:
        self._kept.append(thing)
        self._names[id(thing)] = name = self._free(wish)
        return name

    # ---- one thing, and what it names

    def _define(self, thing: Any, wish: str, home: Any = None) -> str:
        """The word for anything that printed code names, as `wish` in the module `home`; its definition is added, after those that it needs."""
        if isinstance(thing, Op):
            thing = thing.forward
        word = literal(thing)
        if word is not None:
            return word if _short(thing) else self._constant(wish, word)
        if id(thing) in self._names:
            return self._names[id(thing)]
        if isinstance(thing, types.ModuleType):
            return self._import(thing, f"import {thing.__name__}", thing.__name__, wish)
        module = _elsewhere(thing)
        if module:
            return self._import(thing, f"from {module} import {thing.__name__}", thing.__name__, wish)
        if isinstance(thing, type) or hasattr(thing, "__code__") or hasattr(thing, "__wrapped__"):
            return self._source(thing, wish)
        if home is not None and type(thing).__module__ in _VALUES:
            return self._print(thing, wish, assignment(home, wish), home)
        raise NoSource(f"{wish} is a {type(thing).__name__}, which has no text")

    def _constant(self, wish: str, word: str) -> str:
        if (wish, word) not in self._same:
            self._same[wish, word] = name = self._free(wish)
            self._constants += wrapped(f"{name} = {word}")
        return self._same[wish, word]

    @property
    def needs(self) -> str:
        """What must be installed: "NumPy alone", or "NumPy and scipy"."""
        tops = {line.split()[1].partition(".")[0] for line in self._imports} - sys.stdlib_module_names - {"numpy"}
        return " and ".join(["NumPy", *sorted(tops)]) if tops else "NumPy alone"

    def _import(self, thing: Any, line: str, own: str, wish: str) -> str:
        name = self._name(thing, wish if isinstance(thing, types.ModuleType) else own)
        self._imports[line if name == own else f"{line} as {name}"] = None
        return name

    def _source(self, thing: Any, wish: str) -> str:
        own = getattr(thing, "__name__", "")
        return self._print(thing, wish if own in ("forward", "<lambda>", "") else own, piece_of(thing))

    def _print(self, thing: Any, wish: str, piece: Piece, home: Any = None) -> str:
        name = self._name(thing, wish)
        changes = {piece.name: name} if piece.name != name else {}
        for word in piece.needed:
            if word != piece.name:
                found, value, where = _look_up(thing, word, home)
                if found:
                    self._refer(piece, word, value, where, changes)
        self._blocks.append(piece.text(name, changes))
        self.originals[name] = thing
        return name

    def _refer(self, piece: Piece, word: str, value: Any, home: Any, changes: dict[str, str]) -> None:
        """Define what `word` names in a piece; changes: what is written in its place, where that is another word."""
        if isinstance(value, types.ModuleType) and _own(value.__name__):
            for chain in piece.chains(word):  # losses.kept(...) of a module that is printed in parts
                target: Any = value
                for attribute in chain.split(".")[1:]:
                    if isinstance(target, types.ModuleType) and _own(target.__name__):
                        target = getattr(target, attribute)
                changes[chain] = self._define(target, chain.rpartition(".")[2])
            return
        if isinstance(value, Op) and not piece.calls_by_keyword(word, value.arity):
            raise NoSource(f"{piece.name} calls the op {value.name} with parameters by position")
        name = self._define(value, word, home)
        if name != word:
            changes[word] = name


def _short(thing: Any) -> bool:
    """May it be written where it is used, without a name? np.add may, and 3, and not a table."""
    return not isinstance(thing, int | float | str | tuple | list | dict | np.ndarray) or isinstance(thing, bool)


def _own(module: str | None) -> bool:
    """Is this module of the package, or the user's own, so that its text is printed?"""
    top = (module or "").partition(".")[0]
    if top in ("", _PACKAGE, "__main__"):
        return True
    if top in sys.stdlib_module_names or top == "numpy":
        return False
    path = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" not in path and "dist-packages" not in path


def _elsewhere(thing: Any) -> str:
    """The module of somebody else that has `thing` under its own name, or ""."""
    module = "scipy.special" if isinstance(thing, np.ufunc) else getattr(thing, "__module__", None) or ""  # a ufunc does not say where it is from
    return module if not _own(module) and getattr(sys.modules.get(module), getattr(thing, "__name__", ""), None) is thing else ""


def _look_up(thing: Any, word: str, home: Any) -> tuple[bool, Any, Any]:
    """(is it more than a name of Python's own?, what `word` means in the text of `thing`, the module that it stands in).

    home: of a thing that is neither a function nor a class, the module.
    """
    inner = inspect.unwrap(thing) if callable(thing) else thing
    code = getattr(inner, "__code__", None)
    if code is not None and word in code.co_freevars:
        try:
            return True, inner.__closure__[code.co_freevars.index(word)].cell_contents, None
        except ValueError:
            raise NoSource(f"{inner.__name__} names {word}, which is not there yet") from None
    names = inner.__globals__ if code is not None else vars(sys.modules[inner.__module__] if isinstance(inner, type) else home)
    if word in names:
        return True, names[word], sys.modules.get(names.get("__name__", ""))
    if hasattr(builtins, word):
        return False, None, None
    raise NoSource(f"{getattr(inner, '__name__', word)} names {word}, which is not there")
