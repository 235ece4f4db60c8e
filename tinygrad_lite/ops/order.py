"""Sorting, and what follows from an order: sort, topk, unique; positions (argsort, searchsorted, nonzero) are data
without a gradient.

A sort is a permutation, so its gradient is the inverse permutation. Among equals the order is the one they had: stable,
so the same each time.
"""

from typing import Any, NamedTuple

import numpy as np

from ..engine import Op, Variable, escapes
from ..errors import ShapeError
from .arithmetic import not_equal
from .arrange import ravel
from .indexing import ARRAY, scatter_add, take_along_axis
from .reduce import sum as total
from .selection import take
from .shape import stack

__all__ = ["argpartition", "argsort", "argwhere", "bincount", "count_nonzero", "digitize", "flatnonzero", "nonzero",
           "partition", "searchsorted", "sort", "topk", "unique"]


# ---- sort

def _sort(x: Any, *, axis: int = -1) -> Any:
    return np.sort(x, axis)


def _argsort(x: Any, *, axis: int = -1) -> Any:
    return np.argsort(x, axis, kind="stable")


argsort_op = Op("argsort", _argsort, None,
                doc="where the entries of the sorted x are in x, equals in the order they have")


def _ranks(x: Any, *, axis: int = -1) -> Any:
    order = np.argsort(x, axis, kind="stable")
    y = np.empty_like(order)
    shape = [1] * x.ndim
    shape[axis] = -1
    np.put_along_axis(y, order, np.arange(x.shape[axis], like=order).reshape(shape), axis)
    return y


ranks = Op("ranks", _ranks, None,
           doc="where each entry of x is in the sorted x: the inverse of the permutation argsort(x)")
sort_op = Op("sort", _sort, lambda g, y, x, axis: take_along_axis(g, ranks(x, axis=axis), axis=axis),
             doc="entries in ascending order along axis, nan last; the rule moves g back. Equals keep their order, "
                 "and each gets its own gradient")


def sort(a: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Any:
    """A sorted copy: ascending along `axis` (None: flattened), nan last. `kind` and `stable` are accepted for NumPy's
    sake: always stable."""
    return sort_op(ravel(a), axis=0) if axis is None else sort_op(a, axis=axis)


def argsort(a: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Any:
    """Where the entries of sort(a) are in `a`: integers, no gradient. Always stable, so that equals come out the same
    each time."""
    return argsort_op(ravel(a), axis=0) if axis is None else argsort_op(a, axis=axis)


def partition(a: Any, kth: Any, axis: int | None = -1) -> Any:
    """A copy in which the entry at `kth` is the one of the sorted array, smaller ones before it, larger ones after:
    here, sort(a)."""
    _check_places("partition", kth, a.size if axis is None else a.shape[axis])
    return sort(a, axis)


def argpartition(a: Any, kth: Any, axis: int | None = -1) -> Any:
    """Where the entries of partition(a, kth) are in `a`: integers, no gradient."""
    _check_places("argpartition", kth, a.size if axis is None else a.shape[axis])
    return argsort(a, axis)


def _check_places(name: str, kth: Any, size: int) -> None:
    for k in kth if isinstance(kth, tuple | list) else [kth]:
        if not -size <= k < size:
            raise ValueError(f"{name}(): kth = {k} is outside of an axis of {size} entries")


class TopK(NamedTuple):
    """What topk returns: `values`, and `indices` of them in the input."""

    values: Any
    indices: Any


def _topk_places(x: Any, *, k: int, axis: int, largest: bool) -> Any:
    if not largest:
        return np.take(np.argsort(x, axis, kind="stable"), np.arange(k), axis)
    # descending, the first of equals first, nan at the top
    order = np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)
    return x.shape[axis] - 1 - np.take(order, np.arange(k), axis)


topk_places = Op("topk_places", _topk_places, None,
                 doc="where the k largest (or smallest) entries along axis are, the most extreme first, the first of "
                     "equals first")


def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> TopK:
    """The k largest (or smallest) entries along `dim`, the most extreme first, and where they are: (values, indices),
    each k long there.

    The values differentiate, the indices are integers. nan counts as largest. `sorted` is accepted for PyTorch's sake:
    always sorted. Raises ShapeError where k is negative or the axis shorter than k. Source: torch.topk.
    """
    if not 0 <= k <= input.shape[dim]:
        raise ShapeError(f"topk(): k = {k} is outside of axis {dim} of shape {input.shape}")
    places = topk_places(input, k=k, axis=dim, largest=largest)
    return TopK(take_along_axis(input, places, axis=dim), places)


# ---- unique

def _unique_places(x: Any, *, axis: int | None = None, equal_nan: bool = True) -> Any:
    return np.unique(x, True, True, True, axis, equal_nan=equal_nan)[1:]


unique_places = Op("unique_places", _unique_places, None,
                   doc="several outputs: where each different entry stands first, which of them each entry is, and "
                       "how often it stands there")


def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
           axis: int | None = None, *,
           equal_nan: bool = True) -> Any:
    """The different entries (or slices along `axis`), sorted. The gradient of each goes to the first of its equals.

    With return_index, return_inverse, return_counts a tuple: also where the first stands, which of the values each
    entry is, how many.
    """
    first, inverse, counts = unique_places(ar, axis=axis, equal_nan=equal_nan)
    values = take(ar, first, axis)
    if not (return_index or return_inverse or return_counts):
        return values
    return (values, *[part for part, wanted in ((first, return_index), (inverse, return_inverse),
                                                (counts, return_counts)) if wanted])


