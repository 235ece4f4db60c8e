"""Function: an op in PyTorch's class form, for those who bring one. It is recorded as one call of an op that bears the class's name."""

from typing import Any

import numpy as np

from ..engine import Op, Variable, handle, is_grad_enabled, no_grad
from ..errors import ShapeError
from ..tensors import Tensor

__all__ = ["Context", "Function"]


class Context:
    """What `forward` leaves for `backward`: saved Tensors, and any attribute of your own."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs, outputs or other Tensors as `saved_tensors`; inputs and outputs saved so stay connected in a second derivative."""
        self.saved_tensors = tensors


class Function:
    """Subclass it with two static methods, forward(ctx, *args) and backward(ctx, *gradients), and call `apply(*args)`.

    forward gets Tensors without a graph and returns a Tensor or a tuple of them. backward gets dL/doutput for each output and returns
    dL/dinput for each argument, None where there is none. Written in Tensor operations, backward can be differentiated again. A rule in one
    line, `Op(name, forward, rule)`, is shorter, and can be verified and captured part by part.
    """

    @staticmethod
    def forward(ctx: Context, *args: Any) -> Any:
        raise TypeError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Context, *gradients: Any) -> Any:
        raise TypeError("a Function needs a static method backward(ctx, *gradients)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        ctx = Context(tuple([isinstance(x, Variable) and x._requires_grad for x in args]))
        arrays = [x._data if isinstance(x, Variable) else x for x in args]

        def forward(*values: Any) -> Any:
            with no_grad():
                out = cls.forward(ctx, *[handle(Tensor, v) if isinstance(x, Variable) else v for x, v in zip(args, values, strict=True)])
            parts = out if isinstance(out, tuple) else (out,)
            results = tuple([part._data if isinstance(part, Variable) else np.asarray(part) for part in parts])
            return results if isinstance(out, tuple) else results[0]

        def together(g: Any, y: Any, *xs: Any) -> list[Any]:
            return [np.zeros_like(a) if found is None else found for a, found in zip(arrays, _pull(cls, ctx, g, y, xs, arrays), strict=True)]

        y = forward(*arrays)
        op = Op(cls.__name__, forward, together=together, doc=cls.__doc__ or "")
        return op.record(Tensor, args, arrays, {}, y, any(ctx.needs_input_grad) and is_grad_enabled())


def _pull(cls: type[Function], ctx: Context, g: Any, y: Any, xs: tuple[Any, ...], arrays: list[Any]) -> list[Any]:
    """backward(ctx, g), on Tensors that are connected where the sweep runs on Tensors, on bare ones where it runs on arrays."""
    outputs, gradients = (y, g) if type(y) is tuple else ((y,), (g,))
    recorded = any(isinstance(x, Variable) for x in xs)
    connected = {id(x._data): x for x in [*xs, *outputs] if isinstance(x, Variable)}
    saved = ctx.saved_tensors
    ctx.saved_tensors = tuple([connected.get(id(t._data), t) if isinstance(t, Variable) else t for t in saved])
    try:
        out = cls.backward(ctx, *[x if isinstance(x, Variable) else handle(Tensor, np.asarray(x)) for x in gradients])
    finally:
        ctx.saved_tensors = saved
    found = list(out) if isinstance(out, tuple | list) else [out]
    if len(found) != len(arrays):
        raise ShapeError(f"{cls.__name__}.backward returned {len(found)} gradients for {len(arrays)} arguments of forward")
    return [t if recorded or not isinstance(t, Variable) else t._data for t in found]
