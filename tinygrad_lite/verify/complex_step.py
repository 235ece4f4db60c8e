"""The complex step: where every op on the way is analytic, Im L(x + i h u) / h is the derivative to 1e-16, without a difference.

`SMOOTH` names the rows of the table whose forward, given complex arrays, is the analytic continuation of what it does to real ones (the
tests hold each against its own rule). abs, max, comparisons, norms and what is made of them are not: there differences are taken.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..engine import CAPTURE, Variable, capture, here
from ..ops import table
from .differences import COMPLEX_STEP, STEP, Line, Problem, Tolerance, random_signs, scale_of

__all__ = ["SMOOTH", "complex_leaves", "is_analytic"]

_ENTRIES = """add subtract multiply divide negative reciprocal square sqrt power positive lerp exp exp2 expm1 log log2 log10 log1p sin cos tan
    sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh gelu_tanh silu"""
_SUMS = """sum mean prod logsumexp cumsum cumprod linear_recurrence matmul outer einsum linear dot inv det solve convolve mse_loss softmax
    log_softmax convolution convolution_by_input avg_pool avg_pool_spread"""
_ARRANGEMENT = """reshape transpose swapaxes expand_dims squeeze broadcast_to flip copy zeros_like ones_like concatenate stack split unstack getitem
    place gather scatter_add take_along_axis take_along_axis_add where pad pad_back roll repeat repeat_each tile tril triu diagonal place_diagonal
    windows fold embedding embedding_add scale_shift"""
SMOOTH = frozenset([*_ENTRIES.split(), *_SUMS.split(), *_ARRANGEMENT.split()])
_FORWARDS = frozenset(table[name].forward for name in SMOOTH)  # a user's own op of np.sin is as smooth as the table's


@contextmanager
def complex_leaves(leaves: Mapping[str, Variable]) -> Iterator[None]:
    """While it lasts the leaves hold complex copies of their arrays."""
    kept = {x: x._data for x in leaves.values()}
    try:
        for x, array in kept.items():
            x._data = array.astype(np.complex128)
        yield
    finally:
        for x, array in kept.items():
            x._data = array


def is_analytic(terms: Callable[[], Any], leaves: Mapping[str, Variable], rng: np.random.Generator) -> bool:
    """May the complex step be used for the terms as functions of the leaves?

    Every call on the way from a leaf must be of a smooth row, and along one random direction through all leaves together the complex step
    must give what real differences give: what the function does outside of Tensors is seen by the second alone.
    """
    if not _smooth_all_the_way(terms, leaves):
        return False
    directions = [random_signs(x._data.shape, rng) * scale_of(x._data) for x in leaves.values()]
    position = np.zeros(1)  # the one number t, so that a Line goes along it
    line = Line(Problem(lambda: _moved(terms, leaves, directions, float(position[0])), position, np.zeros(1)), (0,))
    real = line.slope(STEP, line.at(0.0))
    try:
        with complex_leaves(leaves):
            found = _moved(terms, leaves, directions, 1j * COMPLEX_STEP)
    except Exception:  # noqa: BLE001  a function that does not take complex arrays may say so in any way
        return False
    exact = float(found.imag.sum()) / COMPLEX_STEP
    return abs(exact - real.numeric) <= real.bound(Tolerance()) + real.jump / 2 + 1e-8 * abs(exact)


def _smooth_all_the_way(terms: Callable[[], Any], leaves: Mapping[str, Variable]) -> bool:
    thread = here.thread
    if thread.mode & CAPTURE:  # somebody else's capture is running: it must not see these calls, and captures do not nest
        return False
    with capture() as tape:
        terms()
    reached = {id(x._data) for x in leaves.values()}  # by array: detach() shares it, and so does the other handle of one output
    for node, outputs in tape.calls:
        if any(isinstance(x, Variable) and id(x._data) in reached for x in node.inputs):
            if node.op.forward not in _FORWARDS:
                return False
            reached |= {id(y._data) for y in outputs}
    return True


def _moved(terms: Callable[[], Any], leaves: Mapping[str, Variable], directions: Sequence[Any], t: complex) -> Any:
    kept = [x._data.copy() for x in leaves.values()]
    try:
        for x, start, u in zip(leaves.values(), kept, directions, strict=True):
            x._data[...] = start + t * u
        return terms()
    finally:
        for x, start in zip(leaves.values(), kept, strict=True):
            x._data[...] = start
