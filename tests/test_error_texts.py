"""The exact words of each error and warning that points at a mistake, with the user's lines; `L<n>` stands for the line number of this file."""

import re
import warnings

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim, verify
from tinygrad_lite.engine import notice
from tinygrad_lite.errors import AnomalyError, GradWarning, TinygradError

F = nn.functional


@pytest.fixture(autouse=True)
def nothing_was_told_before(monkeypatch):
    monkeypatch.setattr(notice, "_told", set())


def words(error):
    """The message and its notes, line numbers of this file left out."""
    return re.sub(r"test_error_texts\.py:\d+", "test_error_texts.py:L", "\n".join([str(error), *getattr(error, "__notes__", [])]))


def raised(f, kind=Exception):
    with pytest.raises(kind) as caught:
        f()
    return words(caught.value)


def warned(f):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f()
    assert [entry.category for entry in caught] == [GradWarning]
    assert caught[0].filename == __file__
    return words(caught[0].message)


NOWHERE = "backward() has nowhere to go: this Tensor does not depend on anything that requires a gradient.\n"
MAKE = "  Make a leaf with requires_grad=True, and compute outside no_grad() and without detach()."


def leaf(name=None):
    return tl.tensor([1.0, 2.0], requires_grad=True, name=name)


# ---- a backward pass without a way

def test_no_leaf_requires_a_gradient():
    y = (tl.tensor([1.0, 2.0]) * 2).sum()
    assert raised(y.backward) == NOWHERE + MAKE


def test_computed_under_no_grad():
    w = leaf()
    with tl.no_grad():
        y = w * w
    z = (y * 2).sum()
    assert raised(z.backward) == (
        NOWHERE + "  It was computed under no_grad(), entered at test_error_texts.py:L    with tl.no_grad():\n" + MAKE)


def test_computed_in_a_function_that_is_decorated():
    w = leaf()

    @tl.no_grad()
    def evaluate():
        return (w * w).sum()

    loss = evaluate()
    assert raised(loss.backward) == (
        NOWHERE + "  It was computed under no_grad(), entered at test_error_texts.py:L    loss = evaluate()\n" + MAKE)


def test_cut_off_by_detach():
    h = (leaf() * 2).detach()
    loss = F.mse_loss(h, tl.zeros(2))
    assert raised(loss.backward) == (
        NOWHERE + "  It was cut off by .detach() at test_error_texts.py:L    h = (leaf() * 2).detach()\n" + MAKE)


def test_taken_out_by_numpy():
    a = (leaf() * 2).numpy()
    loss = (tl.tensor(a[:1]) * 3).sum()
    assert raised(loss.backward) == (
        NOWHERE + "  It was made of what .numpy() took out of the graph at test_error_texts.py:L    a = (leaf() * 2).numpy()\n" + MAKE)


def test_what_has_a_graph_says_nothing_of_cuts():
    w = leaf()
    h = (w * 2).detach()
    (h * w).sum().backward()
    assert w.grad.tolist() == [2, 4]
    assert not hasattr(h * w, "cut")


# ---- a backward pass that cannot be, or would be wrong

def test_a_root_with_many_entries():
    y = leaf() * 2
    assert raised(y.backward) == ("backward() of a Tensor of shape (2,) needs gradient=, of that shape: only a scalar has one gradient.\n"
                                  "  Reduce it first, with .sum() or .mean().")


def test_a_gradient_of_another_shape():
    y = leaf() * 2
    assert raised(lambda: y.backward(np.ones(3))) == "backward(): gradient has shape (3,), the Tensor has (2,)"


def test_integers_that_should_require_a_gradient():
    assert raised(lambda: tl.tensor([1, 2], requires_grad=True)) == (
        "a Tensor of dtype int64 cannot require a gradient: it needs a float dtype, such as tensor(data, dtype='float32')")


def test_a_dropped_graph():
    loss = (leaf() * 2).sum()
    loss.backward(retain_graph=False)
    assert raised(loss.backward) == (
        "the graph was dropped: the record of sum at test_error_texts.py:L    loss = (leaf() * 2).sum()\n"
        "  was dropped by backward(retain_graph=False) at test_error_texts.py:L    loss.backward(retain_graph=False)\n"
        "  To go through it again, leave retain_graph=True in the first backward().")


def test_a_leaf_changed_between_forward_and_backward():
    w = leaf("w")
    loss = (w * w).sum()
    with tl.no_grad():
        w -= 0.1
    assert raised(loss.backward) == (
        "leaf 'w' of multiply at test_error_texts.py:L    loss = (w * w).sum()\n"
        "  was changed in place at test_error_texts.py:L    w -= 0.1\n"
        "  and the gradient of multiply needs the value that it had. Run the forward pass again before backward(), or change a copy.")


# ---- shapes

def test_a_layer_that_does_not_fit_names_both_layers_and_lines():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(4, 1))
    assert raised(lambda: net(tl.ones(5, 2)), TinygradError) == (
        "Linear '2' (in_features=4) got (5, 3): the last size must be 4\n"
        "  made by ReLU '1' at test_error_texts.py:L    assert raised(lambda: net(tl.ones(5, 2)), TinygradError) == (")


