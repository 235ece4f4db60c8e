"""The record and the sweep: what backward promises, and what it refuses."""

import gc
import threading
import tracemalloc

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.engine import Op, newest_first
from tinygrad_lite.errors import GradError, ShapeError


def leaf(value, dtype=np.float64):
    return tl.tensor(np.asarray(value, dtype), requires_grad=True)


def test_shared_input_adds_both_paths():
    x = leaf(3.0)
    y = x * x + x  # dy/dx = 2x + 1 = 7
    y.backward()
    assert x.grad.item() == 7


def test_second_backward_accumulates_in_leaves_and_doubles_nothing_between():
    x = leaf(3.0)
    h = x * x
    y = h * h  # x^4: dy/dx = 4 * 27 = 108
    y.backward()
    y.backward()
    assert x.grad.item() == 216


def test_gradient_of_gradient_of_gradient():
    x = leaf(2.0)
    y = x * x * x * x  # 16, 32, 48, 48, 24
    found = []
    for _ in range(4):
        (y,) = tl.autograd.grad(y, x, create_graph=True)
        found.append(y.item())
    assert found == [32, 48, 48, 24]


def test_backward_with_create_graph_leaves_a_gradient_that_can_be_differentiated():
    x = leaf(2.0)
    (x * x * x).backward(create_graph=True)  # 3 x^2
    g = x.grad
    x.grad = None
    g.backward()
    assert x.grad.item() == 12  # 6 x


def test_leaf_owns_its_gradient():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    seed = np.ones(2)
    (a + b).backward(seed)  # the rule of add returns g itself, twice
    assert not np.shares_memory(a.grad.data, b.grad.data)
    assert not np.shares_memory(a.grad.data, seed)
    a.grad.data[0] = 99
    assert b.grad.data[0] == 1
    c = leaf(np.ones((2, 3)))
    c.T.reshape(6).backward(np.arange(6.0))
    assert c.grad.data.flags.writeable
    assert c.grad.data.base is None
    assert c.grad.data.tolist() == [[0, 2, 4], [1, 3, 5]]


def test_gradient_has_the_dtype_of_its_leaf():
    w = tl.tensor([1.0, 2.0], requires_grad=True)  # float32
    (w * np.array([1.5, 2.5])).sum().backward()  # float64 data
    assert w.grad.dtype == np.float32
    assert w.grad.data.tolist() == [1.5, 2.5]


def test_dropped_outputs_count_as_zero():
    x = leaf(np.arange(6.0))
    _, middle, _ = tl.split(x, 3)
    (middle * middle).sum().backward()
    assert x.grad.data.tolist() == [0, 0, 4, 6, 0, 0]
    (g,) = tl.autograd.grad(tl.split(x, 3)[2].sum(), x, create_graph=True)
    assert g.data.tolist() == [0, 0, 0, 0, 1, 1]


def test_two_outputs_meet_again():
    x = leaf([1.0, 2.0, 3.0, 4.0])
    a, b = tl.split(x, 2)
    (a * b).sum().backward()  # x0 x2 + x1 x3
    assert x.grad.data.tolist() == [3, 4, 1, 2]


def test_results_on_the_way_can_be_targets():
    x = leaf(2.0)
    h = x * x
    y = h * x  # dy/dh = x, dy/dx in all = 3 x^2
    gh, gx = tl.autograd.grad(y, [h, x])
    assert (gh.item(), gx.item()) == (2, 12)
    assert x.grad is None
    part = tl.split(leaf([1.0, 2.0, 3.0, 4.0]), 2)
    (g,) = tl.autograd.grad((part[0] * part[1]).sum(), part[1])
    assert g.data.tolist() == [1, 2]


def test_only_rules_on_the_way_to_a_target_run():
    def refuse(g, y, a, b):
        raise AssertionError("this rule is not needed")

    picky = Op("picky", np.multiply, lambda g, y, a, b: g * b, refuse)
    x, w = leaf(2.0), leaf(3.0)
    (g,) = tl.autograd.grad(picky(x, w), x)
    assert g.item() == 3


def test_unused_input_is_an_error_or_none():
    x, z = leaf(2.0), leaf(1.0)
    with pytest.raises(GradError, match="do not depend on input 1"):
        tl.autograd.grad(x * x, [x, z])
    assert tl.autograd.grad(x * x, [x, z], allow_unused=True)[1] is None


