"""Activations: functions of one number, applied entry by entry, and softmax along one axis, as PyTorch has them.

Every function gives the shape that it takes, except `glu`, which halves one axis. Kinks have the gradient that the text
of the function names.
"""

from typing import Any

from ...errors import ShapeError
from ...ops import activations as rows
from ...ops.arithmetic import abs, clip, where_op
from ...ops.elementary import relu, sigmoid, tanh

__all__ = ["celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
           "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu", "softmax",
           "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold"]

# Klambauer et al. 2017, appendix A2
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def softmax(input: Any, dim: int) -> Any:
    """e^x / sum e^x along `dim`, safe for x of any size; -inf gives 0. All -inf is nan: no distribution fits it."""
    return rows.softmax(input, axis=dim)


def log_softmax(input: Any, dim: int) -> Any:
    """ln softmax(x) along `dim`, as x - ln sum e^x: finite where the softmax itself would be 0; -inf gives -inf."""
    return rows.log_softmax(input, axis=dim)


def softmin(input: Any, dim: int) -> Any:
    """softmax(-x) along `dim`."""
    return rows.softmax(-input, axis=dim)


def gelu(input: Any, approximate: str = "none") -> Any:
    """x P(X < x) for a standard normal X; approximate='tanh': x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.

    Hendrycks and Gimpel 2016. Raises ValueError for another `approximate`.
    """
    if approximate == "none":
        return rows.gelu(input)[0]
    if approximate == "tanh":
        return rows.gelu_tanh(input)[0]
    raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")


def silu(input: Any) -> Any:
    """x sigmoid(x), also called swish.  Elfwing et al. 2017."""
    return rows.silu(input)[0]


def mish(input: Any) -> Any:
    """x tanh(ln(1 + e^x)).  Misra 2019."""
    return rows.mish(input)[0]


def relu6(input: Any) -> Any:
    """min(max(x, 0), 6); gradient 0 at 0 and 6."""
    return rows.hardtanh(input, min_val=0.0, max_val=6.0)


def elu(input: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha (e^x - 1).  Clevert et al. 2015. The slope at 0 is alpha."""
    return rows.elu(input, alpha=alpha, scale=1.0, input_scale=1.0)


def celu(input: Any, alpha: float = 1.0) -> Any:
    """max(x, 0) + min(0, alpha (e^(x/alpha) - 1)), whose slope is continuous for every alpha.  Barron 2017."""
    return rows.elu(input, alpha=alpha, scale=1.0, input_scale=1 / alpha)


def selu(input: Any) -> Any:
    """scale elu(x, alpha), with the constants that keep mean 0 and variance 1.  Klambauer et al. 2017."""
    return rows.elu(input, alpha=_SELU_ALPHA, scale=_SELU_SCALE, input_scale=1.0)


def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    """x where x > 0, else negative_slope x; the slope at 0 is negative_slope."""
    return rows.leaky_relu(input, negative_slope=negative_slope)


def prelu(input: Any, weight: Any) -> Any:
    """x where x > 0, else weight x.  He et al. 2015.

    weight: (1,), or (C,) with one slope for each channel, axis 1 of the input. Raises ShapeError
    for another length.
    """
    channels = 1 if input.ndim < 2 else input.shape[1]
    if weight.ndim > 1 or weight.size not in (1, channels):
        raise ShapeError(f"prelu: weight has shape {weight.shape}, input has {input.shape}; "
                         f"weight must be (1,) or ({channels},)")
    if input.ndim > 1 and weight.size != 1:
        weight = weight.reshape(-1, *[1] * (input.ndim - 2))
    elif input.ndim == 0:
        weight = weight.reshape(())
    return rows.prelu(input, weight)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """ln(1 + e^(beta x)) / beta; x itself where beta x > threshold, where the two differ by less than e^-threshold."""
    return rows.softplus_to(input, beta=beta, threshold=threshold)


def softsign(input: Any) -> Any:
    """x / (1 + |x|)."""
    return rows.softsign(input)


def logsigmoid(input: Any) -> Any:
    """ln sigmoid(x), which is x for large negative x and never -inf."""
    return rows.logsigmoid(input)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """min(max(x, min_val), max_val); gradient 0 at both bounds. Raises ValueError unless min_val <= max_val."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is above max_val {max_val}")
    return rows.hardtanh(input, min_val=min_val, max_val=max_val)


def hardsigmoid(input: Any) -> Any:
    """min(max(x + 3, 0), 6) / 6; gradient 0 at -3 and 3."""
    return rows.hardtanh(input + 3, min_val=0.0, max_val=6.0) / 6


def hardswish(input: Any) -> Any:
    """x hardsigmoid(x).  Howard et al. 2019."""
    return input * hardsigmoid(input)


def tanhshrink(input: Any) -> Any:
    """x - tanh(x)."""
    return input - tanh(input)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """x moved by lambd towards 0, and 0 where |x| <= lambd. Raises ValueError for a negative lambd."""
    if lambd < 0:
        raise ValueError(f"softshrink: lambd must be 0 or more, not {lambd}")
    return input - clip(input, -lambd, lambd)


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """x where |x| > lambd, else 0."""
    return where_op(abs(input) > lambd, input, 0)


def threshold(input: Any, threshold: float, value: float) -> Any:
    """x where x > threshold, else value."""
    return where_op(input > threshold, input, value)


def glu(input: Any, dim: int = -1) -> Any:
    """a sigmoid(b), where a and b are the halves of the input along `dim`.  Dauphin et al. 2016. Raises ShapeError for
    an odd length."""
    size = input.shape[dim]
    if size % 2:
        raise ShapeError(f"glu: the length along dim={dim} must be even; input has shape {input.shape}")
    before = (slice(None),) * (dim % input.ndim)
    return input[(*before, slice(size // 2))] * sigmoid(input[(*before, slice(size // 2, None))])
