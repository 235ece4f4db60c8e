"""The textbook's formula, the difference and autodiff agree; where one is wrong, the table says which."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import verify
from tinygrad_lite.errors import GradcheckError, ShapeError

rng = np.random.default_rng(0)
X = rng.standard_normal((40, 3)) * [1.0, 5.0, 0.1]
Y = X @ [1.0, -2.0, 0.5] + 3 + 0.1 * rng.standard_normal(40)
BINARY = np.greater(Y, np.median(Y)).astype(int)
CLASSES = np.digitize(Y, np.quantile(Y, [0.3, 0.6]))
PROBLEMS = [("linear", Y, {}), ("lstsq", Y, {}), ("ridge", Y, {"l2": 0.3}), ("ridge", Y, {}), ("logistic", BINARY, {}),
            ("logistic", BINARY, {"l2": 0.1}), ("softmax", CLASSES, {}), ("softmax", CLASSES, {"l2": 0.1})]


@pytest.mark.parametrize(("problem", "y", "settings"), PROBLEMS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_three_ways_agree(problem, y, settings, scale):
    report = verify.oracle(problem, X * scale, y, **settings)
    assert report, str(report)
    report.assert_ok()
    assert [row.name for row in report.rows[:3]] == ["loss", "dL/dw", "dL/db"]
    assert len(report.rows) == (6 if problem in ("lstsq", "ridge") else 3)


def test_the_numbers_of_one_small_problem():
    # one sample x = 2, y = 1: L = (2w + b - 1)^2 / 2, dL/dw = 2 (2w + b - 1), dL/db = 2w + b - 1
    report = verify.oracle("linear", np.array([[2.0]]), np.array([1.0]), seed=3)
    w, b = np.random.default_rng(3).standard_normal(2)
    r = 2 * w + b - 1
    np.testing.assert_allclose([row.closed for row in report.rows], [r * r / 2, 2 * r, r], rtol=1e-12)
    np.testing.assert_allclose([row.autodiff for row in report.rows], [r * r / 2, 2 * r, r], rtol=1e-12)


def test_minima_are_those_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    ridge = verify.oracle("ridge", X, Y, l2=0.3)
    fitted = linear_model.Ridge(alpha=0.3 * len(Y)).fit(X, Y)  # sum of squares + alpha |w|^2: 2m times ours
    np.testing.assert_allclose(ridge.minimum[0], fitted.coef_, rtol=1e-9)
    np.testing.assert_allclose(ridge.minimum[1], fitted.intercept_, rtol=1e-9)
    fitted = linear_model.LinearRegression().fit(X, Y)
    np.testing.assert_allclose(verify.oracle("lstsq", X, Y).minimum[0], fitted.coef_, rtol=1e-9)


def test_a_loss_that_agrees_with_its_own_difference_and_is_the_wrong_one_is_told():
    def forgot_the_half(w, b):
        return ((X @ w + b - Y) ** 2).mean()

    report = verify.oracle("linear", X, Y, loss=forgot_the_half)
    assert [row.ok for row in report.rows] == [False, False, False]
    row = report.rows[1]
    assert row.autodiff == pytest.approx(row.difference, rel=1e-8) == pytest.approx(2 * row.closed, rel=1e-8)
    with pytest.raises(GradcheckError, match="DISAGREE"):
        report.assert_ok()
    assert verify.oracle("linear", X, Y, loss=lambda w, b: ((X @ w + b - Y) ** 2).mean() / 2)


def test_a_wrong_rule_is_told_from_a_right_loss():
    bad = tl.Op("square", np.square, lambda g, y, x: g * x)  # should be 2 x
    report = verify.oracle("linear", X, Y, loss=lambda w, b: bad(X @ w + b - Y).sum() / (2 * len(Y)))
    assert [row.ok for row in report.rows] == [True, False, False]
    row = report.rows[1]
    assert row.difference == pytest.approx(row.closed, rel=1e-8) == pytest.approx(2 * row.autodiff, rel=1e-8)
    assert "linear: 1/(2m) sum (Xw + b - y)^2  (Ng, CS229 notes, part I)" in str(report)


def test_tensors_are_taken_and_left_alone():
    x, y = tl.tensor(X.astype(np.float32), requires_grad=True), tl.tensor(BINARY)
    assert verify.oracle("logistic", x, y)
    assert x.grad is None
    assert x.dtype == np.float32


def test_what_does_not_suit_is_refused():
    with pytest.raises(ValueError, match="the problems are 'linear', 'lstsq'.*not 'lasso'"):
        verify.oracle("lasso", X, Y)
    with pytest.raises(ShapeError, match=r"X must be \(m, n\) and y \(m,\).*got \(40, 3\) and \(40, 1\)"):
        verify.oracle("linear", X, Y[:, None])
    with pytest.raises(ShapeError, match="above 0"):
        verify.oracle("linear", X[:0], Y[:0])
    with pytest.raises(ValueError, match="class indices from 0 to 1 as integers, y has dtype float64"):
        verify.oracle("logistic", X, Y)
    with pytest.raises(ValueError, match="class indices from 0 to 1"):
        verify.oracle("logistic", X, CLASSES)
    with pytest.raises(ValueError, match="with l2=0.1 it is 'ridge'"):
        verify.oracle("linear", X, Y, l2=0.1)
    with pytest.raises(ShapeError, match=r"one entry, it returned \(40,\)"):
        verify.oracle("linear", X, Y, loss=lambda w, b: X @ w + b)
