"""detect_anomaly names who made the first nan or inf; check holds other people's gradients against differences."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, verify
from tinygrad_lite.errors import AnomalyError, GradcheckError, ShapeError

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns of the same


def test_the_first_op_that_makes_a_nan_is_named_and_not_those_that_pass_it_on():
    x = tl.tensor([1.0, -1.0], requires_grad=True)

    def loss():
        y = np.log(x)
        return (y * 2).sum()

    with pytest.raises(AnomalyError) as caught, verify.detect_anomaly():
        loss()
    text = str(caught.value)
    assert text.startswith("log made 1 nan of finite numbers\n  in log((2,)) at test_anomaly.py:")
    assert "y = np.log(x)" in text
    assert "input 0: float32 (2,), from -1 to 1, mean 0, std 1, 0 zeros" in text
    assert "tl.where(cond, log, other, x)" in text


def test_nan_in_the_data_accuses_nobody():
    x = tl.tensor([1.0, np.nan], requires_grad=True)
    with verify.detect_anomaly():
        (np.exp(x) * 2).sum().backward()
    assert np.isnan(x.grad.data[1])


def test_a_backward_rule_is_named_with_the_remedy_for_a_masked_branch():
    x = tl.tensor([0.0, 2.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        y = tl.where(x > 0, np.sqrt(x), 0.0).sum()
    with pytest.raises(AnomalyError) as caught, verify.detect_anomaly():
        y.backward()
    text = str(caught.value)
    assert text.startswith("the backward rule of sqrt at test_anomaly.py:")
    assert "made 1 nan of finite numbers, for input 0" in text
    assert "tl.where(cond, sqrt, other, x)" in text
    assert "tl.where(cond, sqrt(tl.where(cond, x, 1)), other)" in text
    assert x.grad is None
    with verify.detect_anomaly():
        tl.where(x > 0, np.sqrt(tl.where(x > 0, x, 1)), 0.0).sum().backward()
    x.grad = None
    with verify.detect_anomaly():
        tl.where(x > 0, np.sqrt, 0.0, x).sum().backward()  # as the message says
    np.testing.assert_allclose(x.grad.data, [0, 0.5 / np.sqrt(2)], rtol=1e-6)  # float32


def test_layers_are_named_by_path_and_the_mode_ends():
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    net[0].weight.data[...] = 3e38
    with pytest.raises(AnomalyError, match="linear made .* inf of finite numbers\n  in linear.* in '0' at test_anomaly.py"), verify.detect_anomaly():
        net(tl.ones(1, 2))
    net(tl.ones(1, 2))  # outside, nothing is looked at
    with verify.detect_anomaly(), tl.no_grad(), pytest.raises(AnomalyError):
        tl.tensor([1.0]) / 0.0


def test_a_masked_quotient_of_two_inputs_is_explained_too():
    a, b = tl.tensor([1.0, 2.0], requires_grad=True), tl.tensor([0.0, 2.0], requires_grad=True)
    with np.errstate(all="ignore"):
        y = tl.where(b > 0, a / b, 0.0).sum()
    with pytest.raises(AnomalyError, match="the backward rule of divide") as caught, verify.detect_anomaly(), np.errstate(all="ignore"):
        y.backward()
    assert "Its forward had made 1 inf of them before" in str(caught.value)
    assert "tl.where(cond, divide, other, a, b)" in str(caught.value)
    with verify.detect_anomaly():
        tl.where(b > 0, tl.divide, 0.0, a, b).sum().backward()  # as it says
    assert b.grad.tolist() == [0, -0.5]
    with pytest.raises(AnomalyError, match="divide made 1 inf"), verify.detect_anomaly(), np.errstate(all="ignore"):
        a / b


def test_contributions_that_are_finite_and_overflow_together_are_named():
    x = tl.tensor([3.0], requires_grad=True, name="x")
    y = x * 1.0
    loss = (y * 2e38 + y * 2e38).sum()  # in float32, which ends at 3.4e38
    with pytest.raises(AnomalyError) as caught, verify.detect_anomaly():
        loss.backward()
    assert str(caught.value).startswith("the gradients that arrive at the output of multiply at test_anomaly.py:")
    assert "are finite, and their sum has 1 inf\n  float32 ends at 3.403e+38" in str(caught.value)
    leaf = (x * 2e38 + x * 2e38).sum()
    with pytest.raises(AnomalyError, match="that arrive at leaf 'x'"), verify.detect_anomaly():
        leaf.backward()
    assert x.grad is None


def test_a_hook_that_makes_a_nan_is_named():
    x = tl.tensor([3.0], requires_grad=True)
    y = x * 2.0
    y.register_hook(lambda g: g * np.nan)
    with pytest.raises(AnomalyError, match="a hook on the output of multiply at .*\n  returned 1 nan for a finite gradient"), verify.detect_anomaly():
        y.sum().backward()


def test_infinite_gradients_that_are_passed_on_accuse_nobody():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2.0
    with verify.detect_anomaly():
        (y + y).backward(np.array([np.inf, 1.0]))
    assert x.grad.tolist() == [np.inf, 4]


def test_second_order_under_detection_names_the_op_inside_the_rule():
    x = tl.tensor([0.0, 1.0], np.float64, requires_grad=True)
    (g,) = tl.autograd.grad((abs(x) ** 1.5).sum(), x, create_graph=True)
    with pytest.raises(AnomalyError, match="power"), verify.detect_anomaly():
        tl.autograd.grad(g.sum(), x)


def test_training_under_anomaly_detection_gives_the_same_numbers():
    losses = []
    for watch in (False, True):
        net = nn.Sequential(nn.Linear(2, 4, generator=np.random.default_rng(0)), nn.Tanh(), nn.Linear(4, 1, generator=np.random.default_rng(1)))
        loss = nn.functional.mse_loss(net(tl.ones(3, 2)), tl.ones(3, 1))
        if watch:
            with verify.detect_anomaly():
                loss.backward()
        else:
            loss.backward()
        losses.append([loss.item(), *(p.grad.tolist() for p in net.parameters())])
    assert losses[0] == losses[1]


# ---- check: anybody's function, anybody's gradient

A = np.array([[2.0, 1.0], [0.0, 3.0]])


def quadratic(x):
    return x @ A @ x


def test_right_claims_pass_and_wrong_ones_are_shown():
    x = np.array([0.5, -2.0])
    assert verify.check(quadratic, lambda x: (A + A.T) @ x, x)
    with pytest.raises(GradcheckError, match=r"check of <lambda>: 1 of 2 entries differ"):
        verify.check(quadratic, lambda x: 2 * A @ x + [0, A[0, 1] * x[0]], x)
    report = verify.check(quadratic, lambda x: 2 * A @ x, x, raise_exception=False)
    assert [row.wrong for row in report.rows] == [2]


def test_several_arrays_and_numbers():
    X, y = np.array([[1.0], [2.0]]), np.array([1.0, 3.0])

    def loss(w, b):
        return np.mean((X @ w + b - y) ** 2)

    def gradient(w, b):
        d = 2 * (X @ w + b - y) / len(y)
        return X.T @ d, d.sum()

    report = verify.check(loss, gradient, np.array([0.3]), 0.1)
    assert [row.name for row in report.rows] == ["array 0", "array 1"]
    assert report.max_relative_error < 1e-8


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_scale_hides_no_wrong_sign(scale):
    x = np.array([0.5, -2.0])
    assert verify.check(lambda x: scale * np.sin(x).sum(), lambda x: scale * np.cos(x), x)
    with pytest.raises(GradcheckError, match="2 of 2"):
        verify.check(lambda x: scale * np.sin(x).sum(), lambda x: -scale * np.cos(x), x)


def test_claims_of_the_wrong_form_are_refused():
    x = np.ones(3)
    with pytest.raises(ShapeError, match="returns one number; it returned shape"):
        verify.check(np.sin, np.cos, x)
    with pytest.raises(ShapeError, match=r"gradient for array 0 has shape \(\), the array has \(3,\)"):
        verify.check(lambda x: x.sum(), lambda x: 1.0, x)
    with pytest.raises(ShapeError, match="1 gradients for 2 arrays"):
        verify.check(lambda a, b: (a * b).sum(), lambda a, b: (b,), x, x)


def test_inputs_are_left_as_they_were():
    x = np.ones(3)

    def spoils(x):
        total = (x * x).sum()
        x[:] = 7
        return total

    assert verify.check(spoils, lambda x: 2 * x, x)
    assert x.tolist() == [1, 1, 1]
