"""nn.functional by itself: closed forms, values far out, dropout and running values. PyTorch is asked in another
file."""

import math
from typing import Any

import numpy as np
import pytest
from duck import Duck

import tinygrad_lite as tl
from tinygrad_lite.engine import capture
from tinygrad_lite.nn import functional as F
from tinygrad_lite.ops.activations import gelu
from tinygrad_lite.verify import gradcheck, gradgradcheck

rng = np.random.default_rng(5)
f64 = np.float64


def leaf(x: Any, dtype: Any = f64) -> tl.Tensor:
    return tl.tensor(np.asarray(x, dtype), requires_grad=True)


def gradient(y: tl.Tensor, x: tl.Tensor) -> Any:
    return tl.autograd.grad(y.sum(), x)[0].numpy()


# ---- far out


@pytest.mark.parametrize("dtype", [np.float32, f64])
def test_cross_entropy_of_huge_logits(dtype):
    x = leaf([[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [1e4 + 1, 1e4, -1e4]], dtype)
    y = F.cross_entropy(x, tl.tensor([0, 0, 0]), reduction="none")
    # ln(1 + 2e^-1e4) = 0; 1e4 + ln(1 + e^0 + ...) = 2e4 + ln 2; ln(1 + e^-1)
    np.testing.assert_allclose(y.numpy(), [0, 2e4 + math.log(2), math.log1p(math.exp(-1))],
                               rtol=4 * np.finfo(dtype).eps)
    p = 1 / (1 + math.exp(-1))
    np.testing.assert_allclose(gradient(y, x), [[0, 0, 0], [-1, 0.5, 0.5], [p - 1, 1 - p, 0]],
                               atol=4 * np.finfo(dtype).eps)


def test_log_softmax_of_minus_infinity():
    x = leaf([0.0, -np.inf, 0.0])
    y = F.log_softmax(x, 0)
    np.testing.assert_array_equal(y.numpy(), [-math.log(2), -np.inf, -math.log(2)])
    np.testing.assert_allclose(gradient(y[0] + y[2] * 2, x), [1 - 1.5, 0, 2 - 1.5])  # g - e^y sum g
    np.testing.assert_array_equal(F.softmax(x, 0).numpy(), [0.5, 0, 0.5])


def test_logits_far_out():
    x = leaf([1e4, -1e4, 1e4, -1e4])
    y = F.binary_cross_entropy_with_logits(x, tl.tensor([1.0, 0.0, 0.0, 1.0], dtype=f64), reduction="none")
    np.testing.assert_array_equal(y.numpy(), [0, 0, 1e4, 1e4])
    np.testing.assert_array_equal(gradient(y, x), [0, 0, 1, -1])
    weighted = F.binary_cross_entropy_with_logits(x, tl.tensor([1.0, 0.0, 0.0, 1.0], dtype=f64),
                                                  pos_weight=tl.tensor([3.0], dtype=f64), reduction="none")
    np.testing.assert_array_equal(weighted.numpy(), [0, 0, 1e4, 3e4])


@pytest.mark.parametrize(("function", "at", "value", "slope"), [
    (F.softplus, 1e3, 1e3, 1), (F.softplus, -1e3, 0, 0), (F.logsigmoid, -1e3, -1e3, 1), (F.logsigmoid, 1e3, 0, 0),
    (F.silu, 1e3, 1e3, 1),
    (F.silu, -1e3, 0, 0), (F.gelu, 1e3, 1e3, 1), (F.gelu, -1e3, 0, 0), (F.mish, 1e3, 1e3, 1), (F.mish, -1e3, 0, 0),
    (F.elu, 1e3, 1e3, 1), (F.elu, -1e3, -1, 0),
    (F.selu, 0.0, 0, 1.7580993408473766), (F.celu, -1e3, -1, 0), (F.sigmoid, -1e3, 0, 0)])
def test_limits(function, at, value, slope):
    x = leaf([at])
    y = function(x)
    np.testing.assert_allclose(y.numpy(), [value], atol=1e-300)
    np.testing.assert_allclose(gradient(y, x), [slope], rtol=1e-15, atol=1e-300)


def test_gelu_in_float32_is_gelu_in_float64():
    """Also across the ends of a block, at 0, and where nothing but x or 0 is left."""
    grid = np.concatenate([np.linspace(-9, 9, 70_001), [0.0, -0.0, 1e-20, -1e-20, 300.0, -300.0]]).astype(np.float32)
    values, slopes = [], []
    for dtype in (np.float32, np.float64):
        x = tl.tensor(grid, dtype=dtype, requires_grad=True)
        y = F.gelu(x)
        y.sum().backward()
        values.append(y.numpy())
        slopes.append(x.grad.numpy())
    # P is within 9e-8, a few roundings of numbers up to 1/2 (3e-8 each) come on top, and y is x times that
    np.testing.assert_array_less(np.abs(values[0] - values[1]), 2.5e-7 * np.abs(grid) + 1e-30)
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=0, atol=4e-7)  # five roundings of numbers up to 1
    assert not values[0][grid == 0].any()


