"""Pooling and resampling as functions, with PyTorch's names, defaults and meaning.

An input is (batch, channels, *space), or (channels, *space) for a single one; results have the same form.
"""

import math
from typing import Any

import numpy as np

from ..engine import Variable
from ..errors import ShapeError
from ..ops import windows as rows
from ..ops.indexing import index, take_along_axis
from ..ops.reduce import argmax
from ..tensors import Tensor
from .convolution import Size, Sizes, batched, check_axes, like_input, remembered, sizes, window

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d",
           "avg_pool2d", "interpolate", "max_pool1d", "max_pool2d", "pixel_shuffle", "pixel_unshuffle"]

OutputSize = int | None | tuple[int | None, ...]


def max_pool1d(input: Any, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
               ceil_mode: bool = False) -> Tensor:
    """The largest entry of each window: (N, C, L) -> (N, C, L'). stride None: kernel_size, windows side by side.
    Padding counts as -inf.

    ceil_mode: a last window that starts inside the input or its left padding counts too, though it reaches over the
    end. Of equal entries the first has the gradient, as in PyTorch. Raises ShapeError where the kernel is larger than
    the padded input.
    """
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(input: Any, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
               ceil_mode: bool = False) -> Tensor:
    """max_pool1d over two axes: (N, C, H, W) -> (N, C, H', W'). Of equal entries the first, row by row, has the
    gradient."""
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(input: Any, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
               count_include_pad: bool = True) -> Tensor:
    """The mean of each window: (N, C, L) -> (N, C, L'). stride None: kernel_size, windows side by side. Padding is 0.

    count_include_pad: whether the places of the padding count in the mean; what ceil_mode adds beyond it never does.
    Raises ShapeError where the kernel is larger than the padded input.
    """
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(input: Any, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:
    """avg_pool1d over two axes: (N, C, H, W) -> (N, C, H', W'). divisor_override: what sums are divided by, in place of
    the count."""
    return _avg_pool("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                     divisor_override)


def adaptive_avg_pool1d(input: Any, output_size: OutputSize) -> Tensor:
    """The means of output_size windows that cover the input: window i is [floor(i L / out), ceil((i + 1) L / out)).

    (N, C, L) -> (N, C, output_size). Where out does not divide L it is a product with a matrix, and one nan or inf
    reaches every mean.
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: OutputSize) -> Tensor:
    """adaptive_avg_pool1d along both axes: (N, C, H, W) -> (N, C, *output_size); an entry that is None keeps the size
    of its axis."""
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_max_pool1d(input: Any, output_size: OutputSize) -> Tensor:
    """The largest entries of the windows of adaptive_avg_pool1d: (N, C, L) -> (N, C, output_size). Of equals the first
    has the gradient."""
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size)


def adaptive_max_pool2d(input: Any, output_size: OutputSize) -> Tensor:
    """The largest entries of the windows of adaptive_avg_pool2d: (N, C, H, W) -> (N, C, *output_size)."""
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size)


def interpolate(input: Any, size: Size | None = None, scale_factor: float | tuple[float, ...] | None = None,
                mode: str = "nearest", align_corners: bool | None = None) -> Tensor:
    """Another size for the space of the input: (N, C, *space) -> (N, C, *size), size = floor(space scale_factor).

    mode 'nearest': place i is read from floor(i in / out). 'linear' (N, C, L) and 'bilinear' (N, C, H, W): the two
    neighbours along each axis of (i + 1/2) in / out - 1/2, cut off at 0; with align_corners of i (in - 1) / (out - 1),
    so that first and last keep their values. in / out is 1 / scale_factor where that is given. Linear modes are
    products with a matrix: one nan or inf reaches its whole row and column.
    """
    n = input.ndim - 2
    if n < 1:
        raise ShapeError(f"interpolate: input has shape {input.shape}; it must be (batch, channels, *space)")
    if mode not in ("nearest", "linear", "bilinear"):
        raise ValueError(f"interpolate: mode is 'nearest', 'linear' or 'bilinear', not {mode!r}")
    if mode != "nearest" and n != (1 if mode == "linear" else 2):
        raise ShapeError(f"interpolate: input has shape {input.shape}; mode={mode!r} takes "
                         f"{3 if mode == 'linear' else 4} axes")
    if mode == "nearest" and align_corners is not None:
        raise ValueError("interpolate: align_corners is for mode='linear' and 'bilinear'")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: give one of size={size} and scale_factor={scale_factor}")
    space = input.shape[2:]
    if scale_factor is None:
        out = sizes("interpolate", "size", size, n, 1)  # type: ignore[arg-type]
        steps = [k / m for k, m in zip(space, out, strict=True)]
    else:
        scales = (scale_factor,) * n if isinstance(scale_factor, int | float) else tuple(scale_factor)
        if len(scales) != n:
            raise ValueError(f"interpolate: scale_factor is one number or {n}, not {scale_factor!r}")
        out = tuple([math.floor(k * scale) for k, scale in zip(space, scales, strict=True)])
        steps = [1 / scale for scale in scales]
    if min(space) < 1 or min(out) < 1:
        raise ShapeError(f"interpolate: input has shape {input.shape}; a space of {out} cannot be made of it")
    if mode == "nearest":
        resampled: Tensor = _nearest(input, out, steps)
    else:
        resampled = _along_each_axis(input, [_linear_weights(k, m, step, bool(align_corners))
                                             for k, m, step in zip(space, out, steps, strict=True)])
    return resampled


def pixel_shuffle(input: Any, upscale_factor: int) -> Tensor:
    """Channels into space: (..., C r^2, H, W) -> (..., C, H r, W r), r = upscale_factor (Shi et al. 2016, eq. 4)."""
    r = upscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-3] % (r * r):
        raise ShapeError(f"pixel_shuffle: input has shape {input.shape}; (..., C r^2, H, W) is needed with "
                         f"upscale_factor r = {r}")
    *lead, c, h, w = input.shape
    k = len(lead)
    y = input.reshape(*lead, c // (r * r), r, r, h, w).transpose((*range(k), k, k + 3, k + 1, k + 4, k + 2))
    return y.reshape(*lead, c // (r * r), h * r, w * r)  # type: ignore[no-any-return]


def pixel_unshuffle(input: Any, downscale_factor: int) -> Tensor:
    """The inverse of pixel_shuffle: (..., C, H r, W r) -> (..., C r^2, H, W), r = downscale_factor."""
    r = downscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-1] % r or input.shape[-2] % r:
        raise ShapeError(f"pixel_unshuffle: input has shape {input.shape}; (..., C, H r, W r) is needed with "
                         f"downscale_factor r = {r}")
    *lead, c, h, w = input.shape
    k = len(lead)
    y = input.reshape(*lead, c, h // r, r, w // r, r).transpose((*range(k), k, k + 2, k + 4, k + 1, k + 3))
    return y.reshape(*lead, c * r * r, h // r, w // r)  # type: ignore[no-any-return]


# ---- windows of one size

@remembered
def _pool_plan(name: str, n: int, shape: Sizes, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size,
               ceil_mode: bool) -> dict[str, Any]:
    """The parameters of a row. In ceil mode the padding at the end is what the last window needs."""
    kernel = sizes(name, "kernel_size", kernel_size, n, 1)
    how = window(name, n, shape, kernel, kernel if stride is None else stride, padding, dilation)
    if any(2 * before > k for (before, _), k in zip(how["padding"], kernel, strict=True)):
        raise ValueError(f"{name}: padding={padding} must be at most half of kernel_size={kernel_size}")
    if not ceil_mode:
        return how  # type: ignore[no-any-return]
    pads = []
    for size, k, s, (before, after), d in zip(shape[-n:], kernel, how["stride"], how["padding"], how["dilation"],
                                              strict=True):
        reach = d * (k - 1) + 1
        out = -(-(size + before + after - reach) // s) + 1
        if (out - 1) * s >= size + before:  # the last window starts in the input or the padding before it
            out -= 1
        pads.append((before, (out - 1) * s + reach - size - before))
    return {**how, "padding": tuple(pads)}


def _max_pool(name: str, n: int, input: Any, *how: Any) -> Tensor:
    plan = _pool_plan(name, n, input.shape, *how)
    return like_input(rows.max_pool(batched(input, n), **plan), input, n)


def _avg_pool(name: str, n: int, input: Any, kernel_size: Size, stride: Size | None, padding: Size, ceil_mode: bool,
              count_include_pad: bool, divisor: int | None) -> Tensor:
    if divisor == 0:
        raise ValueError(f"{name}: divisor_override=0; sums cannot be divided by it")
    plan = _pool_plan(name, n, input.shape, kernel_size, stride, padding, 1, ceil_mode)
    counted = tuple([before if count_include_pad else 0 for before, _ in plan["padding"]])
    y = rows.avg_pool(batched(input, n), kernel=plan["kernel"], stride=plan["stride"], padding=plan["padding"],
                      counted=counted, divisor=divisor)
    return like_input(y, input, n)


# ---- windows of several sizes

@remembered
def _adaptive_plan(name: str, n: int, shape: Sizes, output_size: OutputSize) -> tuple[Sizes, dict[str, Any] | None]:
    """The output's space, and where it divides the input's, a row's parameters: windows of one size side by side."""
    space = check_axes(name, n, shape)[-n:]
    given = output_size if isinstance(output_size, tuple) else (output_size,) * n
    if len(given) != n:
        raise ValueError(f"{name}: output_size is one number or {n}, not {output_size!r}")
    out = tuple([size if k is None else k for k, size in zip(given, space, strict=True)])
    if min(out) < 1 or min(space) < 1:
        raise ShapeError(f"{name}: input has shape {shape}; output_size={output_size} cannot be made of it")
    if any(k % m for k, m in zip(space, out, strict=True)):
        return out, None
    kernel = tuple([k // m for k, m in zip(space, out, strict=True)])
    return out, {"kernel": kernel, "stride": kernel, "padding": ((0, 0),) * n}


def _adaptive_avg_pool(name: str, n: int, input: Any, output_size: OutputSize) -> Tensor:
    out, even = _adaptive_plan(name, n, input.shape, output_size)
    x = batched(input, n)
    if even is not None:
        y = rows.avg_pool(x, counted=(0,) * n, divisor=None, **even)
    else:
        y = _along_each_axis(x, [_mean_weights(k, m) for k, m in zip(x.shape[2:], out, strict=True)])
    return like_input(y, input, n)


def _adaptive_max_pool(name: str, n: int, input: Any, output_size: OutputSize) -> Tensor:
    out, even = _adaptive_plan(name, n, input.shape, output_size)
    x = batched(input, n)
    if even is not None:
        return like_input(rows.max_pool(x, dilation=(1,) * n, **even), input, n)
    places = [np.array(_window_places(k, m), like=_bare(x)) for k, m in zip(x.shape[2:], out, strict=True)]
    # for each axis of space one axis of windows, and one inside the window: the indices broadcast to (*out, *inside)
    shapes = [[m if j == i else p.shape[1] if j == n + i else 1 for j in range(2 * n)]
              for i, (m, p) in enumerate(zip(out, places, strict=True))]
    all_, inside = slice(None), math.prod([p.shape[1] for p in places])
    windows = index(x, (all_, all_, *[p.reshape(shape) for p, shape in zip(places, shapes, strict=True)]))
    windows = windows.reshape(*x.shape[:2], *out, inside)
    y = take_along_axis(windows, argmax(windows, axis=-1, keepdims=True), axis=-1)
    return like_input(y.reshape(*x.shape[:2], *out), input, n)


def _window_places(size: int, out: int) -> list[list[int]]:
    """(out, longest window): where each window reads; a shorter one reads its last entry again."""
    starts, ends = _bounds(size, out)
    longest = max(end - start for start, end in zip(starts, ends, strict=True))
    return [[min(start + k, end - 1) for k in range(longest)] for start, end in zip(starts, ends, strict=True)]


def _bounds(size: int, out: int) -> tuple[list[int], list[int]]:
    return [i * size // out for i in range(out)], [-(-(i + 1) * size // out) for i in range(out)]


def _mean_weights(size: int, out: int) -> list[list[tuple[int, float]]]:
    starts, ends = _bounds(size, out)
    return [[(k, 1 / (end - start)) for k in range(start, end)] for start, end in zip(starts, ends, strict=True)]


def _bare(x: Any) -> Any:
    """The array of a Tensor, for constants of its kind."""
    return x._data if isinstance(x, Variable) else x


# ---- resampling

def _nearest(x: Any, out: Sizes, steps: list[float]) -> Any:
    space = x.shape[2:]
    times = tuple([m // k for k, m in zip(space, out, strict=True)])
    if all(m == k * t and step == k / m for k, m, t, step in zip(space, out, times, steps, strict=True)):
        # each entry becomes a block: the adjoint of sums over blocks
        return rows.avg_pool_spread(x, shape=out, kernel=times, stride=times, padding=((0, 0),) * len(out),
                                    counted=(0,) * len(out), divisor=1)
    for axis, (k, m, step) in enumerate(zip(space, out, steps, strict=True)):
        if k != m or step != 1:
            at = np.array([min(math.floor(i * step), k - 1) for i in range(m)], like=_bare(x))
            x = index(x, (slice(None),) * (2 + axis) + (at,))
    return x


def _linear_weights(size: int, out: int, step: float, align_corners: bool) -> list[list[tuple[int, float]]]:
    """For each place of the output: its two neighbours in the input, and their weights."""
    if align_corners:
        at = [i * (size - 1) / (out - 1) if out > 1 else 0.0 for i in range(out)]
    else:
        at = [max((i + 0.5) * step - 0.5, 0.0) for i in range(out)]
    low = [min(math.floor(a), size - 1) for a in at]
    return [[(k, 1.0)] if k == size - 1 else [(k, 1 - (a - k)), (k + 1, a - k)] for a, k in zip(at, low, strict=True)]


def _along_each_axis(x: Any, weights: list[list[list[tuple[int, float]]]]) -> Any:
    """y_i = sum of w x_k over the pairs (k, w) of place i, along each axis of space: products with matrices."""
    matrices = []
    for size, places in zip(x.shape[2:], weights, strict=True):
        matrix = np.zeros_like(_bare(x), dtype=x.dtype if x.dtype.kind == "f" else float, shape=(len(places), size))
        for i, pairs in enumerate(places):
            for k, w in pairs:
                matrix[i, k] += w
        matrices.append(matrix)
    y = x @ matrices[-1].T
    return matrices[0] @ y if len(matrices) == 2 else y
