"""Forward plus backward of single functions of `nn.functional`, beside PyTorch's and beside NumPy by hand.

A function and its arguments are written once: both libraries have the same names. The gradient that flows in is a fixed
array, and those that it leaves are read when nothing is timed, so nothing is measured but the function. float32; the
control is the chain rule on paper, `(y, back)`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.measure import in_turn, summary
from benchmarks.steps import CONTROL, Disagreement

__all__ = ["CASES", "CONTENDERS", "Case", "functions"]

FEW = 10_000  # entries: below, what a call costs rules; above, what an entry costs


@dataclass(frozen=True)
class Case:
    """A function at one size. call(F, *xs) for either library; by_hand(*arrays) -> (y, back), back(g) -> gradients."""

    name: str
    shapes: tuple  # of the arguments that get a gradient; the first is the input
    call: Callable
    by_hand: Callable
    classes: int = 0  # the last argument is class indices, one for each row of the input

    def arrays(self):
        """Normal numbers, the same at every call, and the class indices if there are any."""
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(shape, dtype=np.float32) for shape in self.shapes]
        return arrays, [rng.integers(0, self.classes, self.shapes[0][0])] if self.classes else []

    @property
    def reach(self):
        """At most this many times PyTorch's time."""
        return 1.0 if math.prod(self.shapes[0]) < FEW else 2.0


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    y = e / e.sum(axis=1, keepdims=True)

    def back(g):
        gy = g * y
        return (gy - y * gy.sum(axis=1, keepdims=True),)

    return y, back


def layer_norm(x, weight, bias):
    d = x - x.mean(axis=1, keepdims=True)
    r = 1 / np.sqrt((d * d).mean(axis=1, keepdims=True) + 1e-5)
    z = d * r

    def back(g):
        h = g * weight
        gx = (h - h.mean(axis=1, keepdims=True) - z * (h * z).mean(axis=1, keepdims=True)) * r
        return gx, (g * z).sum(axis=0), g.sum(axis=0)

    return z * weight + bias, back


def gelu(x):
    # Abramowitz and Stegun 1964, 7.1.26: 1 - erf(a) to 1.5e-7
    a = np.abs(x) * math.sqrt(0.5)
    t = 1 / (1 + 0.3275911 * a)
    density = np.exp(-a * a)
    series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    cdf = 0.5 + np.copysign(0.5 - 0.5 * series * density, x)

    def back(g):
        return (g * (cdf + x * density * (1 / math.sqrt(2 * math.pi))),)

    return x * cdf, back


def cross_entropy(x, labels):
    d = x - x.max(axis=1, keepdims=True)
    e = np.exp(d)
    total = e.sum(axis=1, keepdims=True)
    rows = np.arange(len(x))
    y = (np.log(total[:, 0]) - d[rows, labels]).mean()

    def back(g):
        p = e / total
        p[rows, labels] -= 1
        return (p * (g / len(x)),)

    return y, back


def attention(q, k, v):
    scale = q.shape[-1] ** -0.5
    p, through_softmax = rows_of(softmax, (q @ k.swapaxes(-1, -2)) * scale)

    def back(g):
        s = through_softmax(g @ v.swapaxes(-1, -2)) * scale
        return s @ k, s.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ g

    return p @ v, back


def rows_of(function, x):
    """A function of a matrix, on the rows of an array with any number of axes."""
    y, back = function(x.reshape(-1, x.shape[-1]))
    return y.reshape(x.shape), lambda g: back(g.reshape(-1, x.shape[-1]))[0].reshape(x.shape)


