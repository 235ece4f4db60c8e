"""Example: how a Batch looks from inside the function: shape, dtype and methods of one example, and values where all examples agree.

What would have to differ between the examples, as a Python number or a branch does, raises NotBatched: there is no silent way out.
"""

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..engine import NotBatched

__all__ = ["Example", "read_only"]

METHODS = frozenset(["all", "any", "argmax", "argmin", "argsort", "choose", "clip", "cumprod", "cumsum", "diagonal", "dot", "max", "mean", "min",
                     "prod", "ravel", "repeat", "round", "searchsorted", "squeeze", "std", "sum", "swapaxes", "take", "trace", "var"])


class Example(NDArrayOperatorsMixin):
    """whole: the array, its first axes hidden; hidden: a key for each of these, ascending. The subclass says how it computes.

    An entry alone (no axes but the hidden ones) behaves as NumPy's scalars do: `+=` makes a new one.
    """

    __slots__ = ("whole", "hidden", "__weakref__")

    def __init__(self, whole: Any, hidden: tuple[int, ...]) -> None:
        self.whole, self.hidden = whole, hidden

    @property
    def is_number(self) -> bool:
        """Does it stand for NumPy's scalars, which nobody can change? What NumPy gives as an array without axes is a view here."""
        return self.whole.ndim == len(self.hidden) and self.whole.base is None

    def array(self, whole: Any) -> Any:
        """A new Batch of what NumPy gives as an array even where it has no axes."""
        return type(self)(whole if whole.ndim > len(self.hidden) else whole[...], self.hidden)

    def shown_by(self, other: Any) -> Any:
        """Itself, a view of `other`; where that has no axes, it may be a copy for one example, so nobody may write to it."""
        if not other.ndim:
            read_only(self.whole)
        return self

    # ---- what it passes for

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance(x, np.ndarray) is answered as for one example
        return type(self) if self.is_number else np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.whole.shape[len(self.hidden):]  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self.whole.ndim - len(self.hidden)  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.whole.dtype

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.whole.itemsize  # type: ignore[no-any-return]

    @property
    def base(self) -> Any:
        """Whose memory it shows: a write to that is a write to this."""
        return self.whole

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    # ---- ways out to Python: only for what is the same in all examples

    def _common(self) -> Any:
        """The array that all examples have, read-only."""
        h = len(self.hidden)
        flat = self.whole.reshape(math.prod(self.whole.shape[:h]), *self.shape)
        first = np.array(flat[0])
        if not (flat == first).all() or (first.dtype.kind == "f" and not (np.signbit(flat) == np.signbit(first)).all()):
            raise NotBatched("a value that is not the same in all examples")
        return read_only(first)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self._common(), dtype=dtype, copy=copy)

    def item(self, *where: int) -> Any:
        return self._common().item(*where)

    def tolist(self) -> Any:
        return self._common().tolist()

    def __bool__(self) -> bool:
        return bool(self._common())

    def __float__(self) -> float:
        return float(self._common())

    def __int__(self) -> int:
        return int(self._common())

    def __index__(self) -> int:
        return self._common().__index__()  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return repr(self._common())

    def __format__(self, spec: str) -> str:
        return format(self._common()[()], spec)

    # ---- the methods of an array that ops use

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        if order != "C":
            raise NotBatched(f"order {order!r}")
        target = shape[0] if len(shape) == 1 else shape
        target = (target,) if isinstance(target, int | np.integer) else tuple(target)
        whole = self.whole.reshape(self.whole.shape[:len(self.hidden)] + target)
        return type(self)(whole if np.may_share_memory(whole, self.whole) else read_only(whole), self.hidden).shown_by(self)

    def transpose(self, *axes: Any) -> Any:
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        order = range(self.ndim)[::-1] if order is None else normalize_axis_tuple(order, self.ndim)
        if len(order) != self.ndim:
            raise ValueError("axes don't match array")
        h = len(self.hidden)
        return type(self)(self.whole.transpose(*range(h), *[h + i for i in order]), self.hidden)

    @property
    def T(self) -> Any:
        return self.transpose()

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        if not copy and self.dtype == dtype:
            return self
        return self.array(self.whole.astype(dtype))

    def copy(self) -> Any:
        return self.array(self.whole.copy())

    def flatten(self) -> Any:
        return self.copy().reshape(-1)

    def view(self, dtype: Any) -> Any:
        if np.dtype(dtype).itemsize != self.whole.itemsize:
            raise NotBatched("a view of another item size")
        return type(self)(self.whole.view(dtype), self.hidden)

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            return lambda *args, **keywords: getattr(np, name)(self, *args, **keywords)
        if not hasattr(np.ndarray, name):
            raise AttributeError(name)
        raise NotBatched(f"the attribute {name}")


def read_only(whole: Any) -> Any:
    """The array itself. Where one example has a view, a write to a copy would get lost: it raises, and the examples are run apart."""
    whole.flags.writeable = False
    return whole


def _in_place(name: str) -> Any:
    on_arrays, on_numbers = getattr(NDArrayOperatorsMixin, f"__i{name}__"), getattr(NDArrayOperatorsMixin, f"__{name}__")

    def operator(self: Example, other: Any) -> Any:
        if self.ndim:
            return on_arrays(self, other)
        if not self.is_number:
            raise NotBatched("an array without axes changed in place")
        return on_numbers(self, other)

    return operator


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift"):
    setattr(Example, f"__i{_name}__", _in_place(_name))
