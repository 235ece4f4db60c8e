"""What other packages get wrong without a word (shared/FINDINGS.md has the list), each as a test of this one.

Every number is worked out in view.
"""

import inspect
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.engine import newest_first
from tinygrad_lite.errors import DtypeError, GradcheckError, GradError, ShapeError
from tinygrad_lite.nn import functional as F
from tinygrad_lite.verify import gradcheck


def leaf(*values: Any, dtype: Any = np.float64) -> Any:
    return tl.tensor(np.array(values, dtype=dtype), requires_grad=True)


# ---- an integer has no gradient (HIPS autograd answers INT_MIN)

@pytest.mark.parametrize("make", [
    lambda: tl.tensor([1, 2, 3], requires_grad=True), lambda: tl.tensor(3, requires_grad=True),
    lambda: tl.tensor(np.arange(3)).requires_grad_(), lambda: tl.tensor([True], requires_grad=True),
    lambda: tl.arange(3, requires_grad=True), lambda: tl.zeros(3, dtype=int, requires_grad=True),
    lambda: tl.full(3, 7, requires_grad=True), lambda: nn.Parameter(np.arange(3)),
    lambda: setattr(leaf(1.0), "data", np.array([1]))])
def test_integer_input_asked_for_a_gradient_is_an_error(make: Callable[[], Any]) -> None:
    with pytest.raises(DtypeError, match=r"int64|bool.* float"):
        make()


def test_integer_beside_a_float_leaf_gets_none_and_does_no_harm() -> None:
    """y = n x^n, n = (2, 3), x = (1.5, 2): dy/dx = n^2 x^(n-1) = (6, 36)."""
    x, n = leaf(1.5, 2.0), tl.tensor([2, 3])
    (n * x**n).sum().backward()
    assert x.grad.tolist() == [6, 36]
    assert n.grad is None
    with pytest.raises(GradError, match="does not require a gradient"):
        tl.autograd.grad((n * x).sum(), n)
    assert not x.astype(int).requires_grad


# ---- shapes that do not go together (DeZero's MSE of (4, 1) with (4,) has a (4, 4) gradient)

@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("a", "b", "remedy"), [
    ((4, 1), (4,), "target.reshape(4, 1)"), ((4,), (4, 1), "target.reshape(4)"), ((4,), (), "must be the same"),
    ((4, 2), (2,), "must be the same"), ((4,), (5,), "must be the same")])
def test_mse_of_different_shapes_is_an_error_with_both(reduction: str, a: Any, b: Any, remedy: str) -> None:
    x, t = tl.zeros(*a, requires_grad=True), tl.zeros(*b)
    for loss in (lambda: nn.MSELoss(reduction)(x, t), lambda: F.mse_loss(x, t, reduction)):
        with pytest.raises(ShapeError) as caught:
            loss()
        assert f"input has shape {a}, target has {b}" in str(caught.value)
        assert remedy in str(caught.value)


def test_label_out_of_range_is_an_error() -> None:
    scores = tl.zeros(2, 3, requires_grad=True)
    for label in (3, -4):
        with pytest.raises(IndexError):
            scores[[0, 1], [0, label]]
        with pytest.raises(IndexError):
            tl.take_along_axis(scores, np.array([[0], [label]]), axis=1)


# ---- several outputs, several paths

@pytest.mark.parametrize("kept", [0, 1])
def test_dropped_output_of_split_counts_as_zero(kept: int) -> None:
    x = leaf(1.0, 2.0, 3.0, 4.0)
    part = tl.split(x, 2)[kept]
    (part * part).sum().backward()
    assert x.grad.tolist() == ([2, 4, 0, 0] if kept == 0 else [0, 0, 6, 8])


@pytest.mark.parametrize("function", [tl.max, tl.min, lambda x: tl.maximum(x[:2], x[2:]).sum() / 2])
def test_ties_share_one_gradient_and_do_not_count_twice(function: Callable[..., Any]) -> None:
    x = leaf(5.0, 5.0, 5.0, 5.0)
    function(x).backward()
    assert x.grad.tolist() == [0.25] * 4