def test_hooks_see_and_replace_gradients():
    x = leaf(3.0)
    h = x * x
    seen = []
    handle = h.register_hook(lambda g: (seen.append(g.item()), g * 10)[1])
    x.register_hook(lambda g: seen.append(g.item()))
    (h + 0).backward()
    assert seen == [1, 60]
    assert x.grad.item() == 60
    handle.remove()
    x.grad = None
    (h + 0).backward()
    assert x.grad.item() == 6


def test_backward_steps_are_the_same_pass_told_step_by_step():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    x.name = "x"
    loss = (x * w + x).sum()
    steps = loss.backward_steps()
    assert [step.node.op.name for step in steps] == ["sum", "add", "multiply"]
    assert [g.tolist() for _, g in steps[2].outgoing] == [[3, 4], [1, 2]]
    assert steps[1].incoming.tolist() == [1, 1]
    assert x.grad.tolist() == [4, 5]  # w + 1
    total = sum(g for step in steps for to, g in step.outgoing if to is x)
    assert total.tolist() == [4, 5]
    assert str(steps[2]).startswith("multiply at test_sweep.py:")
    assert str(steps[2]).endswith("(2,) -> x (2,), leaf (2,)")


def test_retain_grad_fills_a_result_and_makes_no_cycle():
    x = leaf(3.0)
    h = x * x
    h.retain_grad()
    h.retain_grad()  # asked twice, filled once
    (h * 5).backward()
    assert h.grad.item() == 5


def test_chain_of_a_hundred_thousand_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1
    (g,) = tl.autograd.grad(y, x, create_graph=True)
    assert g.item() == 1
    del y


def test_sixteen_doublings_make_sixteen_nodes():
    y = x = leaf(1.0)
    for _ in range(16):
        y = y + y
    assert len(newest_first([y])) == 16
    y.backward()
    assert x.grad.item() == 65536


def test_no_grad_records_nothing_and_nests():
    x = leaf(2.0)
    with tl.no_grad():
        assert not (x * x).requires_grad
        with tl.enable_grad():
            assert (x * x).requires_grad
        assert not (x * x).requires_grad
    assert (x * x).requires_grad

    @tl.no_grad()
    def f(n):
        return f(n - 1) if n else x * x

    assert not f(3).requires_grad
    with pytest.raises(ZeroDivisionError), tl.no_grad():
        raise ZeroDivisionError
    assert tl.is_grad_enabled()