def conv2d(x, weight, bias):
    n, c, *_ = x.shape
    o, _, kh, kw = weight.shape
    windows = sliding_window_view(x, (kh, kw), (2, 3))  # (n, c, h, w, kh, kw)
    h, w = windows.shape[2:4]
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * kh * kw)
    W = weight.reshape(o, -1)
    y = (columns @ W.T + bias).reshape(n, h, w, o).transpose(0, 3, 1, 2)

    def back(g):
        g = g.transpose(0, 2, 3, 1).reshape(-1, o)
        parts = (g @ W).reshape(n, h, w, c, kh, kw)
        gx = np.zeros_like(x)
        for i in range(kh):
            for j in range(kw):
                gx[:, :, i : i + h, j : j + w] += parts[..., i, j].transpose(0, 3, 1, 2)
        return gx, (g.T @ columns).reshape(weight.shape), g.sum(axis=0)

    return y, back


def depthwise(x, weight):
    """3x3 with padding 1, a kernel for each channel."""
    h, w = x.shape[2:]
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    places = [(i, j) for i in range(3) for j in range(3)]
    y = sum(wide[:, :, i : i + h, j : j + w] * weight[:, 0, i, j, None, None] for i, j in places)

    def back(g):
        gwide, gweight = np.zeros_like(wide), np.empty_like(weight)
        for i, j in places:
            gwide[:, :, i : i + h, j : j + w] += g * weight[:, 0, i, j, None, None]
            gweight[:, 0, i, j] = (g * wide[:, :, i : i + h, j : j + w]).sum(axis=(0, 2, 3))
        return gwide[:, :, 1:-1, 1:-1], gweight

    return y, back


