"""The operators of a Tensor and the methods that NumPy users reach for: each is one line into the table of ops."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Variable, is_grad_enabled, mixed, warn_if_mixed, write
from ..errors import GradError
from ..ops import arithmetic as ar
from ..ops import arrange, cumulate, indexing, linalg, order, reduce, selection
from ..ops import shape as sh
from ..ops.at import At

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["Operators"]

Axis = int | tuple[int, ...] | None


class Operators(Variable):
    """Arithmetic, comparison, indexing, reductions, shape. Results are Tensors; `Tensor` adds data, gradients and words."""

    __slots__ = ()

    # ---- arithmetic and comparison

    def __add__(self, other: Any) -> "Tensor":
        return ar.add(self, other)  # type: ignore[no-any-return]

    def __radd__(self, other: Any) -> "Tensor":
        return ar.add(other, self)  # type: ignore[no-any-return]

    def __sub__(self, other: Any) -> "Tensor":
        return ar.subtract(self, other)  # type: ignore[no-any-return]

    def __rsub__(self, other: Any) -> "Tensor":
        return ar.subtract(other, self)  # type: ignore[no-any-return]

    def __mul__(self, other: Any) -> "Tensor":
        return ar.multiply(self, other)  # type: ignore[no-any-return]

    def __rmul__(self, other: Any) -> "Tensor":
        return ar.multiply(other, self)  # type: ignore[no-any-return]

    def __truediv__(self, other: Any) -> "Tensor":
        return ar.divide(self, other)  # type: ignore[no-any-return]

    def __rtruediv__(self, other: Any) -> "Tensor":
        return ar.divide(other, self)  # type: ignore[no-any-return]

    def __floordiv__(self, other: Any) -> "Tensor":
        return ar.floor_divide(self, other)  # type: ignore[no-any-return]

    def __rfloordiv__(self, other: Any) -> "Tensor":
        return ar.floor_divide(other, self)  # type: ignore[no-any-return]

    def __mod__(self, other: Any) -> "Tensor":
        return ar.remainder(self, other)  # type: ignore[no-any-return]

    def __rmod__(self, other: Any) -> "Tensor":
        return ar.remainder(other, self)  # type: ignore[no-any-return]

    def __pow__(self, other: Any) -> "Tensor":
        return ar.power(self, other)  # type: ignore[no-any-return]

    def __rpow__(self, other: Any) -> "Tensor":
        return ar.power(other, self)  # type: ignore[no-any-return]

    def __matmul__(self, other: Any) -> "Tensor":
        return linalg.matmul(self, other)  # type: ignore[no-any-return]

    def __rmatmul__(self, other: Any) -> "Tensor":
        return linalg.matmul(other, self)  # type: ignore[no-any-return]

    def __neg__(self) -> "Tensor":
        return ar.negative(self)  # type: ignore[no-any-return]

    def __abs__(self) -> "Tensor":
        return ar.abs(self)  # type: ignore[no-any-return]

    def __pos__(self) -> Any:
        return self

    def __lt__(self, other: Any) -> "Tensor":
        return ar.less(self, other)  # type: ignore[no-any-return]

    def __le__(self, other: Any) -> "Tensor":
        return ar.less_equal(self, other)  # type: ignore[no-any-return]

    def __gt__(self, other: Any) -> "Tensor":
        return ar.greater(self, other)  # type: ignore[no-any-return]

    def __ge__(self, other: Any) -> "Tensor":
        return ar.greater_equal(self, other)  # type: ignore[no-any-return]

    def __eq__(self, other: Any) -> "Tensor":  # type: ignore[override]
        return ar.equal(self, other)  # type: ignore[no-any-return]

    def __ne__(self, other: Any) -> "Tensor":  # type: ignore[override]
        return ar.not_equal(self, other)  # type: ignore[no-any-return]

    __hash__ = object.__hash__  # by identity: == compares entries

    def __invert__(self) -> "Tensor":
        return ar.logical_not(self)  # type: ignore[no-any-return]

    def __and__(self, other: Any) -> "Tensor":
        return ar.logical_and(self, other)  # type: ignore[no-any-return]

    def __or__(self, other: Any) -> "Tensor":
        return ar.logical_or(self, other)  # type: ignore[no-any-return]

    def __xor__(self, other: Any) -> "Tensor":
        return ar.logical_xor(self, other)  # type: ignore[no-any-return]

    def __iadd__(self, other: Any) -> Any:
        return self._in_place("+=", ar.add(self, other))

    def __isub__(self, other: Any) -> Any:
        return self._in_place("-=", ar.subtract(self, other))

    def __imul__(self, other: Any) -> Any:
        return self._in_place("*=", ar.multiply(self, other))

    def __itruediv__(self, other: Any) -> Any:
        return self._in_place("/=", ar.divide(self, other))

    def _in_place(self, sign: str, result: "Tensor") -> Any:
        """`w -= step`: under no_grad a leaf that requires a gradient is written in its own array; anything else is a new value."""
        if self.node is not None or not self._requires_grad:
            return result
        if is_grad_enabled():
            raise GradError(f"{sign} would change a leaf that requires a gradient while the graph is being recorded.\n"
                            f"  For an update, write it under `with no_grad():`. For a new value, write w = w {sign[0]} ...")
        write(self, result)
        if mixed:
            warn_if_mixed(self)
        return self

    # ---- indexing and iteration

    def __getitem__(self, key: Any) -> "Tensor":
        return indexing.index(self, key)  # type: ignore[no-any-return]

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("a Tensor is a value: t[i] = v cannot be recorded. Build a new one: t = t.at[i].set(v), or where(mask, v, t); "
                        "for data that need no gradient, write t.data[i] = v")

    @property
    def at(self) -> At:
        """t.at[i].set(v), .add(v), .multiply(v), ...: a new Tensor with other values at t[i]."""
        return At(self)

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len() of a 0-d Tensor")
        return len(self._data)

    def __iter__(self) -> Iterator["Tensor"]:
        if not self._data.ndim:
            raise TypeError("iteration over a 0-d Tensor")
        return (self[i] for i in range(len(self._data)))

    def __contains__(self, value: Any) -> bool:
        return bool((self._data == (value._data if isinstance(value, Variable) else value)).any())

    # ---- methods, as NumPy spells them

    def sum(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return reduce.sum(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def mean(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return reduce.mean(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def var(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> "Tensor":
        return reduce.var(self, axis=axis, ddof=ddof, keepdims=keepdims)  # type: ignore[no-any-return]

    def std(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> "Tensor":
        return reduce.std(self, axis=axis, ddof=ddof, keepdims=keepdims)  # type: ignore[no-any-return]

    def max(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return reduce.max(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def min(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return reduce.min(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def prod(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return reduce.prod(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> "Tensor":
        return reduce.argmax(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> "Tensor":
        return reduce.argmin(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def all(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return reduce.all(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def any(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return reduce.any(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def cumsum(self, axis: int | None = None) -> "Tensor":
        return cumulate.cumsum(self, axis=axis)  # type: ignore[no-any-return]

    def cumprod(self, axis: int | None = None) -> "Tensor":
        return cumulate.cumprod(self, axis=axis)  # type: ignore[no-any-return]

    def clip(self, min: Any = None, max: Any = None) -> "Tensor":
        return ar.clip(self, min, max)  # type: ignore[no-any-return]

    def dot(self, other: Any) -> "Tensor":
        return linalg.dot(self, other)  # type: ignore[no-any-return]

    def reshape(self, *shape: Any) -> "Tensor":
        return sh.reshape(self, shape=_several(shape))  # type: ignore[no-any-return]

    def transpose(self, *axes: Any) -> "Tensor":
        return sh.transpose(self, axes=_several(axes) if axes else None)  # type: ignore[no-any-return]

    def swapaxes(self, axis1: int, axis2: int) -> "Tensor":
        return sh.swapaxes(self, axis1=axis1, axis2=axis2)  # type: ignore[no-any-return]

    def squeeze(self, axis: Axis = None) -> "Tensor":
        return sh.squeeze(self, axis=axis)  # type: ignore[no-any-return]

    def flatten(self) -> "Tensor":
        return sh.reshape(self, shape=(-1,))  # type: ignore[no-any-return]

    def ravel(self, order: str = "C") -> "Tensor":
        return arrange.ravel(self, order)  # type: ignore[no-any-return]

    def repeat(self, repeats: Any, axis: int | None = None) -> "Tensor":
        return arrange.repeat(self, repeats, axis)  # type: ignore[no-any-return]

    def take(self, indices: Any, axis: int | None = None, mode: str = "raise") -> "Tensor":
        return selection.take(self, indices, axis, mode)  # type: ignore[no-any-return]

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> "Tensor":
        return selection.diagonal(self, offset=offset, axis1=axis1, axis2=axis2)  # type: ignore[no-any-return]

    def argsort(self, axis: int | None = -1) -> "Tensor":
        return order.argsort(self, axis)  # type: ignore[no-any-return]

    def nonzero(self) -> tuple["Tensor", ...]:
        return order.nonzero(self)  # type: ignore[no-any-return]

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> "Tensor":
        return order.searchsorted(self, v, side, sorter)  # type: ignore[no-any-return]

    def copy(self) -> "Tensor":
        """A new array; the gradient flows through."""
        return sh.copy(self)  # type: ignore[no-any-return]

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """Another dtype; the gradient flows back in this Tensor's own, and not at all to or from ints and bools."""
        dtype = np.dtype(dtype)
        if dtype == self._data.dtype and not copy:
            return self
        return (sh.astype if dtype.kind == "f" else sh.cast)(self, dtype=dtype)

    @property
    def T(self) -> "Tensor":
        """All axes reversed."""
        return sh.transpose(self, axes=None)  # type: ignore[no-any-return]

    @property
    def mT(self) -> "Tensor":
        """The last two axes exchanged: the matrix transpose of a stack of matrices."""
        return sh.swapaxes(self, axis1=-1, axis2=-2)  # type: ignore[no-any-return]


def _several(values: tuple[Any, ...]) -> Any:
    """reshape(2, 3), reshape((2, 3)) and reshape([2, 3]) mean the same; so does transpose(None)."""
    if len(values) == 1 and (values[0] is None or isinstance(values[0], tuple | list)):
        return None if values[0] is None else tuple(values[0])
    return values
