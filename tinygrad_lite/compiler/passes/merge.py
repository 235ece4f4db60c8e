"""A sum over the batch of many matrix products is one product of taller matrices: sum_n aₙᵀ bₙ = (all rows of a)ᵀ (all rows of b).

It is what the gradient of a weight needs that was broadcast over a batch: x @ W with x of (n, t, k) and W of (k, m). The sums run in another
order, so that the result may differ from eager's in the last digits.
"""

import numpy as np

from ..program import Call, Function, Program, Value, transposed, view

__all__ = ["merge_batched_sums"]


def merge_batched_sums(program: Program) -> None:
    makers, users = program.makers(), program.users()
    calls: list[Call] = []
    for call in program.calls:
        pair = _rows_of_batch(call, makers, users)
        if pair is None:
            calls.append(call)
            continue
        a, b = [view(".reshape", np.ndarray.reshape, v, ((-1, v.shape[-1]),), (v.size // v.shape[-1], v.shape[-1])) for v in pair]
        left = transposed(a.output)
        product = Call(Function("np.dot", np.dot, "product"), (left.output, b.output), {}, call.outputs, call.op, call.path, call.line)
        calls += [a, b, left, product]
    program.calls = calls


def _rows_of_batch(call: Call, makers: dict[Value, Call], users: dict[Value, list[Call]]) -> tuple[Value, Value] | None:
    """(a, b) where the call sums swapaxes(a) @ b over all axes before the last two, nothing else reads that product, and no rows are copied."""
    if call.function.text != "np.add.reduce" or not isinstance(call.args[0], Value):
        return None
    product = makers.get(call.args[0])
    axis, kept = call.keywords.get("axis"), {k: v for k, v in call.keywords.items() if k != "axis" and v not in (None, False)}
    if product is None or product.function.text != "np.matmul" or users[product.output] != [call] or kept:
        return None
    batch = tuple(range(len(product.output.shape) - 2))
    if not batch or (axis if isinstance(axis, tuple) else (axis,)) != batch:
        return None
    left, b = product.args
    turned = makers.get(left) if isinstance(left, Value) else None
    if turned is None or turned.function.text != ".swapaxes" or sorted(turned.args[1:]) != [-2, -1]:
        return None
    a = turned.args[0]
    fits = a.shape[:-2] == b.shape[:-2] and a.contiguous and b.contiguous and a.size and b.size and a.dtype == b.dtype == call.output.dtype
    return (a, b) if fits else None

