"""vmap: a function of one example as a function of a batch. The examples are run one after the other and their results stacked.

That is right for every function and differentiates to any order; it is no faster than the loop that it replaces.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import Variable, flatten
from ..errors import ShapeError
from ..ops.indexing import index
from ..ops.shape import stack

__all__ = ["vmap"]


def vmap(func: Callable[..., Any], in_dims: Any = 0, out_dims: int = 0) -> Callable[..., Any]:
    """The function that applies func along an axis of its arguments and stacks what it returns.

    in_dims: the axis to go along, for all arguments or one for each (None: the argument is the same for all); out_dims: where the new axis
    goes. Arguments may be trees: their leaves are all cut along the argument's axis. Raises ShapeError where lengths differ.
    """

    def batched(*args: Any, **keywords: Any) -> Any:
        dims = list(in_dims) if isinstance(in_dims, tuple | list) else [in_dims] * len(args)
        if len(dims) != len(args):
            raise ValueError(f"vmap() got {len(args)} arguments and {len(dims)} in_dims")
        trees = [flatten(arg) for arg in args]
        lengths = {_array(leaf).shape[dim] for (leaves, _), dim in zip(trees, dims, strict=True) if dim is not None for leaf in leaves}
        if len(lengths) != 1:
            raise ShapeError(f"vmap() goes along axes of one length; it got {sorted(lengths) or 'none'}")
        results = []
        for k in range(lengths.pop()):
            example = [arg if dim is None else build([_cut(leaf, dim, k) for leaf in leaves])
                       for arg, (leaves, build), dim in zip(args, trees, dims, strict=True)]
            results.append(flatten(func(*example, **keywords)))
        if not results:
            raise ShapeError("vmap() over an axis of length 0: what func returns is not known")
        build = results[0][1]
        return build([_placed([np.asarray(leaves[i]) if isinstance(leaves[i], float) else leaves[i] for leaves, _ in results], out_dims)
                      for i in range(len(results[0][0]))])

    return batched


def _array(x: Any) -> Any:
    return x._data if isinstance(x, Variable) else np.asarray(x) if isinstance(x, float | int) else x


def _cut(x: Any, dim: int, k: int) -> Any:
    return index(x, (slice(None),) * (dim % _array(x).ndim) + (k,))


def _placed(parts: list[Any], out_dim: int) -> Any:
    return stack(parts, axis=out_dim)
