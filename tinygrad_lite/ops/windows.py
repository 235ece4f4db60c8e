"""Rows that read their input through a sliding window, over any number of axes: convolution, pooling, windows and sums.

Arrays are (batch, channels, *space), and every parameter is one tuple with an entry for each spatial axis; `padding`
has (before, after) pairs, where a negative `after` leaves entries out. Each rule is again one of these rows, so that
any order differentiates. The functions with PyTorch's names, and the checks, are in `nn.convolution` and `nn.pooling`.
"""

import itertools
import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..engine import Op
from .depthwise import depthwise, depthwise_by_input, depthwise_by_weight

__all__ = ["avg_pool", "avg_pool_spread", "convolution", "convolution_by_input", "convolution_by_weight", "fold",
           "max_pool", "max_pool_collect", "max_pool_spread", "windows"]

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]
Slices = tuple[slice, ...]


# ---- geometry: where a window of the input lies

@lru_cache(maxsize=512)
def _out(shape: Sizes, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Sizes:
    """How many windows fit along each axis."""
    return tuple([(n + sum(pad) - d * (k - 1) - 1) // s + 1
                  for n, k, s, pad, d in zip(shape, kernel, stride, padding, dilation, strict=True)])


@lru_cache(maxsize=512)
def _read(out: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Sizes:
    """How many entries of the padded input these windows reach: the size of the canvas."""
    return tuple([(n - 1) * s + d * (k - 1) + 1 for n, k, s, d in zip(out, kernel, stride, dilation, strict=True)])


@lru_cache(maxsize=512)
def _places(out: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> tuple[tuple[Sizes, Slices], ...]:
    """For each position in the window the slices of the canvas: `canvas[..., *slices]` has the shape `out`."""
    axes = [[(k, slice(k * d, k * d + (n - 1) * s + 1, s)) for k in range(size)]
            for n, size, s, d in zip(out, kernel, stride, dilation, strict=True)]
    return tuple([(tuple([k for k, _ in at]), tuple([part for _, part in at])) for at in itertools.product(*axes)])


@lru_cache(maxsize=512)
def _overlap(shape: Sizes, padding: Pairs, size: Sizes) -> tuple[Slices, Slices]:
    """The slices of the canvas and of the unpadded input that are the same entries."""
    ends = [min(n, m - pad[0]) for n, m, pad in zip(shape, size, padding, strict=True)]
    return ((slice(None), slice(None), *[slice(pad[0], pad[0] + end) for end, pad in zip(ends, padding, strict=True)]),
            (slice(None), slice(None), *[slice(0, end) for end in ends]))


def _canvas(x: Any, padding: Pairs, size: Sizes, fill: float = 0) -> Any:
    """The part of the padded input that windows reach; the input itself, where that is all of it."""
    if x.shape[2:] == size and not any(pad[0] for pad in padding):
        return x
    inside, part = _overlap(x.shape[2:], padding, size)
    if x[part].shape[2:] == size:
        return x[part]
    y = np.full_like(x, fill, shape=x.shape[:2] + size)
    y[inside] = x[part]
    return y


def _uncanvas(y: Any, padding: Pairs, shape: Sizes) -> Any:
    """The adjoint of `_canvas`: padding goes, and entries that no window reached are 0."""
    size = y.shape[2:]
    if size == shape and not any(pad[0] for pad in padding):
        return y
    inside, part = _overlap(shape, padding, size)
    y = y[inside]
    if y.shape[2:] == shape:
        return y
    x = np.zeros_like(y, shape=y.shape[:2] + shape)
    x[part] = y
    return x


# ---- windows side by side, and their sum

def _spread(x: Any, out: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    y = np.empty_like(x, shape=x.shape[:2] + kernel + out)
    for at, part in _places(out, kernel, stride, dilation):
        y[(slice(None), slice(None), *at)] = x[(..., *part)]
    return y


def _gathered(y: Any, size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    x = np.zeros_like(y, shape=y.shape[:2] + size)
    for at, part in _places(y.shape[2 + len(kernel):], kernel, stride, dilation):
        x[(..., *part)] += y[(slice(None), slice(None), *at)]
    return x


def _windows(x: Any, *, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Any:
    out = _out(x.shape[2:], kernel, stride, padding, dilation)
    return _spread(_canvas(x, padding, _read(out, kernel, stride, dilation)), out, kernel, stride, dilation)


def _fold(y: Any, *, shape: Sizes, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Any:
    size = _read(y.shape[2 + len(kernel):], kernel, stride, dilation)
    return _uncanvas(_gathered(y, size, kernel, stride, dilation), padding, shape)


windows = Op("windows", _windows, lambda g, y, x, **how: fold(g, shape=x.shape[2:], **how),
             doc="y[n, c, k, i] = x[n, c, i stride + k dilation - before]: (batch, channels, *space) -> "
                 "(batch, channels, *kernel, *out)")
fold: Op = Op("fold", _fold, lambda g, y, x, shape, **how: windows(g, **how),
              doc="the adjoint of windows: each entry is added to the place that it was read from")


# ---- convolution: one large matrix product for each row of the kernel, or one for all of it

def _rows(kernel: Sizes, channels: int, stride: Sizes) -> int:
    """How many products: where windows move by 1 along the first axis, all rows of the kernel read one array of
    columns, each with its own shift. It is `kernel[0]` times smaller, and made that much sooner.
    """
    return kernel[0] if stride[0] == 1 and kernel[0] <= 16 and channels * math.prod(kernel[1:]) >= 4 else 1


def _cut(weight: Any, rows: int, groups: int) -> Any:
    """(out, in / groups, *kernel) -> (rows, groups, out / groups, columns)."""
    o, c, *kernel = weight.shape
    columns = math.prod(kernel) // rows
    if rows == 1:
        return weight.reshape(1, groups, o // groups, c * columns)
    return weight.reshape(o, c, rows, columns).transpose(2, 0, 1, 3).reshape(rows, groups, o // groups, c * columns)


def _columns(x: Any, rows: int, groups: int, out: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """(batch, channels, *canvas) -> (batch, groups, columns, places)."""
    if rows > 1:  # the first axis stays whole, as if it were covered by a kernel of 1
        out, kernel = (x.shape[2], *out[1:]), (1, *kernel[1:])
    if math.prod(kernel) > 1 or x.shape[2:] != out:
        x = _spread(x, out, kernel, stride, dilation)
    return x.reshape(x.shape[0], groups, x.shape[1] // groups * math.prod(kernel), math.prod(out))


def _shifts(rows: int, out: Sizes, dilation: Sizes) -> list[slice]:
    """Which places belong to each row of the kernel."""
    step = math.prod(out[1:])
    return [slice(i * dilation[0] * step, (i * dilation[0] + out[0]) * step) for i in range(rows)]


def _is_depthwise(channels: int, stride: Sizes, groups: int) -> bool:
    """Has each group one channel of the input, so that there is no matrix to multiply with?"""
    return channels == 1 and groups > 1 and max(stride) == 1


def _convolution(x: Any, weight: Any, bias: Any, *, stride: Sizes, padding: Pairs, dilation: Sizes,
                 groups: int = 1) -> Any:
    kernel = weight.shape[2:]
    out = _out(x.shape[2:], kernel, stride, padding, dilation)
    x = _canvas(x, padding, _read(out, kernel, stride, dilation))
    if _is_depthwise(weight.shape[1], stride, groups):
        y = depthwise(x, weight, out, dilation)
    else:
        rows = _rows(kernel, weight.shape[1], stride)
        columns = _columns(x, rows, groups, out, kernel, stride, dilation)
        y = None
        for row, part in zip(_cut(weight, rows, groups), _shifts(rows, out, dilation), strict=True):
            product = np.matmul(row, columns[..., part])
            y = product if y is None else np.add(y, product, out=y)
    y = y.reshape(x.shape[0], weight.shape[0], *out)
    if bias is None:
        return y
    bias = bias.reshape(-1, *[1] * len(out))
    return np.add(y, bias, out=y) if bias.dtype == y.dtype else y + bias


def _by_input(g: Any, weight: Any, *, shape: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes,
              groups: int = 1) -> Any:
    kernel, out = weight.shape[2:], g.shape[2:]
    batch, channels = g.shape[0], weight.shape[1] * groups
    size = _read(out, kernel, stride, dilation)
    if _is_depthwise(weight.shape[1], stride, groups):
        return _uncanvas(depthwise_by_input(g, weight, channels, size, dilation), padding, shape)
    rows = _rows(kernel, weight.shape[1], stride)
    w = _cut(weight, rows, groups).swapaxes(-1, -2)
    g = g.reshape(batch, groups, weight.shape[0] // groups, math.prod(out))
    product = np.multiply if g.shape[2] == 1 else np.matmul  # a column by a row: groups of one channel
    if rows > 1:
        kernel, places = (1, *kernel[1:]), (size[0], *out[1:])
        columns = np.zeros_like(g, shape=(batch, groups, w.shape[2], math.prod(places)))
        for row, part in zip(w, _shifts(rows, out, dilation), strict=True):
            columns[..., part] += product(row, g)
    else:
        columns, places = product(w[0], g), out
    if places != size or math.prod(kernel) > 1:
        columns = _gathered(columns.reshape(batch, channels, *kernel, *places), size, kernel, stride, dilation)
    return _uncanvas(columns.reshape(batch, channels, *size), padding, shape)


def _by_weight(x: Any, g: Any, *, shape: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int = 1) -> Any:
    out, o, c = g.shape[2:], g.shape[1], x.shape[1] // groups
    x = _canvas(x, padding, _read(out, shape, stride, dilation))
    if _is_depthwise(c, stride, groups):
        return depthwise_by_weight(x, g, shape, dilation)
    rows = _rows(shape, c, stride)
    columns = _columns(x, rows, groups, out, shape, stride, dilation)
    g = g.reshape(x.shape[0], groups, o // groups, math.prod(out))
    parts = [np.add.reduce(np.matmul(g, columns[..., part].swapaxes(-1, -2)), 0)
             for part in _shifts(rows, out, dilation)]
    if rows == 1:
        return parts[0].reshape(o, c, *shape)
    return np.stack(parts).reshape(rows, o, c, math.prod(shape) // rows).transpose(1, 2, 0, 3).reshape(o, c, *shape)


convolution = Op(
    "convolution", _convolution,
    lambda g, y, x, weight, bias, **how: convolution_by_input(g, weight, shape=x.shape[2:], **how),
    lambda g, y, x, weight, bias, **how: convolution_by_weight(x, g, shape=weight.shape[2:], **how),
    lambda g, y, x, weight, bias, **how: g.sum((0, *range(2, g.ndim))),
    doc="y[n, o, i] = bias[o] + sum over c, k of weight[o, c, k] x[n, c, i stride + k dilation - before], within each "
        "group of channels, as matrix products (Chellapilla, Puri and Simard 2006); dL/dbias = g summed over n and i")
convolution_by_input: Op = Op(
    "convolution_by_input", _by_input,
    lambda g, y, a, weight, shape, **how: convolution(g, weight, None, **how),
    lambda g, y, a, weight, shape, **how: convolution_by_weight(g, a, shape=weight.shape[2:], **how),
    doc="the adjoint of convolution in its input, which is the transposed convolution: "
        "y[n, c, i stride + k dilation - before] += weight[o, c, k] a[n, o, i], over a space of `shape`")
convolution_by_weight: Op = Op(
    "convolution_by_weight", _by_weight,
    lambda g, y, x, a, shape, **how: convolution_by_input(a, g, shape=x.shape[2:], **how),
    lambda g, y, x, a, shape, **how: convolution(x, g, None, **how),
    doc="the adjoint of convolution in its weight, for a kernel of `shape`: "
        "y[o, c, k] = sum over n, i of a[n, o, i] x[n, c, i stride + k dilation - before]")


# ---- pooling: along one axis after the other, a pass for each row and column of the window in place of each entry

def _lowest(x: Any) -> Any:
    return -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min if x.dtype.kind in "iu" else False


@lru_cache(maxsize=512)
def _along(axis: int, out: int, kernel: int, stride: int, dilation: int) -> list[Any]:
    """For each position in the window along one axis of space, the slices of the canvas."""
    return [(slice(None),) * (2 + axis) + part for _, part in _places((out,), (kernel,), (stride,), (dilation,))]


def _pooled(x: Any, combine: Any, out: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    for axis, of in enumerate(zip(out, kernel, stride, dilation, strict=True)):
        first, *rest = _along(axis, *of)
        y = combine(x[first], x[rest[0]]) if rest else x[first].copy()
        for part in rest[1:]:
            combine(y, x[part], out=y)
        x = y
    return x


def _max_pool(x: Any, *, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Any:
    out = _out(x.shape[2:], kernel, stride, padding, dilation)
    canvas = _canvas(x, padding, _read(out, kernel, stride, dilation), _lowest(x))
    return _pooled(canvas, np.maximum, out, kernel, stride, dilation)


def _firsts(x: Any, y: Any, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Any:
    """For each position in the window: its slices of the canvas, and which windows have their first largest there."""
    canvas = _canvas(x, padding, _read(y.shape[2:], kernel, stride, dilation), _lowest(x))
    free = None  # the windows whose first largest entry has not come yet
    for _, part in _places(y.shape[2:], kernel, stride, dilation):
        here = np.equal(canvas[(..., *part)], y)
        if free is None:
            free = ~here
        else:
            here &= free
            free ^= here
        yield (..., *part), here


def _max_pool_spread(g: Any, x: Any, y: Any, *, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Any:
    gx = np.zeros_like(g, shape=g.shape[:2] + _read(g.shape[2:], kernel, stride, dilation))
    disjoint = all(d * (k - 1) < s for k, s, d in zip(kernel, stride, dilation, strict=True))
    for part, here in _firsts(x, y, kernel, stride, padding, dilation):
        if disjoint:
            np.multiply(g, here, out=gx[part])
        else:
            gx[part] += g * here
    return _uncanvas(gx, padding, x.shape[2:])


def _max_pool_collect(z: Any, x: Any, y: Any, *, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Any:
    z = _canvas(z, padding, _read(y.shape[2:], kernel, stride, dilation))
    chosen = np.zeros_like(z, shape=y.shape)
    for part, here in _firsts(x, y, kernel, stride, padding, dilation):
        chosen += z[part] * here
    return chosen


max_pool = Op("max_pool", _max_pool, lambda g, y, x, **how: max_pool_spread(g, x, y, **how),
              doc="y = the largest x in each window; padding counts as -inf. Of equal entries the first in the window, "
                  "row by row, has the gradient, as in PyTorch; a window whose largest is nan passes none on")
max_pool_spread: Op = Op(
    "max_pool_spread", _max_pool_spread, lambda g, y, a, x, top, **how: max_pool_collect(g, x, top, **how), None, None,
    doc="the adjoint of max_pool at x: each entry of a is added where the first of the largest x of its window is")
max_pool_collect: Op = Op(
    "max_pool_collect", _max_pool_collect, lambda g, y, z, x, top, **how: max_pool_spread(g, x, top, **how), None, None,
    doc="z at the place in each window where the first of the largest x is")


def _scaled(y: Any, shape: Sizes, kernel: Sizes, stride: Sizes, padding: Pairs, counted: Sizes,
            divisor: int | None) -> Any:
    """y divided by the number of entries in each window: of the input, with `counted` places of padding around it."""
    if divisor is not None:
        return y if divisor == 1 else y * (1 / divisor)
    scale = 1.0
    for axis, (n, k, s, pad, c) in enumerate(zip(shape, kernel, stride, padding, counted, strict=True)):
        counts = [min(i * s - pad[0] + k, n + c) - max(i * s - pad[0], -c) for i in range(y.shape[2 + axis])]
        if min(counts, default=k) == k:
            scale /= k
        else:
            shares = np.array([1 / max(count, 1) for count in counts], y.dtype, like=y)
            y = y * shares.reshape(-1, *[1] * (len(shape) - axis - 1))
    return y * scale


def _avg_pool(x: Any, *, kernel: Sizes, stride: Sizes, padding: Pairs, counted: Sizes,
              divisor: int | None = None) -> Any:
    one = (1,) * len(kernel)
    out = _out(x.shape[2:], kernel, stride, padding, one)
    y = _pooled(_canvas(x, padding, _read(out, kernel, stride, one)), np.add, out, kernel, stride, one)
    return _scaled(y, x.shape[2:], kernel, stride, padding, counted, divisor)


def _avg_pool_spread(g: Any, *, shape: Sizes, kernel: Sizes, stride: Sizes, padding: Pairs, counted: Sizes,
                     divisor: int | None = None) -> Any:
    size = _read(g.shape[2:], kernel, stride, (1,) * len(kernel))
    g = _scaled(g, shape, kernel, stride, padding, counted, divisor)
    for axis in range(len(kernel)):
        wide = np.zeros_like(g, shape=(*g.shape[:2 + axis], size[axis], *g.shape[3 + axis:]))
        for part in _along(axis, g.shape[2 + axis], kernel[axis], stride[axis], 1):
            if kernel[axis] <= stride[axis]:
                wide[part] = g
            else:
                wide[part] += g
        g = wide
    return _uncanvas(g, padding, shape)


avg_pool = Op("avg_pool", _avg_pool, lambda g, y, x, **how: avg_pool_spread(g, shape=x.shape[2:], **how),
              doc="y = the mean of x in each window; `counted` places of padding on either side count as entries of 0, "
                  "others do not; a `divisor` takes the place of the count")
avg_pool_spread: Op = Op("avg_pool_spread", _avg_pool_spread, lambda g, y, a, shape, **how: avg_pool(g, **how),
                         doc="the adjoint of avg_pool: each entry, divided by the count, is added all over its window")
