"""Nested tuples, lists and dicts, such as the arguments of a function: taken apart into leaves, and put together again."""

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["flatten"]

Build = Callable[[Sequence[Any]], Any]


def flatten(tree: Any) -> tuple[list[Any], Build]:
    """The leaves of a tree in order, and the function that builds the same tree of other leaves. It keeps no leaf alive."""
    if isinstance(tree, dict):
        names, values = list(tree), list(tree.values())
    elif isinstance(tree, tuple | list):
        names, values = None, list(tree)
    else:
        return [tree], _first
    parts = [flatten(value) for value in values]
    leaves = [leaf for own, _ in parts for leaf in own]
    return leaves, _builder(type(tree), names, [(len(own), build) for own, build in parts])


def _first(leaves: Sequence[Any]) -> Any:
    return leaves[0]


def _builder(kind: type, names: list[Any] | None, parts: list[tuple[int, Build]]) -> Build:
    def build(leaves: Sequence[Any]) -> Any:
        values, start = [], 0
        for count, rebuild in parts:
            values.append(rebuild(leaves[start:start + count]))
            start += count
        if names is not None:
            return dict(zip(names, values, strict=True))
        return kind(*values) if hasattr(kind, "_fields") else kind(values)

    return build
