"""Convolution, pooling and resampling without another library: numbers worked out in view, edges, errors, capture."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.engine import capture, enable_grad
from tinygrad_lite.errors import ShapeError
from tinygrad_lite.nn import convolution as conv
from tinygrad_lite.nn import pooling as pool
from tinygrad_lite.ops import windows as rows
from tinygrad_lite.verify import gradcheck

rng = np.random.default_rng(11)


def leaf(*shape: int, dtype: Any = np.float64) -> Any:
    return tl.tensor(rng.standard_normal(shape), dtype, requires_grad=True)


# ---- numbers worked out in view

def test_conv1d_by_hand() -> None:
    x, w, b = tl.tensor([[[1.0, 2.0, 3.0, 4.0]]]), tl.tensor([[[10.0, 1.0]]]), tl.tensor([0.5])
    y = conv.conv1d(x, w, b)  # 10 * 1 + 2, 10 * 2 + 3, 10 * 3 + 4: the kernel is not flipped
    np.testing.assert_array_equal(y.data, [[[12.5, 23.5, 34.5]]])
    np.testing.assert_array_equal(conv.conv1d(x, w, padding=1, stride=2).data, [[[1, 23, 40]]])
    np.testing.assert_array_equal(conv.conv1d(x, w, padding="same").data,
                                  [[[12, 23, 34, 40]]])  # the odd place is at the end


def test_gradients_of_conv1d_by_hand() -> None:
    x, w = tl.tensor([[[1.0, 2.0, 3.0]]], requires_grad=True), tl.tensor([[[10.0, 1.0]]], requires_grad=True)
    b = tl.tensor([0.5], requires_grad=True)
    conv.conv1d(x, w, b).backward(tl.tensor([[[1.0, 100.0]]]))
    np.testing.assert_array_equal(x.grad.data, [[[10, 1001, 100]]])
    np.testing.assert_array_equal(w.grad.data, [[[201, 302]]])  # 1 * 1 + 100 * 2, 1 * 2 + 100 * 3
    np.testing.assert_array_equal(b.grad.data, [101])


def test_conv2d_of_one_point_is_the_kernel_turned() -> None:
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 2, 2] = 1
    w = rng.standard_normal((1, 1, 3, 3))
    np.testing.assert_array_equal(conv.conv2d(x, w, padding=1)[0, 0, 1:4, 1:4], w[0, 0, ::-1, ::-1])
    np.testing.assert_array_equal(conv.conv_transpose2d(x, w, padding=1)[0, 0, 1:4, 1:4], w[0, 0])


def test_conv1d_is_numpys_correlate() -> None:
    x, w = rng.standard_normal(40), rng.standard_normal(7)
    np.testing.assert_allclose(conv.conv1d(x.reshape(1, 1, 40), w.reshape(1, 1, 7))[0, 0], np.correlate(x, w, "valid"),
                               rtol=1e-12)


def test_groups_are_convolutions_side_by_side() -> None:
    x, w = rng.standard_normal((2, 4, 6, 5)), rng.standard_normal((6, 2, 3, 2))
    apart = [conv.conv2d(x[:, 2 * i:2 * i + 2], w[3 * i:3 * i + 3]) for i in range(2)]
    np.testing.assert_allclose(conv.conv2d(x, w, groups=2), np.concatenate(apart, axis=1), rtol=1e-13)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (3, 2)])
def test_the_three_rows_are_adjoint(stride: Any, groups: int) -> None:
    """<conv(x, w), g> = <x, by_input(g, w)> = <w, by_weight(x, g)>: one sum of products, read three ways."""
    how: Any = {"stride": stride, "padding": ((1, 0), (2, 1)), "dilation": (1, 2), "groups": groups}
    x, w = rng.standard_normal((3, 4, 7, 8)), rng.standard_normal((6, 4 // groups, 3, 2))
    y = rows.convolution(x, w, None, **how)
    g = rng.standard_normal(y.shape)
    total = np.sum(y * g)
    np.testing.assert_allclose(np.sum(x * rows.convolution_by_input(g, w, shape=(7, 8), **how)), total, rtol=1e-12)
    np.testing.assert_allclose(np.sum(w * rows.convolution_by_weight(x, g, shape=(3, 2), **how)), total, rtol=1e-12)


def test_pooling_by_hand() -> None:
    x = np.array([[[1.0, 5.0, 2.0, 4.0, 3.0]]])
    np.testing.assert_array_equal(pool.max_pool1d(x, 2), [[[5, 4]]])
    np.testing.assert_array_equal(pool.max_pool1d(x, 2, ceil_mode=True), [[[5, 4, 3]]])
    np.testing.assert_array_equal(pool.max_pool1d(-x, 3, 2, padding=1), [[[-1, -2, -3]]])  # padding never wins
    np.testing.assert_array_equal(pool.avg_pool1d(x, 2, ceil_mode=True), [[[3, 3, 3]]])  # the last mean is of one entry
    np.testing.assert_array_equal(pool.avg_pool1d(x, 2, padding=1), [[[0.5, 3.5, 3.5]]])
    np.testing.assert_array_equal(pool.avg_pool1d(x, 2, padding=1, count_include_pad=False), [[[1, 3.5, 3.5]]])
    np.testing.assert_array_equal(pool.adaptive_avg_pool1d(x, 2), [[[8 / 3, 3]]])  # entries 0 to 2 and 2 to 4
    np.testing.assert_array_equal(pool.adaptive_max_pool1d(x, 2), [[[5, 4]]])


def test_max_pool_gives_the_gradient_to_the_first_of_equals() -> None:
    x = tl.tensor([[[2.0, 2.0, 1.0, 2.0]]], requires_grad=True)
    pool.max_pool1d(x, 4).backward()
    np.testing.assert_array_equal(x.grad.data, [[[1, 0, 0, 0]]])
    x = tl.ones(1, 1, 2, 2, requires_grad=True)
    pool.max_pool2d(x, 2).backward()
    np.testing.assert_array_equal(x.grad.data, [[[[1, 0], [0, 0]]]])


def test_overlapping_windows_add_up() -> None:
    x = tl.tensor([[[1.0, 9.0, 2.0, 3.0]]], requires_grad=True)
    pool.max_pool1d(x, 3, 1).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[[0, 2, 0, 0]]])


def test_nan_and_infinities_stay_in_their_windows() -> None:
    x = np.array([[[np.nan, 1.0, 2.0, np.inf, -np.inf, 3.0]]])
    np.testing.assert_array_equal(pool.max_pool1d(x, 2), [[[np.nan, np.inf, 3]]])
    np.testing.assert_array_equal(pool.avg_pool1d(x, 2), [[[np.nan, np.inf, -np.inf]]])
    np.testing.assert_array_equal(pool.interpolate(x, 9)[0, 0], x[0, 0, [0, 0, 1, 2, 2, 3, 4, 4, 5]])
    np.testing.assert_array_equal(pool.interpolate(x, 12)[0, 0], np.repeat(x[0, 0], 2))


def test_fold_undoes_unfold_up_to_the_count_of_windows() -> None:
    x = rng.standard_normal((2, 3, 5, 6))
    once = conv.unfold(x, 2)
    assert once.shape == (2, 12, 20)
    np.testing.assert_array_equal(once[0, :4, 0], x[0, 0, :2, :2].reshape(4))
    count = conv.fold(conv.unfold(np.ones_like(x), 2), (5, 6), 2)
    np.testing.assert_allclose(conv.fold(once, (5, 6), 2), x * count, rtol=1e-14)


def test_conv2d_is_unfold_and_a_product() -> None:
    x, w = rng.standard_normal((2, 3, 7, 6)), rng.standard_normal((4, 3, 3, 2))
    y = w.reshape(4, -1) @ conv.unfold(x, (3, 2), padding=(1, 0), stride=(2, 1))
    np.testing.assert_allclose(conv.conv2d(x, w, padding=(1, 0), stride=(2, 1)).reshape(2, 4, -1), y, rtol=1e-12)


def test_bilinear_with_corners_is_numpys_interp() -> None:
    x = rng.standard_normal((1, 1, 5))
    np.testing.assert_allclose(pool.interpolate(x, 9, mode="linear", align_corners=True)[0, 0],
                               np.interp(np.linspace(0, 4, 9), np.arange(5), x[0, 0]), rtol=1e-12)


def test_pixel_unshuffle_undoes_pixel_shuffle() -> None:
    x = rng.standard_normal((2, 8, 3, 4))
    y = pool.pixel_shuffle(x, 2)
    assert y.shape == (2, 2, 6, 8)
    np.testing.assert_array_equal(y[0, 0, :2, :2], x[0, :4, 0, 0].reshape(2, 2))
    np.testing.assert_array_equal(pool.pixel_unshuffle(y, 2), x)


# ---- Tensors: order, dtype, capture

def test_third_order_of_a_small_network() -> None:
    """grad of grad of a net with a convolution, a smooth function and pooling: what a penalty on gradients needs."""
    x, w, v = leaf(2, 1, 6, 6), leaf(2, 1, 3, 3), leaf(3, 2, 2, 2)

    def penalty(x: Any, w: Any, v: Any) -> Any:
        with enable_grad():  # differences are taken under no_grad, but what they are taken of is itself a gradient
            y = pool.avg_pool2d(conv.conv2d(tl.tanh(conv.conv2d(x, w, padding=1)), v, stride=2), 3)
            (g,) = tl.autograd.grad([(y * y).sum()], [x], create_graph=True)
            return (g * g).sum()

    gradcheck(penalty, [x, w, v], rtol=1e-6)  # central difference of a function that has third derivatives of order 10


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_narrow_dtype_stays(dtype: Any) -> None:
    x, w, b = leaf(2, 2, 7, 7, dtype=dtype), leaf(2, 2, 3, 3, dtype=dtype), leaf(2, dtype=dtype)
    y = pool.max_pool2d(conv.conv2d(x, w, b, padding=1), 2, ceil_mode=True)
    for function in (lambda y: pool.avg_pool2d(y, 3, 2, 1, count_include_pad=False),
                     lambda y: pool.adaptive_avg_pool2d(y, 3),
                     lambda y: pool.adaptive_max_pool2d(y, 3), lambda y: pool.interpolate(y, 5, mode="bilinear"),
                     lambda y: pool.interpolate(y, 5), lambda y: conv.conv_transpose2d(y, w, b,
                                                                                       2), lambda y: conv.unfold(y, 2)):
        z = function(y)
        assert z.dtype == dtype
        assert {g.dtype for g in tl.autograd.grad([z.sum()], [x, w, b])} == {np.dtype(dtype)}


def test_integers_are_pooled_too() -> None:
    x = np.arange(-8, 8).reshape(1, 1, 4, 4)
    np.testing.assert_array_equal(pool.max_pool2d(x, 3, 2, 1), [[[[-3, -1], [5, 7]]]])
    np.testing.assert_array_equal(pool.avg_pool2d(x, 2), [[[[-5.5, -3.5], [2.5, 4.5]]]])
    np.testing.assert_allclose(pool.adaptive_avg_pool2d(x, 3)[0, 0, 0], [-5.5, -4.5, -3.5], rtol=1e-15)


def test_a_step_with_pooling_replays_on_new_data() -> None:
    """Which entry is largest is found again in a replay: nothing of the first data is kept."""
    w, b = leaf(3, 1, 3, 3), leaf(3)
    first, second = tl.tensor(rng.standard_normal((2, 1, 8, 8))), rng.standard_normal((2, 1, 8, 8))

    def gradients(x: Any) -> Any:
        y = pool.adaptive_max_pool2d(pool.max_pool2d(tl.tanh(conv.conv2d(x, w, b)), 2), 2)
        return tl.autograd.grad([(y * y).sum()], [w, b])

    with capture() as tape:
        captured = gradients(first)
    replayed = tape.replay({first: second})
    for a, e in zip(captured, gradients(tl.tensor(second)), strict=True):
        np.testing.assert_array_equal(replayed(a), e.data)


def test_an_empty_batch() -> None:
    x, w, b = leaf(0, 2, 6, 6), leaf(3, 2, 3, 3), leaf(3)
    y = pool.adaptive_avg_pool2d(pool.max_pool2d(conv.conv2d(x, w, b, padding=1), 2), 2)
    assert y.shape == (0, 3, 2, 2)
    gs = tl.autograd.grad([y.sum()], [x, w, b])
    assert [g.shape for g in gs] == [x.shape, w.shape, b.shape]
    assert not any(g.data.any() for g in gs)


def test_a_gradient_without_memory_of_its_own() -> None:
    """sum() hands back one number repeated by strides of 0."""
    x, w = leaf(8, 2, 30, 30), leaf(4, 2, 3, 3)
    conv.conv2d(x, w).sum().backward()  # 25088 entries: more than broadcast_to copies
    seen = [[[x.data[:, c, i:i + 28, j:j + 28].sum() for j in range(3)] for i in range(3)] for c in range(2)]
    np.testing.assert_allclose(w.grad.data, np.broadcast_to(seen, w.shape), rtol=1e-11)  # sums of 6272 numbers near 0


def test_sizes_may_be_lists() -> None:
    x, w = rng.standard_normal((1, 1, 6, 6)), rng.standard_normal((1, 1, 2, 2))
    np.testing.assert_array_equal(conv.conv2d(x, w, stride=[2, 1]), conv.conv2d(x, w, stride=(2, 1)))
    np.testing.assert_array_equal(pool.max_pool2d(x, [2, 3]), pool.max_pool2d(x, (2, 3)))


# ---- errors, each with both shapes and the name of the argument

X, W = np.zeros((2, 4, 5, 6)), np.zeros((6, 4, 3, 3))
WRONG: list[tuple[Any, type[Exception], str]] = [
    (lambda: conv.conv2d(X, np.zeros((6, 3, 3, 3))), ShapeError,
     r"input has shape \(2, 4, 5, 6\), so 4 .* \(6, 3, 3, 3\) with groups=1 takes 3"),
    (lambda: conv.conv2d(X, np.zeros((5, 2, 3, 3)), groups=2), ShapeError,
     r"weight has shape \(5, 2, 3, 3\); its 5 output .* groups=2"),
    (lambda: conv.conv2d(X, W, groups=0), ValueError, "groups=0"),
    (lambda: conv.conv2d(X, np.zeros((6, 4, 3))), ShapeError, r"weight has shape \(6, 4, 3\)"),
    (lambda: conv.conv2d(np.zeros((5, 6)), W), ShapeError,
     r"conv2d: input has shape \(5, 6\); it must be \(batch, channels, height, width\)"),
    (lambda: conv.conv2d(X, np.zeros((6, 4, 6, 3))), ShapeError,
     r"input has shape \(2, 4, 5, 6\).* weight \(6, 4, 6, 3\) .* \(6, 3\)"),
    (lambda: conv.conv2d(X, W, dilation=3), ShapeError,
     r"\(5, 6\); weight \(6, 4, 3, 3\) with dilation=\(3, 3\) reaches over \(7, 7\)"),
    (lambda: conv.conv2d(X, np.zeros((6, 4, 0, 3))), ShapeError, "a kernel without entries"),
    (lambda: conv.conv2d(X, W, np.zeros((6, 1))), ShapeError,
     r"bias has shape \(6, 1\); weight \(6, 4, 3, 3\) gives 6 channels"),
    (lambda: conv.conv2d(X, W, stride=0), ValueError, "stride=0 must be at least 1"),
    (lambda: conv.conv2d(X, W, stride=(1, 2, 3)), ValueError, r"stride is one integer or 2, not \(1, 2, 3\)"),
    (lambda: conv.conv2d(X, W, stride=1.5), ValueError, "stride is one integer or 2, not 1.5"),
    (lambda: conv.conv2d(X, W, padding=-1), ValueError, "padding=-1 must be at least 0"),
    (lambda: conv.conv2d(X, W, padding="full"), ValueError, "not 'full'"),
    (lambda: conv.conv2d(X, W, padding="same", stride=2), ValueError, "padding='same'"),
    (lambda: conv.conv_transpose2d(X, W), ShapeError,
     r"input has shape \(2, 4, 5, 6\), so 4 channels; weight \(6, 4, 3, 3\) takes 6"),
    (lambda: conv.conv_transpose2d(X, np.zeros((4, 2, 3, 3)), np.zeros(3)), ShapeError,
     r"bias has shape \(3,\).* gives 2"),
    (lambda: conv.conv_transpose2d(X, np.zeros((4, 2, 3, 3)), stride=2, output_padding=2), ValueError,
     r"output_padding=\(2, 2\) must be less"),
    (lambda: conv.conv_transpose2d(X, np.zeros((4, 2, 1, 1)), padding=3), ShapeError,
     r"input has shape .* space \(-1, 0\)"),
    (lambda: conv.conv_transpose2d(X, np.zeros((4, 2, 3, 3)), groups=3), ShapeError,
     "its 4 input channels are no multiple of groups=3"),
    (lambda: conv.unfold(X, 7), ShapeError, r"unfold: input has shape \(2, 4, 5, 6\).* kernel_size \(7, 7\)"),
    (lambda: conv.fold(np.zeros((2, 7, 9)), (4, 4), 2), ShapeError,
     r"\(2, 7, 9\); its 7 rows .* the 4 entries of kernel_size \(2, 2\)"),
    (lambda: conv.fold(np.zeros((2, 8, 9)), (4, 5), 2), ShapeError,
     r"so 9 windows; output_size \(4, 5\) .* 3 x 4 = 12"),
    (lambda: pool.max_pool2d(X, 6), ShapeError, r"input has shape \(2, 4, 5, 6\).* kernel_size \(6, 6\) .* \(6, 6\)"),
    (lambda: pool.max_pool2d(X, 2, padding=2), ValueError, "padding=2 must be at most half of kernel_size=2"),
    (lambda: pool.avg_pool2d(X, 2, divisor_override=0), ValueError, "divisor_override=0"),
    (lambda: pool.avg_pool1d(X, 2), ShapeError, r"input has shape \(2, 4, 5, 6\); it must be .*length"),
    (lambda: pool.adaptive_avg_pool2d(X, (1, 2, 3)), ValueError, "output_size"),
    (lambda: pool.adaptive_max_pool2d(X, 0), ShapeError, r"\(2, 4, 5, 6\); output_size=0"),
    (lambda: pool.interpolate(X), ValueError, "size=None and scale_factor=None"),
    (lambda: pool.interpolate(X, 3, 2.0), ValueError, "size=3 and scale_factor=2.0"),
    (lambda: pool.interpolate(X, 3, mode="cubic"), ValueError, "not 'cubic'"),
    (lambda: pool.interpolate(X, 3, mode="linear"), ShapeError, r"\(2, 4, 5, 6\); mode='linear' takes 3 axes"),
    (lambda: pool.interpolate(X, 3, align_corners=True), ValueError, "align_corners"),
    (lambda: pool.interpolate(X, scale_factor=0.1), ShapeError, r"a space of \(0, 0\)"),
    (lambda: pool.pixel_shuffle(X, 3), ShapeError, r"\(2, 4, 5, 6\).* r = 3"),
    (lambda: pool.pixel_unshuffle(X, 2), ShapeError, r"\(2, 4, 5, 6\).* r = 2"),
]


@pytest.mark.parametrize(("call", "error", "text"), WRONG, ids=[text for _, _, text in WRONG])
def test_wrong_shapes_and_sizes(call: Any, error: type[Exception], text: str) -> None:
    for _ in range(2):  # a plan that raised is not remembered
        with pytest.raises(error, match=text):
            call()
