"""Ops of the table with one rule made wrong, in every way that rules go wrong: what a check of gradients has to catch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from cases import Case, all_cases

import tinygrad_lite as tl
from tinygrad_lite.engine import Op, Variable
from tinygrad_lite.ops import table

__all__ = ["KINDS", "cases", "inputs", "leaves_of", "mutants"]

KINDS = ("sign", "factor 1.001", "broadcast sum missing", "transposed", "one entry", "negative inputs", "wrong input", "second derivative")


def cases(smallest: bool = False) -> list[Case]:
    """The lines of the table's cases through which a gradient flows; or for each op the one with the fewest entries."""
    found = [case for case in all_cases()[0] if table[case.op].differentiable and max(np.size(x) for x in case.inputs) < 2000]
    found = [case for case in found if leaves_of(table[case.op], case)]
    if smallest:
        found = list({case.op: case for case in sorted(found, key=lambda case: -sum(np.size(x) for x in case.inputs))}.values())
    return found


def leaves_of(op: Op, case: Case) -> list[int]:
    """Positions of the inputs that a gradient flows to."""
    return [i for i, x in enumerate(case.inputs)
            if isinstance(x, np.ndarray) and x.dtype.kind == "f" and (op.each is not None or op.rules[i] is not None)]


def inputs(op: Op, case: Case) -> list[Any]:
    chosen = leaves_of(op, case)
    return [tl.tensor(x, requires_grad=i in chosen) if isinstance(x, np.ndarray) else x for i, x in enumerate(case.inputs)]


def mutants(case: Case, kind: str) -> Iterator[tuple[Op, list[Any]]]:
    """(wrong op, inputs) for each input whose gradient this kind of mistake changes; none where it changes nothing."""
    op = table[case.op]
    xs = inputs(op, case)
    if kind == "broadcast sum missing":
        if not (case.elementwise and op.broadcasts and len(leaves_of(op, case)) > 1):
            return
        xs[1] = tl.tensor(case.inputs[1][0], requires_grad=True)  # (4,) against (3, 4)
    for i in leaves_of(op, case):
        bad = _with_rule(op, i, lambda g, y, *args, i=i, **params: _MISTAKES[kind](op, i, g, y, args, params))
        lost = _with_rule(op, i, lambda g, y, *args, i=i, **params: _rule(op, i, g, y, args, params) * 0)
        # of a gradient that is 0 everywhere, such as that of floor, no second derivative can be wrong by a factor
        if _differs(op, lost if kind == "second derivative" else bad, xs, i, case.params):
            yield bad, xs


def _rule(op: Op, i: int, g: Any, y: Any, args: Any, params: Any) -> Any:
    return op.each(i, g, y, *args, **params) if op.each is not None else op.rules[i](g, y, *args, **params)


def _with_rule(op: Op, i: int, rule: Callable[..., Any]) -> Op:
    if op.each is not None:
        return Op(op.name, op.forward, broadcasts=op.broadcasts, view=op.view,
                  each=lambda k, g, y, *xs, **p: (rule if k == i else lambda *a, **q: op.each(k, *a, **q))(g, y, *xs, **p))
    return Op(op.name, op.forward, *[rule if k == i else other for k, other in enumerate(op.rules)], broadcasts=op.broadcasts, view=op.view)


def _differs(op: Op, bad: Op, xs: list[Any], i: int, params: Any) -> bool:
    """Some mistakes are none: a symmetric gradient transposed, a gradient of 0 with its sign flipped."""
    found = []
    for one in (op, bad):
        ys = one(*xs, **params)
        ys = [y for y in (ys if isinstance(ys, tuple) else (ys,)) if y.dtype.kind == "f"]
        seeds = [np.random.default_rng(3).standard_normal(y.shape) for y in ys]
        try:
            (g,) = tl.autograd.grad(ys, xs[i], seeds, allow_unused=True)
        except (ValueError, AttributeError):  # the rule of another input may not fit: a mistake that says so by itself
            return False
        found.append(np.zeros(xs[i].shape) if g is None else g.data)
    return not np.allclose(*found, rtol=1e-6, atol=1e-9)


def _transposed(gx: Any) -> Any:
    square = gx.ndim > 1 and gx.shape[-1] == gx.shape[-2]
    return gx.swapaxes(-1, -2) if square else gx[..., ::-1] if gx.ndim else gx * 2


def _one_entry(gx: Any) -> Any:
    value = gx._data if isinstance(gx, Variable) else gx
    factor = np.ones(value.size)
    factor[int(np.argmax(np.abs(value)))] = 1.01
    return gx * factor.reshape(value.shape)


def _wrong_input(op: Op, i: int, g: Any, y: Any, args: Any, params: Any) -> Any:
    """The rule of another input, where there is one of the same shape."""
    def fits(k: int, x: Any) -> bool:
        return k != i and x.shape == args[i].shape and x.dtype.kind in "fc" and (op.each is not None or op.rules[k] is not None)

    others = [k for k, x in enumerate(args) if hasattr(x, "dtype") and fits(k, x)]
    return _rule(op, others[0] if others else i, g, y, args, params)


_hidden = Op("hidden", np.copy, lambda g, y, x: g * 1.001)  # the value is right, its derivative is not

_MISTAKES: dict[str, Callable[..., Any]] = {
    "sign": lambda *call: -_rule(*call),
    "factor 1.001": lambda *call: _rule(*call) * 1.001,
    "broadcast sum missing": lambda op, i, g, y, args, params: (lambda gx: gx if gx.shape == np.shape(args[i]) else gx[-1])(
        _rule(op, i, g, y, args, params)),
    "transposed": lambda *call: _transposed(_rule(*call)),
    "one entry": lambda *call: _one_entry(_rule(*call)),
    "negative inputs": lambda op, i, g, y, args, params: (lambda gx: gx + gx * 0.5 * (args[i] < 0) if gx.shape == np.shape(args[i]) else gx)(
        _rule(op, i, g, y, args, params)),
    "wrong input": _wrong_input,
    "second derivative": lambda *call: _hidden(_rule(*call)),
}
