"""Each silent mistake is found with its evidence and line; a model without it is not accused; nothing is left changed."""

import copy

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim, verify
from tinygrad_lite.errors import ShapeError

F = nn.functional


def seeded(n):
    return np.random.default_rng(n)


def classifier(*between, hidden=16):
    return nn.Sequential(nn.Linear(2, hidden, generator=seeded(0)), *(between or [nn.ReLU()]), nn.Linear(hidden, 3, generator=seeded(1)))


@pytest.fixture
def batch():
    x = tl.tensor(seeded(2).standard_normal((32, 2)).astype(np.float32))
    return x, tl.tensor((x.data[:, 0] > 0).astype(int) + (x.data[:, 1] > 0))


def diagnose(model, batch, loss=F.cross_entropy, lr=0.5, **keywords):
    optimizer = optim.SGD(model.parameters(), lr=lr)
    return verify.diagnose(model, loss, batch, optimizer, **keywords)


def only(report, kind):
    assert report.kinds == [kind], str(report)
    assert not report
    return report.findings[0]


def test_a_sound_model_is_not_accused(batch):
    report = diagnose(classifier(), batch)
    assert report, str(report)
    assert report.learned[-1] < 0.5 * report.loss
    assert [path for path, *_ in report.layers] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert str(report).startswith("0 findings; loss 1.")
    assert "0.weight   (16, 2)" in str(report)


def test_without_an_optimizer_the_model_alone_is_looked_at(batch):
    report = verify.diagnose(classifier(), F.cross_entropy, batch)
    assert report
    assert report.learned == ()


class Branches(nn.Module):
    def __init__(self):
        self.used, self.forgotten = nn.Linear(2, 3, generator=seeded(0)), nn.Linear(2, 3, generator=seeded(1))
        self.cut = False

    def forward(self, x):
        h = self.used(x)
        return h + self.forgotten(x).detach() if self.cut else h


@pytest.mark.parametrize("cut", [False, True])
def test_parameters_that_are_never_reached(batch, cut):
    model = Branches()
    model.cut = cut
    report = diagnose(model, batch)
    assert report.kinds == ["never reached"]
    assert [finding.evidence for finding in report.findings] == [
        "no operation between the input and the loss uses forgotten.weight, of shape (3, 2)",
        "no operation between the input and the loss uses forgotten.bias, of shape (3,)"]


def test_parameters_that_the_optimizer_does_not_know(batch):
    model = classifier()
    finding = only(verify.diagnose(model, F.cross_entropy, batch, optim.SGD(list(model.parameters())[:3], lr=0.5)), "not in the optimizer")
    assert finding.evidence.startswith("2.bias, of shape (3,), requires a gradient")
    assert "test_diagnose.py" in finding.line
    model[2].bias.requires_grad_(False)
    assert verify.diagnose(model, F.cross_entropy, batch, optim.SGD(list(model.parameters())[:3], lr=0.5))  # frozen on purpose


def test_an_optimizer_of_another_model(batch):
    model = classifier()
    report = verify.diagnose(model, F.cross_entropy, batch, optim.SGD(copy.deepcopy(model).parameters(), lr=0.5))
    assert "another model's optimizer" in report.kinds


def test_gradients_that_are_all_zero(batch):
    class Level(nn.Module):
        def __init__(self):
            self.first, self.last = nn.Linear(2, 3, generator=seeded(0)), nn.Linear(2, 3, generator=seeded(1))

        def forward(self, x):
            return self.last(x) + self.first(x) * 0.0

    report = diagnose(Level(), batch)
    assert report.kinds == ["without a gradient"]
    assert report.findings[0].evidence == "every entry is 0 in the gradient of first.weight, of shape (3, 2)"
    assert "self.first(x) * 0.0" in report.findings[0].line


def test_dead_units(batch):
    model = classifier()
    model[0].bias.data[:12] = -50
    finding = only(diagnose(model, batch), "dead units")
    assert finding.evidence == "12 of 16 units of '1' are 0 for all 32 rows"
    model[0].bias.data[:10] = 0  # 2 of 16 left: that happens
    assert diagnose(model, batch)


