"""Tensor: an array that remembers how it was made.

Its slots (`node`, the array, the gradient) come from `engine.Variable`, its operators and NumPy's methods from `Operators`; here are the
constructor, the checked properties, the gradient, and the ways out to Python and NumPy.
"""

import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import CAPTURE, LENT, Cut, Removable, Step, Variable, escapes, handle, here, once_for_each, stamp, where
from ..errors import GradError, ShapeError
from ..ops import public
from . import gradients, taken
from .dtypes import as_array, check_differentiable
from .operators import Operators
from .protocols import call_function, call_ufunc

__all__ = ["Tensor"]


class Tensor(Operators):
    """Tensor(data, dtype=None, requires_grad=False, name=None): a copy of `data` (numbers, lists, an array, a Tensor).

    Arrays keep their dtype; Python floats take `get_default_dtype()`, float32. `requires_grad=True` makes a leaf whose `.grad` is
    filled by `backward()`. `name` is for pictures and errors.
    Raises DtypeError for data that are not numbers, and for a gradient of anything but floats.
    """

    __slots__ = ()

    def __init__(self, data: Any, dtype: Any = None, requires_grad: bool = False, name: str | None = None) -> None:
        if isinstance(data, Variable):
            escapes(data, "Tensor()")
        self._data = as_array(data, dtype, copy=True)
        if requires_grad:
            check_differentiable(self._data)
        self._grad = None
        self._requires_grad = bool(requires_grad)
        self.node = None
        self.index = 0
        self.name = name
        self.hooks = None
        cut = data.cut if isinstance(data, Variable) and hasattr(data, "cut") else taken.of(data) if taken.cuts else None
        if cut is not None:
            self.cut = cut

    # ---- the array

    @property
    def data(self) -> Any:
        """The array itself, shared. Assigning replaces it (same shape), and is seen by a later backward pass; so is `t.data += 1`."""
        escapes(self, ".data")
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        escapes(self, ".data =")
        once_for_each("an assignment to .data")
        array = as_array(value)
        if self.node is not None:
            raise GradError(f"only the data of a leaf can be set; this Tensor was made by {self.node.op.name}")
        if array.shape != self._data.shape:
            raise ShapeError(f"data has shape {self._data.shape}, the new array has {array.shape}")
        if self._requires_grad:
            check_differentiable(array)
        self._data = array
        stamp(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._data.size  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return self._data.nbytes  # type: ignore[no-any-return]

    def numpy(self) -> Any:
        """The array itself, shared, outside of any graph."""
        escapes(self, "numpy()")
        if self.node is not None:
            taken.note(self._data, Cut("it was made of what .numpy() took out of the graph", *where(sys._getframe(1), here.thread.scope)))
        return self._data

    def item(self) -> Any:
        """The only entry, as a Python number."""
        escapes(self, "item()")
        return self._data.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        escapes(self, "tolist()")
        return self._data.tolist()

    def detach(self) -> "Tensor":
        """The same array, shared, as a leaf that requires no gradient."""
        if here.thread.mode & CAPTURE:
            here.thread.tape.reads(self)
        new: Tensor = handle(self.face, self._data)
        if self._requires_grad:
            new.cut = Cut("it was cut off by .detach()", *where(sys._getframe(1), here.thread.scope))
        return new

    # ---- the gradient

    @property
    def requires_grad(self) -> bool:
        """Is a gradient wanted, of a leaf, or recorded, of a result?"""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        self.requires_grad_(flag)

    def requires_grad_(self, flag: bool = True) -> "Tensor":
        """Set whether this leaf wants a gradient; returns itself."""
        if self.node is not None:
            raise GradError(f"requires_grad can be set on a leaf only; this Tensor was made by {self.node.op.name}. Use .detach() to cut it off")
        if flag:
            check_differentiable(self._data)
        self._requires_grad = bool(flag)
        return self

    @property
    def is_leaf(self) -> bool:
        """Was it made by the user, and not by a recorded op?"""
        return self.node is None

    @property
    def grad(self) -> "Tensor | None":
        """dL/dself after backward(), of this leaf's shape and dtype; None before."""
        if here.thread.mode & CAPTURE:
            here.thread.tape.reads_grad(self)
        g = self._grad
        if g is not None and g.index == LENT:  # a compiled program writes there again at its next run
            self._grad = g = handle(g.face, g._data.copy())
        return g  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        once_for_each("an assignment to .grad")
        if value is not None:
            if not isinstance(value, Variable):
                value = Tensor(value, self._data.dtype)
            if value._data.shape != self._data.shape:
                raise ShapeError(f"the Tensor has shape {self._data.shape}, the gradient has {value._data.shape}")
        if here.thread.mode & CAPTURE:
            here.thread.tape.sets_grad(self)
        self._grad = value

    def backward(self, gradient: Any = None, *, create_graph: bool = False, retain_graph: bool = True) -> None:
        """Add dL/dleaf to the `.grad` of every leaf that requires a gradient, where L is the sum of `gradient` times this Tensor.

        gradient      dL/dself, of its shape; may be left out for a single entry, and is 1 then
        create_graph  record the gradients too: they can be differentiated again. A `.grad` with a graph refers to its own leaf; set it to
                      None (zero_grad) before dropping the leaf, or the garbage collector has to find them
        retain_graph  False: drop each node as it is passed, for the least memory; a second pass is then an error

        Raises GradError for no way to any leaf, for a shape that needs `gradient`, for an array changed since the forward pass.
        """
        gradients.backward(self, gradient, create_graph, retain_graph)

    def backward_steps(self, gradient: Any = None) -> list[Step]:
        """The same pass as `backward(gradient)`, with the same effect on `.grad`, and what happened: a Step for each node, in order.

        A Step has `node` (op, line, module), `incoming`, and `outgoing`: (input, contribution) for each input that wants a gradient.
        """
        steps: list[Step] = []
        gradients.backward(self, gradient, steps=steps)
        return steps

    def register_hook(self, hook: Callable[["Tensor"], "Tensor | None"]) -> Removable:
        """Call hook(gradient) when dL/dself is complete; what it returns, if not None, goes on in its place.

        The answer's `remove()` takes the hook away.
        """
        if not self._requires_grad:
            raise GradError("a hook on a Tensor that does not require a gradient would never be called")
        owner: Any = self if self.node is None else self.node
        entry: Any = hook if self.node is None else (self.index, hook)
        if owner.hooks is None:
            owner.hooks = []
        kept = 0 if isinstance(hook, _Keep) else sum(type(other) is tuple and isinstance(other[1], _Keep) for other in owner.hooks)
        owner.hooks.insert(len(owner.hooks) - kept, entry)  # retain_grad sees what all hooks have made of the gradient
        return Removable(owner.hooks, entry)

    def retain_grad(self) -> None:
        """Fill `.grad` of this result, too, in later backward passes (adding up, as in a leaf)."""
        if self.node is None:
            return
        if not any(isinstance(hook, _Keep) and hook.tensor() is self for _, hook in self.node.hooks or ()):
            self.register_hook(_Keep(self))

    # ---- conversion to Python, and NumPy's protocols

    def __bool__(self) -> bool:
        escapes(self, "bool()")
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        escapes(self, "an index")
        return self._data.__index__()  # type: ignore[no-any-return]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self._requires_grad:
            raise GradError("this Tensor would lose its gradient as an array without a word; write t.numpy(), or t.detach() for a Tensor")
        escapes(self, "np.asarray()")
        return np.array(self._data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, keywords)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        return call_function(function, args, keywords)

    # ---- words and copies

    def __getattr__(self, name: str) -> Any:
        if name in public:
            raise AttributeError(f"a Tensor has no method {name!r}; write tl.{name}(t)" + (f" or np.{name}(t)" if hasattr(np, name) else ""))
        raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")

    def __repr__(self) -> str:
        head = type(self).__name__ + "("
        text = np.array2string(self._data, separator=", ", prefix=head, threshold=100, edgeitems=3)
        facts = [f"dtype={self._data.dtype}"]
        if self.name is not None:
            facts.append(f"name={self.name!r}")
        if self.node is not None:
            facts.append(f"op={self.node.op.name}")
        elif self._requires_grad:
            facts.append("requires_grad=True")
        return f"{head}{text}, {', '.join(facts)})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tensor":
        if self.node is not None:
            raise GradError(f"only a leaf can be copied or pickled; this Tensor was made by {self.node.op.name}. Use .detach() for its value")
        new: Tensor = handle(type(self), self._data.copy(), self._requires_grad)
        new.name = self.name
        new._grad = None if self._grad is None else handle(self.face, self._grad._data.copy())
        memo[id(self)] = new
        return new

    def __reduce__(self) -> Any:
        if self.node is not None:
            raise GradError(f"only a leaf can be copied or pickled; this Tensor was made by {self.node.op.name}. Use .detach() for its value")
        return _rebuild, (type(self), self._data, self._requires_grad, self.name)


Tensor.face = Tensor


class _Keep:
    """The hook of retain_grad. The node must not keep its own output alive, which would be a cycle: the reference is weak."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)

    def __call__(self, g: Tensor) -> None:
        tensor = self.tensor()
        if tensor is not None:
            tensor._grad = g if tensor._grad is None else tensor._grad + g


def _rebuild(kind: type, data: Any, requires_grad: bool, name: str | None) -> Any:
    tensor = handle(kind, data, requires_grad)
    tensor.name = name
    return tensor
