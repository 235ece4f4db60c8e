"""Rows of `nn.functional`: activations, softmax, embedding, dropout; each one record instead of several.

What a backward pass would compute again, such as the gate of silu, is a second output, with a rule like any other;
callers drop it.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import Op
from ..errors import DtypeError
from .arithmetic import abs, square, where_op
from .elementary import exp, sigmoid
from .reduce import sum
from .rows import by_rows, total_along, total_of_product
from .special import erfc

__all__ = ["causal", "check_labels", "dropout", "elu", "embedding", "embedding_add", "exponentials", "gelu", "gelu_tanh",
           "hardtanh", "leaky_relu", "log_softmax", "logsigmoid", "masked_softmax", "mish", "one_hot", "prelu", "silu",
           "softmax", "softmax_rule", "softplus_to", "softsign"]

_add: Any = np.add  # typed Any: the stubs know no axis that may be a tuple or None
_max: Any = np.maximum
_min: Any = np.minimum
_tri: Any = np.tri

# ---- softmax


def _softmax(x: Any, *, axis: int) -> Any:
    e = exponentials(x, axis)
    return by_rows(np.divide, e, total_along(e, axis), out=e)


def exponentials(x: Any, axis: int) -> Any:
    """e^(x - c), c the same along axis, in new memory: c = 0 where no x is large, or else the largest along axis."""
    if (type(x) is np.ndarray and x.dtype.itemsize >= 4 and x.size
            and _max.reduce(x, None) <= 40 and _min.reduce(x, None) >= -40):
        return np.exp(x)  # at most 2e17, far from overflow, and a pass over slow maxima less
    e = x - _max.reduce(x, axis, keepdims=True)
    return np.exp(e, out=e)


def _softmax_rule(g: Any, y: Any, *, axis: int) -> Any:
    z = by_rows(np.subtract, g, total_of_product(g, y, axis))
    z *= y
    return z


softmax = Op("softmax", _softmax, lambda g, y, x, axis: softmax_rule(g, y, axis=axis),
             doc="y = e^x / sum e^x along axis, safe for x of any size; dL/dx = y (g - sum g y). All -inf: nan")
softmax_rule: Op = Op("softmax_rule", _softmax_rule, lambda h, z, g, y, axis: softmax_rule(h, y, axis=axis),
                      lambda h, z, g, y, axis:
                      h * (g - sum(g * y, axis=axis, keepdims=True)) - g * sum(h * y, axis=axis, keepdims=True),
                      doc="z = y (g - sum g y) along axis: the gradient of softmax in one row")


def _masked_softmax(x: Any, *, axis: int) -> Any:
    top = _max.reduce(x, axis, keepdims=True)
    top[top == -math.inf] = 0
    e = x - top
    np.exp(e, out=e)
    total = _add.reduce(e, axis, keepdims=True)
    total[total == 0] = 1
    e /= total
    return e


masked_softmax = Op("masked_softmax", _masked_softmax, lambda g, y, x, axis: softmax_rule(g, y, axis=axis),
                    doc="softmax, but 0 with gradient 0 where all x along axis are -inf: a query that sees nothing")


def _log_softmax(x: Any, *, axis: int) -> Any:
    y = x - _max.reduce(x, axis, keepdims=True)
    y -= np.log(total_along(np.exp(y), axis))
    return y


log_softmax = Op("log_softmax", _log_softmax, lambda g, y, x, axis: g - exp(y) * sum(g, axis=axis, keepdims=True),
                 doc="y = x - ln sum e^x along axis, the largest x taken out; dL/dx = g - e^y sum g. All -inf: nan")

# ---- x times a gate


def _gelu(x: Any) -> Any:
    if x.dtype.itemsize > 4:
        s = erfc((x * -math.sqrt(0.5))[...]) * 0.5  # exact in the tail, too; [...]: a 0-d array times a number is no array
        near = np.clip(x, -40, 40)  # e^-800 is 0, and inf times 0 would be nan
        return x * s, s + near * _normal_density(near)
    if x.dtype.itemsize < 4 or not x.dtype.isnative:
        y, slope = _gelu(x.astype(np.float32))
        return y.astype(x.dtype), slope.astype(x.dtype)
    flat = x.reshape(-1)
    y, slope = np.empty_like(flat), np.empty_like(flat)
    room = np.empty_like(flat, shape=(2, min(flat.size, BLOCK)))
    for i in range(0, flat.size, BLOCK):
        part = flat[i:i + BLOCK]
        _gelu_single(part, y[i:i + BLOCK], slope[i:i + BLOCK], *room[:, :part.size])
    return y.reshape(x.shape), slope.reshape(x.shape)


BLOCK = 131072  # entries: more would leave the cache between the steps, and fewer are too few for what a call costs
# P(X < -a) = e^(-a^2 / 2) times a polynomial in t = 1 / (a + 3) without a constant (the form of Abramowitz and Stegun 1964,
# 7.1.26), fitted for the least error of the product, a >= 0: 9e-8
_TAIL = (0.373552557, 1.77487797, -1.97894644, 29.1666115, -26.3688)


def _gelu_single(x: Any, y: Any, slope: Any, e: Any, t: Any) -> None:
    """x P(X < x) = max(x, 0) - a q, a = |x| and q = P(X < -a); its slope is 1/2 + sign(x) (1/2 - q + a density(a)).

    What stands behind sign(x) is above 0, or rounds to it, so that it gets the bit that is the sign of x.
    """
    a, q = slope, y  # five arrays in the cache, not seven
    np.abs(x, out=a)
    if not _max.reduce(a) <= 14:  # e^-98 is 0 in float32, and inf times 0 would be nan
        np.clip(a, 0, 14, out=a)  # np.minimum takes three times as long
    np.square(a, out=e)
    e *= -0.5
    np.exp(e, out=e)
    np.add(a, 3, out=t)
    np.divide(1, t, out=t)
    np.multiply(t, _TAIL[-1], out=q)
    for c in _TAIL[-2::-1]:
        q += c
        q *= t
    q *= e
    e *= a
    e *= 1 / math.sqrt(2 * math.pi)
    e -= q
    e += 0.5
    np.multiply(a, q, out=t)
    np.clip(x, 0, math.inf, out=y)
    y -= t
    np.bitwise_and(x.view(np.uint32), np.uint32(1 << 31), out=t.view(np.uint32))
    np.bitwise_or(e.view(np.uint32), t.view(np.uint32), out=slope.view(np.uint32))
    slope += 0.5


def _normal_density(x: Any) -> Any:
    y = np.square(x)
    y *= -0.5
    y = np.exp(y, out=y) if y.ndim else np.exp(y)
    y *= 1 / math.sqrt(2 * math.pi)
    return y


normal_density = Op("normal_density", _normal_density, lambda g, y, x: -g * x * y,
                    doc="y = e^(-x^2 / 2) / sqrt(2 pi), the standard normal distribution's; dy/dx = -x y")
gelu = Op("gelu", _gelu, (lambda g, y, x: g * y[1], lambda g, y, x: g * normal_density(x) * (2 - x * x)),
          doc="y = x P(X < x) for a standard normal X, and dy/dx = P(X < x) + x density(x), whose slope is (2 - x^2) density(x). "
              "Hendrycks and Gimpel 2016. In float32 P is within 1.5e-7")


def _gated(name: str, gate: Callable[[Any], Any], slope: Callable[[Any, Any], Any], doc: str) -> Op:
    """y = x s(x) and s itself, so that the rule need not compute the gate again. slope(x, s): ds/dx, by ops."""
    def forward(x: Any) -> Any:
        s = gate(x)
        return x * s, s

    return Op(name, forward, (lambda g, y, x: g * (y[1] + x * slope(x, y[1])), lambda g, y, x: g * slope(x, y[1])), doc=doc)


_C, _D = math.sqrt(2 / math.pi), 0.044715  # Hendrycks and Gimpel 2016


def _gelu_tanh_gate(x: Any) -> Any:
    u = x * x
    u *= _C * _D
    u += _C
    u *= x
    u = np.tanh(u, out=u) if u.ndim else np.tanh(u)
    u *= 0.5
    u += 0.5
    return u


def _sigmoid(x: Any) -> Any:
    with np.errstate(over="ignore"):  # e^-x may be inf, and 1 / inf is right
        return 1 / (1 + np.exp(-x))


def _mish_gate(x: Any) -> Any:
    return np.tanh(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


gelu_tanh = _gated("gelu_tanh", _gelu_tanh_gate, lambda x, s: s * (1 - s) * (x * x * (6 * _C * _D) + 2 * _C),
                   doc="y = x s and s = (1 + tanh u) / 2, u = sqrt(2/pi) (x + 0.044715 x^3); ds/dx = 2 s (1 - s) du/dx")
silu = _gated("silu", _sigmoid, lambda x, s: s * (1 - s),
              doc="y = x s and s = sigmoid(x); ds/dx = s (1 - s). Elfwing et al. 2017")
mish = _gated("mish", _mish_gate, lambda x, s: (1 - s * s) * sigmoid(x),
              doc="y = x s and s = tanh(ln(1 + e^x)); ds/dx = (1 - s^2) sigmoid(x). Misra 2019")

# ---- bent lines


def _elu(x: Any, *, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    return np.maximum(x, 0) * scale + np.expm1(np.minimum(x, 0) * input_scale) * (alpha * scale)


def _leaky_relu(x: Any, *, negative_slope: float = 0.01) -> Any:
    if 0 <= negative_slope <= 1:
        return np.maximum(x, x * negative_slope)
    return np.maximum(x, 0) + np.minimum(x, 0) * negative_slope


def _softplus_to(x: Any, *, beta: float = 1.0, threshold: float = 20.0) -> Any:
    u = x * beta
    return np.where(u > threshold, x, np.log1p(np.exp(np.minimum(u, threshold))) / beta)


elu = Op("elu", _elu,
         lambda g, y, x, alpha, scale, input_scale: g * where_op(x > 0, scale, (y + alpha * scale) * input_scale),
         doc="y = scale x where x > 0, else alpha scale (e^(input_scale x) - 1); "
             "dy/dx = (y + alpha scale) input_scale there, also at 0")
leaky_relu = Op("leaky_relu", _leaky_relu, lambda g, y, x, negative_slope: g * (x > 0) + g * negative_slope * (x <= 0),
                doc="y = x where x > 0, else negative_slope x; at 0 the slope is negative_slope")
prelu = Op("prelu", lambda x, weight: np.where(x > 0, x, x * weight),
           lambda g, y, x, weight: where_op(x > 0, g, g * weight),
           lambda g, y, x, weight: where_op(x > 0, 0, g * x), broadcasts=True,
           doc="y = x where x > 0, else weight x; dy/dweight = min(x, 0). He et al. 2015")
softplus_to = Op("softplus_to", _softplus_to,
                 lambda g, y, x, beta, threshold: where_op(x * beta > threshold, g, g * sigmoid(x * beta)),
                 doc="y = ln(1 + e^(beta x)) / beta, and x itself where beta x > threshold; "
                     "dy/dx = sigmoid(beta x), and 1 there")
logsigmoid = Op("logsigmoid", lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))),
                lambda g, y, x: g * sigmoid(-x),
                doc="y = ln sigmoid(x) = min(x, 0) - ln(1 + e^-|x|); dy/dx = sigmoid(-x)")
softsign = Op("softsign", lambda x: x / (np.abs(x) + 1), lambda g, y, x: g / square(abs(x) + 1),
              doc="y = x / (1 + |x|); dy/dx = 1 / (1 + |x|)^2")
hardtanh = Op("hardtanh", lambda x, *, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val),
              lambda g, y, x, min_val, max_val: g * ((x > min_val) * (x < max_val)),
              doc="y = min(max(x, min_val), max_val); dy/dx = 1 between the bounds, 0 beyond and at them")

# ---- dropout, attention's mask, embedding


dropout: Op = Op("dropout", lambda x, mask, *, scale: x * mask * scale,
                 lambda g, y, x, mask, scale: dropout(g, mask, scale=scale), None,
                 doc="y = scale x where mask, else 0. Srivastava et al. 2014")


def _causal(x: Any, *, fill: float) -> Any:
    return np.where(_tri(*x.shape[-2:], dtype=bool, like=x), x, fill)


causal: Op = Op("causal", _causal, lambda g, y, x, fill: causal(g, fill=0.0),
                doc="y_ij = x_ij where j <= i, else fill, in the last two axes: position i sees no later one")


def _embedding(indices: Any, weight: Any, *, padding_idx: int | None = None) -> Any:
    check_labels("embedding", "input", indices, weight.shape[0])
    return np.take(weight, indices, 0)


def _embedding_add(indices: Any, g: Any, *, rows: int, padding_idx: int | None = None) -> Any:
    y = np.zeros_like(g, shape=(rows, *g.shape[indices.ndim:]))
    flat, g = indices.reshape(-1), g.reshape(indices.size, *y.shape[1:])
    if flat.size:
        order = np.argsort(flat, kind="stable")
        flat = flat[order]
        starts = np.flatnonzero(np.concatenate([flat[:1] == flat[:1], flat[1:] != flat[:-1]]))
        # the rows of one index as one sum: ten times sooner than add.at
        y[flat[starts]] = _add.reduceat(g[order], starts, 0)
    if padding_idx is not None:
        y[padding_idx] = 0
    return y


def _embedding_add_rule(h: Any, y: Any, indices: Any, g: Any, rows: int, padding_idx: int | None) -> Any:
    taken = embedding(indices, h, padding_idx=padding_idx)
    if padding_idx is None:
        return taken
    seen = indices != padding_idx
    return taken * seen.reshape(*indices.shape, *[1] * (h.ndim - 1))


embedding: Op = Op("embedding", _embedding, None,
                   lambda g, y, indices, weight, padding_idx:
                   embedding_add(indices, g, rows=weight.shape[0], padding_idx=padding_idx),
                   doc="y = weight[indices], rows of a table; "
                       "the rule adds up the g of equal indices, and leaves the row padding_idx 0")
embedding_add: Op = Op("embedding_add", _embedding_add, None, _embedding_add_rule,
                       doc="y = zeros of `rows` rows; y[indices] += g, equal ones adding up; then y[padding_idx] = 0")


def _one_hot(labels: Any, *, num_classes: int) -> Any:
    check_labels("one_hot", "tensor", labels, num_classes)
    return np.equal(labels[..., None], np.arange(num_classes, like=labels)).astype(np.int64)


one_hot = Op("one_hot", _one_hot, None, doc="y_ij = 1 where j is label i, else 0; integers")


def check_labels(name: str, argument: str, labels: Any, classes: int, ignore_index: int | None = None) -> bool:
    """Raise unless `labels` are integers from 0 to classes - 1, or `ignore_index`. Returns: may some be that?"""
    if labels.dtype.kind not in "iu":
        raise DtypeError(f"{name}: {argument} must be of integers, class indices from 0 to {classes - 1}; "
                         f"it has dtype {labels.dtype}")
    if not labels.size:
        return False
    if labels.dtype.itemsize < 8:
        labels = labels.astype(np.int64)
    if labels.view(np.uint64).max() < classes:  # one pass for both bounds: negative ones read as huge
        return ignore_index is not None and 0 <= ignore_index < classes
    wrong = (labels < 0) | (labels >= classes)
    if ignore_index is not None:
        wrong &= labels != ignore_index
    if wrong.any():
        raise IndexError(f"{name}: {argument} has the class index {labels[wrong].flat[0]}; "
                         f"there are {classes} classes, 0 to {classes - 1}")
    return True