def test_an_error_of_numpys_keeps_its_words_and_gains_a_note():
    a, b = tl.ones(2, 3), tl.ones(4)
    assert raised(lambda: a * b, ValueError) == (
        "operands could not be broadcast together with shapes (2,3) (4,) \n"
        "in multiply((2, 3), (4,)) at test_error_texts.py:L    assert raised(lambda: a * b, ValueError) == (")


def test_a_loss_of_two_shapes():
    assert raised(lambda: F.mse_loss(tl.ones(3, 1), tl.ones(3))).startswith(
        "mse_loss: input has shape (3, 1), target has (3,). Write target.reshape(3, 1): broadcasting would compare every entry with every other")


# ---- nan

def test_the_nan_of_a_masked_branch():
    x = tl.tensor([0.0, 2.0], requires_grad=True)
    y = tl.where(x > 0, np.sqrt(x), 0.0).sum()

    def watched():
        with verify.detect_anomaly(), np.errstate(all="ignore"):
            y.backward()

    assert raised(watched, AnomalyError) == (
        "the backward rule of sqrt at test_error_texts.py:L    y = tl.where(x > 0, np.sqrt(x), 0.0).sum()\n"
        "  made 1 nan of finite numbers, for input 0\n"
        "  input 0: float32 (2,), from 0 to 2, mean 1, std 1, 1 zeros\n"
        "  the incoming gradient: float32 (2,), from 0 to 1, mean 0.5, std 0.5, 1 zeros\n"
        "  The incoming gradient is 0 there: a where() has not chosen this branch, or a mask hides the entry.\n"
        "  The derivative is infinite, and 0 times infinity is nan. Compute the branch only where it is chosen:\n"
        "    tl.where(cond, sqrt, other, x)\n"
        "  or choose its argument first:\n"
        "    tl.where(cond, sqrt(tl.where(cond, x, 1)), other)")


# ---- warnings

def test_zero_grad_forgotten_is_told_once():
    w = leaf("w")
    optimizer = optim.SGD([w], lr=0.1)

    def train():
        for _ in range(4):
            loss = (w * w).sum()
            loss.backward()
            optimizer.step()

    assert warned(train) == (
        "a step with a gradient that was used before: at test_error_texts.py:L    optimizer.step()\n"
        "  the .grad of 'w' was used at test_error_texts.py:L    optimizer.step()\n"
        "  and backward() has added to it at test_error_texts.py:L    loss.backward()\n"
        "  Call optimizer.zero_grad() before each backward(), or set .grad = None.")


def test_a_gradient_not_set_to_none_in_a_loop_by_hand_is_told_too():
    w = leaf("w")

    def train():
        nonlocal w
        for _ in range(3):
            (w * w).sum().backward()
            with tl.no_grad():
                w -= 0.1 * w.grad

    assert warned(train) == (
        "a step with a gradient that was used before: at test_error_texts.py:L    w -= 0.1 * w.grad\n"
        "  the .grad of 'w' was used at test_error_texts.py:L    w -= 0.1 * w.grad\n"
        "  and backward() has added to it at test_error_texts.py:L    (w * w).sum().backward()\n"
        "  Call optimizer.zero_grad() before each backward(), or set .grad = None.")


def test_accumulation_on_purpose_is_not_told():
    w = leaf("w")
    optimizer = optim.SGD([w], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            optimizer.zero_grad()
            for _ in range(3):  # three small batches, then a step
                (w * w).sum().backward()
            optimizer.step()
        w.grad = None
        (w * w).sum().backward()


def test_a_gradient_that_is_added_to_and_dropped_before_the_next_step_is_not_told():
    judge, maker = leaf("judge"), leaf("maker")  # two networks in turn: the second loss goes through the first network too
    one, two = optim.SGD([judge], lr=0.1), optim.SGD([maker], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            one.zero_grad()
            (judge * maker.detach()).sum().backward()
            one.step()
            two.zero_grad()
            (judge * maker).sum().backward()
            (judge * maker).sum().backward()
            two.step()


def test_a_softmax_before_cross_entropy_is_told_once_with_both_lines():
    logits = tl.tensor([[1.0, 2.0]], requires_grad=True)
    label = tl.tensor([0])

    def train():
        for _ in range(2):
            p = F.softmax(logits, -1)
            F.cross_entropy(p, label)

    assert warned(train) == (
        "cross_entropy takes logits, and has a softmax in it: it got what a softmax made\n"
        "  at test_error_texts.py:L    F.cross_entropy(p, label)\n"
        "  the softmax is softmax at test_error_texts.py:L    p = F.softmax(logits, -1)\n"
        "  Leave that softmax out: the loss could not fall below that of a sure answer, and learns slowly.")


def test_logits_are_not_told():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.cross_entropy(tl.tensor([[1.0, 2.0]], requires_grad=True) * 2, tl.tensor([0])).backward()
