"""First values for parameters, written in place. Names and defaults are PyTorch's; `generator` is explicit, None for the default one.

fan_in and fan_out of a weight (out, in, ...) are in and out times the size of what follows (a kernel).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine import Variable, write
from ..tensors import default_generator

__all__ = ["calculate_gain", "constant_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_", "orthogonal_", "uniform_",
           "xavier_normal_", "xavier_uniform_", "zeros_"]

_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through an activation: 1 linear and sigmoid, 5/3 tanh, sqrt(2) relu, sqrt(2/(1+a^2)) leaky_relu."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"no gain is known for {nonlinearity!r}; there are {', '.join([*_GAINS, 'leaky_relu'])}")
    return _GAINS[nonlinearity]


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: np.random.Generator | None = None) -> Any:
    """Draws from U(a, b)."""
    return _fill(tensor, (generator or default_generator()).uniform(a, b, tensor.shape))


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: np.random.Generator | None = None) -> Any:
    """Draws from N(mean, std^2)."""
    return _fill(tensor, (generator or default_generator()).normal(mean, std, tensor.shape))


def constant_(tensor: Any, val: float) -> Any:
    """All `val`."""
    return _fill(tensor, val)


def zeros_(tensor: Any) -> Any:
    """All 0."""
    return _fill(tensor, 0)


def ones_(tensor: Any) -> Any:
    """All 1."""
    return _fill(tensor, 1)


def eye_(tensor: Any) -> Any:
    """The identity, of a matrix."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_ takes a matrix, got shape {tensor.shape}")
    return _fill(tensor, np.eye(*tensor.shape))


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: np.random.Generator | None = None) -> Any:
    """U(-k, k) with k = gain sqrt(6 / (fan_in + fan_out)).  Glorot and Bengio 2010, eq. 16."""
    k = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -k, k, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: np.random.Generator | None = None) -> Any:
    """N(0, s^2) with s = gain sqrt(2 / (fan_in + fan_out)).  Glorot and Bengio 2010."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))), generator)


def kaiming_uniform_(tensor: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator: np.random.Generator | None = None) -> Any:
    """U(-k, k) with k = gain sqrt(3 / fan).  He et al. 2015."""
    k = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -k, k, generator)


def kaiming_normal_(tensor: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator: np.random.Generator | None = None) -> Any:
    """N(0, s^2) with s = gain / sqrt(fan).  He et al. 2015, eq. 10 and 14."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Any, gain: float = 1.0, generator: np.random.Generator | None = None) -> Any:
    """gain times a random matrix with orthonormal rows or columns, whichever are fewer.  Saxe et al. 2014."""
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_ takes two axes or more, got shape {tensor.shape}")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    q, r = np.linalg.qr((generator or default_generator()).standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))  # makes the distribution uniform: Mezzadri 2007
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor)[mode == "fan_out"])


def _fans(tensor: Any) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ValueError(f"fan_in and fan_out need two axes or more, got shape {tensor.shape}")
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


def _fill(tensor: Variable, value: Any) -> Any:
    write(tensor, value)
    return tensor
