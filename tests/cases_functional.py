"""The rows of `nn.functional`: activations, softmax, normalization, embedding, dropout, losses. See cases.py."""

import math
from typing import Any

import numpy as np
from cases import Case, apart, positive, real, rng

LABELS = np.array([1, 3, 0, 3, 2])
SOME = np.array([1, -100, 0, 3, -100])  # two that count for nothing
PLACES = np.array([[0, 2, 2], [1, 2, 0]])
PROBABILITIES = rng.uniform(0.1, 0.9, (3, 4))
MASK = rng.random((3, 4)) > 0.4
GAPS = np.where(np.eye(3, 4) > 0, -np.inf, real(3, 4))
NONE = (np.zeros((0, 4)),)


def _softmax(x: Any, axis: int) -> Any:
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


def _cdf(x: Any) -> Any:
    return np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)))(x)


def _tanh_gate(x: Any) -> Any:
    return 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _elu(x: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    return scale * np.where(x > 0, x, alpha * (np.exp(input_scale * x) - 1))


def _standardize(x: Any, axis: Any, eps: float, centre: bool = True) -> Any:
    m = np.mean(x, axis=axis, keepdims=True) if centre else 0
    r = 1 / np.sqrt(np.mean((x - m) ** 2, axis=axis, keepdims=True) + eps)
    return (x - m) * r, r


def _standardize_rule(g: Any, y: Any, r: Any, axis: Any, centre: bool) -> Any:
    m = np.mean(g, axis=axis, keepdims=True) if centre else 0
    return r * (g - m - y * np.mean(g * y, axis=axis, keepdims=True))


def _layer_norm(x: Any, weight: Any, bias: Any, axis: Any, eps: float, centre: bool) -> Any:
    z, r = _standardize(x, axis, eps, centre)
    return z * weight + (0 if bias is None else bias), z, r


def _huber(a: Any, b: Any, delta: float, scale: float) -> Any:
    d = np.abs(a - b)
    return scale * np.where(d <= delta, d * d / 2, delta * (d - delta / 2))


def _cross_entropy(x: Any, labels: Any, reduction: str = "mean", ignore_index: int = -100) -> Any:
    x = x - np.max(x, 1, keepdims=True)
    loss = np.array([0.0 if k == ignore_index else -math.log(p[k])
                     for p, k in zip(_softmax(x, 1), labels, strict=True)])
    n = np.sum(labels != ignore_index)
    return {"mean": loss.sum() / n, "sum": loss.sum(), "none": loss}[reduction], _softmax(x, 1)


def _cross_entropy_rule(g: Any, p: Any, labels: Any, reduction: str, ignore_index: int) -> Any:
    keep = (labels != ignore_index)[:, None]
    share = {"mean": g / keep.sum(), "sum": g, "none": np.reshape(g, (-1, 1)) if np.ndim(g) else g}[reduction]
    return keep * share * (p - np.eye(p.shape[1])[labels * keep[:, 0]])


def _spread(g: Any, labels: Any, classes: int, ignore_index: int = -100) -> Any:
    y = np.zeros((len(labels), classes))
    for i, k in enumerate(labels):
        if k != ignore_index:
            y[i, k] = g[i]
    return y


def _pick(x: Any, labels: Any, ignore_index: int = -100) -> Any:
    return np.array([0.0 if k == ignore_index else x[i, k] for i, k in enumerate(labels)])


def _share(g: Any, labels: Any, reduction: str, ignore_index: int) -> Any:
    keep = labels != ignore_index
    return keep * g / (keep.sum() if reduction == "mean" else 1)


def _share_back(h: Any, labels: Any, reduction: str, ignore_index: int) -> Any:
    keep = labels != ignore_index
    return keep * h if reduction == "none" else np.sum(keep * h) / (keep.sum() if reduction == "mean" else 1)


def _add_rows(indices: Any, g: Any, rows: int, padding_idx: int | None = None) -> Any:
    y = np.zeros((rows, *g.shape[indices.ndim:]))
    for place in np.ndindex(indices.shape):
        if indices[place] != padding_idx:
            y[indices[place]] += g[place]
    return y


REDUCED = [({"reduction": r, "ignore_index": -100}, labels) for r in ("mean", "sum", "none")
           for labels in (LABELS, SOME)]

CASES: list[Case] = [
    *(Case(name, (real(2, 3, 4),), {"axis": axis}, like, empty=NONE, empty_params={"axis": 1}) for axis in (-1, 0, 1)
      for name, like in (("softmax", _softmax), ("masked_softmax", _softmax),
                         ("log_softmax", lambda x, axis: np.log(_softmax(x, axis))))),
    *(Case("softmax_rule", (real(3, 4), real(3, 4)), {"axis": axis}, lambda g, y, axis:
           y * (g - np.sum(g * y, axis, keepdims=True)), empty=NONE * 2) for axis in (0, 1, -1)),
    Case("softmax", (real(2, 3) + 50,), {"axis": 1}, lambda x, axis: _softmax(x - np.max(x, 1, keepdims=True), axis)),
    Case("softmax", (np.array([[0.5], [-2.0]]),), {"axis": 1}, _softmax, linear=True),
    *(Case(name, (x,), like=lambda x, gate=gate: (x * gate(x), gate(x)), empty=NONE)
      for x in (real(3, 4), np.array(0.7))
      for name, gate in (("gelu_tanh", _tanh_gate), ("silu", _logistic),
                         ("mish", lambda x: np.tanh(np.log(1 + np.exp(x)))))),
    *(Case("gelu", (x,), like=lambda x: (x * _cdf(x), _cdf(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)), empty=NONE)
      for x in (real(3, 4), np.array(0.7))),
    Case("normal_density", (real(3, 4),), like=lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi), elementwise=True),
    Case("elu", (real(3, 4),), like=_elu, elementwise=True),
    Case("elu", (real(3, 4),), {"alpha": 1.5, "scale": 0.7, "input_scale": 2.0}, _elu),
    Case("leaky_relu", (real(3, 4),), like=lambda x: np.where(x > 0, x, 0.01 * x), elementwise=True, linear=True),
    Case("leaky_relu", (real(3, 4),), {"negative_slope": 1.5},
         lambda x, negative_slope: np.where(x > 0, x, negative_slope * x), linear=True),
    Case("prelu", (real(3, 4), real(3, 4)), like=lambda x, w: np.where(x > 0, x, w * x), elementwise=True),
    Case("softplus_to", (real(3, 4),), like=lambda x: np.log(1 + np.exp(x)), elementwise=True),
    Case("softplus_to", (real(3, 4),), {"beta": 2.0, "threshold": 1.0}, lambda x, beta, threshold: np.where(
        beta * x > threshold, x, np.log(1 + np.exp(beta * x)) / beta)),
    Case("logsigmoid", (real(3, 4),), like=lambda x: -np.log(1 + np.exp(-x)), elementwise=True),
    Case("softsign", (real(3, 4),), like=lambda x: x / (1 + np.abs(x)), elementwise=True),
    Case("hardtanh", (apart(3, 4),), like=lambda x: np.clip(x, -1, 1), elementwise=True, linear=True),
    Case("hardtanh", (apart(3, 4),), {"min_val": -0.33, "max_val": 0.72},
         lambda x, min_val, max_val: np.clip(x, min_val, max_val), linear=True),
    *(Case("standardize", (real(2, 3, 4),), {"axis": axis, "eps": eps, "centre": centre}, _standardize)
      for axis, eps, centre in (((-1,), 1e-5, True), ((0, 2), 0.1, True), ((-2, -1), 1e-5, False))),
    Case("standardize", (real(3, 4),), {"axis": (-1,), "eps": 1e-5, "centre": True}, _standardize, empty=NONE),
    *(Case("standardize_rule", (real(2, 3, 4), real(2, 3, 4), positive(*kept)),
           {"axis": axis, "centre": centre}, _standardize_rule)
      for kept, axis, centre in (((2, 3, 1), (-1,), True), ((1, 3, 1), (0, 2), True), ((2, 1, 1), (-2, -1), False))),
    *(Case("layer_norm", (real(2, 3, 4), real(*shape), None if centre is False else real(*shape)),
           {"axis": tuple(range(-len(shape), 0)), "eps": 0.1, "centre": centre}, _layer_norm)
      for shape, centre in (((4,), True), ((3, 4), True), ((4,), False))),
    Case("sum_to", (real(2, 3, 4),), {"shape": (4,)}, lambda x, shape: np.sum(x, (0, 1)), linear=True,
         empty=(np.zeros((0, 4)),)),
    Case("sum_to", (real(2, 3, 4),), {"shape": (3, 4)}, lambda x, shape: np.sum(x, 0), linear=True),
    Case("scale_shift", (real(3, 4), real(3, 4), real(3, 4)), like=lambda x, w, b: x * w + b, elementwise=True),
    Case("scale_shift", (real(3, 4), real(4), None), like=lambda x, w, b: x * w),
    Case("scale_shift", (real(2, 3, 4), real(3, 1), real(3, 1)), like=lambda x, w, b: x * w + b),
    Case("dropout", (real(3, 4), MASK), {"scale": 1.25}, lambda x, mask, scale: np.where(mask, x * scale, 0),
         linear=True,
         empty=(np.zeros((0, 4)), np.zeros((0, 4), bool))),
    Case("causal", (real(2, 3, 4),), {"fill": -1.5},
         lambda x, fill: np.where(np.arange(4) <= np.arange(3)[:, None], x, fill), linear=True,
         empty=(np.zeros((0, 3, 3)),)),
    Case("embedding", (PLACES, real(4, 3)), like=lambda i, w: w[i], linear=True,
         empty=(np.zeros((0, 2), int), np.zeros((4, 3)))),
    Case("embedding", (PLACES, real(4, 3)), {"padding_idx": None}, lambda i, w, padding_idx: w[i], linear=True),
    Case("embedding_add", (PLACES, real(2, 3, 4)), {"rows": 5, "padding_idx": None}, _add_rows, linear=True,
         empty=(np.zeros((0, 2), int), np.zeros((0, 2, 3)))),
    Case("embedding_add", (PLACES, real(2, 3, 4)), {"rows": 3, "padding_idx": 2}, _add_rows, linear=True),
    Case("one_hot", (PLACES,), {"num_classes": 4}, lambda i, num_classes: np.eye(num_classes, dtype=int)[i]),
    *(Case("huber", (real(3, 4), real(3, 4)), {"delta": delta, "scale": scale}, _huber, empty=NONE * 2)
      for delta, scale in ((0.93, 2.0), (5.0, 1.0))),
    Case("binary_cross_entropy", (PROBABILITIES, PROBABILITIES.T.reshape(3, 4)),
         like=lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p),
         empty=NONE * 2),
    Case("log_from_100", (positive(3, 4),), like=np.log, elementwise=True),
    Case("binary_cross_entropy_with_logits", (real(3, 4), real(3, 4)), elementwise=True,
         like=lambda x, t: -t * np.log(_logistic(x)) - (1 - t) * np.log(1 - _logistic(x))),
    *(Case("cross_entropy", (real(5, 4), labels), params, _cross_entropy, empty=(np.zeros((0, 4)), np.zeros(0, int)),
           empty_params=params)
      for params, labels in REDUCED),
    Case("cross_entropy", (real(5, 4), LABELS), {"reduction": "mean", "ignore_index": 3}, _cross_entropy),
    Case("cross_entropy", (np.array([[0.0, 1.5, 50.0]]), np.array([1])), {"reduction": "mean", "ignore_index": -100},
         _cross_entropy),
    *(Case("cross_entropy_rule", (real(5) if params["reduction"] == "none" else np.array(1.3), real(5, 4), labels),
           params, _cross_entropy_rule)
      for params, labels in REDUCED),
    *(Case("share", (real(5) if params["reduction"] == "none" else np.array(1.3), labels), params, _share, linear=True)
      for params, labels in REDUCED),
    *(Case("share_back", (real(5), labels), params, _share_back, linear=True) for params, labels in REDUCED),
    *(Case("pick", (real(5, 4), labels), {"ignore_index": -100}, _pick, linear=True,
           empty=(np.zeros((0, 4)), np.zeros(0, int)))
      for labels in (LABELS, SOME)),
    *(Case("spread", (real(5), labels), {"classes": 4, "ignore_index": -100}, _spread, linear=True,
           empty=(np.zeros(0), np.zeros(0, int)))
      for labels in (LABELS, SOME)),
    Case("kept", (SOME, real(5, 4)), {"ignore_index": -100},
         lambda labels, x, ignore_index: np.array([1.0, 0, 1, 1, 0])),
]
