"""Losses as one row each, where that makes a small network fast: one record and two passes over the data, not three.

`cross_entropy` is fused with its mean and its softmax. The others are entry by entry, and the functions of
`nn.functional` reduce them.
"""

import math
from typing import Any

import numpy as np

from ..engine import Op
from ..errors import ShapeError
from .activations import check_labels, exponentials, softmax_rule
from .arithmetic import clip_op, maximum
from .elementary import sigmoid
from .reduce import sum
from .rows import by_rows, total_along
from .shape import expand_dims

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "huber", "kept", "mse_loss",
           "pick", "spread"]

_total: Any = np.add.reduce
_max: Any = np.maximum
_min: Any = np.minimum


def _mse_loss(a: Any, b: Any) -> Any:
    if a.shape != b.shape:
        raise ShapeError(mismatch("mse_loss", a.shape, b.shape))
    d = a - b
    if d.dtype.itemsize < 4:
        return np.mean(d * d)  # float16 sums in float32
    if d.size <= 1024:  # of so few entries a dot product is as exact as the pairwise sum, and takes half its time
        d = d.reshape(-1)
        return np.dot(d, d) / d.size
    return _total(d * d, None) / d.size


def mismatch(name: str, input: tuple[int, ...], target: tuple[int, ...]) -> str:
    """What is wrong with an input and a target of these shapes, and the remedy where there is one."""
    text = f"{name}: input has shape {input}, target has {target}"
    if [n for n in input if n != 1] == [n for n in target if n != 1]:
        return (f"{text}. Write target.reshape({', '.join(map(str, input))}): "
                "broadcasting would compare every entry with every other")
    return f"{text}; they must be the same"


mse_loss = Op("mse_loss", _mse_loss, lambda g, y, a, b: g * (2 / a.size) * (a - b),
              lambda g, y, a, b: g * (2 / a.size) * (b - a),
              doc="y = (1/n) sum (a - b)^2 over all n entries; dy/da = (2/n) (a - b). "
                  "ShapeError unless a and b have one shape")


def _huber(a: Any, b: Any, *, delta: float = 1.0, scale: float = 1.0) -> Any:
    d = np.abs(a - b)
    c = np.minimum(d, delta)
    return (d - c * 0.5) * c * scale


huber = Op("huber", _huber, lambda g, y, a, b, delta, scale: g * scale * clip_op(a - b, -delta, delta),
           lambda g, y, a, b, delta, scale: g * scale * clip_op(b - a, -delta, delta), broadcasts=True,
           doc="y = scale d^2 / 2 where d = |a - b| <= delta, else scale delta (d - delta / 2); "
               "dy/da = scale (a - b), cut at +-delta. Huber 1964")


def _binary_cross_entropy(p: Any, t: Any) -> Any:
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        raise ValueError(f"binary_cross_entropy: input must be probabilities from 0 to 1, "
                         f"it goes from {p.min():.6g} to {p.max():.6g}. "
                         "For logits there is binary_cross_entropy_with_logits")
    with np.errstate(divide="ignore"):
        return -(t * np.maximum(np.log(p), -100) + (1 - t) * np.maximum(np.log1p(-p), -100))


def _binary_cross_entropy_by_target(g: Any, y: Any, p: Any, t: Any) -> Any:
    return g * (log_from_100(1 - p) - log_from_100(p))


binary_cross_entropy = Op("binary_cross_entropy", _binary_cross_entropy,
                          lambda g, y, p, t: g * (p - t) / maximum(p * (1 - p), 1e-12),
                          _binary_cross_entropy_by_target, broadcasts=True,
                          doc="y = -t ln p - (1 - t) ln(1 - p), no logarithm below -100; "
                              "dy/dp = (p - t) / (p (1 - p)), that product at least 1e-12")


def _log_from_100(x: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(x), -100)


log_from_100 = Op("log_from_100", _log_from_100, lambda g, y, x: g * (y > -100) / maximum(x, 1e-38),
                  doc="y = max(ln x, -100); dy/dx = 1 / x, and 0 where y = -100")


def _with_logits(x: Any, t: Any) -> Any:
    return np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))


binary_cross_entropy_with_logits = Op("binary_cross_entropy_with_logits", _with_logits,
                                      lambda g, y, x, t: g * (sigmoid(x) - t),
                                      lambda g, y, x, t: -g * x, broadcasts=True,
                                      doc="y = -t ln s - (1 - t) ln(1 - s), s = sigmoid(x), "
                                          "as max(x, 0) - x t + ln(1 + e^-|x|); dy/dx = s - t")

# ---- class indices: x is (n, classes), labels (n,); a label that is ignore_index counts for nothing


def _safe(x: Any, labels: Any, name: str, ignore_index: int) -> tuple[Any, Any]:
    """Labels that can index x, and which of them count; None: all."""
    if x.shape[:1] != labels.shape or x.ndim != 2:
        raise ShapeError(f"{name}: input must be (n, classes) and target (n,), got {x.shape} and {labels.shape}")
    if not check_labels(name, "target", labels, x.shape[1], ignore_index):
        return labels, None
    keep = labels != ignore_index
    return np.where(keep, labels, 0), keep


def _places(x: Any, labels: Any) -> tuple[Any, Any]:
    """(x or a flat view of it, index) of the entries x_(i, label_i): a flat index takes half the time."""
    if type(x) is np.ndarray and x.flags.c_contiguous and x.size and labels.dtype.kind == "i":
        return x.reshape(-1), np.arange(0, x.size, x.shape[1]) + labels
    return x, (np.arange(len(labels), like=x), labels)


