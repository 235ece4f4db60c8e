"""gradcheck: right gradients pass at every scale, wrong ones are named at every scale."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, verify
from tinygrad_lite.errors import DtypeError, GradcheckError, GradError

rng = np.random.default_rng(11)
SCALES = [1e-8, 1e-3, 1.0, 1e3, 1e8]


@pytest.mark.parametrize("scale", SCALES)
def test_right_gradients_pass_at_every_scale(scale):
    a, b = rng.standard_normal((3, 2)), rng.standard_normal((2, 4))
    assert verify.gradcheck(lambda a, b: np.tanh(a @ b) * scale, [a, b])
    assert verify.gradcheck(lambda a: (a * a).sum(), a * scale)
    assert verify.gradgradcheck(lambda a, b: (np.exp(a) @ b) * scale, [a, b])


MUTANTS = {"sign": lambda g, y, x: -g * np.cos(x), "factor 1.001": lambda g, y, x: 1.001 * g * np.cos(x),
           "offset": lambda g, y, x: g * (np.cos(x) + 0.01),
           "only negative": lambda g, y, x: g * np.cos(x) * (1 + 0.5 * (x < 0)), "transposed": lambda g, y, x: (g * np.cos(x)).T,
           "one entry": lambda g, y, x: g * np.cos(x) * (1 + (np.arange(9).reshape(3, 3) == 4))}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_rules_are_caught_at_every_scale(name, scale):
    bad = tl.Op("bad", np.sin, MUTANTS[name])
    x = rng.standard_normal((3, 3))
    with pytest.raises(GradcheckError, match=r"\d of 9 entries differ from finite differences"):
        verify.gradcheck(lambda x: bad(x) * scale, x)


def test_wrong_second_derivative_alone_is_caught_by_gradgradcheck():
    hidden = tl.Op("hidden", np.cos, lambda g, y, x: g * np.cos(x))  # should be -sin
    half_right = tl.Op("half_right", np.sin, lambda g, y, x: g * hidden(x))
    x = rng.standard_normal(4)
    assert verify.gradcheck(half_right, x)
    with pytest.raises(GradcheckError):
        verify.gradgradcheck(half_right, x)


def test_report_says_where_and_how_far():
    bad = tl.Op("bad", np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a * np.array([1, 1, 2.0]))
    report = verify.gradcheck(bad, [np.ones(3), np.ones(3)], raise_exception=False)
    assert not report
    assert [row.wrong for row in report.rows] == [0, 1]
    row = report.rows[1]
    assert row.index == (2,)
    assert abs(row.analytic) == pytest.approx(2 * abs(row.numeric))
    assert report.max_relative_error > 0.3  # off by one whole gradient, over the largest, which is at most 1.5 / 0.5 of it
    assert "1 of 6 entries differ" in str(report)
    assert "input 1" in str(report)


def test_float32_functions_are_checked_in_float64():
    x = tl.tensor([0.3, 0.7], requires_grad=True)
    assert x.dtype == np.float32
    report = verify.gradcheck(lambda x: np.exp(np.sin(x)), x)
    assert report.max_relative_error < 1e-8
    assert x.dtype == np.float32
    assert x.grad is None


def test_only_what_requires_a_gradient_is_checked_unless_nothing_does():
    a, b = tl.tensor([1.0, 2.0], requires_grad=True), tl.tensor([3.0, 4.0])
    assert [row.name for row in verify.gradcheck(lambda a, b: a * b, [a, b]).rows] == ["input 0"]
    assert [row.name for row in verify.gradcheck(lambda a, b: a * b, [a.detach(), b]).rows] == ["input 0", "input 1"]
    assert len(verify.gradcheck(lambda a, i: a[i], [np.ones(3), np.array([0, 2])]).rows) == 1


def test_several_outputs_and_unused_inputs():
    assert verify.gradcheck(lambda x, z: (x * 2, np.exp(x)), [np.ones(2), np.ones(2)])
    assert verify.gradcheck(lambda x: tl.split(x, 2), np.arange(4.0))


def test_inputs_are_left_as_they_were():
    a = rng.standard_normal((2, 2))
    kept = a.copy()
    t = tl.tensor(a, requires_grad=True)
    verify.gradcheck(lambda a, t: a @ t, [a, t])
    np.testing.assert_array_equal(a, kept)
    np.testing.assert_array_equal(t.data, kept)

    def fails(x):
        if x.data[0] != 1:
            raise ZeroDivisionError
        return x * 1

    x = tl.tensor([1.0], np.float64, requires_grad=True)
    with pytest.raises(ZeroDivisionError):
        verify.compare(lambda: fails(x), {"x": x})
    assert x.item() == 1


def test_what_cannot_be_checked_says_so():
    with pytest.raises(GradError, match="there is no gradient to check"):
        verify.gradcheck(lambda x: x.detach() * 1, np.ones(2))
    with pytest.raises(GradError, match="returned no float Tensor"):
        verify.gradcheck(lambda x: x > 0, np.ones(2))
    with pytest.raises(TypeError, match="at least one float input"):
        verify.gradcheck(lambda x: x, np.array([1, 2]))
    x = tl.tensor([1.0], requires_grad=True)
    with pytest.raises(DtypeError, match="need float64"):
        verify.compare(lambda: x * 1, {"x": x})


def test_kinks_are_no_errors_and_hide_none():
    x = np.array([-1.0, 0.0, 2.0])
    assert verify.gradcheck(tl.relu, x)  # at 0 every slope from 0 to 1 is right
    assert verify.gradcheck(abs, x)
    assert verify.gradcheck(lambda x: tl.maximum(x, 0.0), x)
    with pytest.raises(GradcheckError, match="1 of 3 entries"):
        verify.gradcheck(tl.Op("relu", lambda x: np.maximum(x, 0), lambda g, y, x: g * ((x > 0) - 1.0 * (x == 0))), x)  # -1 is not
    with pytest.raises(GradcheckError, match="2 of 3 entries"):
        verify.gradcheck(tl.Op("relu", lambda x: np.maximum(x, 0), lambda g, y, x: g * (x < 0)), x)


@pytest.mark.parametrize("seed", range(12))
def test_models_that_have_nearly_converged_are_not_accused(seed):
    """Gradients near 0 under a curvature near 1: the difference's own error is then far above a millionth of the gradient."""
    generator = np.random.default_rng(seed)
    activation = [nn.Tanh, nn.ReLU, nn.Sigmoid][seed % 3]()
    net = nn.Sequential(nn.Linear(2, 5, generator=generator), activation, nn.Linear(5, 1, generator=generator))
    x, scale = tl.randn(8, 2, generator=generator), 10.0 ** (seed - 6)
    target = net(x).detach() + 1e-3 * scale * tl.randn(8, 1, generator=generator)
    assert verify.check_module(net, x, loss=lambda y: nn.functional.mse_loss(y, target) * scale)


def test_nan_is_not_agreement():
    bad = tl.Op("bad", np.sin, lambda g, y, x: g * np.nan)
    with pytest.raises(GradcheckError):
        verify.gradcheck(bad, np.ones(2))


def test_models_are_checked_by_path_and_left_alone():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    before = net.state_dict()
    x = tl.randn(5, 3)
    report = verify.check_module(net, x, loss=lambda y: (y * y).mean())
    assert [row.name for row in report.rows] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert report.max_relative_error < 1e-6
    assert all(np.array_equal(array, before[name]) and array.dtype == np.float32 for name, array in net.state_dict().items())
    assert [row.name for row in verify.check_module(net, x.requires_grad_()).rows][-1] == "input 0"

    class Wrong(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(3, 2)

        def forward(self, x):
            return tl.Op("bad", np.tanh, lambda g, y, x: g * (1 - y))(self.inner(x))

    with pytest.raises(GradcheckError, match=r"gradcheck of Wrong: 8 of 8 entries differ"):
        verify.check_module(Wrong(), tl.randn(5, 3))
