"""Convolutions and windows as functions, with PyTorch's names, defaults and meaning; each is one row of `ops.windows`.

An input is (batch, channels, *space), or (channels, *space) for a single one; results have the same form. All checks
are of shapes and sizes alone, so their answer is remembered: a training loop pays for them once.
"""

import math
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..ops import windows as rows
from ..tensors import Tensor

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "fold", "unfold"]

Sizes = tuple[int, ...]
Size = int | Sizes
Pairs = tuple[tuple[int, int], ...]


def conv1d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Size | str = 0, dilation: Size = 1,
           groups: int = 1) -> Tensor:
    """y[n, o, i] = bias[o] + sum over c, k of weight[o, c, k] input[n, c, i stride + k dilation - padding], no flip.

    (N, C, L) and (O, C / groups, K) -> (N, O, (L + 2 padding - dilation (K - 1) - 1) // stride + 1). padding: a number,
    'valid' for 0, or 'same' for an output of the input's size (stride 1; an odd total has one more at the end). Each of
    `groups` groups of output channels sees its own group of input channels. Raises ShapeError, before anything is
    computed, where shapes do not go together.
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Size | str = 0, dilation: Size = 1,
           groups: int = 1) -> Tensor:
    """conv1d over two axes: (N, C, H, W) and (O, C / groups, KH, KW) -> (N, O, H', W'). A size is one number, or one
    for each axis."""
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Size | str = 0, dilation: Size = 1,
           groups: int = 1) -> Tensor:
    """conv1d over three axes: (N, C, D, H, W) and (O, C / groups, KD, KH, KW) -> (N, O, D', H', W')."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Size = 0,
                     output_padding: Size = 0, groups: int = 1, dilation: Size = 1) -> Tensor:
    """The adjoint of conv1d in its input: y[n, o, i stride + k dilation - padding] += weight[c, o, k] input[n, c, i].

    (N, C, L) and (C, O / groups, K) -> (N, O, (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1).
    output_padding adds places at the end: several inputs of conv1d give one size, and it says which is meant; it is
    less than stride or dilation. Raises ShapeError, before anything is computed, where shapes do not go together.
    """
    how = stride, padding, output_padding, groups, dilation
    return _conv_transpose("conv_transpose1d", 1, input, weight, bias, *how)


def conv_transpose2d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Size = 0,
                     output_padding: Size = 0, groups: int = 1, dilation: Size = 1) -> Tensor:
    """conv_transpose1d over two axes: (N, C, H, W) and (C, O / groups, KH, KW) -> (N, O, H', W')."""
    how = stride, padding, output_padding, groups, dilation
    return _conv_transpose("conv_transpose2d", 2, input, weight, bias, *how)


def conv_transpose3d(input: Any, weight: Any, bias: Any = None, stride: Size = 1, padding: Size = 0,
                     output_padding: Size = 0, groups: int = 1, dilation: Size = 1) -> Tensor:
    """conv_transpose1d over three axes: (N, C, D, H, W) and (C, O / groups, KD, KH, KW) -> (N, O, D', H', W')."""
    how = stride, padding, output_padding, groups, dilation
    return _conv_transpose("conv_transpose3d", 3, input, weight, bias, *how)


