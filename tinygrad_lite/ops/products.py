"""Further products, with NumPy's signatures: vdot, vecdot, inner, tensordot, kron, cross; and the trace.

Two are rows, whose rules are the same products again; the others are matmul and multiply between changes of shape.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..engine import Op
from ..errors import ShapeError
from . import reduce
from .linalg import matmul
from .shape import expand_dims

__all__ = ["cross", "inner", "kron", "tensordot", "trace", "vdot", "vecdot"]

vecdot_op = Op("vecdot", np.vecdot, lambda g, y, a, b: expand_dims(g, axis=-1) * b,
               lambda g, y, a, b: expand_dims(g, axis=-1) * a,
               doc="y = sum of a_i b_i along the last axis, the others broadcast; dL/da = g b")


def _cross(a: Any, b: Any) -> Any:
    if a.shape[-1:] != (3,) or b.shape[-1:] != (3,):
        raise ShapeError(f"cross(): a has shape {a.shape}, b has {b.shape}; both need three components along the axis")
    return np.cross(a, b)


cross_op: Op = Op("cross", _cross, lambda g, y, a, b: cross_op(b, g), lambda g, y, a, b: cross_op(g, a),
                  broadcasts=True,
                  doc="y = a x b of three components in the last axis, the others broadcast; dL/da = b x g, "
                      "dL/db = g x a")


def _moved(x: Any, source: int, target: int) -> Any:
    """The axis `source` at the place `target`, the others in their order."""
    source, target = normalize_axis_index(source, x.ndim), normalize_axis_index(target, x.ndim)
    if source == target:
        return x
    order = [i for i in range(x.ndim) if i != source]
    order.insert(target, source)
    return x.transpose(tuple(order))


def _array(x: Any) -> Any:
    return np.asarray(x) if isinstance(x, list | tuple | int | float) else x


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sum of x1 x2 along `axis`; the other axes broadcast: (..., n), (..., n) -> (...)."""
    x1, x2 = _array(x1), _array(x2)
    return vecdot_op(x1, x2) if axis == -1 else vecdot_op(_moved(x1, axis, -1), _moved(x2, axis, -1))


def vdot(a: Any, b: Any, /) -> Any:
    """Sum of the products of all entries, whatever the shapes: both are flattened, to the same length."""
    a, b = _array(a), _array(b)
    if a.size != b.size:
        raise ShapeError(f"vdot(): a has shape {a.shape}, b has {b.shape}; they need the same number of entries")
    return matmul(a.reshape(-1), b.reshape(-1))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """a x b of vectors of three components, along axisa and axisb; the result's lie along axisc. `axis` is all three.

    Raises ShapeError for vectors of two components, which NumPy no longer recommends either.
    """
    a, b = _array(a), _array(b)
    if axis is not None:
        axisa = axisb = axisc = axis
    return _moved(cross_op(_moved(a, axisa, -1), _moved(b, axisb, -1)), -1, axisc)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum over pairs of axes: the last `axes` of a with the first of b, or axes=(of a, of b), ints or sequences.

    What is left of a's shape, then of b's, is the shape of the result.
    Raises ShapeError where two paired axes differ in length.
    """
    a, b = _array(a), _array(b)
    if isinstance(axes, int):
        left: Any = range(a.ndim - axes, a.ndim)
        right: Any = range(axes)
    else:
        left, right = axes
    left, right = normalize_axis_tuple(left, a.ndim, "axes"), normalize_axis_tuple(right, b.ndim, "axes")
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ShapeError(f"tensordot(): a has shape {a.shape}, b has {b.shape}; "
                         f"axes {left} and {right} differ in length")
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [i for i in range(b.ndim) if i not in right]
    shape = [a.shape[i] for i in rows] + [b.shape[i] for i in columns]
    table = matmul(_as_table(a, (*rows, *left), len(rows)), _as_table(b, (*right, *columns), len(right)))
    return table.reshape(tuple(shape))


def _as_table(x: Any, order: tuple[int, ...], rows: int) -> Any:
    """The axes in this order, the first of them as rows of a matrix, the others as its columns."""
    lengths = [x.shape[i] for i in order]
    return x.transpose(order).reshape((math.prod(lengths[:rows]), math.prod(lengths[rows:])))


def inner(a: Any, b: Any, /) -> Any:
    """Sum of products along the last axis of both: (..., n), (.., n) -> (..., ..); of a number, a * b."""
    a, b = _array(a), _array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"inner(): a has shape {a.shape}, b has {b.shape}; their last axes differ in length")
    return tensordot(a, b, axes=(-1, -1))


def kron(a: Any, b: Any) -> Any:
    """Kronecker's product: every entry of a times the whole of b, side by side. The lengths multiply, axis by axis.

    Where one has fewer axes, it gets axes of length 1 in front.
    """
    a, b = _array(a), _array(b)
    ndim = max(a.ndim, b.ndim)
    left, right = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    product = a.reshape(_interleaved(left, (1,) * ndim)) * b.reshape(_interleaved((1,) * ndim, right))
    return product.reshape(tuple([m * n for m, n in zip(left, right, strict=True)]))


def _interleaved(first: Sequence[int], second: Sequence[int]) -> tuple[int, ...]:
    return tuple([n for pair in zip(first, second, strict=True) for n in pair])


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum along a diagonal, `offset` places above the main one, of the matrices in axis1 and axis2; their axes go."""
    a = _array(a)
    axis1, axis2 = normalize_axis_tuple((axis1, axis2), a.ndim, "axis")
    m, n = a.shape[axis1], a.shape[axis2]
    rest = [i for i in range(a.ndim) if i not in (axis1, axis2)]
    flat = a.transpose((*rest, axis1, axis2)).reshape((*[a.shape[i] for i in rest], m * n))
    start = offset if offset >= 0 else -offset * n
    count = max(0, min(m + min(offset, 0), n - max(offset, 0)))
    diagonal = flat[..., start:start + count * (n + 1):n + 1] if count else flat[..., :0]
    return reduce.sum(diagonal, axis=-1, keepdims=False)