# ---- positions and counts: integers, so no gradient flows

def _nonzero(x: Any) -> Any:
    return x.nonzero()


def _searchsorted(a: Any, v: Any, *, side: str = "left") -> Any:
    return np.searchsorted(a, v, side)  # type: ignore[call-overload]  # a side is one word of two


def _digitize(x: Any, bins: Any, *, right: bool = False) -> Any:
    return np.digitize(x, bins, right)


def _bincount(x: Any, *, minlength: int = 0) -> Any:
    return np.bincount(x, None, minlength)


nonzero = Op("nonzero", _nonzero, None,
             doc="several outputs: the indices of the entries that are not 0, one array for each axis")
searchsorted_op = Op("searchsorted", _searchsorted, None, None,
                     doc="how many entries of the ascending a lie before v: those < v (left), or <= v (right)")
digitize = Op("digitize", _digitize, None, None,
              doc="which of the intervals between bins x lies in: bins[i - 1] <= x < bins[i], or < x <= with "
                  "right=True")
bincount_op = Op("bincount", _bincount, None,
                 doc="how often each of the integers 0, 1, 2, ... stands in x")


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Where v would be put into the ascending vector `a` (or a[sorter]): before its equals ("left") or after them
    ("right"). Integers."""
    return searchsorted_op(a if sorter is None else take(a, sorter), v, side=side)


def flatnonzero(a: Any) -> Any:
    """Places in the flattened array of the entries that are not 0. Integers."""
    return nonzero(ravel(a))[0]


def argwhere(a: Any) -> Any:
    """Indices of the entries that are not 0, one in a row: (how many, a.ndim). Integers."""
    return stack(nonzero(a), axis=1) if a.ndim else stack(nonzero(ravel(a)), axis=1)[:, :0]


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """How many entries along `axis` are not 0. Integers."""
    return total(not_equal(a, 0), axis=axis, keepdims=keepdims)


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each of 0, 1, ..., max(x) stands in the vector `x`; with weights the sum of those at each, which
    differentiates.

    At least `minlength` entries. The length follows the values of `x` at the time of the call.
    """
    if weights is None:
        return bincount_op(x, minlength=minlength)
    if x.shape != weights.shape or x.ndim != 1:
        raise ShapeError(f"bincount(): x has shape {x.shape}, weights have {weights.shape}; they must be vectors of "
                         f"one length")
    if isinstance(x, Variable):
        escapes(x, "bincount()")
    places = x._data if isinstance(x, Variable) else x
    return scatter_add(weights, x, template=(ARRAY,), shape=(len(np.bincount(places, None, minlength)),))