def unfold(input: Any, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Tensor:
    """The windows of an image as columns: (N, C, H, W) -> (N, C KH KW, windows), both in row-major order.

    Raises ShapeError where the kernel is larger than the padded input.
    """
    how = window("unfold", 2, input.shape, kernel_size, stride, padding, dilation)
    y = rows.windows(batched(input, 2), **how)
    y = y.reshape(y.shape[0], y.shape[1] * math.prod(how["kernel"]), math.prod(y.shape[4:]))
    return like_input(y, input, 2)


def fold(input: Any, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0,
         stride: Size = 1) -> Tensor:
    """The adjoint of unfold: (N, C KH KW, windows) -> (N, C, *output_size), each column added up over its window.

    Raises ShapeError where the number of columns or of windows is not that of an image of output_size.
    """
    how, wide = _fold_plan(input.shape, output_size, kernel_size, stride, padding, dilation)
    x = batched(input, 1)
    return like_input(rows.fold(x.reshape(x.shape[0], *wide), **how), input, 1)


def _conv(name: str, n: int, input: Any, weight: Any, bias: Any, *how: Any) -> Tensor:
    plan = _conv_plan(name, n, input.shape, weight.shape, None if bias is None else bias.shape, *how)
    return like_input(rows.convolution(batched(input, n), weight, bias, **plan), input, n)


def _conv_transpose(name: str, n: int, input: Any, weight: Any, bias: Any, *how: Any) -> Tensor:
    plan = _conv_transpose_plan(name, n, input.shape, weight.shape, None if bias is None else bias.shape, *how)
    y = rows.convolution_by_input(batched(input, n), weight, **plan)
    return like_input(y if bias is None else y + bias.reshape(-1, *[1] * n), input, n)


# ---- from one input to a batch of one, and back

def batched(input: Any, n: int) -> Any:
    """The input with its batch axis; `n` axes of space."""
    return input if input.ndim == n + 2 else input.reshape(1, *input.shape)


def like_input(y: Any, input: Any, n: int) -> Tensor:
    """The result without a batch axis, where the input had none."""
    result: Tensor = y if input.ndim == n + 2 else y.reshape(y.shape[1:])
    return result


# ---- checks of shapes and sizes, which give the parameters of a row

def remembered(plan: Callable[..., Any]) -> Callable[..., Any]:
    """The answer for the same arguments is kept; a list counts as a tuple. Nobody may change it."""
    kept = lru_cache(maxsize=512, typed=True)(plan)

    @wraps(plan)
    def with_tuples(*args: Any) -> Any:
        return kept(*[tuple(x) if isinstance(x, list) else x for x in args])

    return with_tuples


@remembered
def window(name: str, n: int, shape: Sizes, kernel_size: Size, stride: Size, padding: Size, dilation: Size,
           pads: Pairs | None = None, weight: Sizes | None = None) -> dict[str, Any]:
    """kernel, stride, padding and dilation as a row takes them, after a check that one window fits at least."""
    space = check_axes(name, n, shape)[-n:]
    kernel = sizes(name, "kernel_size", kernel_size, n, 1)
    dilation = sizes(name, "dilation", dilation, n, 1)
    pads = pads or tuple([(p, p) for p in sizes(name, "padding", padding, n, 0)])
    how = {"kernel": kernel, "stride": sizes(name, "stride", stride, n, 1), "padding": pads, "dilation": dilation}
    if min(_places(space, how)) < 1:
        what = f"weight {weight}" if weight else f"kernel_size {kernel}"
        reach = tuple([d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)])
        room = tuple([size + sum(pad) for size, pad in zip(space, pads, strict=True)])
        raise ShapeError(f"{name}: input has shape {shape}, its space with padding is {room}; "
                         f"{what} with dilation={dilation} reaches over {reach}")
    return how


def check_axes(name: str, n: int, shape: Sizes) -> Sizes:
    """The shape, if it has `n` axes of space after the channels, and a batch axis or none."""
    if len(shape) not in (n + 1, n + 2):
        space = ("length",) if n == 1 else ("height", "width") if n == 2 else ("depth", "height", "width")
        raise ShapeError(f"{name}: input has shape {shape}; it must be (batch, channels, {', '.join(space)}), or that "
                         "without the batch")
    return shape


def sizes(name: str, argument: str, value: Size, n: int, least: int) -> Sizes:
    """One number for each of the `n` axes."""
    given = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(given) == 1:
        given *= n
    if len(given) != n or not all(isinstance(size, int | np.integer) for size in given):
        raise ValueError(f"{name}: {argument} is one integer or {n}, not {value!r}")
    if min(given) < least:
        raise ValueError(f"{name}: {argument}={value!r} must be at least {least}")
    return tuple([int(size) for size in given])


def _places(space: Sizes, how: dict[str, Any]) -> Sizes:
    """How many windows there are along each axis."""
    return tuple([(size + sum(pad) - d * (k - 1) - 1) // s + 1
                  for size, k, s, pad, d in zip(
                      space, how["kernel"], how["stride"], how["padding"], how["dilation"], strict=True)])


@remembered
def _conv_plan(name: str, n: int, shape: Sizes, weight: Sizes, bias: Sizes | None, stride: Size, padding: Size | str,
               dilation: Size, groups: int) -> dict[str, Any]:
    channels = check_axes(name, n, shape)[-n - 1]
    _check_weight(name, n, weight, groups)
    if channels != weight[1] * groups:
        raise ShapeError(f"{name}: input has shape {shape}, so {channels} channels; weight {weight} with "
                         f"groups={groups} takes {weight[1] * groups}")
    if weight[0] % groups:
        raise ShapeError(f"{name}: weight has shape {weight}; its {weight[0]} output channels are no multiple of "
                         f"groups={groups}")
    _check_bias(name, bias, weight, weight[0])
    if isinstance(padding, str):
        steps, dilation = sizes(name, "stride", stride, n, 1), sizes(name, "dilation", dilation, n, 1)
        how = window(name, n, shape, weight[2:], steps, 0, dilation,
                     _named_padding(name, padding, weight[2:], steps, dilation), weight)
    else:
        how = window(name, n, shape, weight[2:], stride, padding, dilation, None, weight)
    return {"stride": how["stride"], "padding": how["padding"], "dilation": how["dilation"], "groups": groups}


