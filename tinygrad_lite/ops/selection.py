"""Entries chosen and put: take, compress, choose, select, diagonals, triangles, and updates that return a new array.

NumPy's names where NumPy returns a new array, PyTorch's (masked_select, masked_fill, index_fill) for the rest.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Op
from ..errors import ShapeError
from .arithmetic import clip, equal, logical_not, not_equal, remainder, where, where_op
from .arrange import as_arrays, broadcast_arrays, ravel
from .at import At
from .indexing import index
from .reduce import any as any_of
from .shape import reshape, stack, zeros_like

__all__ = ["choose", "compress", "diag", "diagflat", "diagonal", "extract", "index_fill", "masked_fill",
           "masked_select", "meshgrid", "piecewise", "select", "take", "tril", "triu"]


# ---- by position, by mask, by case

def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """Entries of `a` at `indices` along `axis` (None: flattened); their shape takes the axis's place. Repeated ones add
    up their gradients.

    mode: outside places raise IndexError ("raise"), count around the end ("wrap"), or mean the first or last ("clip").
    """
    if axis is None:
        a, axis = ravel(a), 0
    indices = np.asarray(indices, None if len(indices) else np.intp) if isinstance(indices, list | tuple) else indices
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"take(): mode must be 'raise', 'wrap' or 'clip', got {mode!r}")
    if mode != "raise":
        n = a.shape[axis]
        indices = remainder(indices, n) if mode == "wrap" else clip(indices, 0, n - 1)
    return index(a, (slice(None),) * (axis % a.ndim) + (indices,))


def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """Entries of `a` along `axis` (None: flattened) where `condition`, one bool an entry, holds; a short one stands for
    False at the end."""
    (condition,) = as_arrays([condition])
    if condition.ndim != 1:
        raise ShapeError(f"compress(): condition must have one axis, got shape {condition.shape}")
    if axis is None:
        a, axis = ravel(a), 0
    before = (slice(None),) * (axis % a.ndim)
    if len(condition) < a.shape[axis]:
        a = index(a, (*before, slice(len(condition))))
    return index(a, (*before, _mask(condition)))


def _mask(condition: Any) -> Any:
    return condition if condition.dtype == bool else not_equal(condition, 0)


def extract(condition: Any, arr: Any) -> Any:
    """Entries of `arr` where `condition`, of the same size, holds, along one axis."""
    (condition,) = as_arrays([condition])
    return compress(ravel(condition), arr)


def masked_select(input: Any, mask: Any) -> Any:
    """Entries of `input` where `mask` holds, along one axis; the two broadcast. PyTorch's torch.masked_select."""
    input, mask = broadcast_arrays(input, mask)
    if mask.dtype != bool:
        raise IndexError(f"masked_select(): mask must be of bools, not {mask.dtype}")
    return index(input, mask)


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """`value` where `mask` holds, else `input`; the mask broadcasts. No gradient flows to `input` there. PyTorch's
    Tensor.masked_fill."""
    (mask,) = as_arrays([mask])
    if mask.dtype != bool:
        raise IndexError(f"masked_fill(): mask must be of bools, not {mask.dtype}")
    return where_op(mask, value, input)


def _choose(a: Any, *choices: Any, mode: str = "raise") -> Any:
    return np.choose(a, choices, mode=mode)  # type: ignore[call-overload]  # a mode is one word of three


def _choose_rule(i: int, g: Any, y: Any, a: Any, *choices: Any, mode: str) -> Any:
    n = len(choices)
    a = remainder(a, n) if mode == "wrap" else clip(a, 0, n - 1) if mode == "clip" else a
    return where_op(equal(a, i - 1), g, 0)


choose_op = Op("choose", _choose, each=_choose_rule, broadcasts=True,
               doc="y = choices[a], entry by entry, all broadcast against each other; the gradient goes to the one "
                   "that was chosen")


