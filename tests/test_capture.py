"""The record is enough for a compiler: a captured step, replayed as a bare list of calls, gives eager's numbers."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.engine import capture

rng = np.random.default_rng(3)


def problem(**sgd):
    generator = np.random.default_rng(5)
    model = nn.Sequential(nn.Linear(2, 16, generator=generator), nn.ReLU(), nn.Linear(16, 1, generator=generator)).to(np.float64)
    return model, nn.MSELoss(), optim.SGD(model.parameters(), **sgd)


def train_step(model, loss_fn, optimizer, x, y):
    optimizer.zero_grad()
    prediction = model(x)
    weight = tl.where(prediction > y, 2.0, 0.5)  # a mask that no gradient flows through
    loss = (weight * (prediction - y) ** 2).mean() + loss_fn(prediction, y)
    loss.backward()
    optimizer.step()
    return loss


@pytest.mark.parametrize("sgd", [{"lr": 0.05}, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}, {"lr": 0.05, "momentum": 0.9, "nesterov": True},
                                 {"lr": 0.05, "momentum": 0.5, "dampening": 0.3}], ids=str)
def test_mlp_step_replays_to_eagers_numbers_on_new_data(sgd):
    batches = [(rng.standard_normal((10, 2)), rng.standard_normal((10, 1))) for _ in range(20)]
    eager = problem(**sgd)
    losses = []
    for t, (x, y) in enumerate(batches):
        eager[2].param_groups[0]["lr"] = 0.05 / (1 + t)  # a schedule
        losses.append(train_step(*eager, tl.tensor(x), tl.tensor(y)).item())

    captured = problem(**sgd)
    x, y = (tl.tensor(a) for a in batches[0])
    with capture() as tape:
        loss = train_step(*captured, x, y)
    replayed = [loss.item()]
    for t, (new_x, new_y) in enumerate(batches[1:], start=1):
        captured[2].param_groups[0]["lr"] = 0.05 / (1 + t)  # live: the replay asks for it
        value = tape.replay({x: new_x, y: new_y})
        replayed.append(float(value(loss)))
    assert replayed == losses
    for ours, theirs in zip(captured[0].parameters(), eager[0].parameters(), strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)
    if sgd.get("momentum"):
        for i, state in captured[2].state_dict()["state"].items():
            np.testing.assert_array_equal(state["momentum_buffer"], eager[2].state_dict()["state"][i]["momentum_buffer"])
            assert state["step"] == 20


def test_the_tape_is_a_plain_list_of_calls():
    model, loss_fn, optimizer = problem(lr=0.1)
    x, y = tl.tensor(rng.standard_normal((4, 2))), tl.tensor(rng.standard_normal((4, 1)))
    with capture() as tape:
        train_step(model, loss_fn, optimizer, x, y)
    names = [call.node.op.name for call in tape.calls]
    assert names[:3] == ["linear", "relu", "linear"]
    assert "greater" in names  # the mask is there, and so are the relu's and the update's
    assert names.count("write") == 4
    paths = {call.node.scope.owner() for call in tape.calls if call.node.scope is not None}
    assert set(model) < paths  # the backward calls too know the module that they belong to


def test_textbook_update_is_captured():
    w = tl.tensor([2.0], np.float64, requires_grad=True)
    x = tl.tensor([3.0], np.float64)
    with capture() as tape:
        w.grad = None
        (w * x).sum().backward()
        with tl.no_grad():
            w -= 0.1 * w.grad
    assert w.item() == pytest.approx(1.7)
    tape.replay({x: np.array([5.0])})
    assert w.item() == pytest.approx(1.2)


def test_second_order_is_captured():
    x = tl.tensor([1.0, 2.0], np.float64, requires_grad=True)
    with capture() as tape:
        (g,) = tl.autograd.grad((x * x * x).sum(), x, create_graph=True)
        (h,) = tl.autograd.grad((g * g).sum(), x)  # d/dx 9 x^4 = 36 x^3
    value = tape.replay({x: np.array([3.0, -1.0])})
    np.testing.assert_allclose(value(h), [36 * 27, -36])


def test_captures_do_not_nest_and_end_with_an_error():
    with capture(), pytest.raises(RuntimeError, match="already running"), capture():
        pass
    with pytest.raises(ZeroDivisionError), capture() as tape:
        raise ZeroDivisionError
    tl.tensor([1.0]) + 1
    assert tape.calls == []