def test_product_plus_itself() -> None:
    """tinygrad of 2020 gave 1: d(x x + x)/dx = 2 x + 1 = 7 at 3."""
    for f in (lambda x: x * x + x, lambda x: x + x * x):
        x = leaf(3.0)
        f(x).backward()
        assert x.grad.tolist() == [7]


@pytest.mark.parametrize(("f", "slope"), [(lambda x: x + x, 2), (lambda x: x - x, 0), (lambda x: x / x, 0),
                                          (lambda x: x * x, 6), (lambda x: tl.maximum(x, x), 1)])
def test_same_input_twice(f: Callable[..., Any], slope: float) -> None:
    x = leaf(3.0)
    f(x).backward()
    assert x.grad.tolist() == [slope]


def test_sixteen_doublings_are_sixteen_nodes_and_not_65535() -> None:
    x = start = leaf(1.0)
    for _ in range(16):
        x = x + x
    calls = []
    x.register_hook(lambda g: calls.append(g))
    x.backward()
    assert len(newest_first([x])) == 16
    assert start.grad.tolist() == [2**16]
    assert len(calls) == 1


def test_second_backward_adds_to_leaves_and_does_not_double_what_lies_between() -> None:
    """z = (x^2)^2, dz/dx = 4 x^3 = 32 at 2. Were the gradient of y kept, the second pass would add 64."""
    x = leaf(2.0)
    y = x * x
    z = y * y
    z.backward()
    assert x.grad.tolist() == [32]
    z.backward()
    assert x.grad.tolist() == [64]
    assert y.grad is None


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("f", [lambda x, w: x + w, lambda x, w: x, lambda x, w: x.T + w, lambda x, w: (x + w) + w])
def test_gradient_of_a_leaf_is_its_own_memory(f: Callable[..., Any], create_graph: bool) -> None:
    x, w, seed = leaf(1.0, 2.0), leaf(3.0, 4.0), np.ones(2)
    f(x, w).backward(seed, create_graph=create_graph)
    before = w.grad.tolist() if w.grad is not None else None
    x.grad.data[0] = 100
    assert seed.tolist() == [1, 1]
    assert before == (w.grad.tolist() if w.grad is not None else None)


# ---- float32 stays float32 (DeZero drifts)

def test_float32_training_stays_float32() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2), nn.Sigmoid(), nn.Linear(2, 1))
    sgd = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    x, y = tl.randn(5, 3), tl.randn(5, 1)
    for _ in range(3):
        out = net((x * 2 - 1) / math.sqrt(2.0))
        loss = 0.5 * nn.MSELoss()(out, y) + 1e-3 * sum((p**2).mean() for p in net.parameters())
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    assert out.dtype == loss.dtype == np.float32
    for p in net.parameters():
        assert p.dtype == p.grad.dtype == sgd.state[p]["momentum_buffer"].dtype == np.float32


@pytest.mark.parametrize("scalar", [2, 2.0, True])
@pytest.mark.parametrize("sign", ["add", "sub", "mul", "truediv", "pow", "mod"])
def test_python_number_does_not_widen(sign: str, scalar: Any) -> None:
    x, apply = leaf(0.5, 3.0, dtype=np.float32), getattr(operator, sign)
    for y in (apply(x, scalar), apply(scalar, x)):
        widths = []
        x.register_hook(lambda g, widths=widths: widths.append(g.dtype))
        y.sum().backward()
        assert y.dtype == np.float32
        assert widths == [np.float32]


# ---- a value that changes between forward and backward

def line_of(text: str, function: Any) -> str:
    """`file.py:12` of the line of `function` that contains `text`."""
    lines, start = inspect.getsourcelines(function)
    return f"{__file__.rsplit('/', 1)[-1]}:{start + next(i for i, line in enumerate(lines) if text in line)}"


