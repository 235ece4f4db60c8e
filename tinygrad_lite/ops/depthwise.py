"""Convolution with a kernel for each channel, by steps of 1: one multiplication and one addition for each entry of the kernel.

Not rows of the table, but what the rows of `windows` do where a matrix product would have one row. A canvas, the padded
input, is read as one line of entries: what lies under one entry of the kernel is then one slice, as long as the places
of the output with the gaps between its rows. Gaps are computed too and dropped.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .rows import long_rows

__all__ = ["depthwise", "depthwise_by_input", "depthwise_by_weight"]

Sizes = tuple[int, ...]


def depthwise(canvas: Any, weight: Any, out: Sizes, dilation: Sizes) -> Any:
    """canvas (batch, channels, *size), weight (channels * each, 1, *kernel) -> (batch, channels * each, *out)."""
    batch, channels, *size = canvas.shape
    wide, length = _wide(out, size)
    weight = _by_channel(weight, channels)
    y: Any = np.zeros_like(canvas, shape=(batch, channels, weight.shape[1], math.prod(wide)))
    x = canvas.reshape(batch, channels, 1, math.prod(size))
    product = np.empty_like(y[..., :length])
    with long_rows(product):
        for at, start in _starts(weight.shape[2:], size, dilation):
            np.multiply(x[..., start:start + length], weight[(slice(None), slice(None), *at)][..., None], out=product)
            y[..., :length] += product
    return y.reshape(batch, channels * weight.shape[1], *wide)[(..., *[slice(n) for n in out])].copy()


def depthwise_by_input(g: Any, weight: Any, channels: int, size: Sizes, dilation: Sizes) -> Any:
    """The adjoint in the canvas: g (batch, channels * each, *out) -> (batch, channels, *size)."""
    g, length = _widened(g, channels, size)
    weight = _by_channel(weight, channels)
    y = np.zeros_like(g, shape=(g.shape[0], channels, math.prod(size)))
    product = np.empty_like(g, shape=(g.shape[0], channels, length))
    with long_rows(product):
        for at, start in _starts(weight.shape[2:], size, dilation):
            for j in range(weight.shape[1]):
                np.multiply(g[:, :, j], weight[(slice(None), j, *at)][:, None], out=product)
                y[..., start:start + length] += product
    return y.reshape(g.shape[0], channels, *size)


def depthwise_by_weight(canvas: Any, g: Any, kernel: Sizes, dilation: Sizes) -> Any:
    """The adjoint in the weight: canvas (batch, channels, *size), g (batch, channels * each, *out) -> (channels * each, 1, *kernel)."""
    batch, channels, *size = canvas.shape
    g, length = _widened(g, channels, size)
    x = canvas.reshape(batch, channels, 1, math.prod(size))
    y: Any = np.empty_like(g, shape=(channels, g.shape[2], *kernel))
    for at, start in _starts(kernel, size, dilation):
        y[(slice(None), slice(None), *at)] = np.add.reduce(np.vecdot(g, x[..., start:start + length]), 0)
    return y.reshape(channels * g.shape[2], 1, *kernel)


def _by_channel(weight: Any, channels: int) -> Any:
    """(channels * each, 1, *kernel) -> (channels, each, *kernel)."""
    return weight.reshape(channels, weight.shape[0] // channels, *weight.shape[2:])


def _wide(out: Sizes, size: Any) -> tuple[Sizes, int]:
    """The output with the gaps between its rows, and how many entries from its first place to its last."""
    wide = (out[0], *size[1:])
    return wide, sum((n - 1) * step for n, step in zip(out, _steps(wide), strict=True)) + 1


def _widened(g: Any, channels: int, size: Any) -> tuple[Any, int]:
    """g (batch, channels * each, *out) -> (batch, channels, each, length), 0 in the gaps."""
    batch, of_all, *out = g.shape
    wide, length = _wide(tuple(out), size)
    y: Any = np.zeros_like(g, shape=(batch, of_all, *wide))
    y[(..., *[slice(n) for n in out])] = g
    return y.reshape(batch, channels, of_all // channels, math.prod(wide))[..., :length], length


def _starts(kernel: Sizes, size: Any, dilation: Sizes) -> Iterator[tuple[Sizes, int]]:
    """Each place of the kernel, and where on the canvas its slice begins."""
    steps = [d * step for d, step in zip(dilation, _steps(size), strict=True)]
    for at in itertools.product(*map(range, kernel)):
        yield at, sum(k * step for k, step in zip(at, steps, strict=True))


def _steps(size: Any) -> list[int]:
    """How many entries lie between neighbours along each axis."""
    return [math.prod(size[i + 1:]) for i in range(len(size))]