def test_gelu_of_what_is_not_finite_and_of_the_largest_numbers():
    for dtype in (np.float32, np.float64):
        x = tl.tensor([np.inf, np.nan, np.finfo(dtype).max ** 0.4, -(np.finfo(dtype).max ** 0.4)], dtype=dtype, requires_grad=True)
        np.testing.assert_allclose(F.gelu(x).numpy(), [np.inf, np.nan, x.data[2], 0], rtol=0, atol=1e-40)
    huge = tl.tensor([3e38, -3e38, -np.inf], requires_grad=True)  # float32: without an overflow on the way, and the limit at the end
    y = F.gelu(huge)
    np.testing.assert_allclose(y.numpy(), np.float32([3e38, 0, 0]), rtol=0, atol=1e-40)
    y.backward(tl.ones(3))
    np.testing.assert_array_equal(huge.grad.numpy(), [1, 0, 0])


def test_gelu_of_float32_in_any_order_of_bytes_and_any_layout():
    x = np.array([-100, -14.5, -2.5, -0.0, 0.0, 0.5, 14.5, 100], np.float32)
    y, slope = gelu.forward(x)
    np.testing.assert_allclose(slope[[0, 1, 3, 4, 6, 7]], [0, 0, 0.5, 0.5, 1, 1], rtol=0, atol=1e-7)
    for array in (x.astype(">f4"), np.repeat(x, 2)[::2]):
        for a, b in zip(gelu.forward(array), (y, slope), strict=True):
            np.testing.assert_array_equal(a, b)


def test_gelu_keeps_its_digits_in_the_tail():
    # x (1 - erf(7.07)) / 2 would be 0: the normal distribution's P(X < -10) = 7.619853024160527e-24 (Abramowitz and
    # Stegun, table 26.2)
    np.testing.assert_allclose(F.gelu(tl.tensor([-10.0], dtype=f64)).numpy(), [-7.619853024160527e-23], rtol=1e-13)


@pytest.mark.parametrize(("function", "at", "slope"), [
    (F.relu6, 0.0, 0), (F.relu6, 6.0, 0), (F.hardtanh, 1.0, 0), (F.hardsigmoid, 3.0, 0), (F.leaky_relu, 0.0, 0.01),
    (F.elu, 0.0, 1), (F.softshrink, 0.5, 0),
    (F.hardshrink, 0.5, 0), (lambda x: F.prelu(x, tl.tensor([0.3], dtype=f64)), 0.0, 0.3),
    (lambda x: F.threshold(x, 1.0, 5.0), 1.0, 0),
    (lambda x: F.l1_loss(x, tl.zeros(1), "sum"), 0.0, 0), (lambda x: F.normalize(x, dim=0), 0.0, 1e12)])
def test_kinks(function, at, slope):
    x = leaf([at])
    np.testing.assert_allclose(gradient(function(x), x), [slope], rtol=1e-15)


# ---- attention


def test_a_query_that_may_look_at_nothing_gets_zero():
    q, k, v = leaf(rng.normal(size=(3, 4))), leaf(rng.normal(size=(5, 4))), leaf(rng.normal(size=(5, 2)))
    allowed = np.ones((3, 5), bool)
    allowed[1] = False
    for mask in (allowed, np.where(allowed, 0.0, -np.inf)):
        y = F.scaled_dot_product_attention(q, k, v, tl.tensor(mask))
        gs = tl.autograd.grad(y.sum(), [q, k, v])
        np.testing.assert_array_equal(y.numpy()[1], 0)
        np.testing.assert_array_equal(gs[0].numpy()[1], 0)
        rest = F.scaled_dot_product_attention(q[np.array([0, 2])], k, v)
        np.testing.assert_allclose(y.numpy()[[0, 2]], rest.numpy(), rtol=1e-14)
        for g, e in zip(gs, tl.autograd.grad(rest.sum(), [q, k, v]), strict=True):
            np.testing.assert_allclose(g.numpy(), e.numpy(), rtol=1e-12, atol=1e-15)
        inputs = [q, k, v]
        gradgradcheck(lambda q, k, v, mask=mask: F.scaled_dot_product_attention(q, k, v, mask), inputs)


