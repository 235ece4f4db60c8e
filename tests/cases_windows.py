"""Lines for each row of `ops.windows`. Values come from the definition, by loops over windows and entries."""

import itertools
from typing import Any

import numpy as np
from cases import Case, apart, real


def _places(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """(index of the window, position in it, index in the input, is it inside?) for every entry of every window."""
    space = x.shape[2:]
    out = [(n + b + a - d * (k - 1) - 1) // s + 1
           for n, k, s, (b, a), d in zip(space, kernel, stride, padding, dilation, strict=True)]
    for i in itertools.product(*map(range, out)):
        for k in itertools.product(*map(range, kernel)):
            at = tuple(p * s + q * d - b for p, s, q, d, (b, _) in zip(i, stride, k, dilation, padding, strict=True))
            yield i, k, at, all(0 <= q < n for q, n in zip(at, space, strict=True))


def _out(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    return tuple(max(i[axis] for i, *_ in _places(x, kernel, stride, padding, dilation)) + 1
                 for axis in range(len(kernel)))


def windows(x: Any, **how: Any) -> Any:
    y = np.zeros(x.shape[:2] + how["kernel"] + _out(x, **how))
    for i, k, at, inside in _places(x, **how):
        if inside:
            y[(..., *k, *i)] = x[(..., *at)]
    return y


def fold(y: Any, shape: Any, **how: Any) -> Any:
    x = np.zeros(y.shape[:2] + shape)
    for i, k, at, inside in _places(x, **how):
        if inside:
            x[(..., *at)] += y[(..., *k, *i)]
    return x


def _trilinear(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """All terms of a convolution: (n, o, window, channel of x, channel of w, position in w, place in x)."""
    of = w.shape[0] // groups
    for i, k, at, inside in _places(x, w.shape[2:], stride, padding, dilation):
        if inside:
            for n, o, c in itertools.product(range(x.shape[0]), range(w.shape[0]), range(w.shape[1])):
                yield (n, o, *i), (o, c, *k), (n, o // of * w.shape[1] + c, *at)


def convolution(x: Any, w: Any, b: Any, groups: int = 1, **how: Any) -> Any:
    y = np.zeros((x.shape[0], w.shape[0], *_out(x, w.shape[2:], **how)))
    for at_y, at_w, at_x in _trilinear(x, w, groups=groups, **how):
        y[at_y] += w[at_w] * x[at_x]
    return y if b is None else y + b.reshape(-1, *[1] * (x.ndim - 2))


def convolution_by_input(g: Any, w: Any, shape: Any, groups: int = 1, **how: Any) -> Any:
    x = np.zeros((g.shape[0], w.shape[1] * groups, *shape))
    for at_y, at_w, at_x in _trilinear(x, w, groups=groups, **how):
        x[at_x] += w[at_w] * g[at_y]
    return x


def convolution_by_weight(x: Any, g: Any, shape: Any, groups: int = 1, **how: Any) -> Any:
    w = np.zeros((g.shape[1], x.shape[1] // groups, *shape))
    for at_y, at_w, at_x in _trilinear(x, w, groups=groups, **how):
        w[at_w] += x[at_x] * g[at_y]
    return w


def max_pool(x: Any, **how: Any) -> Any:
    y = np.full(x.shape[:2] + _out(x, **how), -np.inf)
    for i, _, at, inside in _places(x, **how):
        if inside:
            y[(..., *i)] = np.maximum(y[(..., *i)], x[(..., *at)])
    return y


def _largest(x: Any, y: Any, **how: Any) -> Any:
    """For each window of each channel the place of the largest; cases have no ties."""
    for i, _, at, inside in _places(x, **how):
        if inside:
            yield i, at, x[(..., *at)] == y[(..., *i)]


def max_pool_spread(g: Any, x: Any, y: Any, **how: Any) -> Any:
    gx = np.zeros(x.shape)
    for i, at, here in _largest(x, y, **how):
        gx[(..., *at)] += g[(..., *i)] * here
    return gx


def max_pool_collect(z: Any, x: Any, y: Any, **how: Any) -> Any:
    chosen = np.zeros(y.shape)
    for i, at, here in _largest(x, y, **how):
        chosen[(..., *i)] += z[(..., *at)] * here
    return chosen


def _count(i: Any, space: Any, kernel: Any, stride: Any, padding: Any, counted: Any) -> float:
    starts = [p * s - b for p, s, (b, _) in zip(i, stride, padding, strict=True)]
    return float(np.prod([max(sum(-c <= q < n + c for q in range(a, a + k)), 1)
                          for a, k, n, c in zip(starts, kernel, space, counted, strict=True)]))


def avg_pool(x: Any, counted: Any, divisor: Any = None, **how: Any) -> Any:
    one = (1,) * len(how["kernel"])
    y = np.zeros(x.shape[:2] + _out(x, dilation=one, **how))
    for i, _, at, inside in _places(x, dilation=one, **how):
        if inside:
            y[(..., *i)] += x[(..., *at)] / (divisor or _count(i, x.shape[2:], counted=counted, **how))
    return y


def avg_pool_spread(g: Any, shape: Any, counted: Any, divisor: Any = None, **how: Any) -> Any:
    x = np.zeros(g.shape[:2] + shape)
    for i, _, at, inside in _places(x, dilation=(1,) * len(shape), **how):
        if inside:
            x[(..., *at)] += g[(..., *i)] / (divisor or _count(i, shape, counted=counted, **how))
    return x


def _how(stride: Any, padding: Any, dilation: Any, **more: Any) -> dict[str, Any]:
    return {"stride": stride, "padding": padding, "dilation": dilation, **more}


# (input, weight, bias?, parameters): rows of the kernel apart or all at once, one to three axes, remainders
CONVOLUTIONS: list[tuple[Any, Any, bool, dict[str, Any]]] = [
    ((2, 2, 5, 6), (3, 2, 3, 2), True, _how((1, 1), ((0, 0), (0, 0)), (1, 1), groups=1)),
    ((2, 4, 5, 6), (6, 2, 2, 3), True, _how((1, 2), ((1, 2), (2, 0)), (2, 1), groups=2)),
    ((2, 3, 6, 5), (3, 1, 3, 2), False, _how((2, 2), ((1, 1), (0, 0)), (1, 2), groups=3)),
    ((2, 3, 5, 6), (6, 1, 3, 2), True, _how((1, 1), ((1, 1), (0, 1)), (1, 2), groups=3)),  # channel by channel, two each
    ((2, 2, 5), (2, 1, 2), False, _how((1,), ((0, 0),), (2,), groups=2)),
    ((2, 2, 6, 5), (2, 2, 3, 3), False, _how((2, 1), ((1, -1), (1, -1)), (1, 1), groups=1)),
    ((2, 4, 7), (2, 4, 3), True, _how((1,), ((1, 1),), (2,), groups=1)),
    ((2, 2, 7), (4, 1, 3), False, _how((3,), ((1, 1),), (1,), groups=2)),
    ((2, 2, 3, 3, 4), (2, 1, 2, 2, 2), True, _how((1, 2, 1), ((1, 0), (0, 0), (1, 1)), (1, 1, 2), groups=2)),
    ((2, 3, 4, 4), (2, 3, 1, 1), True, _how((1, 1), ((0, 0), (0, 0)), (1, 1), groups=1)),
]
WINDOWS = [
    ((2, 3, 5, 6), _how((1, 1), ((0, 0), (0, 0)), (1, 1), kernel=(2, 3))),
    ((2, 2, 6, 5), _how((2, 2), ((1, 1), (0, 0)), (2, 1), kernel=(2, 2))),
    ((2, 2, 7), _how((3,), ((1, 2),), (1,), kernel=(2,))),
    ((2, 1, 3, 4, 3), _how((1, 2, 1), ((0, 0), (1, 1), (0, 0)), (1, 1, 2), kernel=(2, 2, 2))),
]


def exact(*shape: int) -> Any:
    """Multiples of 1/256: sums of their products are exact in float64 in any order; cancellation leaves no rounding."""
    return np.round(real(*shape) * 256) / 256


def _convolutions() -> list[Case]:
    cases = []
    for x, w, biased, how in CONVOLUTIONS:
        out = convolution(np.zeros(x), np.zeros(w), None, **how).shape
        b = exact(w[0]) if biased else None
        no_batch = (np.zeros((0, *x[1:])), exact(*w), b)
        cases += [Case("convolution", (exact(*x), exact(*w), b), how, convolution, empty=no_batch),
                  Case("convolution_by_input", (exact(*out), exact(*w)), {"shape": x[2:], **how}, convolution_by_input,
                       empty=(np.zeros((0, *out[1:])), exact(*w))),
                  Case("convolution_by_weight", (exact(*x), exact(*out)), {"shape": w[2:], **how},
                       convolution_by_weight,
                       empty=(np.zeros((0, *x[1:])), np.zeros((0, *out[1:]))))]
    return cases


def _pools() -> list[Case]:
    cases = []
    for shape, how in WINDOWS:
        x = apart(*shape)
        y, cols = max_pool(x, **how), windows(x, **how).shape
        means = {name: value for name, value in how.items() if name != "dilation"}
        one = {**how, "dilation": (1,) * (len(shape) - 2)}
        out = max_pool(x, **one).shape
        counts = [{"counted": (0,) * (len(shape) - 2)}, {"counted": tuple(b for b, _ in how["padding"])}]
        none = np.zeros((0, *shape[1:]))
        cases += [Case("windows", (real(*shape),), how, windows, linear=True, empty=(none,)),
                  Case("fold", (real(*cols),), {"shape": shape[2:], **how}, fold, linear=True,
                       empty=(np.zeros((0, *cols[1:])),)),
                  Case("max_pool", (x,), how, max_pool, linear=True, empty=(none,)),
                  Case("max_pool_spread", (real(*y.shape), x, y), how, max_pool_spread, linear=True),
                  Case("max_pool_collect", (real(*shape), x, y), how, max_pool_collect, linear=True)]
        for count in [*counts, {**counts[0], "divisor": 3}]:
            cases += [Case("avg_pool", (real(*shape),), {**means, **count}, avg_pool, linear=True, empty=(none,)),
                      Case("avg_pool_spread", (real(*out),), {"shape": shape[2:], **means, **count}, avg_pool_spread,
                           linear=True,
                           empty=(np.zeros((0, *out[1:])),))]
    return cases


CASES: list[Case] = [*_convolutions(), *_pools()]