def test_saturated_units(batch):
    model = classifier(nn.Tanh())
    model[0].bias.data[...] = 20
    assert "saturated units" in diagnose(model, batch).kinds
    assert diagnose(classifier(nn.Tanh()), batch)


@pytest.mark.parametrize(("scale", "kind"), [(0.02, "vanishing gradient"), (30.0, "exploding gradient")])
def test_gradients_that_vanish_or_explode_from_layer_to_layer(scale, kind):
    layers = [layer for i in range(5) for layer in (nn.Linear(8, 8, generator=seeded(i)), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(8, 1, generator=seeded(9)))
    x = tl.tensor(seeded(2).standard_normal((16, 8)).astype(np.float32))
    batch = x, tl.tensor(x.data[:, :1])
    assert kind not in verify.diagnose(model, F.mse_loss, batch).kinds
    for layer in model[2:]:
        if isinstance(layer, nn.Linear):
            layer.weight.data *= scale  # five times on the way from the loss to the first layer: 3e-9 or 2e7
    report = verify.diagnose(model, F.mse_loss, batch)
    assert kind in report.kinds, str(report)
    finding = next(finding for finding in report.findings if finding.kind == kind)
    assert "at the output of 0.weight has the norm" in finding.evidence
    assert "test_diagnose.py" in finding.line


def test_a_loss_far_above_chance(batch):
    model = classifier()
    model[2].weight.data *= 50
    finding = next(finding for finding in diagnose(model, batch).findings if finding.kind == "loss at the start")
    assert "guessing among 3 classes gives ln 3 1.099" in finding.evidence


def test_a_target_that_is_far_from_zero(batch):
    x = batch[0]
    model = nn.Linear(2, 1, generator=seeded(0))
    far = tl.tensor(x.data[:, :1] + 1000)
    assert "loss at the start" in verify.diagnose(model, F.mse_loss, (x, far)).kinds
    assert verify.diagnose(model, F.mse_loss, (x, tl.tensor(x.data[:, :1])))


def test_a_double_softmax_with_both_lines(batch):
    report = diagnose(classifier(), batch, lambda output, target: F.cross_entropy(F.softmax(output, -1), target))
    finding = next(finding for finding in report.findings if finding.kind == "double softmax")
    assert "what a softmax made at test_diagnose.py" in finding.evidence
    assert "test_diagnose.py" in finding.line
    binary = verify.diagnose(nn.Linear(2, 1, generator=seeded(0)), lambda z, t: F.binary_cross_entropy_with_logits(tl.sigmoid(z), t),
                             (batch[0], tl.ones(32, 1)))
    assert binary.kinds == ["double sigmoid"]


def test_a_loss_that_broadcasts(batch):
    x = batch[0]
    model = nn.Linear(2, 1, generator=seeded(0))
    finding = only(verify.diagnose(model, lambda y, t: ((y - t) ** 2).mean(), (x, tl.tensor(x.data[:, 0]))), "broadcast loss")
    assert finding.evidence == "subtract of (32, 1) and (32,) made a table of (32, 32): every entry with every other"
    assert "((y - t) ** 2).mean()" in finding.line
    assert "reshape(32, 1)" in finding.remedy
    assert verify.diagnose(model, lambda y, t: ((y - t) ** 2).mean(), (x, tl.tensor(x.data[:, :1])))


class Noisy(nn.Module):
    def __init__(self, always):
        self.first, self.last, self.always = nn.Linear(2, 16, generator=seeded(0)), nn.Linear(16, 3, generator=seeded(1)), always

    def forward(self, x):
        return self.last(F.dropout(tl.tanh(self.first(x)), 0.3, training=self.always or self.training))


def test_dropout_that_stays_on_in_evaluation(batch):
    finding = only(diagnose(Noisy(always=True), batch), "random in evaluation")
    assert "F.dropout(" in finding.line
    assert diagnose(Noisy(always=False), batch)


def test_training_in_evaluation_mode(batch):
    model = Noisy(always=False)
    model.eval()
    only(diagnose(model, batch), "trained in evaluation mode")
    assert not model.training
    plain = classifier()
    plain.eval()
    assert diagnose(plain, batch)  # no difference: no matter


class Normalized(nn.Module):
    def __init__(self, always):
        self.first, self.always = nn.Linear(2, 3, generator=seeded(0)), always
        self.register_buffer("mean", tl.zeros(3))
        self.register_buffer("var", tl.ones(3))

    def forward(self, x):
        return F.batch_norm(self.first(x), self.mean, self.var, training=self.always or self.training)


def test_batch_statistics_in_evaluation(batch):
    report = diagnose(Normalized(always=True), batch)
    assert report.kinds == ["batch statistics in evaluation"], str(report)
    assert diagnose(Normalized(always=False), batch)


@pytest.mark.parametrize(("lr", "kinds"), [(2000.0, ["learning rate too large", "diverges on one batch"]), (1e-6, ["learning rate too small"]),
                                           (0.3, [])])
def test_the_learning_rate_against_the_curvature(lr, kinds):
    # y = w x with x = 1: L = w^2, L'' = 2, so lr = 1/2 is best, and beyond 1 the loss rises
    model = nn.Linear(1, 1, bias=False, generator=seeded(0))
    report = diagnose(model, (tl.ones(4, 1), tl.zeros(4, 1)), lambda y, t: ((y - t) ** 2).mean(), lr=lr)
    assert report.kinds == kinds, str(report)
    if lr == 1e-6:
        assert "up to about 0.5" in report.findings[0].remedy


@pytest.mark.parametrize(("start", "kind"), [(-1.1, "does not learn one batch"), (-0.2, "diverges on one batch")])
def test_a_batch_that_is_not_learned_because_a_rule_is_wrong(start, kind):
    bad = tl.Op("tanh", np.tanh, lambda g, y, x: -g * (1 - y * y))

    class Wrong(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(np.array([start], np.float32))

        def forward(self, x):
            return bad(self.w * x)

    batch = tl.ones(4, 1), tl.full((4, 1), 0.9)  # (tanh(w) - 0.9)^2 rises to 3.61: from 2.89, and from 1.2
    finding = only(diagnose(Wrong(), batch, lambda y, t: ((y - t) ** 2).mean(), lr=0.1), kind)
    assert "verify.audit(loss)" in finding.remedy


def test_a_loss_that_is_not_finite_is_traced_to_its_first_operation(batch):
    model = classifier()
    with np.errstate(all="ignore"):
        report = diagnose(model, batch, lambda output, target: np.log(-output * output).mean())
    assert report.kinds[0] == "not finite"
    assert "log made 96 nan of finite numbers" in report.findings[0].evidence


def test_nothing_is_left_changed(batch):
    model = Normalized(always=False)
    model.noise = np.random.default_rng(3)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss = F.cross_entropy(model(batch[0]), batch[1])
    loss.backward()
    optimizer.step()
    before_graph = F.cross_entropy(model(batch[0]), batch[1])
    objects = [(x, x.data, x.data.copy(), x.grad, None if x.grad is None else x.grad.data.copy()) for x in [*model.parameters(), *model.buffers()]]
    momentum = optimizer.state_dict()
    model.first.eval()
    tl.manual_seed(5)
    expected = tl.rand(3).tolist()
    tl.manual_seed(5)
    own = copy.deepcopy(model.noise.bit_generator.state)
    verify.diagnose(model, F.cross_entropy, batch, optimizer)
    assert tl.rand(3).tolist() == expected
    assert model.noise.bit_generator.state == own
    assert (model.training, model.first.training) == (True, False)
    for x, array, values, g, g_values in objects:
        assert x.data is array
        np.testing.assert_array_equal(array, values)
        assert x.grad is g
        assert g is None or np.array_equal(g.data, g_values)
    after = optimizer.state_dict()
    assert after["param_groups"] == momentum["param_groups"]
    for i, entry in momentum["state"].items():
        assert after["state"][i]["step"] == entry["step"] == 1
        np.testing.assert_array_equal(after["state"][i]["momentum_buffer"], entry["momentum_buffer"])
    before_graph.backward()  # a graph from before is still good


def test_it_is_put_back_also_when_the_loss_raises(batch):
    model = classifier()
    weight = model[0].weight.data
    with pytest.raises(ShapeError, match=r"one entry, it returned \(32, 3\)"):
        verify.diagnose(model, lambda output, target: output, batch)
    assert model[0].weight.data is weight
