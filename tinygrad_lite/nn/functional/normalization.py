"""Normalization: to mean 0 and variance 1 over some axes, or to length 1. Linear maps, distances and angles as well.

Variances are those with 1/n, as PyTorch's; `eps` is added to the variance before the root.
"""

import math
from collections.abc import Sequence
from typing import Any

from ...engine import no_grad, write
from ...errors import ShapeError
from ...ops import linalg
from ...ops import normalization as rows
from ...ops.arithmetic import maximum
from ...ops.norms import vector_norm
from ...ops.reduce import mean, sum, var

__all__ = ["batch_norm", "bilinear", "cosine_similarity", "group_norm", "instance_norm", "layer_norm", "linear",
           "normalize", "pairwise_distance", "rms_norm"]


def layer_norm(input: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None,
               eps: float = 1e-5) -> Any:
    """(x - mean) / sqrt(var + eps) weight + bias, mean and var over the last axes, those of normalized_shape.

    weight, bias: of shape normalized_shape, or None. Raises ShapeError where the input does not end in
    normalized_shape. Ba et al. 2016.
    """
    axis = _last_axes("layer_norm", input, normalized_shape, weight, bias)
    return _normalized(input, axis, weight, bias, eps, True)


def rms_norm(input: Any, normalized_shape: int | Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """x / sqrt(mean x^2 + eps) weight, the mean over the last axes, those of normalized_shape.

    eps None: the distance from 1 to the next number of the input's dtype. Raises ShapeError where the shapes do not
    fit. Zhang and Sennrich 2019.
    """
    axis = _last_axes("rms_norm", input, normalized_shape, weight, None)
    if eps is None:
        eps = _EPS[input.dtype.itemsize]
    return _normalized(input, axis, weight, None, eps, False)


_EPS = {2: 2.0**-10, 4: 2.0**-23, 8: 2.0**-52}  # bytes of a float dtype -> its eps


def batch_norm(input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
               training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Any:
    """Each channel (axis 1) to mean 0 and variance 1 over the batch and all further axes; then weight, bias (C,).

    training: with the batch's own mean and variance, and running_mean, running_var (Tensors (C,), or None) move towards
    them by the fraction `momentum`, written in place; the variance that is kept is the one with 1/(n - 1). Otherwise:
    with the running ones.
    Raises ShapeError for lengths other than C, ValueError for one value per channel in training, or no running values
    out of it. Ioffe and Szegedy 2015.
    """
    if input.ndim < 2:
        raise ShapeError(f"batch_norm: input must be (batch, channels, ...), it has shape {input.shape}")
    for name, x in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        _check_channels("batch_norm", name, x, input)
    axes = (0, *range(2, input.ndim))
    column = (-1, *[1] * (input.ndim - 2))
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: running_mean and running_var are needed unless training=True")
        r = (running_var.reshape(column) + eps) ** -0.5
        return _affine((input - running_mean.reshape(column)) * r, *_columns(column, weight, bias))
    n = math.prod([input.shape[i] for i in axes])
    if n <= 1:
        raise ValueError(f"batch_norm: a variance needs more than one value per channel in training; "
                         f"input has shape {input.shape}")
    y = _affine(rows.standardize(input, axis=axes, eps=eps, centre=True)[0], *_columns(column, weight, bias))
    with no_grad():
        if running_mean is not None:
            write(running_mean, running_mean * (1 - momentum) + mean(input, axis=axes, keepdims=False) * momentum)
        if running_var is not None:
            write(running_var, running_var * (1 - momentum) + var(input, axis=axes, ddof=1, keepdims=False) * momentum)
    return y


def instance_norm(input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
                  use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5) -> Any:
    """As batch_norm, but each sample by itself: (N, C, ...), over the axes after the second.  Ulyanov et al. 2016.

    The running values move towards the mean over the batch of the samples' own. use_input_stats=False: normalize with
    the running ones.
    """
    if input.ndim < 3:
        raise ShapeError(f"instance_norm: input must be (batch, channels, length, ...), it has shape {input.shape}")
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    for name, x in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        _check_channels("instance_norm", name, x, input)
    axes = tuple(range(2, input.ndim))
    if math.prod(input.shape[2:]) <= 1:
        raise ValueError(f"instance_norm: a variance needs more than one value per channel; "
                         f"input has shape {input.shape}")
    y = _affine(rows.standardize(input, axis=axes, eps=eps, centre=True)[0],
                *_columns((-1, *[1] * len(axes)), weight, bias))
    with no_grad():
        if running_mean is not None:
            write(running_mean, running_mean * (1 - momentum) + mean(input, axis=(0, *axes), keepdims=False) * momentum)
        if running_var is not None:
            each = var(input, axis=axes, ddof=1, keepdims=False)
            write(running_var, running_var * (1 - momentum) + mean(each, axis=0, keepdims=False) * momentum)
    return y


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """The channels of (N, C, ...) in groups, each sample's group to mean 0 and variance 1; then weight, bias (C,).

    Wu and He 2018. Raises ShapeError unless num_groups divides C.
    """
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise ShapeError(f"group_norm: num_groups={num_groups} must divide the channels, "
                         f"axis 1 of the input, which has shape {input.shape}")
    for name, x in (("weight", weight), ("bias", bias)):
        _check_channels("group_norm", name, x, input)
    size = math.prod(input.shape[1:]) // num_groups
    y = rows.standardize(input.reshape(input.shape[0], num_groups, size), axis=(2,), eps=eps, centre=True)[0]
    return _affine(y.reshape(input.shape), *_columns((-1, *[1] * (input.ndim - 2)), weight, bias))


def normalize(input: Any, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12) -> Any:
    """x / max(||x||_p, eps) along `dim`: vectors of length 1. The vector 0 stays 0."""
    return input / maximum(_length(input, p, dim, True), eps)


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along `dim`, which goes; the shapes broadcast."""
    _broadcast("cosine_similarity", x1, x2)
    a, b = x1 / maximum(_length(x1, 2, dim, True), eps), x2 / maximum(_length(x2, 2, dim, True), eps)
    return sum(a * b, axis=dim, keepdims=False)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """||x1 - x2 + eps||_p along the last axis; the shapes broadcast."""
    _broadcast("pairwise_distance", x1, x2)
    return _length(x1 - x2 + eps, p, -1, keepdim)


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """x Wᵀ + b: (..., in), (out, in), (out,) -> (..., out)."""
    return linalg.linear(input, weight, bias)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """y_o = sum_ij a_i W_oij b_j + bias_o: (..., in1), (..., in2), (out, in1, in2), (out,) -> (..., out).

    Raises ShapeError where a size does not fit.
    """
    out, in1, in2 = weight.shape if weight.ndim == 3 else (-1, -1, -1)
    if input1.shape[-1:] != (in1,) or input2.shape[-1:] != (in2,) or input1.shape[:-1] != input2.shape[:-1]:
        raise ShapeError(f"bilinear: input1 {input1.shape} and input2 {input2.shape} do not fit "
                         f"weight {weight.shape}, which is (out, in1, in2)")
    if bias is not None and bias.shape != (out,):
        raise ShapeError(f"bilinear: bias has shape {bias.shape}, weight has {weight.shape}; bias must be ({out},)")
    a, b = input1.reshape(-1, in1), input2.reshape(-1, in2)
    # (n, in1) @ (out, in1, in2) -> (out, n, in2), times (n, in2) -> (out, n) -> (n, out)
    y = sum((a @ weight) * b, axis=-1, keepdims=False).T
    y = y.reshape(*input1.shape[:-1], out)
    return y if bias is None else y + bias


def _length(x: Any, p: float, axis: int | tuple[int, ...], keepdims: bool) -> Any:
    return vector_norm(x, axis=axis, keepdims=keepdims, ord=p)


def _broadcast(name: str, a: Any, b: Any) -> None:
    for m, n in zip(a.shape[::-1], b.shape[::-1], strict=False):
        if m != n and 1 not in (m, n):
            raise ShapeError(f"{name}: x1 has shape {a.shape}, x2 has {b.shape}; they must be the same, or broadcast")


def _last_axes(name: str, input: Any, normalized_shape: int | Sequence[int], weight: Any, bias: Any) -> tuple[int, ...]:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    k = len(shape)
    if not k or input.shape[-k:] != shape:
        raise ShapeError(f"{name}: input must end in normalized_shape={shape}, it has shape {input.shape}")
    for argument, x in (("weight", weight), ("bias", bias)):
        if x is not None and x.shape != shape:
            raise ShapeError(f"{name}: {argument} has shape {x.shape}, normalized_shape is {shape}; "
                             "they must be the same")
    return tuple(range(-k, 0))


def _normalized(x: Any, axis: tuple[int, ...], weight: Any, bias: Any, eps: float, centre: bool) -> Any:
    if weight is not None:
        return rows.layer_norm(x, weight, bias, axis=axis, eps=eps, centre=centre)[0]
    y = rows.standardize(x, axis=axis, eps=eps, centre=centre)[0]
    return y if bias is None else y + bias


def _check_channels(name: str, argument: str, x: Any, input: Any) -> None:
    if x is not None and x.shape != input.shape[1:2]:
        raise ShapeError(f"{name}: {argument} has shape {x.shape}, input has {input.shape}; "
                         f"{argument} must be {input.shape[1:2]}, one per channel")


def _columns(shape: tuple[int, ...], *values: Any) -> list[Any]:
    return [None if x is None else x.reshape(shape) for x in values]


def _affine(y: Any, weight: Any, bias: Any) -> Any:
    if weight is None:
        return y if bias is None else y + bias
    return rows.scale_shift(y, weight, bias)
