"""How many floating-point operations a call does, from its shapes: an estimate by convention, as papers count them.

A multiplication and an addition are one each, and so is exp, tanh or a comparison; what only moves or makes entries is free.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from ...engine import Op

__all__ = ["flops"]

Sizes = tuple[int, ...]
_MOVES = frozenset({
    "argsort", "astype", "at_set", "cast", "choose", "concatenate", "copy", "fold", "gather", "gather_last", "getitem", "one_hot", "ones_like", "pad",
    "pad_back", "pick", "place", "place_diagonal", "put_last", "repeat", "repeat_each", "roll", "stack", "take_along_axis", "tile", "tril", "triu",
    "where", "windows", "write", "zeros_like"})
# passes over the entries of the largest array, for rows that are several steps in one
_PASSES = {"binary_cross_entropy": 6, "binary_cross_entropy_with_logits": 6, "cross_entropy": 6, "cross_entropy_rule": 3, "gelu": 5, "gelu_tanh": 9,
           "huber": 4, "log_softmax": 5, "logsumexp": 4, "masked_softmax": 6, "mse_loss": 3, "sigmoid": 3, "silu": 4, "softmax": 5, "softplus": 3,
           "standardize": 6, "standardize_rule": 8, "std": 4, "var": 4}


def flops(op: Op, arrays: Sequence[Any], outputs: Sequence[Any], params: dict[str, Any]) -> int:
    """Operations of one call, from the shapes of its inputs and outputs.

    matmul, dot, linear      2 m n k, and m n for a bias
    einsum                   2 x the product of all letters' lengths, for each operand beyond the first
    convolution              2 x outputs x weights of one output channel
    solve, inv, cholesky, .. the leading term of the textbook algorithm: 2/3 n^3, 2 n^3, 1/3 n^3
    views, copies, indexing  0
    anything else            1 for each entry of its largest array, times the passes of a row such as softmax (5)
    """
    inputs = [tuple(getattr(x, "shape", ())) for x in arrays]
    shapes = [tuple(y.shape) for y in outputs]
    if op.view or op.name in _MOVES:
        return 0
    if op.name in _SPECIAL:
        return _SPECIAL[op.name](inputs, shapes, params)
    return _PASSES.get(op.name, 1) * max(map(math.prod, inputs + shapes), default=0)


def _product(inputs: list[Sizes], shapes: list[Sizes], params: dict[str, Any]) -> int:
    return 2 * math.prod(shapes[0]) * (inputs[0][-1] if inputs[0] else 1)


def _linear(inputs: list[Sizes], shapes: list[Sizes], params: dict[str, Any]) -> int:
    return _product(inputs, shapes, params) + (math.prod(shapes[0]) if len(inputs) == 3 and inputs[2] else 0)


def _einsum(inputs: list[Sizes], shapes: list[Sizes], params: dict[str, Any]) -> int:
    terms = params["subscripts"].split("->")[0].split(",")
    size = {letter: n for term, shape in zip(terms, inputs, strict=True) for letter, n in zip(term, shape, strict=True)}
    return 2 * math.prod(size.values()) * max(len(inputs) - 1, 1) if len(inputs) > 1 else math.prod(size.values())


def _convolution(inputs: list[Sizes], shapes: list[Sizes], params: dict[str, Any]) -> int:
    return 2 * math.prod(shapes[0]) * math.prod(inputs[1][1:]) + (math.prod(shapes[0]) if inputs[2] else 0)


def _by_input(inputs: list[Sizes], shapes: list[Sizes], params: dict[str, Any]) -> int:
    return 2 * math.prod(inputs[0]) * math.prod(inputs[1][1:])  # of g and weight: as many as the convolution itself


def _by_weight(inputs: list[Sizes], shapes: list[Sizes], params: dict[str, Any]) -> int:
    return 2 * math.prod(inputs[1]) * math.prod(shapes[0][1:])  # of x and g


def _cubic(share: float) -> Callable[..., int]:
    """share x m n min(m, n) for each matrix of the first input."""
    def count(inputs: list[Sizes], shapes: list[Sizes], params: dict[str, Any]) -> int:
        return round(share * math.prod(inputs[0]) * min(inputs[0][-2:]))
    return count


def _solve(inputs: list[Sizes], shapes: list[Sizes], params: dict[str, Any]) -> int:
    return _cubic(2 / 3)(inputs, shapes, params) + 2 * math.prod(shapes[0]) * inputs[0][-1]


def _convolve(inputs: list[Sizes], shapes: list[Sizes], params: dict[str, Any]) -> int:
    return 2 * math.prod(inputs[0]) * math.prod(inputs[1])


_SPECIAL: dict[str, Callable[[list[Sizes], list[Sizes], dict[str, Any]], int]] = {
    "matmul": _product, "dot": _product, "vecdot": _product, "linear": _linear, "einsum": _einsum, "convolve": _convolve,
    "convolution": _convolution, "convolution_by_input": _by_input, "convolution_by_weight": _by_weight,
    "cholesky": _cubic(1 / 3), "det": _cubic(2 / 3), "slogdet": _cubic(2 / 3), "inv": _cubic(2), "solve": _solve, "qr": _cubic(4 / 3),
    "eigh": _cubic(9), "eigvalsh": _cubic(4 / 3), "svd": _cubic(20), "svdvals": _cubic(4),  # Golub and Van Loan, 5.2, 8.3, 8.6
}
