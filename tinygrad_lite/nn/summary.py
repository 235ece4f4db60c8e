"""A table of a model: each module's path and class, the shape it returned, and its own parameters."""

from typing import Any

from ..engine import no_grad
from ..tensors import Tensor, zeros
from .module import Module

__all__ = ["summary"]


def summary(model: Module, *inputs: Any) -> str:
    """The table as text. inputs: what `model` is called with, or shapes (tuples of ints), which stand for zeros; none: no output shapes.

    The model runs once, under no_grad and in its present mode. Parameters are counted where they are held, shared ones once.
    """
    shapes: dict[int, str] = {}

    def note(module: Module, args: tuple[Any, ...], output: Any) -> None:
        shapes.setdefault(id(module), str(getattr(output, "shape", type(output).__name__)))

    if inputs:
        hooks = [module.register_forward_hook(note) for module in model.modules()]
        try:
            with no_grad():
                model(*(zeros(x) if isinstance(x, tuple) else x for x in inputs))
        finally:
            for hook in hooks:
                hook.remove()
    counted: set[int] = set()
    rows = [("module", "class", "output", "parameters")]
    total = trained = 0
    for path, module in model.named_modules():
        own: list[Tensor] = [p for _, p in module.named_parameters(recurse=False) if id(p) not in counted]
        counted |= {id(p) for p in own}
        total += sum(p.size for p in own)
        trained += sum(p.size for p in own if p.requires_grad)
        rows.append((path or "(model)", type(module).__name__, shapes.get(id(module), ""), f"{sum(p.size for p in own):,}" if own else ""))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c:{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    frozen = f", {total - trained:,} of them frozen" if total != trained else ""
    return "\n".join([*lines, f"{total:,} parameters{frozen}"])
