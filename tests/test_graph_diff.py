"""Two graphs compared: every difference that was made is found, named and counted, and nothing else."""

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import nn, viz
from tinygrad_lite.nn import functional as F


class Net(nn.Module):
    def __init__(self, width=8, activation=None):
        self.first = nn.Linear(4, width)
        self.activation = activation or nn.Tanh()
        self.second = nn.Linear(width, 2)

    def forward(self, x):
        return self.second(self.activation(self.first(x)))


def graph_of(net, rows=5, dtype=np.float32):
    net.to(dtype)
    return viz.graph(F.mse_loss(net(tl.tensor(np.ones((rows, 4), dtype), name="x")), tl.tensor(np.ones((rows, 2), dtype), name="y")))


def changes(diff):
    return {(change.after.label, change.after.path): str(change) for change in diff.changed}


def test_a_graph_is_equal_to_one_made_alike():
    diff = viz.graph_diff(graph_of(Net()), graph_of(Net()))
    assert diff.equal
    assert str(diff) == f"0 added, 0 removed, 0 changed, {len(diff.matched)} alike"
    assert [i for i, _ in diff.matched] == list(range(1, len(diff.matched) + 1))


def test_a_wider_layer_changes_shapes_and_nothing_else():
    diff = viz.graph_diff(graph_of(Net(8)), graph_of(Net(16)))
    assert (diff.added, diff.removed) == ((), ())
    assert changes(diff) == {
        ("first.weight", "first"): "shape 8x4 -> 16x4", ("first.bias", "first"): "shape 8 -> 16", ("linear", "first"): "shape 5x8 -> 5x16",
        ("tanh", "activation"): "shape 5x8 -> 5x16", ("second.weight", "second"): "shape 2x8 -> 2x16"}


def test_another_activation_is_a_changed_op():
    diff = viz.graph_diff(graph_of(Net()), graph_of(Net(activation=nn.ReLU())))
    assert (diff.added, diff.removed) == ((), ())
    assert changes(diff) == {("relu", "activation"): "op tanh -> relu"}
    mark, label, path, *_ = str(diff).splitlines()[1].split()
    assert (mark, label, path) == ("~", "relu", "activation")
    assert str(diff).splitlines()[1].endswith("return self.second(self.activation(self.first(x)))")


def test_what_was_put_in_between_is_added_and_what_went_is_removed():
    x = tl.tensor(np.ones(3), requires_grad=True, name="x")
    plain, scaled = tl.exp(tl.sin(x)).sum(), (tl.exp(tl.cos(tl.sin(x))) * 2).sum()
    diff = viz.graph_diff(plain, scaled)
    assert sorted(card.label for card in diff.added) == ["2", "cos", "multiply"]
    assert (diff.removed, diff.changed) == ((), ())  # exp has another input: that one is new, and is told already
    uneven = viz.graph_diff(tl.sin(x), tl.cos(tl.exp(x)))  # one for two: neither is the old one
    assert ([c.label for c in uneven.removed], [c.label for c in uneven.added]) == (["sin"], ["exp", "cos"])
    back = viz.graph_diff(scaled, plain)
    assert [card.label for card in back.removed] == [card.label for card in diff.added]
    lines = [line.split()[:2] for line in str(back).splitlines()[1:]]
    assert ["-", "cos"] in lines
    assert lines[-1] == ["-", "multiply"]
    assert str(back).startswith("0 added, 3 removed, 0 changed, 4 alike")


def test_parameters_dtype_and_constants_are_compared():
    x = tl.tensor(np.ones((2, 3)), requires_grad=True, name="x")
    assert changes(viz.graph_diff((x * 2).sum(axis=0), (x * 3).sum(axis=1))) == {
        ("3", ""): "value 2 -> 3", ("sum", ""): "shape 3 -> 2, axis 0 -> 1"}
    diff = viz.graph_diff(graph_of(Net()), graph_of(Net(), dtype=np.float64))
    assert {str(change) for change in diff.changed} == {"dtype float32 -> float64"}
    assert len(diff.changed) == len(diff.matched)


def test_a_frozen_parameter_is_a_difference():
    net, frozen = Net(), Net()
    frozen.first.weight.requires_grad_(False)
    assert changes(viz.graph_diff(graph_of(net), graph_of(frozen))) == {("first.weight", "first"): "requires_grad True -> False"}


def test_wires_that_were_crossed_are_seen():
    a, b = (tl.tensor(np.ones(3), requires_grad=True, name=name) for name in "ab")
    s, t = tl.sin(a), tl.cos(b)
    (change,) = viz.graph_diff(s - t, t - s).changed
    assert [(name, before.split()[0], after.split()[0]) for name, before, after in change.what] == [("input", "sin", "cos"), ("input", "cos", "sin")]
    diff = viz.graph_diff(s * s, s * t)  # here the other input is new, which is told once
    assert ([card.label for card in diff.added], diff.changed) == (["b", "cos"], ())


def test_a_graph_kept_from_yesterday_can_be_compared():
    kept = graph_of(Net())  # the model is gone by now
    net = Net()
    diff = viz.graph_diff(kept, F.mse_loss(net(tl.ones(5, 4)), tl.ones(5, 2)))
    assert [change.what for change in diff.changed] == [(("name", "x", "leaf1"),), (("name", "y", "leaf2"),)]
    assert viz.graph_diff(kept, graph_of(Net())).equal
    assert not viz.graph_diff(kept, graph_of(Net(), rows=6)).equal


def test_unnamed_leaves_are_matched_and_an_address_is_no_difference():
    op = [tl.Op("apply", lambda x, *, f: f(x), lambda g, y, x, f: g) for _ in range(2)]
    graphs = [viz.graph(apply(tl.ones(2, requires_grad=True), f=eval("lambda x: x + 1"))) for apply in op]  # two functions, two addresses
    assert viz.graph_diff(*graphs).equal
    one, two = tl.ones(2, requires_grad=True), tl.ones(2, requires_grad=True)
    diff = viz.graph_diff(one * 2, one * 2 + two)
    assert sorted(card.label for card in diff.added) == ["add", "leaf2"]
    assert diff.changed == ()


def test_a_long_chain_with_one_more_step_has_one_difference():
    def chain(n):
        y = tl.tensor(1.0, requires_grad=True)
        for i in range(n):
            y = tl.sin(y) if i % 2 else tl.cos(y)
        return y

    diff = viz.graph_diff(chain(20_000), chain(20_001))  # at once: only what is between the first and the last difference is searched
    assert (len(diff.added), len(diff.removed), len(diff.changed)) == (1, 0, 0)
    diff = viz.graph_diff(tl.exp(chain(6)) * chain(6), tl.log(chain(6)) * chain(8))
    assert ([c.label for c in diff.added], [c.label for c in diff.removed]) == (["log", "cos", "sin"], ["exp"])
    assert viz.graph_diff(chain(0), chain(0)).equal
