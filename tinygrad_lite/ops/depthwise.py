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
    """canvas (batch, channels, *size), weight (channels, each, *kernel) -> (batch, channels, each, *out)."""
    batch, channels, *size = canvas.shape
    wide, length = _wide(out, size)
    y: Any = np.zeros_like(canvas, shape=(batch, channels, weight.shape[1], math.prod(wide)))
    x = canvas.reshape(batch, channels, 1, -1)
    product = np.empty_like(y[..., :length])
    with long_rows(product):
        for at, start in _starts(weight.shape[2:], size, dilation):
            np.multiply(x[..., start:start + length], weight[(slice(None), slice(None), *at)][..., None], out=product)
            y[..., :length] += product
    return y.reshape(*y.shape[:3], *wide)[(..., *[slice(n) for n in out])].copy()


def depthwise_by_input(g: Any, weight: Any, size: Sizes, dilation: Sizes) -> Any:
    """The adjoint in the canvas: g (batch, channels, each, *out) -> (batch, channels, *size)."""
    batch, channels, each, *out = g.shape
    g, length = _widened(g, size)
    y = np.zeros_like(g, shape=(batch, channels, math.prod(size)))
    product = np.empty_like(g, shape=(batch, channels, length))
    with long_rows(product):
        for at, start in _starts(weight.shape[2:], size, dilation):
            for j in range(each):
                np.multiply(g[:, :, j], weight[(slice(None), j, *at)][:, None], out=product)
                y[..., start:start + length] += product
    return y.reshape(batch, channels, *size)


def depthwise_by_weight(canvas: Any, g: Any, kernel: Sizes, dilation: Sizes) -> Any:
    """The adjoint in the weight: canvas (batch, channels, *size), g (batch, channels, each, *out) -> (channels, each, *kernel)."""
    batch, channels, *size = canvas.shape
    g, length = _widened(g, size)
    x = canvas.reshape(batch, channels, 1, -1)
    y: Any = np.empty_like(g, shape=(channels, g.shape[2], *kernel))
    for at, start in _starts(kernel, size, dilation):
        y[(slice(None), slice(None), *at)] = np.add.reduce(np.vecdot(g, x[..., start:start + length]), 0)
    return y


def _wide(out: Sizes, size: Any) -> tuple[Sizes, int]:
    """The output with the gaps between its rows, and how many entries from its first place to its last."""
    wide = (out[0], *size[1:])
    return wide, sum((n - 1) * step for n, step in zip(out, _steps(wide), strict=True)) + 1


def _widened(g: Any, size: Any) -> tuple[Any, int]:
    """g (batch, channels, each, *out) -> (batch, channels, each, length), 0 in the gaps."""
    out = g.shape[3:]
    wide, length = _wide(out, size)
    y: Any = np.zeros_like(g, shape=(*g.shape[:3], *wide))
    y[(..., *[slice(n) for n in out])] = g
    return y.reshape(*g.shape[:3], -1)[..., :length], length


def _starts(kernel: Sizes, size: Any, dilation: Sizes) -> Iterator[tuple[Sizes, int]]:
    """Each place of the kernel, and where on the canvas its slice begins."""
    steps = [d * step for d, step in zip(dilation, _steps(size), strict=True)]
    for at in itertools.product(*map(range, kernel)):
        yield at, sum(k * step for k, step in zip(at, steps, strict=True))


def _steps(size: Any) -> list[int]:
    """How many entries lie between neighbours along each axis."""
    return [math.prod(size[i + 1:]) for i in range(len(size))]