def _pick(x: Any, labels: Any, *, ignore_index: int = -100) -> Any:
    labels, keep = _safe(x, labels, "nll_loss", ignore_index)
    y = x[np.arange(len(labels), like=x), labels]
    return y if keep is None else np.where(keep, y, 0)


def _spread(g: Any, labels: Any, *, classes: int, ignore_index: int = -100) -> Any:
    y = np.zeros_like(g, shape=(len(labels), classes))
    labels, keep = _safe(y, labels, "nll_loss", ignore_index)
    y[np.arange(len(labels), like=g), labels] = g if keep is None else np.where(keep, g, 0)
    return y


pick = Op("pick", _pick, lambda g, y, x, labels, ignore_index:
          spread(g, labels, classes=x.shape[1], ignore_index=ignore_index), None,
          doc="y_i = x_(i, label_i), and 0 where the label is ignore_index")
spread: Op = Op("spread", _spread,
                lambda g, y, x, labels, classes, ignore_index: pick(g, labels, ignore_index=ignore_index), None,
                doc="y = zeros of (n, classes), y_(i, label_i) = x_i, except where the label is ignore_index")
kept = Op("kept", lambda labels, x, *, ignore_index=-100: (labels != ignore_index).astype(x.dtype), None, None,
          doc="1 where the label counts, 0 where it is ignore_index; in the dtype of x")


def _share(g: Any, labels: Any, *, reduction: str, ignore_index: int) -> Any:
    k = labels != ignore_index
    return k * (g / k.sum(dtype=g.dtype)) if reduction == "mean" and k.any().item() else k * g


def _share_back(h: Any, labels: Any, *, reduction: str, ignore_index: int) -> Any:
    k = labels != ignore_index
    if reduction == "none":
        return h * k
    return _total(h * k, None) / (k.sum(dtype=h.dtype) if reduction == "mean" and k.any().item() else 1)


share: Op = Op("share", _share, lambda g, y, x, labels, reduction, ignore_index:
               share_back(g, labels, reduction=reduction, ignore_index=ignore_index),
               None, doc="what the gradient g of a reduced loss gives each entry that counts: g / n for 'mean', else g")
share_back: Op = Op("share_back", _share_back, lambda g, y, x, labels, reduction, ignore_index:
                    share(g, labels, reduction=reduction, ignore_index=ignore_index), None,
                    doc="the reduction itself, over the entries that count: the transpose of `share`")


def _cross_entropy(x: Any, labels: Any, *, reduction: str = "mean", ignore_index: int = -100) -> Any:
    labels, keep = _safe(x, labels, "cross_entropy", ignore_index)
    p = exponentials(x, 1)
    p = by_rows(np.divide, p, total_along(p, 1), out=p)
    flat, places = _places(p, labels)
    chosen = flat[places]
    if type(chosen) is np.ndarray and chosen.size and _min.reduce(chosen) >= _TINY[chosen.dtype.itemsize]:
        y = -np.log(chosen)
    else:  # a probability that has no digits left, whose logarithm has all of them
        d = x - _max.reduce(x, 1, keepdims=True)
        y = np.log(_total(np.exp(d), 1)) - d[np.arange(len(labels), like=x), labels]
    if keep is not None:
        y = np.where(keep, y, 0)
    if reduction == "none":
        return y, p
    if reduction == "sum":
        return _total(y), p
    n = len(y) if keep is None else keep.sum().item()
    return _total(y) / n if n else _total(y) * math.nan, p


_TINY = {2: 2.0**-14, 4: 2.0**-126, 8: 2.0**-1022}  # bytes of a float dtype -> its smallest number with all digits


def _cross_entropy_rule(g: Any, p: Any, labels: Any, *, reduction: str, ignore_index: int) -> Any:
    labels, keep = _safe(p, labels, "cross_entropy", ignore_index)
    if reduction == "mean":
        g = g / max(len(labels) if keep is None else keep.sum().item(), 1)
    if keep is not None:
        g = g * keep
    y = p * (g[:, None] if g.ndim else g)
    flat, places = _places(y, labels)
    flat[places] -= g
    return y


def _cross_entropy_rule_by_g(h: Any, y: Any, g: Any, p: Any, labels: Any, reduction: str, ignore_index: int) -> Any:
    inner = sum(h * p, axis=1, keepdims=False) - pick(h, labels, ignore_index=ignore_index)
    return share_back(inner, labels, reduction=reduction, ignore_index=ignore_index)


cross_entropy = Op("cross_entropy", _cross_entropy,
                   (lambda g, y, x, labels, reduction, ignore_index:
                    cross_entropy_rule(g, y[1], labels, reduction=reduction, ignore_index=ignore_index),
                    lambda g, y, x, labels, reduction, ignore_index: softmax_rule(g, y[1], axis=1)), None,
                   doc="y = mean (sum, none) of -ln p_(i, label_i) and p = softmax(x); dy/dx = (p - one_hot(label)) / n")
cross_entropy_rule: Op = Op("cross_entropy_rule", _cross_entropy_rule, _cross_entropy_rule_by_g,
                            lambda h, y, g, p, labels, reduction, ignore_index:
                            h * expand_dims(share(g, labels, reduction=reduction, ignore_index=ignore_index), axis=1),
                            None, doc="y = c (p - one_hot(label)), c the share of g: "
                                      "the gradient of cross_entropy in one row")