def max_pool(x):
    """2x2, side by side."""
    n, c, h, w = x.shape
    cells = x.reshape(n, c, h // 2, 2, w // 2, 2)
    y = cells.max(axis=(3, 5), keepdims=True)

    def back(g):
        return (((cells == y) * g.reshape(y.shape)).reshape(x.shape),)

    return y.reshape(n, c, h // 2, w // 2), back


def _matrices(rows, columns):
    """The functions of a matrix, at one size."""
    size, vector = f"{rows}x{columns}", (columns,)
    x = (rows, columns)
    return [
        Case(f"softmax {size}", (x,), lambda F, x: F.softmax(x, 1), softmax),
        Case(
            f"layer_norm {size}",
            (x, vector, vector),
            lambda F, x, weight, bias: F.layer_norm(x, vector, weight, bias),
            layer_norm,
        ),
        Case(f"gelu {size}", (x,), lambda F, x: F.gelu(x), gelu),
        Case(
            f"cross_entropy {size}",
            (x,),
            lambda F, x, labels: F.cross_entropy(x, labels),
            cross_entropy,
            classes=columns,
        ),
    ]


def _images(batch):
    """A LeNet's two convolutions and its first pooling (28x28, kernels 5x5)."""
    return [
        Case(
            f"conv2d {batch}x1x28x28, 6 of 5x5",
            ((batch, 1, 28, 28), (6, 1, 5, 5), (6,)),
            lambda F, x, weight, bias: F.conv2d(x, weight, bias),
            conv2d,
        ),
        Case(
            f"conv2d {batch}x6x12x12, 16 of 5x5",
            ((batch, 6, 12, 12), (16, 6, 5, 5), (16,)),
            lambda F, x, weight, bias: F.conv2d(x, weight, bias),
            conv2d,
        ),
        Case(f"max_pool2d {batch}x6x24x24", ((batch, 6, 24, 24),), lambda F, x: F.max_pool2d(x, 2), max_pool),
    ]


_HEADS = (8, 4, 32, 16)  # batch, heads, tokens, width of a head

CASES = [
    *_matrices(32, 10),
    *_matrices(128, 64),
    *_images(1),
    *_matrices(256, 1024),
    *_images(32),
    Case(
        "depthwise conv2d 8x32x28x28",
        ((8, 32, 28, 28), (32, 1, 3, 3)),
        lambda F, x, weight: F.conv2d(x, weight, None, padding=1, groups=32),
        depthwise,
    ),
    Case("attention 8x4x32x16", (_HEADS,) * 3, lambda F, *qkv: F.scaled_dot_product_attention(*qkv), attention),
]


def by_hand(case, g):
    arrays, labels = case.arrays()

    def step():
        y, back = case.by_hand(*arrays, *labels)
        return y, back(g)

    return step


def tinygrad_lite(case, g):
    import tinygrad_lite as tl
    from tinygrad_lite.nn import functional as F

    arrays, labels = case.arrays()
    xs = [tl.tensor(array, requires_grad=True) for array in arrays]
    rest = [tl.tensor(array) for array in labels]
    g = tl.tensor(g) if g.ndim else None  # a loss starts its own backward pass

    def step():
        for x in xs:
            x.grad = None
        y = case.call(F, *xs, *rest)
        y.backward(g)
        return y.detach(), xs

    return step


def compiled(case, g):
    """The same as one program: what a training step that is compiled spends on the function."""
    import tinygrad_lite as tl
    from tinygrad_lite.nn import functional as F

    arrays, labels = case.arrays()
    xs = [tl.tensor(array, requires_grad=True) for array in arrays]
    rest = [tl.tensor(array) for array in labels]
    given = [tl.tensor(g)] if g.ndim else []

    @tl.compile
    def run(*args):
        for x in xs:
            x.grad = None
        y = case.call(F, *xs, *args[:len(rest)])
        y.backward(*args[len(rest):])
        return y

    def step():
        return run(*rest, *given), xs

    return step


def torch(case, g):
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(1)
    arrays, labels = case.arrays()
    xs = [torch.from_numpy(array).requires_grad_() for array in arrays]
    rest = [torch.from_numpy(array) for array in labels]
    g = torch.from_numpy(g) if g.ndim else None

    def step():
        for x in xs:
            x.grad = None
        y = case.call(F, *xs, *rest)
        y.backward(g)
        return y.detach(), xs

    return step


CONTENDERS = {CONTROL: by_hand, "tinygrad_lite": tinygrad_lite, "compile": compiled, "torch": torch}


def functions(rounds, say=lambda text: None):
    """All cases, all contenders. One entry per case: times over the control's, and tinygrad_lite's, eager and compiled, over PyTorch's."""
    return [measured(case, rounds, say) for case in CASES]


def measured(case, rounds, say):
    say(f"{case.name}: {rounds} rounds")
    steps, missing = agreeing_steps(case)
    times = in_turn(steps, rounds)
    return {
        "function": case.name,
        "shapes": case.shapes,
        "reach": case.reach,
        "contenders": {name: summary(turns, times[CONTROL]) for name, turns in times.items()},
        "over_torch": summary(times["tinygrad_lite"], times["torch"]) if "torch" in times else None,
        "compiled_over_torch": summary(times["compile"], times["torch"]) if "torch" in times else None,
        "missing": missing,
    }


def agreeing_steps(case):
    """Step functions by contender, and why others are missing. Raises Disagreement unless values and gradients agree."""
    arrays, labels = case.arrays()
    y, _ = case.by_hand(*arrays, *labels)
    g = np.random.default_rng(1).standard_normal(y.shape, dtype=np.float32) if y.ndim else np.ones((), np.float32)
    expected = flat(CONTENDERS[CONTROL](case, g)())
    steps, missing = {}, {}
    for name, contender in CONTENDERS.items():
        try:
            steps[name] = contender(case, g)
        except ImportError as error:
            missing[name] = str(error)
            continue
        for i, (found, by_hand) in enumerate(zip(flat(steps[name]()), expected, strict=True)):
            # sums of up to 25,000 float32 products in another order, seen: 2e-6 of the largest entry
            if not np.allclose(found, by_hand, rtol=0, atol=1e-4 * np.abs(by_hand).max()):
                what = f"gradient {i - 1}" if i else "value"
                raise Disagreement(f"{name}, {case.name}: the {what} is not the one by hand")
    return steps, missing


def flat(result):
    """The value and the gradients as arrays; what has a .grad stands for that."""
    y, gradients = result
    found = [y, *[x.grad if hasattr(x, "grad") else x for x in gradients]]
    return [x.numpy() if hasattr(x, "numpy") else np.asarray(x) for x in found]