def test_modes_are_per_thread():
    seen = []
    with tl.no_grad():
        thread = threading.Thread(target=lambda: seen.append(tl.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_two_threads_train_their_own_models():
    def train(seed, losses):
        generator = np.random.default_rng(seed)
        model = nn.Sequential(nn.Linear(3, 4, generator=generator), nn.Tanh(), nn.Linear(4, 1, generator=generator))
        x, y = tl.randn(20, 3, generator=generator), tl.randn(20, 1, generator=generator)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        for _ in range(200):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    alone, together = [[], []], [[], []]
    for i in (0, 1):
        train(i, alone[i])
    threads = [threading.Thread(target=train, args=(i, together[i])) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_a_rule_of_the_wrong_shape_is_an_error_that_names_it():
    bad = Op("bad", lambda x: x * 1, lambda g, y, x: g[:1])
    x = leaf([1.0, 2.0])
    y = bad(x)
    with pytest.raises(ShapeError, match=r"rule of bad at test_sweep\.py:\d+    y = bad\(x\) gave \(1,\) for input 0 of shape \(2,\)"):
        y.backward(np.ones(2))
    assert x.grad is None


def test_an_error_in_a_rule_names_the_op_and_leaves_gradients_alone():
    def broken(g, y, a):
        raise FloatingPointError("no")

    bad = Op("bad", np.sin, broken)
    x, w = leaf(1.0), leaf(2.0)
    y = bad(x) * w
    with pytest.raises(FloatingPointError) as caught:
        y.backward()
    assert caught.value.__notes__[0].startswith("in the backward rule of bad at test_sweep.py:")
    assert x.grad is None
    assert w.grad is None


def test_a_users_own_op_is_three_lines():
    cube = tl.Op("cube", lambda x: x * x * x, lambda g, y, x: g * 3 * x * x)
    x = leaf(2.0)
    (g,) = tl.autograd.grad(cube(x), x, create_graph=True)
    (g2,) = tl.autograd.grad(g, x)
    assert (g.item(), g2.item()) == (12, 12)
    assert cube(2.0) == 8.0  # bare in, bare out


# ---- the graph dropped, arrays changed

def test_retain_graph_false_drops_the_graph_and_says_where():
    x = leaf(2.0)
    y = np.exp(x * x)
    y.backward(retain_graph=False)
    assert x.grad.item() == pytest.approx(4 * np.exp(4.0))
    with pytest.raises(GradError) as caught:
        y.backward()
    text = str(caught.value)
    assert "y.backward(retain_graph=False)" in text
    assert "the record of exp at test_sweep.py" in text


def test_leaf_changed_in_place_after_the_forward_pass_is_an_error_with_both_lines():
    w = tl.tensor([2.0], requires_grad=True, name="w")
    y = w * w
    with tl.no_grad():
        w -= 1
    with pytest.raises(GradError) as caught:
        y.backward()
    text = str(caught.value)
    assert "leaf 'w' of multiply at test_sweep.py" in text
    assert "y = w * w" in text
    assert "was changed in place at test_sweep.py" in text
    assert "w -= 1" in text


def test_a_view_of_a_changed_leaf_is_seen_too():
    w = leaf([2.0, 3.0])
    v = w[1:]
    y = v * v
    w.data += 1
    with pytest.raises(GradError, match="was changed in place"):
        y.backward()


def test_change_that_the_gradient_does_not_need_is_no_error():
    w = leaf([2.0, 3.0])
    y = (w + 1).sum() + w[np.array([0, 0])].sum() + (w * 3).sum() + np.concatenate([w, w]).sum()
    with tl.no_grad():
        w -= 1
    y.backward()
    assert w.grad.data.tolist() == [8, 6]


def test_updating_then_a_new_forward_pass_is_no_error():
    w = leaf([2.0])
    for _ in range(3):
        w.grad = None
        (w * w).backward()
        with tl.no_grad():
            w -= 0.1 * w.grad
    assert w.item() == pytest.approx(2 * 0.8 ** 3)


def test_in_place_update_of_a_leaf_needs_no_grad():
    w = leaf([2.0])
    array = w.data
    with pytest.raises(GradError, match=r"with no_grad\(\):"):
        w -= 1
    with tl.no_grad():
        w -= 1
        w *= 3
    assert w.data is array
    assert array.tolist() == [3]
    h = w * 2
    before = h
    h += 1  # a result is a value: the name is bound to a new one
    assert h is not before
    assert before.item() == 6


# ---- bad input to backward

def test_backward_refusals():
    x = leaf([1.0, 2.0])
    with pytest.raises(GradError, match=r"shape \(2,\) needs gradient="):
        (x * x).backward()
    with pytest.raises(ShapeError, match=r"gradient has shape \(3,\), the Tensor has \(2,\)"):
        (x * x).backward(np.ones(3))
    with pytest.raises(GradError, match="nowhere to go"):
        tl.tensor([1.0]).backward()
    with pytest.raises(GradError, match="does not require a gradient"):
        tl.autograd.grad(x.sum(), tl.tensor([1.0]))
    with pytest.raises(ValueError, match="2 outputs and 1 grad_outputs"):
        tl.autograd.grad([x.sum(), x.sum()], x, [np.ones(())])


# ---- memory

def grown(step, n=300, warm=50):
    """Bytes that each of n more steps leaves behind, with the garbage collector off. The interpreter's free lists fill up at first."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(warm):
            step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(n):
            step()
        return (tracemalloc.get_traced_memory()[0] - before) / n
    finally:
        tracemalloc.stop()
        gc.enable()


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("momentum", [0, 0.9])
def test_training_leaves_nothing_behind_without_the_collector(create_graph, momentum):
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    x, y = tl.randn(10, 2), tl.randn(10, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=momentum)
    loss_fn = nn.MSELoss()

    def step():
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward(create_graph=create_graph)
        optimizer.step()

    assert grown(step) < 50  # one node that stayed in each step would be 480


def test_graph_is_freed_when_its_root_goes():
    x = leaf(np.ones(10))

    def step():
        y = x
        for _ in range(20):
            y = np.tanh(y) * 2
        (g,) = tl.autograd.grad(y.sum(), x, create_graph=True)
        g.sum()
        h = y[0]
        h.retain_grad()
        h.backward()
        x.grad = None

    assert grown(step) < 50
