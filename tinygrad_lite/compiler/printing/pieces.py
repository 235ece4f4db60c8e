"""The text of one function or class, ready to stand in another file: without the annotations of its arguments, and with other names where wanted."""

import ast
import dis
import inspect
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any

__all__ = ["NoSource", "Piece", "assignment", "piece_of"]


class NoSource(Exception):
    """This can't be printed; the message says why."""


class Piece:
    """A definition or an assignment. `name`: what the text defines; `needed`: the global names that its code reads."""

    def __init__(self, source: str, name: str) -> None:
        self.name = name
        self._text = _without_annotations(source)
        self._tree = ast.parse(self._text)
        code = compile(self._text, f"<{name}>", "exec")
        if any(i.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") for inner in _codes(code) for i in dis.get_instructions(inner)):
            raise NoSource(f"{name} writes a global name")
        self.work = _work(next((c for c in code.co_consts if isinstance(c, CodeType)), code))
        self.needed = tuple(dict.fromkeys(_global_names(code)))
        self._bound = {n.id for n in ast.walk(self._tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        self._bound |= {n.arg for n in ast.walk(self._tree) if isinstance(n, ast.arg)}

    def chains(self, word: str) -> list[str]:
        """Each dotted name that begins with `word`: "losses.kept"."""
        found = [ast.unparse(n) for n in ast.walk(self._tree) if isinstance(n, ast.Attribute) and _root(n) == word]
        return [c for c in dict.fromkeys(found) if not any(other.startswith(c + ".") for other in found)]

    def calls_by_keyword(self, word: str, arity: int | None) -> bool:
        """Does every call of the op `word` pass its parameters by name, as its forward wants them?"""
        calls = [n for n in ast.walk(self._tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == word]
        return arity is None or all(len(call.args) == arity and not any(isinstance(a, ast.Starred) for a in call.args) for call in calls)

    def text(self, name: str, changes: dict[str, str]) -> str:
        """The source with `changes` (dotted name -> word) made, under the name `name`."""
        for word in changes:
            if word in self._bound and word != self.name:
                raise NoSource(f"{self.name} uses {word} both as a global and as a local name")
        edits = [(n, changes[w]) for n in ast.walk(self._tree) if isinstance(n, ast.Name | ast.Attribute) and isinstance(n.ctx, ast.Load)
                 and (w := ast.unparse(n)) in changes]
        lines = _Lines(self._text)
        spans = [(*lines.span(node), word) for node, word in edits]
        head = self._tree.body[0]
        if name != self.name:
            after = len("def") if isinstance(head, ast.FunctionDef | ast.ClassDef) else 0
            start = self._text.index(self.name, lines.offset(head.lineno, head.col_offset) + after)
            spans.append((start, start + len(self.name), name))
        return _edited(self._text, spans).rstrip()


def piece_of(thing: Any) -> Piece:
    """The piece of a function, class, or function with a wrapper such as lru_cache. Raises NoSource."""
    inner = inspect.unwrap(thing)
    return _piece(inner)


@lru_cache(maxsize=256)
def assignment(module: Any, name: str) -> Piece:
    """The piece `name = ...` of a module's text. Raises NoSource where there is not exactly one."""
    try:
        text = inspect.getsource(module)
    except (OSError, TypeError):
        raise NoSource(f"the source of {name} is not at hand") from None
    found = [n for n in ast.parse(text).body if isinstance(n, ast.Assign | ast.AnnAssign) and n.value is not None
             and [t.id for t in (n.targets if isinstance(n, ast.Assign) else [n.target]) if isinstance(t, ast.Name)] == [name]]
    if len(found) != 1:
        raise NoSource(f"{name} is set {len(found)} times in {module.__name__}")
    return Piece(ast.get_source_segment(text, found[0]) or "", name)


@lru_cache(maxsize=1024)
def _piece(thing: Any) -> Piece:
    code = getattr(thing, "__code__", None)
    if code is None and not isinstance(thing, type):
        raise NoSource(f"{getattr(thing, '__name__', thing)!s} is not written in Python")
    if hasattr(thing, "__self__"):
        raise NoSource(f"{thing.__qualname__} is a method, bound to an object")
    try:
        source = textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError):
        raise NoSource(f"the source of {thing.__name__} is not at hand") from None
    try:
        piece = Piece(_function_of_lambda(thing), "function") if thing.__name__ == "<lambda>" else Piece(source, thing.__name__)
    except SyntaxError:
        raise NoSource(f"the source of {thing.__name__} does not stand alone") from None
    if code is not None and piece.work != _work(code):
        raise NoSource(f"the source of {thing.__name__} has changed since it was read")
    return piece


def _function_of_lambda(function: Any) -> str:
    """def function(arguments): return body, from the file that the lambda stands in."""
    code = function.__code__
    lines, _ = inspect.findsource(function)
    text = "".join(lines)
    places = [(line, column) for line, end_line, column, end_column in code.co_positions()
              if line is not None and column is not None and (line, column) != (end_line, end_column)]
    found = [n for n in ast.walk(ast.parse(text)) if places and isinstance(n, ast.Lambda) and (n.body.lineno, n.body.col_offset) <= min(places)
             and max(places) <= (n.body.end_lineno or 0, n.body.end_col_offset or 0)]
    if not found:
        raise NoSource(f"the source of a lambda at line {code.co_firstlineno} is not at hand")
    node = max(found, key=lambda n: (n.lineno, n.col_offset))  # the innermost
    body = ast.get_source_segment(text, node.body)
    return f"def function({ast.unparse(node.args)}):\n    return ({body})" if "\n" in (body or "") else (
        f"def function({ast.unparse(node.args)}):\n    return {body}")


# ---- names

def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _global_names(code: CodeType) -> Iterator[str]:
    """Names that a module's code looks up in the module, and does not set itself."""
    for inner in _codes(code):
        own: set[str] = set()
        for step in dis.get_instructions(inner):
            if step.opname == "STORE_NAME":
                own.add(step.argval)
            elif step.opname == "LOAD_GLOBAL" or (step.opname == "LOAD_NAME" and step.argval not in own | {"__name__"}):
                yield step.argval


def _work(code: CodeType) -> list[Any]:
    """What the code reads, writes and computes with, in order: equal for one text compiled in two places."""
    kinds = ("LOAD_", "STORE_", "BINARY_", "COMPARE_", "UNARY_", "CONTAINS_", "IS_")
    own = [step.argval for step in dis.get_instructions(code)
           if step.opname.startswith(kinds) and step.opname != "LOAD_CLOSURE" and not isinstance(step.argval, CodeType)]
    return own + [_work(inner) for inner in code.co_consts if isinstance(inner, CodeType)]


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


# ---- text

class _Lines:
    """Where a line and a column, which ast counts in bytes, are in a text."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def span(self, node: Any) -> tuple[int, int]:
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)


def _without_annotations(source: str) -> str:
    """def f(x: Any, n: int = 3) -> Any  becomes  def f(x, n=3); y: Any = x  becomes  y = x, except in a class, where it may mean something."""
    lines, spans, tree = _Lines(source), [], ast.parse(source)
    fields = {id(part) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for part in node.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            start, end = lines.offset(node.lineno, node.col_offset) + len(node.arg), lines.span(node.annotation)[1]
            if source[end:end + 3] == " = ":
                spans.append((start, end + 3, "="))
            else:
                spans.append((start, end, ""))
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            start, end = lines.span(node.returns)
            spans.append((len(source[:source.rindex("->", 0, start)].rstrip()), end, ""))
        elif isinstance(node, ast.AnnAssign) and id(node) not in fields:
            start, end = lines.span(node.target)[1], lines.span(node.annotation)[1]
            if node.value is None:
                raise NoSource("a name is declared without a value")
            spans.append((start, end, ""))
    return _edited(source, spans)


def _edited(text: str, spans: list[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(spans, reverse=True):
        text = text[:start] + new + text[end:]
    return text