def test_changed_value_that_a_gradient_needs_is_an_error_with_both_lines() -> None:
    w = leaf(1.0, 2.0)
    y = (w * w).sum()  # the line that read it
    with tl.no_grad():
        w -= 0.5  # the line that changed it
    with pytest.raises(GradError) as caught:
        y.backward()
    me = test_changed_value_that_a_gradient_needs_is_an_error_with_both_lines
    assert line_of("# the line that read it", me) in str(caught.value)
    assert line_of("# the line that changed it", me) in str(caught.value)
    assert w.grad is None


def _by_optimizer(w: Any) -> None:
    w.grad = tl.ones(*w.shape)
    optim.SGD([w], lr=0.1).step()
    w.grad = None


WRITES: dict[str, Callable[[Any], Any]] = {
    "an optimizer's step": _by_optimizer, "init": nn.init.zeros_,
    "data = ...": lambda w: setattr(w, "data", np.zeros(w.shape)),
    "data += ...": lambda w: setattr(w, "data", operator.iadd(w.data, 1)),
}
READS: dict[str, Callable[[Any], Any]] = {
    "w * w": lambda w: w * w, "sin(w)": tl.sin, "a view's square": lambda w: w.reshape(2, 1) ** 2,
    "1 / a view": lambda w: 1 / w[::-1], "w @ w": lambda w: w @ w,
    "the factor of another leaf": lambda w: w * leaf(1.0, 1.0),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("read", READS)
def test_every_write_through_the_library_is_seen(write: str, read: str) -> None:
    w = leaf(1.0, 2.0)
    y = READS[read](w).sum()
    expected = tl.autograd.grad(y, w)[0].tolist()
    WRITES[write](w)
    if write == "data = ...":  # w has another array; the graph keeps the old one, which is as it was
        y.backward()
        assert w.grad.tolist() == expected
        if "view" not in read:  # a gradient of the gradient would mix the two
            with pytest.raises(GradError, match="changed in place"):
                tl.autograd.grad(y, w, create_graph=True)
    else:
        with pytest.raises(GradError, match="changed in place"):
            y.backward()


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("share", [lambda w: w.detach(), lambda w: w.detach()[1:],
                                   lambda w: tl.from_numpy(w.data[::-1])], ids=["detached", "slice", "from_numpy"])
def test_write_to_a_tensor_that_shares_the_memory_is_seen(write: str, share: Callable[..., Any]) -> None:
    w = leaf(1.0, 2.0)
    y = (w * w).sum()
    WRITES[write](share(w))
    if w.tolist() == [1, 2]:  # "data = ..." gave the detached one another array
        y.backward()
        assert w.grad.tolist() == [2, 4]
    else:
        with pytest.raises(GradError, match="changed in place"):
            y.backward()


def test_written_result_that_its_own_gradient_needs_is_an_error() -> None:
    """The rule of exp reads its output: with y overwritten, dy/dx = y would be 0 and not e."""
    x = leaf(1.0)
    y = tl.exp(x)
    nn.init.zeros_(y)
    with pytest.raises(GradError):
        y.sum().backward()


HARMLESS: dict[str, tuple[Callable[..., Any], Any]] = {  # what is made of w = (1, 2), and its gradient for ones
    "w + 1": (lambda w: w + 1, [1, 1]), "3 - w": (lambda w: 3 - w, [-1, -1]), "w * 5": (lambda w: w * 5, [5, 5]),
    "w.sum()": (lambda w: w.sum(), [1, 1]), "w.mean()": (lambda w: w.mean(), [0.5, 0.5]),
    "exp(w), which needs its output alone": (lambda w: tl.exp(w), [math.exp(1), math.exp(2)]),
    "the square of a fancy-indexed copy": (lambda w: w[[0, 1, 1]] ** 2, [2, 8]),
    "the square of a masked copy": (lambda w: w[np.array([False, True])] ** 2, [0, 4]),
    "the square of a copy": (lambda w: w.copy() ** 2, [2, 4]),
    "joined copies": (lambda w: tl.concatenate([w, w]) ** 2, [4, 8]),
    "a view alone": (lambda w: w.reshape(2, 1)[:1], [1, 0]),
}


@pytest.mark.parametrize("how", HARMLESS)
def test_changed_value_that_no_gradient_needs_is_no_error(how: str) -> None:
    read, gradient = HARMLESS[how]
    w = leaf(1.0, 2.0)
    y = read(w).sum()
    with tl.no_grad():
        w -= 10
    y.backward()
    np.testing.assert_allclose(w.grad.data, gradient, rtol=1e-15)
    assert w.tolist() == [-9, -8]


# ---- modules in plain lists and dicts (PyTorch and DeZero do not train them)

class Held(nn.Module):
    def __init__(self) -> None:
        self.first = [nn.Linear(2, 3), nn.Tanh()]
        self.branches = {"left": nn.Linear(3, 1), "right": [nn.Linear(3, 1)]}
        self.scale = (nn.Parameter([1.0]),)

    def forward(self, x: Any) -> Any:
        for layer in self.first:
            x = layer(x)
        return self.scale[0] * self.branches["left"](x) * self.branches["right"][0](x)


def test_modules_in_plain_lists_and_dicts_are_trained_and_saved() -> None:
    net = Held()
    layers = ("first.0", "branches.left", "branches.right.0")
    names = [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")] + ["scale.0"]
    before = net.state_dict()
    assert sorted(before) == sorted(names)
    sgd = optim.SGD(net.parameters(), lr=0.1)
    net(tl.ones(4, 2)).sum().backward()
    sgd.step()
    after = net.state_dict()
    assert [name for name in names if (before[name] == after[name]).all()] == []
    net.load_state_dict(before)
    assert all((net.state_dict()[name] == before[name]).all() for name in names)


# ---- kinks: what is documented is what comes

def test_where_computes_both_sides_so_log_of_0_makes_a_nan_gradient_unless_its_argument_is_safe() -> None:
    """The rule of `where` gives log the gradient 0, and 0 / 0 is nan, as in every other package; its doc says so."""
    x = leaf(0.0, 2.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        tl.where(x > 0, tl.log(x), 0).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [np.nan, 0.5])
    assert "nan" in tl.where.__doc__
    x = leaf(0.0, 2.0)
    tl.where(x > 0, tl.log(tl.where(x > 0, x, 1)), 0).sum().backward()
    assert x.grad.tolist() == [0, 0.5]


def test_sqrt_at_0_is_inf_and_numpy_warns() -> None:
    x = leaf(0.0, 4.0)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        tl.sqrt(x).sum().backward()
    assert x.grad.tolist() == [math.inf, 0.25]


def test_norm_at_0_by_hand_is_inf_times_0_and_numpy_says_so() -> None:
    """d sqrt(x.x)/dx = x / |x|; at 0 the chain rule has inf * 0. It is nan, and not without a word."""
    x = leaf(3.0, 4.0)
    tl.sqrt((x * x).sum()).backward()
    np.testing.assert_allclose(x.grad.data, [0.6, 0.8], rtol=1e-15)
    x = leaf(0.0, 0.0)
    with pytest.warns(RuntimeWarning) as caught:
        tl.sqrt((x * x).sum()).backward()
    assert np.isnan(x.grad.data).all()
    assert len(caught) >= 2


def test_relu_and_abs_at_0_are_0_on_both_sides_of_zero() -> None:
    for function, slopes in ((tl.relu, [0, 0, 0, 1]), (tl.abs, [-1, 0, 0, 1])):
        x = leaf(-1.0, -0.0, 0.0, 1.0)
        function(x).sum().backward()
        assert x.grad.tolist() == slopes


# ---- the other operand first

LEFT: dict[str, tuple[Any, Callable[..., Any]]] = {  # sign: (operator, d(c . x)/dx)
    "+": (operator.add, lambda c, x: np.ones(2)), "-": (operator.sub, lambda c, x: -np.ones(2)),
    "*": (operator.mul, lambda c, x: c * np.ones(2)),
    "/": (operator.truediv, lambda c, x: -c / x**2), "**": (operator.pow, lambda c, x: c**x * np.log(c)),
    "%": (operator.mod, lambda c, x: -np.floor(c / x)),
}


@pytest.mark.parametrize("sign", LEFT)
@pytest.mark.parametrize("left", [2, 2.5, np.float64(2.5), np.array([2.5, 3.5]), np.array(2.5), [2.5, 3.5]], ids=repr)
def test_number_or_array_on_the_left(sign: str, left: Any) -> None:
    apply, slope = LEFT[sign]
    x = leaf(0.75, 1.5)
    y = apply(left, x)
    assert type(y) is tl.Tensor
    np.testing.assert_allclose(y.data, apply(np.asarray(left), x.data), rtol=1e-15)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data, slope(np.asarray(left), x.data), rtol=1e-14)  # a log and a power


LISTS: dict[str, Callable[..., Any]] = {
    "x ** c": lambda x, c: x**c, "c ** x": lambda x, c: c**x, "x % c": lambda x, c: x % c, "c / x": lambda x, c: c / x,
    "x @ c": lambda x, c: x @ c, "c @ x": lambda x, c: c @ x, "outer": tl.outer, "maximum": tl.maximum,
    "where": lambda x, c: tl.where(c, x, 0), "clip": lambda x, c: tl.clip(x, c, None),
}


@pytest.mark.parametrize("c", [[2.5, 0.5], [0.0, 1.5]], ids=str)
@pytest.mark.parametrize("name", LISTS)
def test_list_is_what_its_array_is(name: str, c: Any) -> None:
    x, z = leaf(0.75, 1.25), leaf(0.75, 1.25)
    with np.errstate(all="ignore"):
        LISTS[name](x, c).sum().backward()
        LISTS[name](z, np.array(c)).sum().backward()
    np.testing.assert_array_equal(x.grad.data, z.grad.data)


@pytest.mark.parametrize("A", [[[1.0, 2.0], [3.0, 4.0]], np.array([[1.0, 2.0], [3.0, 4.0]])], ids=["list", "array"])
def test_matrix_on_the_left(A: Any) -> None:
    x = leaf(1.0, 2.0)
    y = A @ x
    assert y.tolist() == [5, 11]
    y.sum().backward()
    assert x.grad.tolist() == [4, 6]


def test_comparison_and_floor_on_the_left() -> None:
    x = leaf(1.0, 2.0)
    assert (np.array([1.0, 1.0]) < x).tolist() == [False, True]
    assert type(np.array([1.0, 1.0]) == x) is tl.Tensor
    assert (np.array([5.0, 5.0]) // x).tolist() == (5 // x).tolist() == [5, 2]


# ---- gradcheck itself (PyTorch's passes a wrong sign at scale 1e-7, and stumbles over float32)

def test_gradcheck_finds_a_wrong_sign_however_small() -> None:
    for scale in (1.0, 1e-7, 1e-20):
        wrong = tl.Op("wrong", lambda x, s=scale: x * s, lambda g, y, x, s=scale: g * -s)
        with pytest.raises(GradcheckError):
            gradcheck(wrong, np.array([0.5, 1.0]))
        assert gradcheck(tl.Op("right", lambda x, s=scale: x * s, lambda g, y, x, s=scale: g * s), np.array([0.5, 1.0]))


def test_gradcheck_of_float32_inputs_is_done_in_float64() -> None:
    assert gradcheck(lambda x, w: tl.tanh(x * w), [np.array([0.5, 1.0], np.float32), leaf(0.3, 0.4, dtype=np.float32)])


def test_gradcheck_passes_a_correct_relu_at_0() -> None:
    assert gradcheck(tl.relu, np.array([-1.0, 0.0, 1.0]))