def _named_padding(name: str, padding: str, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Pairs:
    if padding not in ("same", "valid"):
        raise ValueError(f"{name}: padding is a number, 'same' or 'valid', not {padding!r}")
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if max(stride) > 1:
        raise ValueError(f"{name}: padding='same' keeps the size of the input, and stride={stride} does not")
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple([(total // 2, total - total // 2) for total in totals])


@remembered
def _conv_transpose_plan(name: str, n: int, shape: Sizes, weight: Sizes, bias: Sizes | None, stride: Size,
                         padding: Size, output_padding: Size, groups: int, dilation: Size) -> dict[str, Any]:
    channels, *space = check_axes(name, n, shape)[-n - 1:]
    _check_weight(name, n, weight, groups)
    if channels != weight[0]:
        raise ShapeError(f"{name}: input has shape {shape}, so {channels} channels; weight {weight} takes {weight[0]}")
    if weight[0] % groups:
        raise ShapeError(f"{name}: weight has shape {weight}; its {weight[0]} input channels are no multiple of "
                         f"groups={groups}")
    _check_bias(name, bias, weight, weight[1] * groups)
    stride, dilation = sizes(name, "stride", stride, n, 1), sizes(name, "dilation", dilation, n, 1)
    before, extra = sizes(name, "padding", padding, n, 0), sizes(name, "output_padding", output_padding, n, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ValueError(f"{name}: output_padding={extra} must be less than stride={stride} or dilation={dilation}")
    out = tuple([(i - 1) * s - 2 * p + d * (k - 1) + e + 1
                 for i, s, p, d, k, e in zip(space, stride, before, dilation, weight[2:], extra, strict=True)])
    if min(out) < 1 or min(space) < 1:
        raise ShapeError(f"{name}: input has shape {shape}, weight {weight}; with padding={before} the output "
                         f"would have the space {out}")
    pads = tuple([(p, p - e) for p, e in zip(before, extra, strict=True)])
    return {"shape": out, "stride": stride, "padding": pads, "dilation": dilation, "groups": groups}


@remembered
def _fold_plan(shape: Sizes, output_size: Size, kernel_size: Size, stride: Size, padding: Size,
               dilation: Size) -> tuple[dict[str, Any], Sizes]:
    """The parameters of the row, and the shape of the columns as it takes them, without the batch."""
    columns, count = check_axes("fold", 1, shape)[-2:]
    space, kernel = sizes("fold", "output_size", output_size, 2, 1), sizes("fold", "kernel_size", kernel_size, 2, 1)
    channels, rest = divmod(columns, math.prod(kernel))
    if rest:
        raise ShapeError(f"fold: input has shape {shape}; its {columns} rows are no multiple of the "
                         f"{math.prod(kernel)} entries of kernel_size {kernel}")
    how = window("fold", 2, (channels, *space), kernel, stride, padding, dilation)
    out = _places(space, how)
    if count != math.prod(out):
        raise ShapeError(f"fold: input has shape {shape}, so {count} windows; output_size {space} with "
                         f"kernel_size {kernel} has {' x '.join(map(str, out))} = {math.prod(out)}")
    return {"shape": space, **how}, (channels, *kernel, *out)


def _check_weight(name: str, n: int, weight: Sizes, groups: int) -> None:
    if len(weight) != n + 2:
        raise ShapeError(f"{name}: weight has shape {weight}; it must have two axes of channels and {n} of the kernel")
    if groups < 1:
        raise ValueError(f"{name}: groups={groups} must be at least 1")
    if min(weight[2:]) < 1:
        raise ShapeError(f"{name}: weight has shape {weight}: a kernel without entries")


def _check_bias(name: str, bias: Sizes | None, weight: Sizes, channels: int) -> None:
    if bias is not None and bias != (channels,):
        raise ShapeError(f"{name}: bias has shape {bias}; weight {weight} gives {channels} channels, so it must be "
                         f"({channels},)")
