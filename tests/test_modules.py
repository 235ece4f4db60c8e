"""Modules, layers, initialisation, SGD: what is found, named, saved, refused."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.engine import module_path
from tinygrad_lite.errors import ShapeError, StateError


class Net(nn.Module):
    """Parts in every kind of place, and no call of super().__init__()."""

    def __init__(self):
        self.first = nn.Linear(3, 4)
        self.blocks = [nn.Linear(4, 4), {"a": nn.Linear(4, 4), "b": (nn.Linear(4, 2),)}]
        self.scale = nn.Parameter([1.0, 1.0])
        self.tied = self.first
        self.register_buffer("mean", tl.zeros(2))
        self.register_buffer("scratch", tl.zeros(2), persistent=False)

    def forward(self, x):
        h = np.tanh(self.first(x))
        for layer in (self.blocks[0], self.blocks[1]["a"], self.blocks[1]["b"][0]):
            h = layer(h)
        return h * self.scale - self.mean


PATHS = ["scale", "first.weight", "first.bias", "blocks.0.weight", "blocks.0.bias", "blocks.1.a.weight", "blocks.1.a.bias", "blocks.1.b.0.weight",
         "blocks.1.b.0.bias"]


def test_parameters_in_lists_and_dicts_are_found_named_and_trained():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == PATHS
    assert [name for name, _ in net.named_modules()] == ["", "first", "blocks.0", "blocks.1.a", "blocks.1.b.0"]
    assert [name for name, _ in net.named_buffers()] == ["mean", "scratch"]
    before = net.state_dict()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    (net(tl.randn(5, 3)) ** 2).sum().backward()
    optimizer.step()
    changed = [name for name, array in net.state_dict().items() if not np.array_equal(array, before[name])]
    assert changed == PATHS
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_a_set_of_modules_is_refused():
    net = Net()
    net.bag = {nn.Linear(1, 1)}
    with pytest.raises(TypeError, match="'bag' is a set of modules"):
        list(net.parameters())


def test_a_module_that_knows_its_parent_ends():
    net = Net()
    net.first.parent = net
    loop = [net]
    loop.append(loop)
    net.loop = loop
    assert len(list(net.modules())) == 5


def test_state_dict_is_a_copy_and_loads_in_place():
    a, b = Net(), Net()
    state = a.state_dict()
    assert list(state) == [*PATHS, "mean"]
    arrays = [p.data for p in b.parameters()]
    assert b.load_state_dict(state) == ([], [])
    assert all(p.data is array for p, array in zip(b.parameters(), arrays, strict=True))
    state["scale"][0] = 99
    assert a.scale.data[0] == 1
    assert b.scale.data[0] == 1


def test_state_that_does_not_fit_changes_nothing():
    net = Net()
    before = net.state_dict()
    wrong = {**{name: array + 1 for name, array in before.items()}}
    with pytest.raises(StateError) as caught:
        net.load_state_dict({**{k: v for k, v in wrong.items() if k != "scale"}, "extra": np.ones(1)})
    assert str(caught.value) == "the state does not fit Net:\n  missing: scale\n  unexpected: extra"
    with pytest.raises(ShapeError, match=r"scale is \(2,\), the state has \(3,\)"):
        net.load_state_dict({**wrong, "scale": np.ones(3)})
    assert all(np.array_equal(array, before[name]) for name, array in net.state_dict().items())
    assert net.load_state_dict({"extra": np.ones(1)}, strict=False).unexpected == ["extra"]


def test_train_eval_freeze_apply_and_dtype():
    net = Net()
    assert all(not m.training for m in net.eval().modules())
    assert all(m.training for m in net.train().modules())
    net.requires_grad_(False)
    assert not net(tl.ones(2, 3)).requires_grad
    net.requires_grad_()
    seen = []
    net.apply(seen.append)
    assert seen[-1] is net
    assert len(seen) == 5
    assert {p.dtype for p in net.to(np.float64).parameters()} == {np.dtype(np.float64)}
    assert net.mean.dtype == np.float64


def test_float32_networks_stay_float32_everywhere():
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(tl.randn(5, 3)), tl.randn(5, 2))
        loss.backward()
        optimizer.step()
    assert loss.dtype == np.float32
    for p in net.parameters():
        assert p.dtype == p.grad.dtype == optimizer.state[p]["momentum_buffer"].dtype == np.float32


def test_hooks_run_before_and_after_and_go_away():
    layer = nn.Linear(1, 1)
    layer.load_state_dict({"weight": [[2.0]], "bias": [0.0]})
    before = layer.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    after = layer.register_forward_hook(lambda module, args, output: output * 10)
    assert layer(tl.ones(1, 1)).item() == 40
    before.remove()
    with after:
        assert layer(tl.ones(1, 1)).item() == 20
    assert layer(tl.ones(1, 1)).item() == 2


def test_modules_copy_and_pickle():
    net = Net()
    x = tl.randn(2, 3)
    for again in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(again(x).data, net(x).data)
        assert again.tied is again.first
        assert again.first is not net.first


def test_nodes_know_the_module_they_ran_in_and_keep_no_model_alive():
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Tanh()))
    y = net(tl.ones(1, 2))
    assert module_path(y.node.scope) == "1.0"
    assert module_path(y.node.inputs[0].node.scope) == "0"
    gone = weakref.ref(net)
    gc.disable()
    try:
        del net
        assert gone() is None
    finally:
        gc.enable()
    assert module_path(y.node.scope) == "Sequential.Sequential.Tanh"
    y.sum().backward()


def test_wrong_size_names_the_layer_and_who_made_the_input():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(5, 2))
    with pytest.raises(ShapeError) as caught:
        net(tl.ones(7, 3))
    text = str(caught.value)
    assert text.startswith("Linear '2' (in_features=5) got (7, 4): the last size must be 5\n  made by ReLU '1' at test_modules.py:")
    assert text.endswith("net(tl.ones(7, 3))")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse_loss_refuses_shapes_that_would_broadcast(reduction):
    with pytest.raises(ShapeError, match=r"mse_loss: input has shape \(8, 1\), target has \(8,\). Write target.reshape\(8, 1\)"):
        nn.MSELoss(reduction)(tl.ones(8, 1), tl.ones(8))
    with pytest.raises(ShapeError, match="they must be the same"):
        nn.functional.mse_loss(tl.ones(8, 1), tl.ones(4, 1), reduction)
    a, b = tl.tensor([[1.0, 2.0]]), tl.tensor([[0.0, 4.0]])
    expected = {"mean": 2.5, "sum": 5, "none": [[1, 4]]}[reduction]  # squares 1 and 4
    assert nn.MSELoss(reduction)(a, b).tolist() == expected


def test_arguments_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="reduction is"):
        nn.MSELoss("average")
    with pytest.raises(ValueError, match="reduction is"):
        nn.functional.mse_loss(tl.ones(1), tl.ones(1), "average")
    with pytest.raises(ValueError, match="sizes of 0 or more"):
        nn.Linear(-1, 2)
    with pytest.raises(TypeError, match="has no forward"):
        nn.Module()(1)
    with pytest.raises(TypeError, match="Sequential takes modules, got int at position 1"):
        nn.Sequential(nn.ReLU(), 3)


def test_repr_is_what_could_be_typed():
    net = nn.Sequential(nn.Linear(5, 7, bias=False), nn.Tanh())
    assert repr(net) == "Sequential(Linear(in_features=5, out_features=7, bias=False), Tanh())"
    assert eval(repr(net), vars(nn))[0].in_features == 5
    assert repr(nn.MSELoss("sum")) == "MSELoss(reduction='sum')"
    assert repr(optim.SGD(net.parameters(), lr=0.1, momentum=0.9)) == "SGD(lr=0.1, momentum=0.9)"
    assert "first=Linear" in repr(Net())


def test_summary_counts_shapes_and_parameters():
    net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))
    text = nn.summary(net, (32, 5))
    assert [line.split() for line in text.splitlines()[2:]] == [
        ["(model)", "Sequential", "(32,", "1)"], ["0", "Linear", "(32,", "7)", "42"], ["1", "Tanh", "(32,", "7)"], ["2", "Linear", "(32,", "1)", "8"],
        ["50", "parameters"]]
    net[0].requires_grad_(False)
    assert nn.summary(net).endswith("50 parameters, 42 of them frozen")


def test_sequential_is_a_list_of_layers():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).append(nn.Linear(3, 1))
    assert len(net) == 3
    assert isinstance(net[1], nn.ReLU)
    assert len(net[:2]) == 2
    assert net[:2][0] is net[0]
    assert [type(m).__name__ for m in net] == ["Linear", "ReLU", "Linear"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


# ---- SGD

def test_sgd_refuses_what_it_cannot_train():
    w = tl.ones(2, requires_grad=True)
    for params, error in (([], "no parameters"), ([w * 2], "trains leaves"), ([w, w], "given twice"),
                          ([{"params": [w], "rate": 1}], "no setting 'rate'")):
        with pytest.raises(ValueError, match=error):
            optim.SGD(params, lr=0.1)
    for params in (w, [np.ones(2)]):
        with pytest.raises(TypeError):
            optim.SGD(params, lr=0.1)
    for settings in ({"lr": -1}, {"lr": float("nan")}, {"lr": 0.1, "momentum": -0.5}, {"lr": 0.1, "nesterov": True}):
        with pytest.raises(ValueError, match="SGD"):
            optim.SGD([w], **settings)


def test_sgd_updates_the_parameters_own_array_and_skips_those_without_gradient():
    a, b = tl.tensor([1.0], requires_grad=True), tl.tensor([1.0], requires_grad=True)
    array = a.data
    optimizer = optim.SGD([a, b], lr=0.5)
    (a * 3).backward()
    optimizer.step()
    assert a.data is array
    assert (a.item(), b.item()) == (-0.5, 1.0)  # 1 - 0.5 * 3


def test_sgd_state_survives_a_save_and_refuses_another_model():
    w = tl.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    (w * w).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    assert state["param_groups"][0]["params"] == [0]
    v = tl.tensor(w.data, requires_grad=True)
    other = optim.SGD([v], lr=0.5)
    other.load_state_dict(state)
    for p, o in ((w, optimizer), (v, other)):
        p.grad = tl.ones(2)
        o.step()
    assert w.tolist() == v.tolist()
    with pytest.raises(StateError, match="groups of"):
        optim.SGD([tl.ones(2, requires_grad=True), tl.ones(2, requires_grad=True)], lr=1).load_state_dict(state)
    with pytest.raises(ShapeError, match="momentum_buffer"):
        optim.SGD([tl.ones(3, requires_grad=True)], lr=1).load_state_dict(state)


def test_closure_is_called_with_recording_on():
    w = tl.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with tl.no_grad():
        assert optimizer.step(closure).item() == 4
    assert w.item() == pytest.approx(1.6)
