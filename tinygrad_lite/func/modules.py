"""functional_call: a module as a function of its parameters."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..engine import Variable
from ..errors import ShapeError, StateError
from ..nn import Module

__all__ = ["functional_call"]


def functional_call(module: Module, parameters: Mapping[str, Any], args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
    """module(*args, **kwargs) with the Tensors of `parameters` ({path: Tensor}, as named_parameters gives) in place of its own.

    Paths that are left out keep the module's own; tied parameters are replaced everywhere. The module is put back in any case. args: a
    tuple, or one argument. Raises StateError for a path that the module has not, ShapeError for another shape.
    """
    own: dict[str, Variable] = dict(module.named_parameters()) | dict(module.named_buffers())
    unknown = [path for path in parameters if path not in own]
    if unknown:
        raise StateError(f"functional_call(): {type(module).__name__} has no {', '.join(unknown)}")
    for path, value in parameters.items():
        if value.shape != own[path]._data.shape:
            raise ShapeError(f"functional_call(): {path} is {own[path]._data.shape}, got {value.shape}")
    swap = {id(own[path]): value for path, value in parameters.items()}
    places = [(holder, key, value) for holder, key, value in _places(module) if id(value) in swap]
    try:
        for holder, key, value in places:
            holder[key] = swap[id(value)]
        return module(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))
    finally:
        for holder, key, value in places:
            holder[key] = value


def _places(module: Module) -> Iterator[tuple[Any, Any, Any]]:
    """(container, key, value) wherever a module inside, or a list or dict in one, holds a Tensor."""
    for part in module.modules():
        stack: list[Any] = [vars(part)]
        seen: set[int] = set()
        while stack:
            holder = stack.pop()
            if id(holder) in seen:
                continue
            seen.add(id(holder))
            for key, value in list(holder.items()) if isinstance(holder, dict) else list(enumerate(holder)):
                if isinstance(value, Variable):
                    if isinstance(holder, tuple):
                        raise TypeError("functional_call() cannot replace a parameter inside a tuple: hold it in a list")
                    yield holder, key, value
                elif isinstance(value, list | dict | tuple):
                    stack.append(value)
