"""Forward mode: jvp, linearize, jacfwd, by two backward passes. J v is the derivative of uᵀ J v with respect to u, and uᵀ J is linear in u.

So every op has a forward mode, at the cost of about three backward passes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Variable, flatten, handle, sweep
from ..errors import ShapeError
from ..ops.arrange import moveaxis
from ..tensors import Tensor
from ..tensors.dtypes import as_array
from .reverse import _Call, by_units
from .trees import as_like, plain

__all__ = ["jacfwd", "jvp", "linearize"]


def jvp(func: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """(func(*primals), J v), or (..., aux): v has the shapes of primals, J v those of the outputs."""
    out, push, aux = _linearized(func, tuple(primals), has_aux, "jvp()")
    slope = push(*tangents)
    return (out, slope, aux) if has_aux else (out, slope)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(func(*primals), push): push(*tangents) is J v at these primals, without another forward pass."""
    out, push, _ = _linearized(func, primals, False, "linearize()")
    return out, push


def jacfwd(func: Callable[..., Any], argnums: int = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that gives the Jacobian, output shape + argument shape, column by column, 64 at once: for few inputs and many outputs.

    args[argnums] is one array, Tensor or float.
    """

    def jacobian(*args: Any, **keywords: Any) -> Any:
        x = args[argnums]
        shape = np.shape(x._data if isinstance(x, Variable) else x)

        def of_one(value: Any) -> Any:
            return func(*args[:argnums], value, *args[argnums + 1:], **keywords)

        out, push, aux = _linearized(of_one, (x,), has_aux, "jacfwd()")
        outputs, build = flatten(out)
        like = np.zeros(shape, np.result_type(outputs[0]._data if isinstance(outputs[0], Variable) else outputs[0]))
        columns = by_units(lambda v: flatten(push(v))[0], like)
        blocks = []
        for k, y in enumerate(outputs):
            array = y._data if isinstance(y, Variable) else as_array(y, np.result_type(y))
            block = moveaxis(columns[k], 0, -1) if columns else np.zeros((*array.shape, 0), array.dtype)
            blocks.append(block.reshape((*array.shape, *shape)))
        jac = build(blocks)
        return (jac, aux) if has_aux else jac

    return jacobian


def _linearized(func: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool, name: str) -> tuple[Any, Callable[..., Any], Any]:
    call = _Call(func, primals, {}, tuple(range(len(primals))), has_aux, name)
    dummies = [handle(Tensor, np.zeros_like(y._data), True) for y in call.outputs]  # u: the value does not matter, uᵀ J is linear in it
    pulled = call.pull_flat(dummies, create_graph=True)

    def push(*tangents: Any) -> Any:
        directions = flatten(tangents)[0]
        shapes = [np.shape(v._data if isinstance(v, Variable) else v) for v in directions]
        expected = [x._data.shape for x in call.variables]
        if shapes != expected:
            raise ShapeError(f"{name}: the tangents have shapes {shapes}, the primals {expected}")
        pairs = []
        recorded = call.recorded or any(isinstance(v, Variable) and v._requires_grad for v in directions)
        for g, v in zip(pulled, directions, strict=True):
            if isinstance(g, Variable) and g._requires_grad:
                array = as_like(v._data if isinstance(v, Variable) else v, g._data)
                pairs.append((g, array if not recorded else v if isinstance(v, Variable) else handle(Tensor, array)))
        flow = dict(sweep([g for g, _ in pairs], [v for _, v in pairs], recorded, True, dummies)) if pairs else {}
        like = 1.0 if call.given and type(call.given[0]) is float else None
        return call.build_outputs([plain(flow[u] if u in flow else np.zeros_like(u._data), like, call.tensors) for u in dummies])

    return call.result(), push, call.aux
