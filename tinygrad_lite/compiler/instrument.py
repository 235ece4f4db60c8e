"""A program's step with an observer: told, after each line, which line has just run, and what it made."""

import ast
from collections.abc import Callable
from typing import Any

from .printing.source import Source
from .program import Program
from .snapshot import copied, copied_objects

__all__ = ["on_copies", "statements"]


def on_copies(program: Program, source: Source, observe: Callable[..., Any] | None = None,
              results: bool = False) -> tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]:
    """(step, its arrays, its objects): the step of `source`, bound to copies, so that nothing of the original changes.

    observe(line number) is called after each line, with the arrays that the line made where `results` is set.
    """
    tree = ast.parse(source.text)
    if observe is not None:
        words = {source.lines[call]: names for call, names in source.results.items()} if results else {}
        step = _step(tree)
        step.body = _watched(step.body, words)
        ast.fix_missing_locations(tree)
    namespace: dict[str, Any] = {}
    exec(compile(tree, f"<watched {program.name}>", "exec"), namespace)  # noqa: S102  our own text
    namespace |= source.definitions.originals
    namespace["_observe"] = observe
    arrays, objects = copied(source.arrays), copied_objects(source.objects)
    return namespace["build"](*arrays.values(), *objects.values()), arrays, objects


def statements(source: Source) -> dict[int, str]:
    """Line number -> the statement of the step that begins there, in one line, without its comment."""
    return {node.lineno: " ".join(ast.get_source_segment(source.text, node, padded=False).split())  # type: ignore[union-attr]
            for node in ast.walk(_step(ast.parse(source.text))) if isinstance(node, ast.stmt)}


def _step(tree: ast.Module) -> ast.FunctionDef:
    """The function inside `build`, the last that the text defines."""
    build = [node for node in tree.body if isinstance(node, ast.FunctionDef)][-1]
    return next(node for node in build.body if isinstance(node, ast.FunctionDef))


def _watched(body: list[ast.stmt], words: dict[int, tuple[str, ...]]) -> list[ast.stmt]:
    watched: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.Return):
            return [*watched, statement]
        if isinstance(statement, ast.For):
            statement.body = _watched(statement.body, words)
            watched.append(statement)
            continue
        arguments = ", ".join([str(statement.lineno), *words.get(statement.lineno, ())])
        watched += [statement, ast.parse(f"_observe({arguments})").body[0]]
    return watched