def choose(a: Any, choices: Any, mode: str = "raise") -> Any:
    """choices[a], entry by entry: `a` holds integers, and broadcasts with the choices. `mode` as in take, but negative
    places raise."""
    return choose_op(a, *choices, mode=mode)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """The choice of the first condition that holds, entry by entry, else `default`. All choices were computed before,
    as in where."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(f"select(): {len(condlist)} conditions and {len(choicelist)} choices; there must be as many, "
                         f"and one at least")
    for i, condition in enumerate(condlist):
        if condition.dtype != bool:
            raise TypeError(f"select(): condition {i} must be of bools, not {condition.dtype}")
    y = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        y = where(condition, choice, y)
    return y


def piecewise(x: Any, condlist: Sequence[Any], funclist: Sequence[Any | Callable[..., Any]], *args: Any,
              **kw: Any) -> Any:
    """funclist[i](x) where condlist[i] holds, entry by entry; of several the last. Unlike in where and select each
    function sees only the entries that it is for, so log(x) where x > 0 gives no nan elsewhere.

    Functions may be plain values. One more function than conditions is for the entries where none holds, which are 0
    otherwise.
    """
    if isinstance(condlist[0], bool) or getattr(condlist, "ndim", 0) == x.ndim:
        condlist = [condlist]
    conditions = as_arrays(condlist)
    if len(funclist) == len(conditions) + 1:
        conditions.append(logical_not(any_of(stack(conditions), axis=0)))
    if len(funclist) != len(conditions):
        raise ValueError(f"piecewise(): {len(condlist)} conditions need as many functions, or one more; got "
                         f"{len(funclist)}")
    y = zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        y = At(y)[condition].set(function(index(x, condition), *args, **kw) if callable(function) else function)
    return y


def meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Coordinates of a grid: the i-th result varies along one axis as xi[i] and is constant along the others; "xy"
    exchanges the first two."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid(): indexing must be 'xy' or 'ij', got {indexing!r}")
    vectors = as_arrays(xi)
    n = len(vectors)
    places = [1 - i if indexing == "xy" and n > 1 and i < 2 else i for i in range(n)]
    lines = [reshape(x, shape=tuple([-1 if k == p else 1 for k in range(n)]))
             for x, p in zip(vectors, places, strict=True)]
    return tuple(lines) if sparse else broadcast_arrays(*lines)


# ---- diagonals and triangles

def _diagonal(x: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return x.diagonal(offset, axis1, axis2)


def _place_diagonal(x: Any, *, offset: int, axis1: int, axis2: int, shape: tuple[int, ...]) -> Any:
    y = np.zeros_like(x, shape=shape)
    rows = np.arange(x.shape[-1], like=x)
    np.moveaxis(y, (axis1, axis2), (-2, -1))[..., rows + max(-offset, 0), rows + max(offset, 0)] = x
    return y


def _diagonal_rule(g: Any, y: Any, x: Any, offset: int, axis1: int, axis2: int) -> Any:
    return place_diagonal(g, offset=offset, axis1=axis1, axis2=axis2, shape=x.shape)


def _place_diagonal_rule(g: Any, y: Any, x: Any, offset: int, axis1: int, axis2: int, shape: tuple[int, ...]) -> Any:
    return diagonal(g, offset=offset, axis1=axis1, axis2=axis2)


diagonal = Op("diagonal", _diagonal, _diagonal_rule, view=True,
              doc="y_i = x_(i, i + offset) of the axes axis1 and axis2, as the last axis; the rule puts g on the "
                  "diagonal among zeros")
place_diagonal: Op = Op("place_diagonal", _place_diagonal, _place_diagonal_rule,
                        doc="zeros of shape, with x on a diagonal: the transpose of diagonal")


def diag(v: Any, k: int = 0) -> Any:
    """A vector as the k-th diagonal of a square matrix of zeros; of a matrix its k-th diagonal."""
    if v.ndim == 2:
        return diagonal(v, offset=k, axis1=0, axis2=1)
    if v.ndim != 1:
        raise ShapeError(f"diag() takes a vector or a matrix, got shape {v.shape}; diagonal() takes more axes")
    n = v.shape[0] + abs(k)
    return place_diagonal(v, offset=k, axis1=0, axis2=1, shape=(n, n))


def diagflat(v: Any, k: int = 0) -> Any:
    """All entries, flattened, as the k-th diagonal of a square matrix of zeros."""
    return diag(ravel(*as_arrays([v])), k)


def _tril(x: Any, *, k: int = 0) -> Any:
    return np.tril(x, k)


def _triu(x: Any, *, k: int = 0) -> Any:
    return np.triu(x, k)


tril: Op = Op("tril", _tril, lambda g, y, x, k: tril(g, k=k), broadcasts=True,
              doc="x where column <= row + k, else 0: the lower triangle of each matrix. A vector counts as every row")
triu: Op = Op("triu", _triu, lambda g, y, x, k: triu(g, k=k), broadcasts=True,
              doc="x where column >= row + k, else 0: the upper triangle of each matrix. A vector counts as every row")


# ---- updates

def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> Any:
    """A new array: `arr`, but with `values` at the places that take_along_axis(arr, indices, axis) would read;
    repeated: the last stays.

    np.put_along_axis writes in place, so it must not find this function: the name is not in `__all__`.
    """
    if axis is None:
        return reshape(At(ravel(arr))[indices].set(values), shape=arr.shape)
    if indices.ndim != arr.ndim:
        raise ShapeError(f"put_along_axis(): indices have shape {indices.shape}, arr has {arr.shape}: they need "
                         f"equally many axes")
    axis = axis % arr.ndim
    key = [np.arange(n).reshape([-1 if k == i else 1 for k in range(arr.ndim)]) for i, n in enumerate(arr.shape)]
    key[axis] = indices
    return At(arr)[tuple(key)].set(values)


def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """A new array: `input`, but `value` at the places `index` of the axis `dim`. PyTorch's torch.index_fill."""
    return At(input)[(slice(None),) * (dim % input.ndim) + (index,)].set(value)
