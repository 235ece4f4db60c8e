"""Losses that are 0 beyond a margin: for rankings, pairs, triplets, and classes. Names, defaults and meaning are
PyTorch's.

A label t is 1 or -1 where two kinds are told apart. Shapes are checked before anything is computed.
"""

from typing import Any

from ...errors import ShapeError
from ...ops import losses as rows
from ...ops.arithmetic import equal, not_equal, sqrt, square, where_op
from ...ops.elementary import relu, softplus
from ...ops.reduce import sum
from ...ops.shape import broadcast_to
from .checks import as_rows, check_classes, check_indices, check_pair, check_reduction, check_target, reduced
from .normalization import pairwise_distance

__all__ = ["cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
           "soft_margin_loss",
           "triplet_margin_loss"]


def soft_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """ln(1 + e^(-t x)), t = 1 or -1."""
    check_pair("soft_margin_loss", reduction, input, target)
    return reduced(softplus(-target * input), reduction)


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Any:
    """x where t = 1, max(0, margin - x) where t = -1."""
    check_pair("hinge_embedding_loss", reduction, input, target)
    return reduced(where_op(not_equal(target, 1), relu(margin - input), 0) + where_op(not_equal(target, -1), input, 0),
                   reduction)


def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    """max(0, margin - t (x1 - x2)): t = 1 wants x1 above x2, t = -1 below."""
    check_pair("margin_ranking_loss", reduction, input1, target)
    check_pair("margin_ranking_loss", reduction, input1, input2, "input2")
    return reduced(relu(margin - target * (input1 - input2)), reduction)


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    """1 - cos(x1, x2) where t = 1, max(0, cos(x1, x2) - margin) where t = -1; (N, D) and (N,), or (D,) and a single
    t."""
    name = "cosine_embedding_loss"
    check_pair(name, reduction, input1, input2, "input2")
    if input1.ndim not in (1, 2) or target.shape != input1.shape[:-1]:
        raise ShapeError(f"{name}: input1 must be (N, D) and target (N,), or (D,) and (); "
                         f"got {input1.shape} and {target.shape}")
    def dot(a: Any, b: Any) -> Any:
        return sum(a * b, axis=-1, keepdims=False)

    cos = dot(input1, input2) / sqrt((dot(input1, input1) + 1e-12) * (dot(input2, input2) + 1e-12))
    return reduced(where_op(equal(target, 1), 1 - cos, 0) + where_op(equal(target, -1), relu(cos - margin), 0),
                   reduction)


def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2.0,
                        eps: float = 1e-6, swap: bool = False,
                        reduction: str = "mean") -> Any:
    """max(0, |a - p| - |a - n| + margin), distances as pairwise_distance; swap: with |p - n| where that is smaller.

    Balntas et al. 2016.
    """
    name = "triplet_margin_loss"
    check_pair(name, reduction, anchor, positive, "positive")
    check_pair(name, reduction, anchor, negative, "negative")
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        other = pairwise_distance(positive, negative, p, eps)
        far = where_op(other < far, other, far)
    return reduced(relu(near - far + margin), reduction)


def multi_margin_loss(input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None,
                      reduction: str = "mean") -> Any:
    """(1/C) sum over c != target of weight[target] max(0, margin - x[target] + x[c])^p; input (N, C) or (C,), p 1 or 2.

    Raises as cross_entropy does.
    """
    name = "multi_margin_loss"
    check_reduction(name, reduction)
    if p not in (1, 2):
        raise ValueError(f"{name}: p is 1 or 2, not {p}")
    if input.ndim > 2:
        raise ShapeError(f"{name}: input must be (N, C) or (C,), it has shape {input.shape}")
    _, classes = check_classes(name, input, weight)
    check_target(name, input, target)
    check_indices(name, target, classes, None)
    x, labels = as_rows(input, target)
    right = rows.pick(x, labels, ignore_index=-1).reshape(-1, 1)
    over = relu(x - right + margin)
    over = over if p == 1 else square(over)
    others = 1 - rows.spread(rows.kept(labels, x, ignore_index=-1), labels, classes=classes, ignore_index=-1)
    loss = sum(over * others, axis=1, keepdims=False) / classes
    if weight is not None:
        loss = loss * rows.pick(broadcast_to(weight, shape=x.shape), labels, ignore_index=-1)
    return reduced(loss.reshape(target.shape), reduction)
