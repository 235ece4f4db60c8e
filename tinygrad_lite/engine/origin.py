"""Where a node comes from: the user's line, and the stack of modules that were running.

Recording costs about 0.15 µs: a code object and an instruction offset, which keep no frame alive. All words are made later,
when an error or a picture asks for them.
"""

import linecache
import os
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any, NamedTuple

__all__ = ["Cut", "Scope", "describe", "module_path", "parameter_paths", "source_line", "where"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class _Library(dict[str, bool]):
    """File name -> does it belong to this package? Answered once for each file."""

    def __missing__(self, filename: str) -> bool:
        self[filename] = inside = filename.startswith((_PACKAGE, "<frozen "))  # frozen: the interpreter's own `python -m`
        return inside


is_library = _Library()


class Scope:
    """One call of a module. `owner` is a weak reference, so that a graph never keeps a model alive, nor makes a cycle with it."""

    __slots__ = ("owner", "kind", "parent", "code", "lasti", "inside")

    def __init__(self, owner: Any, kind: type, parent: "Scope | None", code: CodeType, lasti: int, inside: bool) -> None:
        self.owner = owner  # weakref.ref to the module
        self.kind = kind  # its class
        self.parent = parent
        self.code = code  # the user's line that called it, or called the module around it
        self.lasti = lasti
        self.inside = inside  # its forward is this package's code, so `code` is the user's line for all that it calls


class Cut(NamedTuple):
    """Why a Tensor has no graph, for the error that says so: what was done, and the user's code that did it."""

    deed: str
    code: CodeType
    lasti: int

    def __str__(self) -> str:
        return f"{self.deed} at {describe(self.code, self.lasti)}"


def where(frame: FrameType, scope: Scope | None) -> tuple[CodeType, int]:
    """The nearest code outside this package, from `frame` outward: (code object, instruction offset)."""
    here: FrameType | None = frame
    while here is not None:
        code = here.f_code
        if not is_library[code.co_filename]:
            return code, here.f_lasti
        if scope is not None and scope.inside:
            return scope.code, scope.lasti
        frame, here = here, here.f_back
    return frame.f_code, frame.f_lasti  # called by nothing but this package, as its command line is: the outermost line of it


def line_number(code: CodeType, lasti: int) -> int:
    """The line of the instruction at byte offset `lasti`."""
    for start, stop, line in code.co_lines():
        if start <= lasti < stop and line is not None:
            return line
    return code.co_firstlineno


def source_line(code: CodeType, lasti: int) -> str:
    """The text of that line, stripped; '' where the source is not at hand (a prompt, a deleted file)."""
    return linecache.getline(code.co_filename, line_number(code, lasti)).strip()


def describe(code: CodeType, lasti: int) -> str:
    """`train.py:31    h = net.relu(x @ w)`: what an error prints. A notebook's cell has a file name that says nothing: it is "cell"."""
    name = os.path.basename(code.co_filename)
    place = f"{'cell' if 'ipykernel_' in code.co_filename or name.startswith('<ipython') else name}:{line_number(code, lasti)}"
    text = source_line(code, lasti)
    return f"{place}    {text}" if text else place


def module_path(scope: Scope | None) -> str:
    """The path of the module that was running, as `named_modules` of the outermost one spells it: 'net.2', or '' for none.

    A module that is gone, or is not part of the outermost one, is named by its class.
    """
    stack: list[Scope] = []
    while scope is not None:
        stack.append(scope)
        scope = scope.parent
    if not stack:
        return ""
    root = stack[-1].owner()
    names = {id(module): name for name, module in root.named_modules()} if root is not None else {}
    for entry in stack:
        owner = entry.owner()
        name = names.get(id(owner)) if owner is not None else None
        if name is not None:
            return name or entry.kind.__name__
    return ".".join(entry.kind.__name__ for entry in reversed(stack))


def parameter_paths(nodes: Iterable[Any]) -> dict[int, str]:
    """id of a parameter -> its path in the outermost module that ran, for the modules in whose calls `nodes` were made."""
    paths: dict[int, str] = {}
    seen: set[int] = set()
    for node in nodes:
        scope: Scope | None = node.scope
        while scope is not None and scope.parent is not None:
            scope = scope.parent
        if scope is None or id(scope) in seen:
            continue
        seen.add(id(scope))
        owner = scope.owner()
        if owner is not None:
            for path, parameter in owner.named_parameters():
                paths.setdefault(id(parameter), path)
    return paths
