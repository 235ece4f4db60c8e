"""What a row's forward does, seen as the NumPy calls that it makes.

A forward is plain NumPy, and NumPy lets another array class answer: `Traced` wraps an array, computes with it, and notes each call. What
cannot be seen so, such as a branch on a value or an assignment into a slice, stays one call of the forward itself.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..engine import Node
from .program import Call, Function, Value, substitute, values_in

__all__ = ["trace"]


class Unseen(Exception):
    """This forward does something that its NumPy calls do not show."""


# functions of shapes and Python numbers alone: their answer is no array, or an array that never changes
_FACTS = {np.shape, np.ndim, np.size, np.result_type}
_MADE = {np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.arange, np.tri, np.ones, np.zeros, np.full, np.eye, np.empty}
_PRODUCTS = {np.matmul, np.vecdot, np.dot}
_METHODS = {"reshape", "transpose", "swapaxes", "astype", "copy", "ravel", "flatten", "squeeze", "sum", "mean", "max", "min", "prod", "any",
            "all", "argmax", "argmin", "argsort", "cumsum", "repeat", "take", "clip", "dot", "round", "view", "diagonal", "trace", "var", "std"}


def trace(node: Node, inputs: list[Any], place: tuple[str, str, str]) -> tuple[list[Call], tuple[Value, ...]] | None:
    """The calls that node.op.forward makes on these inputs (Values, whose `data` are the arrays, and plain numbers), and its outputs.

    place: (op, module path, line), for each call. None where the calls cannot be seen, or do not give the node's output to the bit.
    """
    notes = Notes()
    wrapped = [Traced(x, notes) if isinstance(x, Value) else x for x in inputs]
    try:
        y = node.op.forward(*wrapped, **node.params)
    except Exception:
        # whatever went wrong, the forward has run before: it stays as it is
        return None
    parts = y if isinstance(y, tuple) else (y,)
    wanted = node.output if isinstance(node.output, tuple) else (node.output,)
    if len(parts) != len(wanted) or not all(isinstance(p, Traced) for p in parts):
        return None
    if len({id(p.value) for p in parts}) < len(parts):
        return None
    for part, array in zip(parts, wanted, strict=True):
        if not _same(part.array, array):
            return None
    for call in notes.calls:
        call.op, call.path, call.line = place
    return notes.calls, tuple([p.value for p in parts])


class Notes:
    """The calls of one forward so far, and NumPy's error handling before it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.ambient = np.geterr()


def _same(a: Any, b: Any) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


