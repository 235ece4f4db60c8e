"""From Tensors to a graph as plain data, in which each node and each leaf stands once, in the order of birth, however often it is used.

Nothing is recursive: a chain of a million nodes is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ...engine import Node, Scope, Tape, Variable, describe, newest_first, parameter_paths, source_line
from ...nn import Parameter
from .cards import Call, Card, Graph
from .origin import Assigned
from .program import is_program, read_program

__all__ = ["Reading", "as_roots", "graph", "read", "read_nodes"]


class Reading(NamedTuple):
    """A graph with, for each card by its number, the Node, Tensor or constant that it was read from: for who measures values, and then lets go."""

    graph: Graph
    things: list[Any]


def graph(root: Any, names: Mapping[str, Any] | None = None) -> Graph:
    """The graph that `root` (a Tensor, a sequence of them, a Tape of `capture`) was made by, oldest first; or that of a compiled function.

    names: more names for Tensors, {name: Tensor}; `names=locals()` is fine. A parameter is named by its path in the module that used it.
    """
    return read(root, names).graph


def read(root: Any, names: Mapping[str, Any] | None = None) -> Reading:
    """`graph(root, names)`, and beside each card what it was read from: nothing, for a compiled function."""
    if is_program(root):
        found = read_program(root.graph())
        return Reading(found, [None] * (len(found.cards) + 1))
    if isinstance(root, Tape):
        nodes = [call.node for call in root.calls]
        made = {id(y._data): call.node for call in root.calls for y in call.outputs}
        used = {id(x._data) for node in nodes for x in node.inputs if isinstance(x, Variable)}
        roots = [y for call in root.calls for y in call.outputs[:1] if id(y._data) not in used]
        return read_nodes(nodes, roots, names, made)
    roots = as_roots(root)
    return read_nodes(newest_first(roots)[::-1], roots, names, {})


def as_roots(root: Any) -> list[Variable]:
    """A Tensor, or a sequence of them, as a list. Raises TypeError for anything else."""
    roots = [root] if isinstance(root, Variable) or not isinstance(root, Iterable) else list(root)
    for r in roots:
        if not isinstance(r, Variable):
            raise TypeError(f"a graph is made from Tensors, not from {type(r).__name__}")
    return roots


def read_nodes(nodes: Sequence[Node], roots: Iterable[Variable], names: Mapping[str, Any] | None, made: Mapping[int, Node]) -> Reading:
    """Cards for `nodes`, oldest first, and their leaves. made: id of an array -> the node it came from, for Tensors that do not know theirs."""
    held = parameter_paths(nodes)
    given = [(name, x) for name, x in (names or {}).items() if isinstance(x, Variable)]
    known = held | {id(x): name for name, x in given if x.node is None}
    results = {id(x.node): name for name, x in given if x.node is not None}
    calls, assigned, dtypes, places = _Calls(), Assigned(), _Words(), dict[tuple[int, int], tuple[str, str]]()
    cards: list[Card] = []
    things: list[Any] = [None]  # card numbers begin at 1
    number: dict[int, int] = {}  # id of a node, leaf or constant array -> its card
    unnamed = 0

    def card_of(x: Any) -> int:
        nonlocal unnamed
        if isinstance(x, int | float):  # each its own, though small ones are one object
            cards.append(Card(len(things), "constant", f"{x:.4g}", ((),), type(x).__name__))
            things.append(x)
            return len(cards)
        if isinstance(x, Variable):
            node = x.node or made.get(id(x._data))
            if node is not None and id(node) in number:
                return number[id(node)]
        key = id(x)
        if key in number:
            return number[key]
        number[key] = n = len(things)
        things.append(x)
        if isinstance(x, Variable):
            label = known.get(key, "") or x.name or ""
            if not label:
                unnamed += 1
                label = f"leaf{unnamed}"
            cards.append(Card(n, "leaf", label, (x._data.shape,), str(x._data.dtype), path=held.get(key, "").rpartition(".")[0],
                              requires_grad=x._requires_grad, parameter=key in held or isinstance(x, Parameter),
                              nbytes=getattr(x._data, "nbytes", 0)))
        else:
            shape = getattr(x, "shape", ())
            label = "constant" if shape or x is None else str(x)
            cards.append(Card(n, "constant", label, (shape,), str(getattr(x, "dtype", type(x).__name__)), nbytes=getattr(x, "nbytes", 0)))
        return n

    for node, after in zip(nodes, [*nodes[1:], None], strict=False):
        if node.output is None:  # dropped by backward(retain_graph=False)
            inputs: tuple[int, ...] = ()
            outputs: tuple[Any, ...] = ()
            wanted = True
        else:
            inputs = tuple([card_of(x) for x in node.inputs if x is not None])
            outputs = node.output if type(node.output) is tuple else (node.output,)
            wanted = node.op.differentiable and any(cards[i - 1].requires_grad for i in inputs)
        place = places.get((id(node.code), node.lasti))
        if place is None:
            place = places[id(node.code), node.lasti] = describe(node.code, node.lasti), source_line(node.code, node.lasti)
        call = -1 if node.scope is None else calls.number(node.scope)
        number[id(node)] = n = len(things)
        things.append(node)
        cards.append(Card(n, "op", node.op.name, tuple([y.shape for y in outputs]), dtypes[outputs[0].dtype] if outputs else "", inputs,
                          tuple([(k, _short(v)) for k, v in node.params.items()]) if node.params else (), calls.all[call].path if call >= 0 else "",
                          place[0], wanted, call, place[1], results.get(id(node)) or assigned.name(node, after), False, node.birth,
                          sum([getattr(y, "nbytes", 0) for y in outputs])))
    ends = tuple([card_of(r) for r in roots])  # may add a card: a root may be a leaf
    return Reading(Graph(tuple(cards), ends, tuple(calls.all)), things)


class _Words(dict[Any, str]):
    """dtype -> its name, worded once: a chain of 1e5 nodes would spend a third of its time on it."""

    def __missing__(self, dtype: Any) -> str:
        self[dtype] = text = str(dtype)
        return text


class _Calls:
    """Numbers for module calls: each Scope once, the call around it first. Paths are as `engine.module_path` gives them."""

    def __init__(self) -> None:
        self.all: list[Call] = []
        self._number: dict[int, int] = {}
        self._owner: dict[int, int] = {}
        self._paths: dict[int, dict[int, str]] = {}  # id of an outermost module -> {id of a module inside: path}

    def number(self, scope: Scope | None) -> int:
        found = -1 if scope is None else self._number.get(id(scope))
        if found is not None:
            return found
        stack: list[Scope] = []
        while scope is not None and id(scope) not in self._number:
            stack.append(scope)
            scope = scope.parent
        parent = -1 if scope is None else self._number[id(scope)]
        for new in reversed(stack):
            owner = new.owner()
            outermost = owner if parent < 0 else None
            model = self._ordinal(owner, new) if parent < 0 else self.all[parent].model
            if outermost is not None and model not in self._paths:
                self._paths[model] = {id(module): path for path, module in outermost.named_modules()}
            path = self._paths.get(model, {}).get(id(owner)) if owner is not None else None
            if path is None:
                path = ".".join([*([self.all[parent].path] if parent >= 0 else []), new.kind.__name__])
            self._number[id(new)] = number = len(self.all)
            self.all.append(Call(number, parent, path or new.kind.__name__, new.kind.__name__, self._ordinal(owner, new), model))
            parent = number
        return parent

    def _ordinal(self, owner: Any, scope: Scope) -> int:
        """A small number for a module; a module that is gone is told apart by its call."""
        return self._owner.setdefault(id(owner if owner is not None else scope), len(self._owner))


def _short(value: Any) -> str:
    """As it would be typed; an index by slices as it stands between the brackets: `[:8, ::2]`."""
    parts = value if isinstance(value, tuple) else (value,)
    if any(isinstance(part, slice) or part is Ellipsis for part in parts):
        text = f"[{', '.join([_slice(part) for part in parts])}]"
    else:
        text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _slice(part: Any) -> str:
    if not isinstance(part, slice):
        return "…" if part is Ellipsis else repr(part)
    ends = [part.start, part.stop] + ([part.step] if part.step is not None else [])
    return ":".join("" if end is None else repr(end) for end in ends)
