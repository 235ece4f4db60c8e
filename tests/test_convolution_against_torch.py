"""PyTorch as a witness for convolution, pooling and resampling: values, first and second order, over a generated grid.

Every case is drawn from a fixed seed, so that the grid is the same each time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.nn import convolution, pooling

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
F = torch.nn.functional
pytestmark = pytest.mark.torch
SPACE = {1: (9,), 2: (7, 8), 3: (4, 5, 4)}


def near(ours: Any, theirs: Any, rtol: float) -> None:
    a, b = np.asarray(ours.data), theirs.detach().numpy()
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=0, atol=rtol * max(1, np.max(np.abs(b), initial=0)))


def agree(name: str, arrays: list[Any], keywords: dict[str, Any], dtype: Any = np.float64) -> None:
    """Value, gradient for a drawn cotangent, and the gradient of that gradient for a second draw."""
    rng = np.random.default_rng(1)
    # rtol: float64 keeps 16 digits, and sums of some hundred products in another order cost three; the same of
    # float32's 7
    rtol = 1e-12 if dtype == np.float64 else 2e-5
    ours = [x if x is None else tl.tensor(x, dtype, requires_grad=True) for x in arrays]
    theirs = [x if x is None else torch.tensor(np.asarray(x, dtype), requires_grad=True) for x in arrays]
    y, z = _function(name)(*ours, **keywords), getattr(F, name)(*theirs, **keywords)
    near(y, z, rtol)
    cotangent = rng.standard_normal(y.shape).astype(dtype)
    g, h = tl.tensor(cotangent, requires_grad=True), torch.tensor(cotangent, requires_grad=True)
    xs, us = [x for x in ours if x is not None], [u for u in theirs if u is not None]
    first = tl.autograd.grad([y], xs, [g], create_graph=True)
    first_there = torch.autograd.grad([z], us, [h], create_graph=True)
    plain = tl.autograd.grad([_function(name)(*ours, **keywords)], xs, [cotangent])
    for a, b, c in zip(first, first_there, plain, strict=True):
        near(a, b, rtol)
        np.testing.assert_array_equal(a.data, c.data)
    vs = [rng.standard_normal(x.shape).astype(dtype) for x in xs]
    second = tl.autograd.grad(list(first), [*xs, g], vs, allow_unused=True)
    second_there = torch.autograd.grad(first_there, [*us, h], [torch.tensor(v) for v in vs], allow_unused=True)
    for a, b in zip(second, second_there, strict=True):
        if a is None or b is None:
            assert a is None or not np.any(a.data)
            assert b is None or not b.any()
        else:
            near(a, b, rtol)


def _function(name: str) -> Callable[..., Any]:
    found = getattr(convolution, name, None)
    return found if callable(found) else getattr(pooling, name)


def _draws(count: int, draw: Callable[[Any], Any]) -> list[Any]:
    rng = np.random.default_rng(3)
    return [draw(rng) for _ in range(count)]


def _size(rng: Any, n: int, low: int, high: int) -> Any:
    """One number, or one for each axis."""
    return int(rng.integers(low, high)) if rng.random() < 0.4 else tuple(int(k) for k in rng.integers(low, high, n))


def _conv(rng: Any, n: int) -> tuple[Any, ...]:
    groups = int(rng.choice([1, 1, 2, 3]))
    kernel = tuple(int(k) for k in rng.integers(1, 4 if n < 3 else 3, n))
    keywords = {"stride": _size(rng, n, 1, 4), "padding": _size(rng, n, 0, 3),
                "dilation": _size(rng, n, 1, 3 if n < 3 else 2), "groups": groups}
    if rng.random() < 0.25:
        keywords |= {"stride": 1, "padding": str(rng.choice(["same", "valid"]))}
    channels, out = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))
    x = rng.standard_normal((int(rng.integers(1, 4)), channels, *SPACE[n]))
    return [x, rng.standard_normal((out, channels // groups, *kernel)),
            rng.standard_normal(out) if rng.random() < 0.6 else None], keywords


def _conv_transpose(rng: Any, n: int) -> tuple[Any, ...]:
    (x, w, _), keywords = _conv(rng, n)
    keywords["padding"] = _size(rng, n, 0, 2)
    stride, dilation = np.broadcast_to(keywords["stride"], n), np.broadcast_to(keywords["dilation"], n)
    keywords["output_padding"] = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
    w = rng.standard_normal((x.shape[1], w.shape[1], *(k + 2 for k in w.shape[2:])))
    return [x, w, rng.standard_normal(w.shape[1] * keywords["groups"]) if rng.random() < 0.6 else None], keywords


def _label(case: Any) -> str:
    return ",".join(f"{k}={v}" for k, v in case[1].items()).replace(" ", "")


@pytest.mark.parametrize(("n", "case"), [pytest.param(n, case, id=f"{n}d-{_label(case)}")
                                         for n, count in ((1, 40), (2, 60), (3, 15))
                                         for case in _draws(count, partial(_conv, n=n))])
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_conv(n: int, case: Any) -> None:
    agree(f"conv{n}d", *case)


@pytest.mark.parametrize(("n", "case"), [pytest.param(n, case, id=f"{n}d-{_label(case)}")
                                         for n, count in ((1, 30), (2, 40), (3, 10))
                                         for case in _draws(count, partial(_conv_transpose, n=n))])
def test_conv_transpose(n: int, case: Any) -> None:
    agree(f"conv_transpose{n}d", *case)


@pytest.mark.parametrize("case", _draws(10, partial(_conv, n=2)), ids=_label)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_conv_in_float32(case: Any) -> None:
    agree("conv2d", *case, dtype=np.float32)


def _pool(rng: Any, n: int, name: str) -> tuple[Any, ...]:
    kernel = _size(rng, n, 1, 4)
    half = tuple(int(rng.integers(0, k // 2 + 1)) for k in np.broadcast_to(kernel, n))
    keywords = {"kernel_size": kernel, "stride": None if rng.random() < 0.3 else _size(rng, n, 1, 4), "padding": half,
                "ceil_mode": bool(rng.random() < 0.5)}
    if name == "max":
        keywords["dilation"] = _size(rng, n, 1, 3)
    else:
        keywords["count_include_pad"] = bool(rng.random() < 0.5)
        if n == 2 and rng.random() < 0.3:
            keywords["divisor_override"] = 3
    x = rng.permutation(2 * 2 * int(np.prod(SPACE[n]))).reshape(2, 2, *SPACE[n]) / 10  # no ties
    return [x - 5], keywords


@pytest.mark.parametrize(("name", "n", "case"), [pytest.param(name, n, case, id=f"{name}{n}d-{_label(case)}")
                                                 for name in ("max", "avg") for n, count in ((1, 30), (2, 50))
                                                 for case in _draws(count, partial(_pool, n=n, name=name))])
def test_pool(name: str, n: int, case: Any) -> None:
    agree(f"{name}_pool{n}d", *case)


@pytest.mark.parametrize("name", ["adaptive_avg_pool", "adaptive_max_pool"])
@pytest.mark.parametrize("out", [1, 2, 3, 4, 7, 8, 9, (1, 1), (2, 3), (7, 4), (None, 3), (5, None), (9, 11)], ids=str)
def test_adaptive_pool(name: str, out: Any) -> None:
    n = 1 if isinstance(out, int) else 2
    x = np.random.default_rng(5).permutation(6 * int(np.prod(SPACE[n]))).reshape(2, 3, *SPACE[n]) / 10
    agree(f"{name}{n}d", [x], {"output_size": out})


@pytest.mark.parametrize("padding", [0, (1, 0)])
@pytest.mark.parametrize("stride", [1, (2, 3)])
@pytest.mark.parametrize("dilation", [1, (1, 2)])
@pytest.mark.parametrize("kernel", [2, (3, 1)])
def test_unfold_and_fold(kernel: Any, dilation: Any, stride: Any, padding: Any) -> None:
    x = np.random.default_rng(5).standard_normal((2, 3, 7, 8))
    keywords = {"kernel_size": kernel, "dilation": dilation, "padding": padding, "stride": stride}
    agree("unfold", [x], keywords)
    columns = np.random.default_rng(6).standard_normal(F.unfold(torch.tensor(x), **keywords).shape)
    agree("fold", [columns], {"output_size": (7, 8), **keywords})


RESAMPLED: list[dict[str, Any]] = [
    *[{"size": size} for size in (1, 4, 8, 9, 14, 21, (3, 16), (7, 8), (14, 24), (20, 5))],
    *[{"scale_factor": scale} for scale in (2, 3.0, 0.5, 1.5, 0.3, 2.7, (2, 1), (0.6, 1.9), (1, 3))],
]


@pytest.mark.parametrize("how", [{"mode": "nearest"}, {"mode": "linear"}, {"mode": "linear", "align_corners": True},
                                 {"mode": "linear", "align_corners": False}], ids=str)
@pytest.mark.parametrize("to", RESAMPLED, ids=str)
def test_interpolate(to: Any, how: Any) -> None:
    x = np.random.default_rng(5).standard_normal((2, 3, 7, 8))
    agree("interpolate", [x], to | how | ({"mode": "bilinear"} if how["mode"] == "linear" else {}))
    if not isinstance(next(iter(to.values())), tuple):
        agree("interpolate", [x[0]], to | how)


@pytest.mark.parametrize("shape", [(2, 12, 3, 4), (12, 3, 4), (2, 1, 12, 3, 4)], ids=str)
def test_pixel_shuffle(shape: Any) -> None:
    x = np.random.default_rng(5).standard_normal(shape)
    agree("pixel_shuffle", [x], {"upscale_factor": 2})
    y = F.pixel_shuffle(torch.tensor(x), 2).numpy()
    agree("pixel_unshuffle", [y], {"downscale_factor": 2})
    agree("pixel_unshuffle", [np.repeat(y, 3, axis=-2)[..., ::2]], {"downscale_factor": 1})


def test_an_input_without_a_batch() -> None:
    rng = np.random.default_rng(5)
    agree("conv2d", [rng.standard_normal((3, 5, 6)), rng.standard_normal((2, 3, 2, 2)), rng.standard_normal(2)], {})
    agree("conv_transpose1d", [rng.standard_normal((3, 5)), rng.standard_normal((3, 2, 2))], {})
    for name, out in (("max_pool2d", 2), ("avg_pool2d", 2), ("adaptive_avg_pool2d", 3), ("adaptive_max_pool2d", 3)):
        agree(name, [rng.standard_normal((3, 5, 6))], {"kernel_size" if out == 2 else "output_size": out})
    agree("unfold", [rng.standard_normal((3, 5, 6))], {"kernel_size": 2})
    agree("fold", [rng.standard_normal((12, 20))], {"kernel_size": 2, "output_size": (5, 6)})


def test_ties_in_max_pooling_go_to_the_first() -> None:
    x = np.random.default_rng(5).integers(0, 3, (2, 3, 7, 8)).astype(float)
    for kernel, stride in ((2, 2), (3, 2), (3, 1)):
        agree("max_pool2d", [x], {"kernel_size": kernel, "stride": stride, "padding": 1})
    agree("adaptive_max_pool2d", [x], {"output_size": (3, 5)})
    agree("adaptive_max_pool2d", [x], {"output_size": (7, 4)})
