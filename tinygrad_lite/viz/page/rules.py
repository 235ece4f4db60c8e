"""The source of an op's gradient rules, as its author wrote them: what a page shows while it plays the backward pass.

A lambda's text is found by the positions that Python keeps of its code, so that of a row with three rules each is told apart.
"""

import inspect
import linecache
from textwrap import dedent
from types import CodeType, FunctionType
from typing import Any

from ...engine import Op

__all__ = ["rules_of", "source_of"]

LONGEST = 900  # characters of a rule that is shown


def rules_of(op: Op) -> dict[str, Any]:
    """{"rules": [[the input's name, source], ...]}: a line for each input that gets a gradient; one with no name where one rule serves all."""
    if op.each is not None:
        return {"rules": [["", source_of(op.together or op.each)]]}
    return {"rules": [[_input(rule, i), source_of(rule)] for i, rule in enumerate(op.rules) if rule is not None]}


def _input(rule: Any, i: int) -> str:
    """A rule is called with g, y and the inputs; what it calls the i-th is its name."""
    if isinstance(rule, FunctionType) and 2 + i < rule.__code__.co_argcount:
        return rule.__code__.co_varnames[2 + i]
    return f"input {i + 1}"


def source_of(rule: Any) -> str:
    """'' where the source is not at hand."""
    if not isinstance(rule, FunctionType):
        return ""
    if rule.__name__ == "<lambda>":
        text = _lambda(rule.__code__)
    else:
        try:
            text = dedent(inspect.getsource(rule)).rstrip()
        except (OSError, TypeError):
            text = ""
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


def _lambda(code: CodeType) -> str:
    """What stands to the right of the colon."""
    begins, ends = [], []
    for line, to_line, column, to_column in code.co_positions():
        if line and to_line and column is not None and to_column is not None and (line, column) != (to_line, to_column):
            begins.append((line, column))
            ends.append((to_line, to_column))
    if not begins:
        return ""
    (first, start), (last, stop) = min(begins), max(ends)
    lines = [linecache.getline(code.co_filename, line).encode() for line in range(first, last + 1)]  # columns count bytes
    if not all(lines):
        return ""
    lines[-1] = lines[-1][:stop]
    lines[0] = lines[0][start:]
    return " ".join([line.decode(errors="replace").strip() for line in lines])