def test_causal_attention_is_the_mask_of_the_lower_triangle():
    q, k, v = (tl.tensor(rng.normal(size=(2, 4, 3))) for _ in range(3))
    a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    b = F.scaled_dot_product_attention(q, k, v, np.tril(np.ones((4, 4), bool)))
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-15)
    np.testing.assert_array_equal(a.numpy()[:, 0], v.numpy()[:, 0])  # the first position sees itself alone


# ---- dropout, running values


def test_dropout_keeps_the_mean_and_repeats_with_its_generator():
    x = tl.ones(200, 200)
    y = F.dropout(x, 0.25, generator=np.random.default_rng(3)).numpy()
    again = F.dropout(x, 0.25, generator=np.random.default_rng(3)).numpy()
    np.testing.assert_array_equal(y, again)
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert abs(y.mean() - 1) < 4 * math.sqrt(0.25 / 0.75 / 40000)  # four standard errors


def test_dropout_passes_the_gradient_where_it_passed_the_value():
    x = leaf(rng.normal(size=(5, 6)))
    y = F.dropout(x, 0.4, generator=np.random.default_rng(1))
    np.testing.assert_allclose(gradient(y, x), np.where(y.numpy() == 0, 0, 1 / 0.6))


def test_dropout_is_the_identity_in_eval_and_for_p_0():
    x = tl.ones(3)
    assert F.dropout(x, 0.9, training=False) is x
    assert F.dropout(x, 0) is x
    np.testing.assert_array_equal(F.dropout(x, 1.0).numpy(), 0)
    assert isinstance(F.dropout(np.ones(3), 0.5), np.ndarray)


def test_a_replay_of_dropout_draws_anew():
    x = leaf(np.ones(50))
    generator = np.random.default_rng(8)
    with capture() as tape:
        y = F.dropout(x, 0.5, generator=generator)
        (g,) = tl.autograd.grad(y.sum(), [x])
    value = tape.replay({x: np.full(50, 3.0)})
    assert (value(y) == 0).any()
    assert not np.array_equal(value(y) == 0, y.numpy() == 0)
    np.testing.assert_array_equal(value(g) * 3, value(y))  # the same draw in forward and backward


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5)])
def test_batch_norm_moves_the_running_values(shape):
    x = rng.normal(size=shape)
    mean, var = tl.tensor(np.array([1.0, 2.0, 3.0])), tl.tensor(np.array([0.5, 1.0, 2.0]))
    axes = (0, 2)[:len(shape) - 1]
    want_mean = 0.9 * mean.numpy() + 0.1 * x.mean(axes)
    want_var = 0.9 * var.numpy() + 0.1 * x.var(axes, ddof=1)
    array = mean.data
    y = F.batch_norm(leaf(x), mean, var, training=True)
    assert mean.data is array
    np.testing.assert_allclose(mean.numpy(), want_mean)
    np.testing.assert_allclose(var.numpy(), want_var)
    np.testing.assert_allclose(y.numpy().mean(axes), 0, atol=1e-12)
    assert not mean.requires_grad


def test_a_replay_of_batch_norm_moves_the_running_values_again():
    x, new = leaf(rng.normal(size=(6, 3))), rng.normal(size=(6, 3)) + 4
    mean, var = tl.zeros(3, dtype=f64), tl.ones(3, dtype=f64)
    with capture() as tape:
        F.batch_norm(x, mean, var, training=True)
    before = mean.numpy().copy()
    tape.replay({x: new})
    np.testing.assert_allclose(mean.numpy(), 0.9 * before + 0.1 * new.mean(0))


def test_instance_norm_moves_the_running_values_to_the_mean_over_the_batch():
    x = rng.normal(size=(2, 3, 5))
    mean, var = tl.zeros(3, dtype=f64), tl.ones(3, dtype=f64)
    F.instance_norm(leaf(x), mean, var, momentum=0.5)
    np.testing.assert_allclose(mean.numpy(), 0.5 * x.mean((0, 2)))
    np.testing.assert_allclose(var.numpy(), 0.5 + 0.5 * x.var(2, ddof=1).mean(0))


