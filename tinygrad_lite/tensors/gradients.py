"""From a Tensor to its gradients: `backward`, which adds into `.grad`, and `grad`, which returns them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import CAPTURE, Step, Variable, birth, enable_grad, handle, here, no_grad, note_mixed, once_for_each, sweep
from ..errors import GradError, ShapeError

__all__ = ["backward", "grad"]


def backward(root: Variable, gradient: Any = None, create_graph: bool = False, retain_graph: bool = True,
             steps: list[Step] | None = None) -> None:
    """Add d<gradient, root>/dleaf to `.grad` of every leaf that requires a gradient. See `Tensor.backward`."""
    thread = here.thread
    if thread.batched:
        once_for_each("backward(), which adds into .grad")
    capturing = thread.mode & CAPTURE
    flow = sweep([root], [_seed(root, gradient, create_graph or capturing != 0)], create_graph, retain_graph, None, steps)
    now = birth()
    for leaf, g in flow:
        if capturing:
            thread.tape.reads_grad(leaf)
        if not isinstance(g, Variable):
            g = handle(leaf.face, g, False, None, now)
        old = leaf._grad
        if old is not None:
            with enable_grad() if create_graph else no_grad():
                g = old + g
            if g.node is None and old.node is None:
                g.index = now
                note_mixed(leaf, old, g)
        leaf._grad = g


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool = True, create_graph: bool = False,
         allow_unused: bool = False) -> tuple[Any, ...]:
    """d sum(outputs) / d inputs, as a tuple of Tensors, one for each input; no `.grad` is touched.

    outputs, inputs: a Tensor or a sequence of them; an input may be a leaf or any result on the way.
    grad_outputs: dL/doutput for each output, of its shape (None: 1, for outputs of one entry).
    create_graph: record the gradients too, so that they can be differentiated again.
    allow_unused: None for an input that the outputs do not depend on, instead of a GradError.
    """
    roots = [outputs] if isinstance(outputs, Variable) else list(outputs)
    targets = [inputs] if isinstance(inputs, Variable) else list(inputs)
    given: Sequence[Any] = [grad_outputs] if grad_outputs is None or not isinstance(grad_outputs, list | tuple) else grad_outputs
    if len(given) == 1 and given[0] is None:
        given = [None] * len(roots)
    if len(given) != len(roots):
        raise ValueError(f"grad() got {len(roots)} outputs and {len(given)} grad_outputs")
    for x in targets:
        if not x._requires_grad:
            raise GradError(f"grad(): the input of shape {x._data.shape} does not require a gradient: "
                            "make it with requires_grad=True before it is used")
    recorded = create_graph or here.thread.mode & CAPTURE != 0
    flow = dict(sweep(roots, [_seed(root, seed, recorded) for root, seed in zip(roots, given, strict=True)], create_graph=create_graph,
                 retain_graph=retain_graph, targets=targets))
    found = []
    for i, x in enumerate(targets):
        g = flow.get(x)
        if g is None and not allow_unused:
            raise GradError(f"grad(): the outputs do not depend on input {i}, of shape {x._data.shape}. "
                            "Pass allow_unused=True to get None for it")
        found.append(g if g is None or isinstance(g, Variable) else handle(x.face, g))
    return tuple(found)


def _seed(root: Variable, gradient: Any, recorded: bool) -> Any:
    """dL/droot: an array, or a Tensor where the sweep reads its rules on Tensors."""
    if not root._requires_grad:
        why = f"  {str(root.cut)[0].upper()}{str(root.cut)[1:]}\n" if hasattr(root, "cut") else ""
        raise GradError("backward() has nowhere to go: this Tensor does not depend on anything that requires a gradient.\n"
                        f"{why}  Make a leaf with requires_grad=True, and compute outside no_grad() and without detach().")
    data = root._data
    if gradient is None:
        if data.size != 1:
            raise GradError(f"backward() of a Tensor of shape {data.shape} needs gradient=, of that shape: only a scalar has one gradient.\n"
                            "  Reduce it first, with .sum() or .mean().")
        if not recorded and type(data) is np.ndarray and not data.ndim:
            return data.dtype.type(1)  # NumPy computes with its scalars five times sooner than with 0-d arrays
        gradient = np.ones_like(data)
        if here.thread.mode & CAPTURE:
            gradient = handle(root.face, gradient)
            here.thread.tape.constant(gradient)
    elif not isinstance(gradient, Variable):
        gradient = np.asarray(gradient, dtype=data.dtype, like=data)
    array = gradient._data if isinstance(gradient, Variable) else gradient
    if array.shape != data.shape:
        raise ShapeError(f"backward(): gradient has shape {array.shape}, the Tensor has {data.shape}")
    if not recorded:
        return array if array.dtype is data.dtype else array.astype(data.dtype)
    return gradient if isinstance(gradient, Variable) else handle(root.face, gradient)
