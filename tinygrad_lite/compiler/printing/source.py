"""A program's text, with what it must be bound to; and the function that it then gives."""

import linecache
from collections.abc import Callable
from typing import Any, NamedTuple

from ..program import Call
from .opaque import Definitions

__all__ = ["Source", "bound"]


class Source(NamedTuple):
    text: str
    arrays: dict[str, Any]  # parameters of build that are arrays: name -> array, in order
    objects: dict[str, Any]  # parameters of build that live numbers are read from
    lines: dict[Call, int]  # line number of each call
    results: dict[Call, tuple[str, ...]]  # what the results of each of these are called in its line
    definitions: Definitions


def bound(source: Source, name: str) -> Callable[..., Any]:
    """The step of a source, bound to the arrays and objects that it was printed for."""
    filename = f"<compiled {name}>"
    linecache.cache[filename] = (len(source.text), None, source.text.splitlines(keepends=True), filename)  # tracebacks show the lines
    namespace: dict[str, Any] = {}
    exec(compile(source.text, filename, "exec"), namespace)  # noqa: S102  our own text
    namespace |= source.definitions.originals  # so that an error has the class that its name has elsewhere, and a cache is shared
    step: Callable[..., Any] = namespace["build"](*source.arrays.values(), *source.objects.values())
    return step