def test_a_bias_alone_is_added():
    x, b = leaf(rng.normal(size=(2, 4, 3))), leaf(rng.normal(size=4))
    ones = tl.ones(4, dtype=f64)
    for function in (lambda *wb: F.batch_norm(x, None, None, *wb, training=True), lambda *wb: F.group_norm(x, 2, *wb),
                     lambda *wb: F.instance_norm(x, None, None, *wb),
                     lambda *wb: F.layer_norm(x.swapaxes(1, 2), (4,), *wb)):
        np.testing.assert_allclose(function(None, b).numpy(), function(ones, b).numpy(), rtol=1e-15)
        gradcheck(lambda b, function=function: function(None, b), [b])


# ---- losses


def test_focal_loss_is_its_formula():
    x, t = rng.normal(size=(4, 3)) * 2, rng.integers(0, 2, (4, 3)).astype(float)
    p = 1 / (1 + np.exp(-x))
    pt, at = np.where(t == 1, p, 1 - p), np.where(t == 1, 0.25, 0.75)
    np.testing.assert_allclose(F.sigmoid_focal_loss(tl.tensor(x), tl.tensor(t)).numpy(),
                               -at * (1 - pt) ** 2 * np.log(pt), rtol=1e-13)
    gradgradcheck(lambda x: F.sigmoid_focal_loss(x, t, reduction="mean"), [leaf(x)])
    plain = F.binary_cross_entropy_with_logits(tl.tensor(x), tl.tensor(t))
    np.testing.assert_allclose(F.sigmoid_focal_loss(tl.tensor(x), tl.tensor(t), -1, 0, "mean").numpy(), plain.numpy(),
                               rtol=1e-15)


@pytest.mark.parametrize("words", [{}, {"reduction": "sum"}, {"label_smoothing": 0.1},
                                   {"weight": np.array([1.0, 2.0, 3.0])}, {"ignore_index": 1}], ids=str)
def test_cross_entropy_replayed_on_other_labels(words):
    x, labels = leaf(rng.normal(size=(5, 3))), tl.tensor(np.array([0, 1, 2, 2, 0]))
    new_x, new_labels = rng.normal(size=(5, 3)), np.array([2, 2, 0, 1, -100 if "ignore_index" not in words else 1])
    with capture() as tape:
        y = F.cross_entropy(x, labels, **words)
        (g,) = tl.autograd.grad(y, [x])
    value = tape.replay({x: new_x, labels: new_labels})
    x2 = leaf(new_x)
    y2 = F.cross_entropy(x2, tl.tensor(new_labels), **words)
    np.testing.assert_allclose(value(y), y2.numpy(), rtol=1e-15)
    np.testing.assert_allclose(value(g), gradient(y2, x2), rtol=1e-14, atol=1e-17)


def test_all_ignored():
    x = leaf(rng.normal(size=(2, 3)))
    labels = tl.tensor([-100, -100])
    assert np.isnan(F.cross_entropy(x, labels).item())
    assert F.cross_entropy(x, labels, reduction="sum").item() == 0
    np.testing.assert_array_equal(gradient(F.cross_entropy(x, labels, reduction="sum"), x), 0)


def test_an_ignored_row_may_hold_anything():
    x = leaf([[-np.inf, 0.0, 1.0], [1.0, 2.0, 3.0]])
    y = F.nll_loss(x, tl.tensor([-100, 2]))
    assert y.item() == -3
    np.testing.assert_array_equal(gradient(y, x), [[0, 0, 0], [0, 0, -1]])


def test_kl_div_where_the_target_is_0():
    x = leaf([[math.log(0.5), math.log(0.5)]])
    t = leaf([[0.0, 1.0]])
    y = F.kl_div(x, t, reduction="batchmean")
    assert y.item() == pytest.approx(math.log(2))
    assert np.isfinite(gradient(y, t)).all()


def test_bce_at_0_and_1_is_cut_at_100():
    p, t = tl.tensor([0.0, 1.0, 0.0], dtype=f64), tl.tensor([1.0, 0.0, 0.0], dtype=f64)
    np.testing.assert_array_equal(F.binary_cross_entropy(p, t, reduction="none").numpy(), [100, 100, 0])


# ---- embedding, one_hot


def test_equal_indices_add_up_and_the_padding_row_gets_nothing():
    w = leaf(np.arange(8.0).reshape(4, 2))
    y = F.embedding(tl.tensor([[1, 3], [1, 0]]), w, padding_idx=-1)
    np.testing.assert_array_equal(y.numpy()[0], [[2, 3], [6, 7]])
    np.testing.assert_array_equal(gradient(y, w), [[1, 1], [2, 2], [0, 0], [0, 0]])


