"""Reverse mode as functions of functions: grad, value_and_grad, vjp, jacrev, hessian, hvp. All nest: grad(grad(f)) is the second derivative.

Names and meaning are torch.func's (value_and_grad: JAX's). Arguments may be floats, arrays, Tensors, and tuples, lists and dicts of them; nobody's
`.grad` is touched. Where no Tensor comes in, results are arrays, and floats for floats.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Variable, enable_grad, flatten, handle, newest_first, sweep
from ..errors import ShapeError
from ..ops.shape import concatenate
from ..tensors import Tensor
from ..tensors.dtypes import as_array
from .trees import as_like, has_tensor, plain, track
from .vmap import vmap

__all__ = ["grad", "hessian", "hvp", "jacrev", "value_and_grad", "vjp"]

Function = Callable[..., Any]


def grad(func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """The function that gives d func / d args[argnums], for a func that returns one number (or (number, aux) with has_aux)."""
    both = value_and_grad(func, argnums, has_aux)

    def gradient(*args: Any, **keywords: Any) -> Any:
        value, g = both(*args, **keywords)
        return (g, value[1]) if has_aux else g

    return gradient


def value_and_grad(func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """The function that gives (func(...), gradient), or ((value, aux), gradient) with has_aux, from one forward pass."""

    def both(*args: Any, **keywords: Any) -> Any:
        call = _Call(func, args, keywords, argnums, has_aux, "grad()")
        if len(call.outputs) != 1 or call.outputs[0]._data.size != 1:
            raise ShapeError(f"grad() needs a function that returns one number; it returned {[y._data.shape for y in call.outputs]}. For more, use "
                             "jacrev() or vjp()")
        g = call.pull([np.ones_like(call.outputs[0]._data)])
        value = call.result()
        return ((value, call.aux) if has_aux else value), g

    return both


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """(func(*primals), pull), or (..., pull, aux): pull(cotangents) gives cotangentᵀ J for each primal, as a tuple, bare for a single primal."""
    call = _Call(func, primals, {}, tuple(range(len(primals))), has_aux, "vjp()")

    def pull(cotangents: Any) -> Any:
        flat = flatten(cotangents)[0]
        shapes = [np.shape(c._data if isinstance(c, Variable) else c) for c in flat]
        expected = [y._data.shape for y in call.outputs]
        if shapes != expected:
            raise ShapeError(f"the cotangents have shapes {shapes}, the outputs {expected}")
        g = call.pull(flat)
        return g[0] if len(primals) == 1 else g

    return (call.result(), pull, call.aux) if has_aux else (call.result(), pull)


def jacrev(func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """The function that gives the Jacobian, output shape + argument shape, row by row: the backward passes of 64 output entries are one."""

    def jacobian(*args: Any, **keywords: Any) -> Any:
        call = _Call(func, args, keywords, argnums, has_aux, "jacrev()")
        rows = []
        for k, y in enumerate(call.outputs):
            def pull(seed: Any, k: int = k) -> list[Any]:
                return call.pull_flat([seed if j == k else np.zeros_like(other._data) for j, other in enumerate(call.outputs)])

            found = by_units(pull, y._data)
            rows.append([found[i].reshape((*y._data.shape, *x._data.shape)) if found else np.zeros((*y._data.shape, *x._data.shape), x._data.dtype)
                         for i, x in enumerate(call.variables)])
        blocks = call.build_outputs([call.assemble(row) for row in rows])
        return (blocks, call.aux) if has_aux else blocks

    return jacobian


def hessian(func: Function, argnums: int = 0) -> Function:
    """The function that gives the second derivatives: the Jacobian of the Jacobian, output shape + argument shape + argument shape."""
    return jacrev(jacrev(func, argnums), argnums)


def hvp(func: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """H v for a func that returns one number: the gradient of <grad func, v>, a tuple like `primals`, bare for a single primal. No H is made."""
    primals, tangents = tuple(primals), tuple(tangents)
    directions = flatten(tangents)[0]
    shapes = [[np.shape(x._data if isinstance(x, Variable) else x) for x in flatten(tree)[0]] for tree in (primals, tangents)]
    if shapes[0] != shapes[1]:
        raise ShapeError(f"hvp(): primals have shapes {shapes[0]}, tangents {shapes[1]}")

    def slope(*xs: Any) -> Any:
        gs = flatten(grad(func, tuple(range(len(xs))))(*xs))[0]
        total: Any = 0.0
        for g, v in zip(gs, directions, strict=True):
            total = total + (g * v).sum()
        return total

    g = grad(slope, tuple(range(len(primals))))(*primals)
    return g[0] if len(primals) == 1 else g


class _Call:
    """One call of a function on tracked arguments, and the ways back through it."""

    def __init__(self, func: Function, args: tuple[Any, ...], keywords: dict[str, Any], argnums: int | tuple[int, ...], has_aux: bool,
                 name: str) -> None:
        self.single = isinstance(argnums, int)
        chosen = (argnums,) if isinstance(argnums, int) else argnums
        for i in chosen:
            if not -len(args) <= i < len(args):
                raise ValueError(f"argnums={argnums} names argument {i}, but {len(args)} were given")
        chosen = tuple([i % len(args) for i in chosen])
        self.tensors = has_tensor(args)
        self.trees = {i: flatten(args[i]) for i in chosen}
        tracked = {i: [track(x, name) for x in leaves] for i, (leaves, _) in self.trees.items()}
        self.given = [x for leaves, _ in self.trees.values() for x in leaves]
        self.variables = [x for leaves in tracked.values() for x in leaves]
        with enable_grad():
            result = func(*[self.trees[i][1](tracked[i]) if i in tracked else x for i, x in enumerate(args)], **keywords)
        self.aux = None
        if has_aux:
            result, self.aux = result
        outputs, self.build_outputs = flatten(result)
        self.outputs: list[Any] = [y if isinstance(y, Variable) else handle(Tensor, as_array(y, np.result_type(y, np.float32)))
                                   for y in outputs]
        own = set(self.variables)
        # where something else is tracked (an outer transform, parameters in the closure), the gradient must be recorded too
        self.recorded = any(isinstance(x, Variable) and x._requires_grad and x not in own and (x.node is None)
                            for node in newest_first(self.outputs) for x in node.inputs)

    def result(self) -> Any:
        return self.build_outputs([plain(y if self.recorded else y.detach(), 1.0 if self.given and type(self.given[0]) is float else None,
                                         self.tensors) for y in self.outputs])

    def pull_flat(self, seeds: Sequence[Any], create_graph: bool = False) -> list[Any]:
        """cotangentᵀ J for each tracked leaf: arrays, or Tensors where the gradient is recorded; zeros where nothing depends on it."""
        recorded = self.recorded or create_graph or any(isinstance(s, Variable) and s._requires_grad for s in seeds)
        pairs = []
        for y, seed in zip(self.outputs, seeds, strict=True):
            if not y._requires_grad:
                continue
            array = seed._data if isinstance(seed, Variable) else seed
            array = as_like(array, y._data)
            pairs.append((y, array if not recorded else seed if isinstance(seed, Variable) else handle(Tensor, array)))
        flow = dict(sweep([y for y, _ in pairs], [s for _, s in pairs], recorded, True, self.variables)) if pairs else {}
        return [flow[x] if x in flow else np.zeros_like(x._data) for x in self.variables]

    def pull(self, seeds: Sequence[Any]) -> Any:
        return self.assemble(self.pull_flat(seeds))

    def assemble(self, found: Sequence[Any]) -> Any:
        """One gradient for each tracked leaf, as the trees of the chosen arguments; bare for a single argnum."""
        results, start = [], 0
        for leaves, build in self.trees.values():
            own = [plain(g, x, self.tensors) for g, x in zip(found[start:start + len(leaves)], leaves, strict=True)]
            results.append(build(own))
            start += len(leaves)
        return results[0] if self.single else tuple(results)


TOGETHER = 64  # directions: more would need memory for as many gradients of all that was computed


def by_units(function: Callable[[Any], list[Any]], like: Any) -> list[Any]:
    """function(e) of every array e of the shape of `like` that is 1 in one place and else 0; each of what it returns stacked. Empty for none."""
    blocks = []
    for start in range(0, like.size, TOGETHER):
        places = np.arange(start, min(start + TOGETHER, like.size))
        units = np.zeros_like(like, shape=(len(places), *like.shape))
        units.reshape(len(places), -1)[places - start, places] = 1
        blocks.append(vmap(function)(units))
    return [concatenate(parts) if len(parts) > 1 else parts[0] for parts in zip(*blocks, strict=True)]