class Traced(NDArrayOperatorsMixin):
    """An array whose NumPy calls are noted. `value` changes when it is written in place: the program is in single-assignment form."""

    __slots__ = ("value", "array", "notes", "root", "views", "owned")
    on_numpy = True  # what it stands for is NumPy's own array

    def __init__(self, value: Value, notes: Notes, root: "Traced | None" = None, owned: bool = False) -> None:
        self.value = value
        self.array = value.data
        self.notes = notes
        self.root = root  # what this is a view of
        self.views = 0  # how many views of it there are
        self.owned = owned  # made here: may be written

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        if method == "__call__":
            kind = "product" if ufunc in _PRODUCTS else "call" if ufunc.signature or ufunc.nout > 1 else "map"
            text, run = f"np.{ufunc.__name__}", ufunc
        elif method in ("reduce", "accumulate", "reduceat", "outer"):
            kind = "reduce" if method == "reduce" else "call"
            text, run = f"np.{ufunc.__name__}.{method}", getattr(ufunc, method)
        else:
            raise Unseen(method)
        if getattr(np, ufunc.__name__, None) is not ufunc:
            raise Unseen(ufunc.__name__)
        if "where" in keywords and keywords["where"] is not True:
            raise Unseen("where=")
        keywords.pop("where", None)
        if kind == "map" and keywords:
            kind = "call"
        result = self._call(Function(text, run, kind), inputs, keywords)
        return result if out is None else self._into(out, result)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, keywords: Any) -> Any:
        keywords = dict(keywords)
        keywords.pop("like", None)
        out = keywords.pop("out", None)
        if function in _FACTS:
            return function(*_plain(args), **_plain(keywords))
        if function in _MADE and not list(values_in((args[1:], keywords), Traced)):
            array = function(*_plain(args), **_plain(keywords))
            return Traced(Value("constant", array), self.notes, owned=True)
        module = "np.linalg." if function.__module__ == "numpy.linalg" else "np."
        if getattr(np.linalg if module == "np.linalg." else np, function.__name__, None) is not function:
            raise Unseen(function.__name__)
        kind = "product" if function is np.dot else "call"
        result = self._call(Function(module + function.__name__, function, kind), args, keywords)
        return result if out is None else self._into((out,), result)

    def _call(self, function: Function, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Make the call on the arrays, and note it."""
        before = tuple(_plain(args))
        y = function.run(*before, **_plain(keywords))
        several = isinstance(y, tuple | list)
        arrays = tuple(np.asarray(part) for part in y) if several else (np.asarray(y),)
        if any(a.dtype.kind not in "biuf" for a in arrays):
            raise Unseen(str(arrays[0].dtype))
        source = next(values_in(args, Traced), None)
        if several:
            if any(np.may_share_memory(a, t.array) for a in arrays for t in values_in(args, Traced)):
                raise Unseen("views in a tuple")
            values = tuple(Value("result", a) for a in arrays)
            results = [Traced(v, self.notes, owned=True) for v in values]
            answer: Any = type(y)(*results) if hasattr(y, "_fields") else type(y)(results)
        else:
            shared = [t for t in values_in(args, Traced) if arrays[0].size and np.may_share_memory(arrays[0], t.array)]
            if shared:
                if shared[0] is not source or len(shared) > 1 or function.kind in ("map", "reduce", "product"):
                    raise Unseen("shares memory")
                assert source is not None
                function = Function(function.text, function.run, "view")
                values = (Value("result", arrays[0], base=source.value),)
                answer = Traced(values[0], self.notes, root=source.root or source)
                answer.root.views += 1
            else:
                values = (Value("result", arrays[0]),)
                answer = Traced(values[0], self.notes, owned=True)
        ambient: dict[str, Any] = {**self.notes.ambient}
        errstate = tuple([(k, str(v)) for k, v in np.geterr().items() if v != ambient[k]])
        self.notes.calls.append(Call(function, _values(args), _values(keywords), values, several=several, errstate=errstate))
        return answer

    def _into(self, out: tuple[Any, ...], result: Any) -> Any:
        """`out=target`: the target is a new value from here on."""
        target = out[0]
        if len(out) != 1 or not isinstance(target, Traced) or not isinstance(result, Traced):
            raise Unseen("out=")
        if not target.owned or target.views or target.array.dtype != result.array.dtype or target.array.shape != result.array.shape:
            raise Unseen("out= of something that others can see")
        target.value, target.array = result.value, result.array
        return target

    def __getitem__(self, key: Any) -> Any:
        return self._call(Function("[]", _item, "call"), (self, key), {})

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "ndim", "size", "itemsize", "nbytes"):
            return getattr(self.array, name)
        if name in ("T", "mT"):
            return self._call(Function("." + name, lambda x: getattr(x, name), "call"), (self,), {})
        if name in _METHODS:
            method = getattr(np.ndarray, name)
            return lambda *args, **keywords: self._call(Function("." + name, method, "call"), (self, *args), keywords)
        raise Unseen(name)

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Any:
        return iter([self[i] for i in range(len(self.array))])

    def _unseen(self, *args: Any) -> Any:
        raise Unseen("a value is needed")

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __array__ = __setitem__ = __contains__ = _unseen


def _item(x: Any, key: Any) -> Any:
    return x[key]


def _plain(tree: Any) -> Any:
    return substitute(tree, lambda t: t.array, Traced)


def _values(tree: Any) -> Any:
    return substitute(tree, lambda t: t.value, Traced)