def test_one_hot():
    np.testing.assert_array_equal(F.one_hot(tl.tensor([2, 0])).numpy(), [[0, 0, 1], [1, 0, 0]])
    assert F.one_hot(tl.tensor([[1]]), 4).shape == (1, 1, 4)
    assert F.one_hot(tl.tensor([], dtype=int), 4).shape == (0, 4)


# ---- in general


X, Y = rng.uniform(0.1, 0.9, (4, 3)), rng.uniform(0.1, 0.9, (4, 3))
LABELS = np.array([0, 2, 1, 1])
ONE = [F.relu6, F.gelu, lambda x: F.gelu(x, "tanh"), F.silu, F.elu, F.celu, F.selu, F.leaky_relu, F.softplus,
       F.softsign, F.hardtanh, F.hardsigmoid,
       F.hardswish, F.logsigmoid, F.mish, F.tanhshrink, F.softshrink, F.hardshrink, lambda x: F.threshold(x, 0.5, 2.0),
       lambda x: F.glu(x, 0),
       lambda x: F.softmax(x, 1), lambda x: F.log_softmax(x, 1), lambda x: F.softmin(x, 1), F.normalize,
       lambda x: F.layer_norm(x, (3,)),
       lambda x: F.rms_norm(x, (3,)), lambda x: F.group_norm(x, 3),
       lambda x: F.batch_norm(x, None, None, training=True),
       lambda x: F.instance_norm(x.reshape(2, 2, 3)), lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
       F.dropout,
       lambda x: F.cross_entropy(x, LABELS), lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.1),
       lambda x: F.nll_loss(x, LABELS),
       lambda x: F.multi_margin_loss(x, LABELS)]
TWO = [F.prelu, F.cosine_similarity, F.pairwise_distance, F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss,
       F.binary_cross_entropy,
       F.binary_cross_entropy_with_logits, F.sigmoid_focal_loss, F.kl_div, F.poisson_nll_loss,
       lambda x, y: F.poisson_nll_loss(x, y, full=True),
       lambda x, y: F.gaussian_nll_loss(x, y, y), F.soft_margin_loss, F.hinge_embedding_loss,
       lambda x, y: F.margin_ranking_loss(x, y, y),
       lambda x, y: F.triplet_margin_loss(x, y, x * y, swap=True),
       lambda x, y: F.cosine_embedding_loss(x, y, np.array([1, -1, 1, -1]))]


@pytest.mark.parametrize("function", ONE + TWO, ids=lambda f: f.__name__)
def test_float32_stays_float32_and_arrays_stay_arrays(function):
    arrays = [X.astype(np.float32), Y.astype(np.float32)][:1 + (function in TWO)]
    if function is F.prelu:
        arrays[1] = arrays[1][0]
    assert isinstance(function(*arrays), np.ndarray | np.generic)
    xs = [tl.tensor(x, requires_grad=True) for x in arrays]
    inner = [x * 1 for x in xs]
    seen: list[Any] = []
    for x in inner:
        x.register_hook(lambda g: seen.append(g.dtype))
    y = function(*inner)
    assert y.dtype == np.float32
    y.sum().backward()
    assert set(seen) == {np.dtype(np.float32)}


ANY = [f for f in ONE + TWO if f is not F.dropout and "LABELS" not in f.__code__.co_names and f is not TWO[-1]]
LABELLED = [F.cross_entropy, F.nll_loss, F.multi_margin_loss, lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1),
            lambda x, y: F.cross_entropy(x, y, ignore_index=1), lambda x, y: F.embedding(y, x),
            lambda x, y: F.cosine_embedding_loss(x, x * x, y * 0 + 1)]


@pytest.mark.parametrize("function", ANY + LABELLED, ids=lambda f: f.__name__)
def test_arrays_of_another_library_stay_what_they_are(function):
    """A Duck refuses np.asarray, so a value that was turned into NumPy's array on the way would raise."""
    results = []
    for kind in (np.asarray, Duck):
        second = [LABELS] if function in LABELLED else [Y[0] if function is F.prelu else Y] if function in TWO else []
        xs = [tl.from_numpy(kind(X)).requires_grad_(), *[tl.from_numpy(kind(x)) for x in second]]
        y = function(*xs)
        (g,) = tl.autograd.grad(y.sum(), xs[:1])
        results.append([y.data, g.data])
    assert all(isinstance(b, Duck) for b in results[1])
    for a, b in zip(*results, strict=True):
        # memory begins elsewhere, and SIMD and BLAS round otherwise; of a softmax that is summed only rounding is left
        np.testing.assert_allclose(a, b.inside, rtol=1e-14, atol=1e-15)
