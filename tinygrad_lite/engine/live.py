"""Numbers that change between replays: a learning rate, a step count, and arithmetic on them, kept as an expression.

An optimizer computes its numbers with ordinary arithmetic. While a step is captured it gets `Live` ones, so that a replay can ask for
them again, a program can print them, and a branch that was taken on one becomes a condition of the replay.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .modes import CAPTURE, here

__all__ = ["Live", "Settings", "condition"]

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "is": operator.is_}


class Live:
    """An expression over the items and attributes of Python objects. Called, it gives its value now.

    kind: "item" (object, key), "attribute" (object, name), "call" (function of no argument), "bool", "len", "-x", or a binary operator
    with two arguments; arguments may be Live themselves.
    """

    __slots__ = ("kind", "args")

    def __init__(self, kind: str, *args: Any) -> None:
        self.kind = kind
        self.args = args

    def __call__(self) -> Any:
        args = [a() if isinstance(a, Live) else a for a in self.args]
        match self.kind:
            case "item":
                return args[0][args[1]]
            case "attribute":
                return getattr(args[0], args[1])
            case "call":
                return args[0]()
            case "bool":
                return bool(args[0])
            case "len":
                return len(args[0])
            case "-x":
                return -args[0]
        return _OPERATORS[self.kind](*args)

    def text(self, name: Callable[[Any], str]) -> str:
        """The expression in Python; name(object) is how an object in it is called."""
        words = [a.text(name) if isinstance(a, Live) else repr(a) if isinstance(a, int | float | str | None) else name(a) for a in self.args]
        match self.kind:
            case "call":
                return f"{words[0]}()"
            case "attribute":
                return f"{words[0]}.{self.args[1]}"
            case "item":
                return f"{words[0]}[{words[1]}]"
            case "bool" | "len":
                return f"{self.kind}({words[0]})"
            case "-x":
                return f"(-{words[0]})"
        return f"({words[0]} {self.kind} {words[1]})"

    def __bool__(self) -> bool:
        answer = bool(self())
        condition(Live("bool", self), "==", answer)
        return answer

    def __neg__(self) -> "Live":
        return Live("-x", self)

    def __add__(self, other: Any) -> Any:
        return _binary("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return _binary("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return _binary("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _binary("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return _binary("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _binary("*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _binary("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _binary("/", other, self)

    def __pow__(self, other: Any) -> Any:
        return _binary("**", self, other)

    def __rpow__(self, other: Any) -> Any:
        return _binary("**", other, self)

    def __lt__(self, other: Any) -> Any:
        return _binary("<", self, other)

    def __le__(self, other: Any) -> Any:
        return _binary("<=", self, other)

    def __gt__(self, other: Any) -> Any:
        return _binary(">", self, other)

    def __ge__(self, other: Any) -> Any:
        return _binary(">=", self, other)

    def __eq__(self, other: object) -> Any:
        return _binary("==", self, other)

    def __ne__(self, other: object) -> Any:
        return _binary("!=", self, other)

    __hash__ = object.__hash__


def _binary(kind: str, a: Any, b: Any) -> Any:
    return Live(kind, a, b) if isinstance(a, Live | int | float) and isinstance(b, Live | int | float) else NotImplemented


def condition(expression: Live, kind: str, value: Any) -> None:
    """What is captured now holds for a replay only while `expression` is (kind "is"), or equals ("=="), `value`."""
    if here.thread.mode & CAPTURE:
        here.thread.tape.conditions.append(Live(kind, expression, value))


class Settings(Mapping[str, Any]):
    """A dict of settings as a capture reads it: floats are Live, alone or in a tuple; for anything else, being what it is is a condition."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    def __getitem__(self, key: str) -> Any:
        value = self._settings[key]
        item = Live("item", self._settings, key)
        if type(value) in (int, float):
            return item
        if type(value) is tuple and all(type(part) in (int, float) for part in value):
            return tuple([Live("item", item, i) for i in range(len(value))])
        condition(item, "==" if isinstance(value, bool | str) else "is", value)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)
