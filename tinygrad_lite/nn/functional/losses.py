"""Losses, with PyTorch's names, defaults and meaning. reduction is 'mean', 'sum' or 'none' everywhere.

Input and target must have the same shape: (n, 1) against (n,) would silently make an n-by-n table, and is a ShapeError.
Shapes, dtypes and class indices are checked before anything is computed.
"""

import math
from typing import Any

from ...engine import named, warn_once
from ...errors import ShapeError
from ...ops import losses as rows
from ...ops.activations import log_softmax, softmax
from ...ops.arithmetic import abs, clip, equal, greater, square, where_op
from ...ops.elementary import exp, log, sigmoid, softplus
from ...ops.reduce import sum
from ...ops.shape import broadcast_to
from ...tensors import Tensor
from .checks import (
    as_rows,
    bare,
    check_classes,
    check_indices,
    check_pair,
    check_reduction,
    check_target,
    check_weight,
    reduced,
    times,
)

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "gaussian_nll_loss",
           "huber_loss", "kl_div", "l1_loss", "mse_loss", "nll_loss", "poisson_nll_loss", "sigmoid_focal_loss",
           "smooth_l1_loss"]


def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Mean of squared differences over all entries: sum((input - target)^2) / input.size.

    input, target: the same shape, float. reduction: 'mean', 'sum', or 'none' for the squares themselves.
    Raises ShapeError when the shapes differ: (8,) against (8, 1) would silently make an (8, 8) table.
    """
    if reduction == "mean":
        return rows.mse_loss(input, target)  # type: ignore[no-any-return]
    check_pair("mse_loss", reduction, input, target)
    return reduced(square(input - target), reduction)  # type: ignore[no-any-return]


def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """|input - target|; the gradient is 0 where they are equal."""
    check_pair("l1_loss", reduction, input, target)
    return reduced(abs(input - target), reduction)


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """d^2 / (2 beta) where d = |input - target| < beta, else d - beta / 2; beta = 0 is l1_loss.  Girshick 2015.

    Raises ValueError for beta < 0.
    """
    check_pair("smooth_l1_loss", reduction, input, target)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must be 0 or more, not {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction)
    return reduced(rows.huber(input, target, delta=beta, scale=1 / beta), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """d^2 / 2 where d = |input - target| <= delta, else delta (d - delta / 2).  Huber 1964.

    Raises ValueError unless delta > 0.
    """
    check_pair("huber_loss", reduction, input, target)
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be above 0, not {delta}")
    return reduced(rows.huber(input, target, delta=delta, scale=1.0), reduction)


# ---- classes


def cross_entropy(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Any:
    """-ln softmax(input)[target], safe for logits of any size; input (C,), (N, C) or (N, C, d1, ...).

    target           integers, of input's shape without the classes; or probabilities, floats of input's shape:
                     -sum_c target_c ln softmax_c
    weight           (C,): a factor for each class; the mean over class indices is divided by the sum of their factors
    ignore_index     a class index that counts for nothing, in the mean either
    label_smoothing  e: probabilities become (1 - e) target + e / C.  Szegedy et al. 2016

    Where every index is ignored the mean is nan, as in PyTorch. Raises IndexError for a class index out of range,
    DtypeError for indices that are floats, ShapeError for a target or weight of another shape, ValueError for
    label_smoothing outside 0 to 1.
    """
    name = "cross_entropy"
    check_reduction(name, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing must be from 0 to 1, not {label_smoothing}")
    axis, classes = check_classes(name, input, weight)
    node = getattr(input, "node", None)
    if node is not None and node.op is softmax:
        warn_once("softmax", lambda place: f"cross_entropy takes logits, and has a softmax in it: it got what a softmax made\n"
                                           f"  at {place}\n  the softmax is {named(node)}\n"
                                           "  Leave that softmax out: the loss could not fall below that of a sure answer, and learns slowly.")
    if target.shape == input.shape and target.dtype.kind == "f":
        return _cross_entropy_of_probabilities(input, target, weight, reduction, label_smoothing, axis)
    check_target(name, input, target)
    x, labels = as_rows(input, target)
    if weight is None and not label_smoothing:
        y = rows.cross_entropy(x, labels, reduction=reduction, ignore_index=ignore_index)[0]
        return y.reshape(target.shape) if reduction == "none" else y
    check_indices(name, labels, classes, ignore_index)
    y = log_softmax(x, axis=1)
    loss, count = _nll(y, labels, weight, ignore_index)
    if label_smoothing:
        smooth = -sum(y if weight is None else y * weight, axis=1, keepdims=False)
        smooth = smooth * rows.kept(labels, x, ignore_index=ignore_index)
        loss = loss * (1 - label_smoothing) + smooth * (label_smoothing / classes)
    return _weighted(loss, count, reduction, target.shape)


def _cross_entropy_of_probabilities(input: Any, target: Any, weight: Any, reduction: str, label_smoothing: float,
                                    axis: int) -> Any:
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[axis]
    if weight is not None:
        target = target * weight.reshape(-1, *[1] * (input.ndim - 1 - axis))
    loss = -sum(target * log_softmax(input, axis=axis), axis=axis, keepdims=False)
    return reduced(loss, reduction)


def nll_loss(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """-input[target] of log-probabilities: cross_entropy after its log_softmax, with the same shapes and errors."""
    check_reduction("nll_loss", reduction)
    _, classes = check_classes("nll_loss", input, weight)
    check_target("nll_loss", input, target)
    check_indices("nll_loss", target, classes, ignore_index)
    loss, count = _nll(*as_rows(input, target), weight, ignore_index)
    return _weighted(loss, count, reduction, target.shape)


def _nll(y: Any, labels: Any, weight: Any, ignore_index: int) -> tuple[Any, Any]:
    """-w y at each label, and w: 0 where ignored."""
    picked = rows.pick(y, labels, ignore_index=ignore_index)
    if weight is None:
        return -picked, rows.kept(labels, y, ignore_index=ignore_index)
    w = rows.pick(broadcast_to(weight, shape=y.shape), labels, ignore_index=ignore_index)
    return -picked * w, w


def _weighted(loss: Any, count: Any, reduction: str, shape: tuple[int, ...]) -> Any:
    if reduction == "none":
        return loss.reshape(shape)
    return loss.sum() / count.sum() if reduction == "mean" else loss.sum()


# ---- two classes, distributions


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Any:
    """-t ln p - (1 - t) ln(1 - p), the logarithms cut at -100; input p and target t from 0 to 1.

    weight: a factor for each entry, broadcast. Raises ValueError for an input outside 0 to 1.
    """
    check_pair("binary_cross_entropy", reduction, input, target)
    check_weight("binary_cross_entropy", "weight", weight, input)
    return reduced(times(rows.binary_cross_entropy(input, target), weight), reduction)


def binary_cross_entropy_with_logits(input: Any, target: Any, weight: Any = None, reduction: str = "mean",
                                     pos_weight: Any = None) -> Any:
    """binary_cross_entropy(sigmoid(x), t), exact for logits x of any size.

    weight: a factor for each entry; pos_weight: a factor for the part with t, such as negatives / positives, one for
    each class; both broadcast.
    """
    name = "binary_cross_entropy_with_logits"
    check_pair(name, reduction, input, target)
    check_weight(name, "weight", weight, input)
    check_weight(name, "pos_weight", pos_weight, input)
    if pos_weight is None:
        loss = rows.binary_cross_entropy_with_logits(input, target)
    else:
        loss = (1 - target) * input + ((pos_weight - 1) * target + 1) * softplus(-input)
    return reduced(times(loss, weight), reduction)


def sigmoid_focal_loss(inputs: Any, targets: Any, alpha: float = 0.25, gamma: float = 2.0,
                       reduction: str = "none") -> Any:
    """alpha_t (1 - p_t)^gamma (-ln p_t), p_t the probability of the target's class.  Lin et al. 2017, eq. 5.

    Names and defaults are torchvision's. alpha: the factor of class 1, 1 - alpha that of class 0; below 0: no factors.
    """
    check_pair("sigmoid_focal_loss", reduction, inputs, targets)
    p = sigmoid(inputs)
    wrong = p * (1 - targets) + (1 - p) * targets  # 1 - p_t
    loss = rows.binary_cross_entropy_with_logits(inputs, targets) * wrong ** gamma
    if alpha >= 0:
        loss = loss * (targets * alpha + (1 - targets) * (1 - alpha))
    return reduced(loss, reduction)


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """target (ln target - input), with input already log-probabilities; log_target: e^target (target - input).

    reduction: also 'batchmean', the sum over input.shape[0]: the divergence itself; 'mean' divides by the classes as
    well, as in PyTorch.
    Where target = 0 the value is 0, and the gradient with respect to the target is that of -target input alone.
    """
    name = "kl_div"
    if reduction != "batchmean":
        check_reduction(name, reduction)
    check_pair(name, "none", input, target)
    if log_target:
        loss = exp(target) * (target - input)
    else:
        loss = target * (log(where_op(equal(target, 0), 1, target)) - input)
    return loss.sum() / input.shape[0] if reduction == "batchmean" else reduced(loss, reduction)


def gaussian_nll_loss(input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6,
                      reduction: str = "mean") -> Any:
    """(ln v + (input - target)^2 / v) / 2, v = max(var, eps); full: + ln(2 pi) / 2.  Nix and Weigend 1994.

    var: of input's shape, or with its last axis of length 1, or without it. No gradient flows to a var below eps.
    Raises ShapeError for another shape, ValueError for eps <= 0 or a negative var.
    """
    name = "gaussian_nll_loss"
    check_pair(name, reduction, input, target)
    if var.shape not in (input.shape, (*input.shape[:-1], 1), input.shape[:-1]):
        raise ShapeError(f"{name}: var has shape {var.shape}, input has {input.shape}; "
                         "var may have the same, or 1 or nothing in place of its last axis")
    if eps <= 0:
        raise ValueError(f"{name}: eps must be above 0, not {eps}")
    if (bare(var) < 0).any():
        raise ValueError(f"{name}: var has a negative entry")
    if var.shape != input.shape and var.shape == input.shape[:-1]:
        var = var.reshape(*var.shape, 1)
    v = clip(var, eps, None)
    loss = (log(v) + square(input - target) / v) * 0.5
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def poisson_nll_loss(input: Any, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8,
                     reduction: str = "mean") -> Any:
    """e^x - t x, where x is the logarithm of the rate; log_input=False: x - t ln(x + eps), x the rate itself.

    full: + t ln t - t + ln(2 pi t) / 2 where t > 1, Stirling's ln t!.
    """
    check_pair("poisson_nll_loss", reduction, input, target)
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        t = where_op(greater(target, 1), target, 1)
        loss = loss + where_op(greater(target, 1), t * log(t) - t + log(t * (2 * math.pi)) * 0.5, 0)
    return reduced(loss, reduction)
