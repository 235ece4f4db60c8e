"""Examples apart: a function called for one after the other, and what it returns stacked. The meaning of vmap, and right for every function."""

from typing import Any

import numpy as np

from ..engine import Variable, flatten
from ..ops.indexing import index
from ..ops.shape import stack

__all__ = ["array_of", "one_after_the_other", "stacked"]


def one_after_the_other(func: Any, args: Any, keywords: Any, trees: Any, dims: Any, out_dims: int, length: int) -> Any:
    """func of every example of args, whose leaves are in `trees`, along the axes `dims`."""
    results = []
    for k in range(length):
        example = [arg if dim is None else build([_cut(leaf, dim, k) for leaf in leaves])
                   for arg, (leaves, build), dim in zip(args, trees, dims, strict=True)]
        results.append(flatten(func(*example, **keywords)))
    return results[0][1]([stacked([leaves[i] for leaves, _ in results], out_dims) for i in range(len(results[0][0]))])


def array_of(x: Any) -> Any:
    """The array of a leaf: a Tensor's own, of a number a new one."""
    return x._data if isinstance(x, Variable) else np.asarray(x) if isinstance(x, float | int) else x


def _cut(x: Any, dim: int, k: int) -> Any:
    return index(x, (slice(None),) * (dim % array_of(x).ndim) + (k,))


def stacked(parts: list[Any], out_dims: int) -> Any:
    """Results of the examples along a new axis."""
    return stack([np.asarray(x) if isinstance(x, float) else x for x in parts], axis=out_dims)
