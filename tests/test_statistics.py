"""Order statistics, nan-variants, covariances: NumPy has the values, finite differences and PyTorch the gradients."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from cases import apart, positive, real

import tinygrad_lite as tl
from tinygrad_lite.engine import capture
from tinygrad_lite.errors import ShapeError
from tinygrad_lite.verify import gradcheck, gradgradcheck

METHODS = ["linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull", "median_unbiased", "normal_unbiased",
           "interpolated_inverted_cdf"]
HOLES = np.where(np.arange(24).reshape(2, 3, 4) % 5 == 1, np.nan, apart(2, 3, 4))
NUMBERS = ~np.isnan(HOLES)
X = apart(2, 3, 4)
AXES: list[dict[str, Any]] = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 2)},
                              {"axis": (-1, 0), "keepdims": True}]
axes = pytest.mark.parametrize("where", AXES, ids=str)


def leaf(x: Any) -> tl.Tensor:
    return tl.tensor(x, requires_grad=True)


def slope(fn: Any, x: Any) -> Any:
    t = leaf(np.asarray(x, float))
    (g,) = tl.autograd.grad(fn(t).sum(), t)
    return g.numpy()


def with_holes(v: Any) -> Any:
    """HOLES again, from its numbers alone: nan cannot be moved, as a finite difference moves its inputs."""
    place = np.where(NUMBERS, np.cumsum(NUMBERS).reshape(NUMBERS.shape) - 1, 0)
    return tl.where(NUMBERS, v[place], np.nan)


def same(fn: Any, name: str, x: Any, *args: Any, **keywords: Any) -> None:
    """NumPy's function finds ours, and ours gives its value and dtype, on Tensors and on arrays."""
    original = getattr(np, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of rows without numbers
        expected = original(x, *args, **keywords)
    for y in (original(leaf(x), *args, **keywords).numpy(), fn(x, *args, **keywords)):
        # a few units of the largest entry: sums may cancel
        units = 4 * np.finfo(x.dtype).eps * max(1.0, float(np.nanmax(np.abs(x))))
        np.testing.assert_allclose(y, expected, rtol=1e-13, atol=units)
        assert np.shape(y) == np.shape(expected)
        assert y.dtype == expected.dtype


# ---- quantiles

@axes
def test_median_and_ptp(where: Any) -> None:
    same(tl.median, "median", X, **where)
    same(tl.ptp, "ptp", X, **where)
    same(tl.nanmedian, "nanmedian", HOLES, **where)
    gradcheck(lambda x: tl.median(x, **where), X)
    gradcheck(lambda x: tl.ptp(x, **where), X)
    same(tl.median, "median", X[:, :, :3].astype(np.float32), **where)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("q", [0.0, 0.37, 0.5, 1.0, [0.1, 0.5, 0.9], [[0.2], [0.25]], 1 / 3])
@axes
def test_quantile(method: str, q: Any, where: Any) -> None:
    same(tl.quantile, "quantile", X, q, method=method, **where)
    if np.ndim(q) < 2:  # whose axes NumPy's nanquantile puts in another order than its quantile
        same(tl.nanquantile, "nanquantile", HOLES, q, method=method, **where)
    same(tl.quantile, "quantile", X.astype(np.float32), 0.37, method=method, **where)


@pytest.mark.parametrize("method", METHODS)
def test_quantile_gradients(method: str) -> None:
    gradcheck(lambda x: tl.quantile(x, [0.1, 0.62], 1, method=method), X)
    gradcheck(lambda v: tl.nanquantile(with_holes(v), [0.1, 0.62], 1, method=method)[:, 1], HOLES[NUMBERS])


def test_percentile_is_quantile_of_a_hundredth() -> None:
    same(tl.percentile, "percentile", X, [10, 62.5], axis=1)
    same(tl.nanpercentile, "nanpercentile", HOLES, 30, axis=2)


def test_equal_entries_share_the_gradient_of_a_median() -> None:
    np.testing.assert_array_equal(slope(tl.median, [1, 2, 2, 2, 9]), [0, 1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_array_equal(slope(tl.median, [5, 1, 3, 9]), [0.5, 0, 0.5, 0])
    np.testing.assert_array_equal(slope(tl.median, [1, 3, 3, 9]), [0, 0.5, 0.5, 0])
    np.testing.assert_array_equal(slope(lambda x: tl.quantile(x, 0.25), [0, 1, 10]), [0.5, 0.5, 0])
    np.testing.assert_array_equal(slope(tl.ptp, [1, 4, 1, 4]), [-0.5, 0.5, -0.5, 0.5])


def test_nan_in_quantiles() -> None:
    x = np.array([[1.0, np.nan, 3.0], [1.0, 2.0, 4.0], [np.nan] * 3])
    np.testing.assert_array_equal(tl.median(x, 1), [np.nan, 2, np.nan])
    np.testing.assert_array_equal(slope(lambda t: tl.median(t, 1), x), [[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(tl.nanmedian(x, 1), [2, 2, np.nan])
    np.testing.assert_array_equal(slope(lambda t: tl.nanmedian(t, 1), x), [[0.5, 0, 0.5], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(slope(lambda t: tl.nanquantile(t, 0.25, 1), x),
                                  [[0.75, 0, 0.25], [0.5, 0.5, 0], [0, 0, 0]])


def test_infinite_entries_in_quantiles() -> None:
    x = np.array([[-np.inf, 1.0, np.inf], [1.0, 2.0, np.inf]])
    np.testing.assert_array_equal(tl.median(x, 1), [1, 2])
    np.testing.assert_array_equal(tl.nanmedian(x, 1), [1, 2])
    np.testing.assert_array_equal(tl.quantile(x, 1.0, 1), [np.inf, np.inf])


def test_integers_have_float_medians() -> None:
    for x in (np.array([3, 1, 2, 9]), np.array([3, 1, 2])):
        same(tl.median, "median", x.astype(float))
        assert tl.median(tl.tensor(x)).numpy() == np.median(x)
        assert tl.median(tl.tensor(x)).dtype == np.float64


def test_quantile_errors() -> None:
    t = leaf(X)
    with pytest.raises(ValueError, match=r"q must lie between 0 and 1, got 1\.2"):
        tl.quantile(t, 1.2)
    with pytest.raises(ValueError, match="between 0 and 100"):
        tl.percentile(t, [3, 101])
    with pytest.raises(ValueError, match="method 'best' is not one of linear"):
        tl.quantile(t, 0.2, method="best")
    with pytest.raises(TypeError, match="q is a Tensor"):
        tl.quantile(t, tl.tensor(0.5))
    with pytest.raises(np.exceptions.AxisError):
        tl.median(t, 3)
    with pytest.raises(ShapeError, match=r"no entries along axis 1 of shape \(2, 0\)"):
        tl.median(leaf(np.zeros((2, 0))), 1)
    assert tl.median(leaf(np.zeros((0, 2))), 1).shape == (0,)
    assert tl.median(leaf(np.array(3.0))).item() == 3.0


def test_positions_that_depend_on_data_are_replayed() -> None:
    def total(t: Any) -> Any:
        parts = tl.nanmedian(t, 1), tl.median(t, 0), tl.cummax(t, axis=1)
        return sum(tl.nan_to_num(part).sum() for part in parts)

    t = leaf(HOLES[0])
    with capture() as tape:
        (g,) = tl.autograd.grad(total(t), [t])
    for new in (X[0], HOLES[1], np.array([[1.0, 1, 1, 2]] * 3)):
        fresh = leaf(new)
        (expected,) = tl.autograd.grad(total(fresh), [fresh])
        np.testing.assert_array_equal(tape.replay({t: new})(g), expected.numpy())


# ---- running maximum

def test_equal_entries_share_the_gradient_of_a_running_maximum() -> None:
    x = [1.0, 3.0, 2.0, 3.0, 5.0]
    # y = 1 3 3 3 5: the last 3 belongs to both places, half each, those before it to the first alone
    np.testing.assert_array_equal(slope(lambda t: tl.cummax(t, axis=0), x), [1, 2.5, 0, 0.5, 1])
    np.testing.assert_array_equal(slope(lambda t: tl.cummin(t, axis=0), np.negative(x)), [1, 2.5, 0, 0.5, 1])
    np.testing.assert_array_equal(slope(np.maximum.accumulate, [2.0, np.nan, 3.0]), [1, 0, 0])


def test_running_maximum_ends_in_the_maximum() -> None:
    x = np.array([[1.0, 4.0, 4.0, 2.0], [3.0, 3.0, 3.0, 0.0]])
    np.testing.assert_allclose(slope(lambda t: tl.cummax(t, axis=1)[:, -1], x), slope(lambda t: t.max(axis=1), x),
                               rtol=1e-15)


# ---- nan-variants

NAN = ["nansum", "nanprod", "nanmean", "nanmax", "nanmin", "nanvar", "nanstd"]


@pytest.mark.parametrize("name", NAN)
@axes
def test_without_nan(name: str, where: Any) -> None:
    fn = getattr(tl, name)
    same(fn, name, HOLES, **where)
    same(fn, name, X, **where)
    gradgradcheck(lambda v: fn(with_holes(v), **where), HOLES[NUMBERS])
    np.testing.assert_array_equal(slope(lambda t: fn(t, **where), HOLES)[~NUMBERS], 0)
    plain = getattr(tl, name[3:])
    np.testing.assert_allclose(slope(lambda t: fn(t, **where), X), slope(lambda t: plain(t, **where), X), rtol=1e-12,
                               atol=1e-14)


def test_rows_without_numbers() -> None:
    x = np.array([[np.nan, np.nan], [1.0, 3.0], [np.nan, 2.0]])
    for name in NAN:
        same(getattr(tl, name), name, x, axis=1)
        assert np.isfinite(slope(lambda t: getattr(tl, name)(t, axis=1), x)[1:]).all()  # noqa: B023
    same(tl.nanvar, "nanvar", x, axis=1, ddof=1)
    np.testing.assert_array_equal(slope(lambda t: tl.nanstd(t, axis=1), x)[2], [0, 0])  # one number: std of a constant
    same(tl.nancumsum, "nancumsum", x, axis=0)
    same(tl.nancumprod, "nancumprod", x)


@pytest.mark.parametrize("name", NAN)
def test_float32_stays_float32_without_nan(name: str) -> None:
    t = tl.tensor(HOLES.astype(np.float32), requires_grad=True)
    seen: list[Any] = []
    inner = t * 1
    inner.register_hook(seen.append)
    y = getattr(np, name)(inner, axis=1)
    y.sum().backward(create_graph=True)
    assert y.dtype == seen[0].dtype == np.float32


# ---- averages and covariances

def test_average() -> None:
    w = positive(2, 3, 4)
    for axis in (None, 0, 2):
        same(tl.average, "average", X, axis=axis)
        same(tl.average, "average", X, axis=axis, weights=w)
        gradgradcheck(lambda x, w: tl.average(x, axis, w), [real(2, 3, 4), w])  # noqa: B023
    same(tl.average, "average", X, axis=1, weights=[1.0, 2.0, 4.0], keepdims=True)
    gradgradcheck(lambda x, w: tl.average(x, 1, w), [real(2, 3, 4), positive(3)])
    with pytest.raises(ShapeError, match=r"a has shape \(2, 3, 4\), weights has \(4,\)"):
        tl.average(leaf(X), 1, np.ones(4))


@pytest.mark.parametrize("keywords", [{}, {"rowvar": False}, {"bias": True}, {"ddof": 0}], ids=str)
def test_cov(keywords: Any) -> None:
    x, y = real(3, 5), real(3, 5)
    same(tl.cov, "cov", x, **keywords)
    same(tl.cov, "cov", x, y, **keywords)
    same(tl.cov, "cov", x[0], **keywords)
    same(tl.cov, "cov", x[0], y[0], **keywords)
    gradgradcheck(lambda x, y: tl.cov(x, y, **keywords), [x, y])


def test_corrcoef() -> None:
    x, y = real(3, 5), real(2, 5)
    same(tl.corrcoef, "corrcoef", x)
    same(tl.corrcoef, "corrcoef", x, y)
    same(tl.corrcoef, "corrcoef", x[0], y[0])
    same(tl.corrcoef, "corrcoef", x[0])
    off = ~np.eye(5, dtype=bool)
    gradgradcheck(lambda x, y: tl.corrcoef(x, y) * off, [x, y])
    np.testing.assert_allclose(slope(lambda t: tl.corrcoef(t) * np.eye(3), x), 0, atol=1e-15)


def test_covariance_errors() -> None:
    with pytest.raises(ShapeError, match=r"m has 5 observations in shape \(3, 5\), y has 4 in \(3, 4\)"):
        tl.cov(leaf(real(3, 5)), leaf(real(3, 4)))
    with pytest.raises(ShapeError, match="1 observations are too few"):
        tl.cov(leaf(real(3, 1)))
    with pytest.raises(ShapeError, match="one or two axes"):
        tl.cov(leaf(X))


# ---- differences and integrals

def test_diff() -> None:
    for n in range(4):
        for axis in (0, 1, -1):
            same(tl.diff, "diff", real(4, 5), n=n, axis=axis)
    x = real(3, 4)
    same(tl.diff, "diff", x, prepend=0.0, append=2.0)
    same(tl.diff, "diff", x, axis=0, prepend=x[:2], append=x[:1])
    same(tl.ediff1d, "ediff1d", x)
    gradcheck(lambda x, p: tl.diff(x, 2, 0, prepend=p), [x, real(1, 4)])
    with pytest.raises(ValueError, match="must not be negative"):
        tl.diff(leaf(x), -1)
    with pytest.raises(ShapeError, match="0-d"):
        tl.diff(leaf(1.0))


def test_trapezoid() -> None:
    y, x = real(3, 4), np.cumsum(positive(4))
    same(tl.trapezoid, "trapezoid", y)
    same(tl.trapezoid, "trapezoid", y, dx=0.5, axis=0)
    same(tl.trapezoid, "trapezoid", y, x)
    same(tl.trapezoid, "trapezoid", y, np.cumsum(positive(3)), axis=0)
    same(tl.trapezoid, "trapezoid", y, np.cumsum(positive(3, 4), 1))
    gradgradcheck(lambda y, x: tl.trapezoid(y, x), [y, x])
    with pytest.raises(ShapeError, match=r"y has shape \(3, 4\), x has \(3,\)"):
        tl.trapezoid(leaf(y), np.ones(3))


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient(edge_order: int) -> None:
    f, x, y = real(5, 4), np.cumsum(positive(5)), np.cumsum(positive(4))
    for args, axis in (((), 0), ((), -1), ((0.5,), 1), ((x,), 0), ((y,), 1)):
        same(tl.gradient, "gradient", f, *args, axis=axis, edge_order=edge_order)
    for args in ((), (0.5,), (0.5, 2.0), (x, y), (x, 2.0)):
        for ours, theirs in zip(np.gradient(leaf(f), *args, edge_order=edge_order),
                                np.gradient(f, *args, edge_order=edge_order), strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12, atol=1e-14)
    gradgradcheck(lambda f, x: tl.gradient(f, x, axis=0, edge_order=edge_order), [f, x])


def test_gradient_errors() -> None:
    with pytest.raises(ShapeError, match="fewer than 3 entries"):
        tl.gradient(leaf(real(2)), edge_order=2)
    with pytest.raises(ShapeError, match=r"expected \(4,\)"):
        tl.gradient(leaf(real(4)), np.arange(3.0))
    with pytest.raises(TypeError, match="2 axes and 3 distances"):
        tl.gradient(leaf(real(3, 4)), 1.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="edge_order"):
        tl.gradient(leaf(real(4)), edge_order=3)


@pytest.mark.skipif(not hasattr(np, "cumulative_sum"), reason="NumPy 2.1 has them first")
def test_cumulative() -> None:
    for name in ("cumulative_sum", "cumulative_prod"):
        fn = getattr(tl, name)
        same(fn, name, real(4))
        same(fn, name, real(3, 4), axis=1, include_initial=True)
        gradgradcheck(lambda x: fn(x, axis=0, include_initial=True), real(3, 2))  # noqa: B023
        with pytest.raises(ValueError, match="axis must be given"):
            fn(leaf(real(3, 4)))


# ---- PyTorch

@pytest.mark.torch
def test_pytorch_agrees() -> None:
    torch = pytest.importorskip("torch")
    x = apart(5, 8)
    v = real(5)
    pairs = [(lambda t: tl.median(t[:, :7], 1), lambda t: torch.median(t[:, :7], 1)[0]),
             (lambda t: tl.quantile(t, 0.3, 1), lambda t: torch.quantile(t, 0.3, 1)),
             (lambda t: tl.nanmedian(t[:, :7], 1), lambda t: torch.nanmedian(t[:, :7], 1)[0]),
             (lambda t: tl.cov(t)[0], lambda t: torch.cov(t)[0]),
             (lambda t: tl.corrcoef(t)[0], lambda t: torch.corrcoef(t)[0]),
             (lambda t: tl.trapezoid(t), torch.trapezoid),
             (lambda t: tl.cummax(t, axis=1)[:, 5], lambda t: torch.cummax(t, 1)[0][:, 5]),
             (lambda t: tl.nansum(t, 1), lambda t: torch.nansum(t, 1)),
             (lambda t: tl.diff(t, 2)[:, 0], lambda t: torch.diff(t, 2)[:, 0])]
    for ours, theirs in pairs:
        a, b = leaf(x), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-12, atol=1e-14)
        (y * v).sum().backward()
        (z * torch.tensor(v)).sum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-11, atol=1e-14)


def test_second_derivative_of_a_composition() -> None:
    """The median of exp(x) has the second derivative exp of the middle entry: a choice passes on what it is given."""
    x = leaf(np.array([0.3, -0.2, 0.9]))
    (first,) = tl.autograd.grad(tl.median(tl.exp(x)), x, create_graph=True)
    (second,) = tl.autograd.grad(first.sum(), x)
    np.testing.assert_allclose(second.numpy(), [math.exp(0.3), 0, 0], rtol=1e-15)
