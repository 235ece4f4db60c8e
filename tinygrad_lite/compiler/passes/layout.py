"""Layout: the weight of a first layer lies transposed in memory, with its gradient and what an optimizer keeps for it.

BLAS reads W sooner in x @ Wᵀ where Wᵀ is what lies there row by row: a tenth sooner at 784x512, two fifths at 64x128. Where the gradient of x is
wanted too, g @ W would lose what x @ Wᵀ gains, and everything stays. The Tensor then holds a view of the transpose: the same numbers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..program import Call, Function, Program, Value, substitute, transposed
from .updates import Update, find_updates

__all__ = ["turn_weights"]

MANY = 1 << 23  # entries: of larger matrices the trial would take longer than the copies that it spares


def turn_weights(program: Program) -> None:
    for update in list(find_updates(program)):
        makers, users = program.makers(), program.users()
        product = makers.get(update.gradient)
        if product is None or not _is_gradient_of_weight(product, update, makers, users):
            continue
        lies_so = all(not v.contiguous and v.axes == (1, 0) and v.data.T.flags.c_contiguous for v in update.memory)
        use = next((found for v in update.memory if (found := _use(v, update, users))), None)
        if lies_so:
            same = _same_gradient(product, makers)
        else:
            same = (use is not None and all(v.contiguous and v in program.movable for v in update.memory)
                    and _same_product(*use[1].args) and _same_gradient(product, makers))
        if same:
            _turn(program, update, product, makers, use, lies_so)


def _is_gradient_of_weight(call: Call, update: Update, makers: Mapping[Value, Call], users: Mapping[Value, list[Call]]) -> bool:
    """Is it aᵀ @ b of two matrices, for this update alone, and of more than one row and column?"""
    if call.function.text not in ("np.dot", "np.matmul") or call.keywords or len(call.output.shape) != 2 or not min(call.output.shape) >= 2:
        return False
    left, right = call.args
    if not isinstance(left, Value) or not isinstance(right, Value) or max(call.output.size, left.size, right.size) > MANY:
        return False
    maker = makers.get(left)
    return (maker is not None and _transposes(maker) and right.dtype == maker.args[0].dtype and maker.args[0].contiguous and right.contiguous
            and all(user in update.calls for user in users[call.output]))


def _transposes(call: Call) -> bool:
    return (len(call.output.shape) == 2 and call.function.text in (".T", ".mT", ".transpose", "np.transpose")
            and [*call.args[1:], *call.keywords.values()] in ([], [None]))


def _use(weight: Value, update: Update, users: Mapping[Value, list[Call]]) -> tuple[Call, Call] | None:
    """(the call that transposes, that of the product x @ Wᵀ) where nothing else but the update reads this memory."""
    outside = [call for call in users[weight] if call not in update.calls]
    if len(outside) != 1 or not _transposes(outside[0]):
        return None
    products = users.get(outside[0].output, [])
    if len(products) != 1 or products[0].function.text not in ("np.dot", "np.matmul"):
        return None
    left, right = products[0].args
    fits = right is outside[0].output and isinstance(left, Value) and len(left.shape) == 2 and left.dtype == weight.dtype and left.contiguous
    return (outside[0], products[0]) if fits else None


def _same_product(x: Value, weight: Value) -> bool:
    """Does BLAS give x @ Wᵀ to the bit where Wᵀ lies the other way, and x either way, as it is given anew at each run?"""
    a, w = _example(x), _example(weight)
    return all(np.array_equal(np.dot(left, w.T.copy().T), np.dot(left, w)) for left in (a, a.T.copy().T))


def _same_gradient(product: Call, makers: Mapping[Value, Call]) -> bool:
    a, b = _example(makers[product.args[0]].args[0]), _example(product.args[1])
    return np.array_equal(np.dot(a.T, b), np.dot(b.T, a).T)


def _example(value: Value) -> Any:
    return np.random.default_rng(0).standard_normal(value.shape).astype(value.dtype)


def _turn(program: Program, update: Update, product: Call, makers: Mapping[Value, Call], use: tuple[Call, Call] | None, lies_so: bool) -> None:
    """Write the program for the transposes of the update's memory and of its gradient."""
    new: dict[Value, Value] = {}
    head: list[Call] = []
    for v in update.memory:
        new[v] = t = Value("outer", v.data.T if lies_so else v.data.T.copy(), name=v.name)
        t.turned = True
        if not lies_so:
            program.moved[t] = v.data
            program.movable.add(t)
        elif any(v in call.inputs for call in program.calls if call not in update.calls):
            head.append(transposed(t))
    flipped = transposed(product.args[1])
    flipped.op, flipped.path, flipped.line = product.op, product.path, product.line
    gradient = _like(product.output)
    made = Call(Function("np.dot", np.dot, "product"), (flipped.output, makers[product.args[0]].args[0]), {}, (gradient,),
                product.op, product.path, product.line)
    back = transposed(gradient)
    new[product.output] = gradient
    changed = {product: [flipped, made, back]}
    for call in update.calls:
        y = call.output
        if call.function.kind == "write":
            new[y] = Value("result", new[call.args[0]].data, new[call.args[0]])
        else:
            new[y] = _like(y)
        changed[call] = [Call(call.function, substitute(call.args, lambda x: new.get(x, x)), {}, (new[y],), call.op, call.path, call.line)]
    shown = {call.args[0]: call.output for call in head}
    program.calls = [*head, *[part for call in program.calls for part in changed.get(call, [call])]]
    program.replace({product.output: back.output} | {v: shown[t] for v, t in new.items() if t in shown}
                    | ({use[0].output: new[use[0].args[0]]} if use is not None else {}))
    if use is not None:
        program.calls.remove(use[0])


def _like(value: Value) -> Value:
    """A result of the transposed shape."""
    made = Value("result", np.empty(value.shape[::-1], value.dtype))
    made.data = None
    return made
