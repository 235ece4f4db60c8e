"""The record: what happened (`Node`), and the arrays it happened to (`Variable`, the engine's half of a Tensor).

A graph is Tensors that point to the node which made them, and nodes that point to the Tensors they were given. No pointer runs
forward, so a graph has no cycles and is freed by reference counts alone, as soon as its root is.
"""

import itertools
from types import CodeType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .origin import Cut, Scope, describe, module_path

if TYPE_CHECKING:
    from .op import Op

__all__ = ["LENT", "Node", "Removable", "Variable", "birth", "handle", "made_by", "on_numpy"]

birth = itertools.count(1).__next__  # one clock for all: the order of nodes, and of writes among them

LENT = -1  # index of a gradient whose array belongs to a compiled program; who asks for it gets a copy


class Variable:
    """An array with its place in the graph. `Tensor` (floor 3) gives it operators, methods and checked properties."""

    __slots__ = ("_data", "_grad", "_requires_grad", "node", "index", "name", "hooks", "cut", "__weakref__")
    face: ClassVar[type]  # the class that results get: Tensor, also where the input is a Parameter

    _data: Any  # the array: NumPy's, or one that speaks NumPy's protocols
    _grad: Any  # Tensor of the same shape and dtype, or None
    _requires_grad: bool
    node: "Node | None"  # the call that made it; None: a leaf
    index: int  # which of the node's outputs; of a leaf's gradient: when it was complete
    name: str | None
    hooks: list[Any] | None  # of a leaf; those of a result live on its node
    cut: Cut  # why it has no graph; unset where there is nothing to say, so that making a Tensor costs nothing more


class Node:
    """One call of an op. `inputs` are as they were passed: Tensors, arrays and Python numbers; `arrays` the same without Tensors.

    The two lie behind each other in one tuple, `held`: the collector of young graphs has one object less for each node.
    """

    __slots__ = ("op", "held", "params", "output", "birth", "code", "lasti", "scope", "hooks")

    def __init__(self, op: "Op", held: tuple[Any, ...], params: dict[str, Any], output: Any, birth: int, code: CodeType, lasti: int,
                 scope: Scope | None) -> None:
        self.op = op
        self.held = held  # inputs, then the arrays that the forward pass read; (code, offset) of the line that dropped them
        self.params = params
        self.output = output  # the array, or a tuple of arrays; None: dropped by backward(retain_graph=False)
        self.birth = birth  # an input is always older than what is made of it
        self.code = code  # the user's code, and the instruction in it
        self.lasti = lasti
        self.scope = scope  # the module call it ran in
        self.hooks: list[tuple[int, Any]] | None = None  # (output index, function of its gradient)

    @property
    def inputs(self) -> tuple[Any, ...]:
        return self.held[:len(self.held) // 2]

    @property
    def arrays(self) -> tuple[Any, ...]:
        return self.held[len(self.held) // 2:]

    def __repr__(self) -> str:
        return f"Node({self.op.name}, birth={self.birth})"


_new = object.__new__


def handle(face: type, data: Any, requires_grad: bool = False, node: Node | None = None, index: int = 0) -> Any:
    """A Tensor around `data`, without the constructor's checks and copy. Any number of handles may stand for one output."""
    tensor: Any = _new(face)
    tensor._data = data
    tensor._grad = None
    tensor._requires_grad = requires_grad
    tensor.node = node
    tensor.index = index
    tensor.name = None
    tensor.hooks = None
    return tensor


def on_numpy(x: Any) -> bool:
    """Is `x`, or what a Tensor `x` holds, NumPy's own array, and not another library's?"""
    return type(x._data if isinstance(x, Variable) else x) is np.ndarray


class Removable:
    """What registering a hook returns: `remove()` takes the hook away again, once or more often; `with` does so at its end."""

    def __init__(self, hooks: list[Any], entry: Any) -> None:
        self._hooks, self._entry = hooks, entry

    def remove(self) -> None:
        self._hooks[:] = [entry for entry in self._hooks if entry is not self._entry]

    def __enter__(self) -> "Removable":
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def made_by(x: Variable) -> str:
    """One line for an error: "made by ReLU 'net.1' at train.py:31    h = net(x)"; an op outside any layer is named by itself."""
    node = x.node
    if node is None:
        return f"leaf {x.name!r}" if x.name else "a leaf"
    layer = node.scope is not None and node.scope.inside
    name = node.scope.kind.__name__ if layer else node.op.name  # type: ignore[union-attr]
    path = module_path(node.scope)
    inside = f" {path!r}" if path and path != name else ""
    return f"made by {name}{inside} at {describe(node.code, node.lasti)}"
