"""checkpoint: less memory for more time. The graph inside a function is dropped after the forward pass, and made again in the backward pass."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import CAPTURE, Op, Variable, enable_grad, handle, here, is_grad_enabled, newest_first, sweep
from ..tensors import Tensor, default_generator
from .apart import array_of
from .part import holding, wanted

__all__ = ["checkpoint"]


def checkpoint(function: Callable[..., Any], *args: Any) -> Any:
    """function(*args), recorded as one node: its inside is computed again when the backward pass comes to it, with the same random draws.

    function returns one Tensor. Tensors that it uses without being given them, such as the parameters of a layer, get their gradients too.
    Draws are repeated from the default generator; a generator of the function's own must be made inside it. Differentiates to any order.
    """
    if not is_grad_enabled() or here.thread.mode & CAPTURE:  # a captured program plans its memory by itself
        return function(*args)
    state = default_generator().bit_generator.state
    inner = [handle(Tensor, x._data, x._requires_grad) if isinstance(x, Variable) else x for x in args]
    out = function(*inner)
    if not isinstance(out, Variable):
        raise TypeError(f"checkpoint() takes a function that returns one Tensor; it returned {type(out).__name__}")
    if not out._requires_grad:
        return out
    extras = _used_from_outside(out, inner)
    inputs = (*args, *extras)

    def again(xs: tuple[Any, ...]) -> Any:
        generator = default_generator()
        now = generator.bit_generator.state
        generator.bit_generator.state = state
        try:
            with enable_grad():
                return function(*xs)
        finally:
            generator.bit_generator.state = now

    def together(g: Any, y: Any, *xs: Any) -> list[Any]:
        recorded = any(isinstance(x, Variable) for x in xs)
        own = xs[:len(args)] if recorded else tuple([handle(Tensor, a, wanted(x)) if isinstance(x, Variable) else a
                                                     for x, a in zip(args, xs, strict=False)])
        targets = [x for x, given in zip([*own, *extras], inputs, strict=True) if wanted(given)]
        with holding(extras, [array_of(x) for x in xs[len(args):]]):
            flow = dict(sweep([again(own)], [g], recorded, True, targets))
        return [flow[x] if isinstance(x, Variable) and x in flow else np.zeros_like(array_of(a)) for x, a in zip([*own, *extras], xs, strict=True)]

    def forward(*arrays: Any) -> Any:
        with holding(extras, arrays[len(args):]):
            return again(tuple([handle(Tensor, a) if isinstance(x, Variable) else a for x, a in zip(args, arrays, strict=False)]))._data

    op = Op("checkpoint", forward, together=together, doc="a function whose inside is recorded again in the backward pass")
    arrays = [x._data if isinstance(x, Variable) else x for x in inputs]
    return op.record(Tensor, inputs, arrays, {}, out._data, True)


def _used_from_outside(out: Variable, inner: list[Any]) -> list[Variable]:
    """Tensors that the function used without being given them: the leaves of its graph. Each once."""
    given = {id(x) for x in inner}
    found: dict[int, Variable] = {}
    for node in newest_first([out]):
        for x in node.inputs:
            if wanted(x) and x.node is None and id(x) not in given:
                found[id(x)] = x
    return list(found.values())
