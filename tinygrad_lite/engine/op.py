"""A row of the table of ops: a name, a NumPy forward, and one line of calculus for each array input.

    tanh = Op("tanh", np.tanh, lambda g, y, x: g * (1 - y * y))

`g` is dL/dy, `y` the output, then the inputs as they were given. The rule is read on arrays (first order), on Tensors (any order)
and under capture (a program), because it uses nothing but operators, methods that arrays and Tensors share, and other ops.
"""

from collections.abc import Callable, Sequence
from sys import _getframe as getframe
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import DtypeError
from .finite import check_forward
from .modes import ANOMALY, CAPTURE, GUARD, RECORD, here, once_for_each
from .origin import Cut, describe, module_path, where
from .record import Node, Variable, birth, handle, made_by

__all__ = ["Op", "Rule"]

Rule = Callable[..., Any]
_NO_PARAMS: dict[str, Any] = {}


class Op:
    """name, forward, one rule per array input; a rule that is None says that no gradient flows to that input.

    Arrays are positional, parameters are the keyword-only arguments of `forward`; so every record has the same form. Parameters may
    be passed by position after the arrays, as NumPy allows. `forward` of an op with several outputs returns a tuple; its rules then
    get tuples for `g` and `y`. A tuple of rules in place of one has a rule for each output, with that output's own `g` (the last ones are
    left out where the input has no part in those outputs). What they give is added up, and an output that nothing used costs nothing: so
    a row can keep what its backward pass wants again.

    each        for any number of inputs: one rule `each(i, g, y, *inputs, **params)` for the i-th of them, in place of `rules`
    together    the same where one pass gives them all: `together(g, y, *inputs, **params)` -> a gradient for each input
    broadcasts  inputs are broadcast against each other: the sweep sums each gradient back to its input's shape
    view        the output shares memory with the first input
    doc         formula, source, accuracy
    """

    def __init__(self, name: str, forward: Callable[..., Any], *rules: Rule | tuple[Rule, ...] | None, each: Rule | None = None,
                 together: Rule | None = None, broadcasts: bool | None = None, view: bool = False, doc: str = "") -> None:
        ufunc = isinstance(forward, np.ufunc)
        self.name = name
        self.forward = forward
        self.rules: tuple[Rule | None, ...] = tuple([_by_output(rule) if isinstance(rule, tuple) else rule for rule in rules])
        self.by_output = any(isinstance(rule, tuple) for rule in rules)  # its rules take None for the gradient of an unused output
        # for the usual case that only the first output was used
        self.first_rules = [rule[0] if isinstance(rule, tuple) else None for rule in rules if rule is None or isinstance(rule, tuple)]
        self.together = together
        self.each = each if together is None else lambda i, *args, **params: together(*args, **params)[i]
        self.broadcasts = len(rules) > 1 and ufunc if broadcasts is None else broadcasts
        self.view = view
        self.arity = len(rules) if self.each is None else None
        self.params = _keyword_only(forward)
        self.defaults: dict[str, Any] = getattr(forward, "__kwdefaults__", None) or _NO_PARAMS
        self.differentiable = self.each is not None or any(rule is not None for rule in rules)
        self._plain = -1 if self.params or self.arity is None else self.arity
        self.__name__ = name
        self.__doc__ = doc

    def __call__(self, *args: Any, **params: Any) -> Any:
        if params:
            if len(params) != len(self.params) or len(args) != self.arity:
                args, params = self._bind(args, params)
        elif len(args) == self._plain:
            params = _NO_PARAMS
        else:
            args, params = self._bind(args, params)
        arrays = []
        tensor = None
        requires_grad = False
        for x in args:
            if isinstance(x, Variable):
                tensor = x
                if x._requires_grad:
                    requires_grad = True
                arrays.append(x._data)
            elif type(x) is list or type(x) is tuple:
                return self(*_without_lists(args), **params)
            elif type(x) is complex:
                raise DtypeError(f"{self.name}() of a Tensor and the complex number {x}: gradients here are of real numbers")
            else:
                arrays.append(x)
        if tensor is None:
            return self.forward(*args, **params)
        try:
            y = self.forward(*arrays, **params) if params else self.forward(*arrays)
        except Exception as error:
            error.add_note(self.failure(args, params))
            raise
        if type(y) is not ndarray:
            y = _arrays(y)
        thread = here.thread
        mode = thread.mode
        if not requires_grad or mode != RECORD or not self.differentiable:
            if mode & ANOMALY:
                check_forward(self, args, params, arrays, y)
            requires_grad = requires_grad and self.differentiable and mode & RECORD != 0
            if not (requires_grad or mode & CAPTURE):
                return self._unrecorded(tensor.face, args, y, thread.cut if not mode & RECORD else None)
        scope = thread.scope
        code, lasti = (scope.code, scope.lasti) if scope is not None and scope.inside else where(getframe(1), scope)
        node = Node(self, args + tuple(arrays), params, y, birth(), code, lasti, scope)
        made = node if requires_grad else None
        if type(y) is tuple:
            result: Any = tuple([handle(tensor.face, part, requires_grad, made, i) for i, part in enumerate(y)])
        else:
            result = handle(tensor.face, y, requires_grad, made)
        if mode != RECORD:
            if mode & CAPTURE:
                thread.tape.add(node, result)
            if mode & GUARD and requires_grad:
                thread.guard.protect(node)
        return result

    def _unrecorded(self, face: type, args: tuple[Any, ...], y: Any, cut: Cut | None) -> Any:
        """Results without a graph, and why they have none, if that is known."""
        if cut is None:
            cut = next((x.cut for x in args if isinstance(x, Variable) and hasattr(x, "cut")), None)
        results = [handle(face, part) for part in (y if type(y) is tuple else (y,))]
        if cut is not None:
            for result in results:
                result.cut = cut
        return tuple(results) if type(y) is tuple else results[0]

    def draw(self, face: type, *args: Any, **params: Any) -> Any:
        """A Tensor from an op that has no Tensor among its inputs, such as a random draw; a capture sees it too."""
        once_for_each("a random draw")
        args, params = self._bind(args, params)
        return self.record(face, args, args, params, _arrays(self.forward(*args, **params)), False)

    def record(self, face: type, args: tuple[Any, ...], arrays: Sequence[Any], params: dict[str, Any], y: Any, requires_grad: bool) -> Any:
        """The result of a call whose output `y` is already there: what `__call__` does after the forward, off the fast path."""
        thread = here.thread
        code, lasti = where(getframe(1), thread.scope)
        node = Node(self, (*args, *arrays), params, y, birth(), code, lasti, thread.scope)
        made = node if requires_grad else None
        parts = y if type(y) is tuple else (y,)
        results = tuple([handle(face, part, requires_grad, made, i) for i, part in enumerate(parts)])
        result = results if type(y) is tuple else results[0]
        if thread.mode & CAPTURE:
            thread.tape.add(node, result)
        if thread.mode & GUARD and requires_grad:
            thread.guard.protect(node)
        return result

    def _bind(self, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arrays apart from parameters, every parameter present: NumPy's forms sum(x, 0) and sum(x, axis=0) give one record."""
        arity = len(args) if self.arity is None else self.arity
        arrays, extra = args[:arity], args[arity:]
        if len(arrays) < arity:
            raise TypeError(f"{self.name}() takes {arity} array{'s' * (arity != 1)}, got {len(arrays)}")
        if len(extra) > len(self.params):
            raise TypeError(f"{self.name}() takes {arity} array{'s' * (arity != 1)} and {len(self.params)} parameters "
                            f"{self.params}, got {len(args)} arguments")
        given = dict(zip(self.params, extra, strict=False)) | params
        if not given.keys() <= set(self.params):
            unknown = sorted(given.keys() - set(self.params))
            raise TypeError(f"{self.name}() has no parameter {unknown[0]!r}; it has {', '.join(self.params) or 'none'}")
        full = self.defaults | given
        if len(full) < len(self.params):
            missing = [name for name in self.params if name not in full]
            raise TypeError(f"{self.name}() needs its parameter {missing[0]!r}")
        for name, value in given.items():
            if isinstance(value, Variable):
                raise TypeError(f"{self.name}(): the parameter {name!r} is a Tensor; no gradient would reach it. "
                                f"Pass a plain value, such as {name}.item()")
        return arrays, full

    def failure(self, args: tuple[Any, ...], params: dict[str, Any]) -> str:
        """The note on an exception from inside forward: op, shapes, module, the user's line, and who made the inputs."""
        shapes = ", ".join(str(getattr(x, "shape", x)) for x in args)
        given = "".join(f", {name}={value!r}" for name, value in params.items())
        path = module_path(here.thread.scope)
        place = describe(*where(getframe(2), here.thread.scope))
        lines = [f"in {self.name}({shapes}{given})" + (f" in {path!r}" if path else "") + f" at {place}"]
        lines += [f"  {made_by(x)}" for x in args if isinstance(x, Variable) and x.node is not None]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def _keyword_only(forward: Callable[..., Any]) -> tuple[str, ...]:
    code = getattr(forward, "__code__", None)
    if code is None:  # a ufunc, or another function made in C
        return ()
    positional = code.co_argcount
    return tuple(code.co_varnames[positional:positional + code.co_kwonlyargcount])


def _by_output(rules: tuple[Rule, ...]) -> Rule:
    """The rule of an input from its rules for each output."""

    def rule(g: Any, y: Any, *args: Any, **params: Any) -> Any:
        total = None
        for part, of in zip(g, rules):  # noqa: B905  rules may be fewer
            if part is not None:
                term = of(part, y, *args, **params)
                total = term if total is None else total + term
        return total

    return rule


def _without_lists(args: tuple[Any, ...]) -> list[Any]:
    """Lists as arrays. Their floats are as weak as bare numbers: they take the dtype of the first float Tensor."""
    dtype = next((x._data.dtype for x in args if isinstance(x, Variable) and x._data.dtype.kind == "f"), None)
    lists = {i: np.asarray(x) for i, x in enumerate(args) if isinstance(x, list | tuple)}
    return [lists[i].astype(dtype) if i in lists and dtype and lists[i].dtype == np.float64 else lists.get(i, x) for i, x in enumerate(args)]


def _arrays(y: Any) -> Any:
    """NumPy's scalars as 0-d arrays, which can be written in place; tuples for several outputs; anything else as it is."""
    if isinstance(y, np.generic):
        return np.asarray(y)
    if isinstance(y, tuple | list):
        return tuple(_arrays(part) for part in y)
    return y
