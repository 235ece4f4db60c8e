"""Profiles and verifications of programs: they leave everything as it was, say where time goes, and find what is wrong."""

import copy

import numpy as np
import pytest

import tinygrad_lite as tl
from benchmarks.models import example
from tinygrad_lite import nn, optim
from tinygrad_lite.compiler import PASSES
from tinygrad_lite.compiler.program import Function
from tinygrad_lite.errors import CompileError
from tinygrad_lite.nn import functional as F
from tinygrad_lite.tensors import default_generator

rng = np.random.default_rng(3)
X, Y = rng.standard_normal((20, 3)).astype(np.float32), rng.standard_normal((20, 1)).astype(np.float32)


class Net(nn.Module):
    def __init__(self):
        self.first, self.last = nn.Linear(3, 8), nn.Linear(8, 1)

    def forward(self, x):
        return self.last(F.dropout(F.relu(self.first(x)), 0.25))


def training(optimizer=optim.Adam, **options):
    """A model, its optimizer and its compiled step, which has run twice."""
    tl.manual_seed(1)
    model = Net()
    own = optimizer(model.parameters(), lr=0.05)

    @tl.compile(**options)
    def step(x, y):
        own.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        own.step()
        return loss

    step(X, Y)
    step(X, Y)
    return model, own, step


def everything(model, own):
    state = own.state_dict()
    arrays = {f"{i}.{k}": v for i, kept in state["state"].items() for k, v in kept.items()}
    arrays |= model.state_dict() | {f"{n}.grad": p.grad.numpy().copy() for n, p in model.named_parameters()}
    return arrays, state["param_groups"], copy.deepcopy(default_generator().bit_generator.state)


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
@pytest.mark.parametrize("look", ["profile", "verify"])
def test_looking_leaves_parameters_optimizer_gradients_and_generator_as_they_were(look, optimizer):
    model, own, step = training(optimizer)
    before = everything(model, own)
    handles = [(id(p.data), id(p._grad)) for p in model.parameters()]
    assert step.profile(X, Y, repeat=2).lines if look == "profile" else step.verify(X, Y)
    after = everything(model, own)
    assert before[0].keys() == after[0].keys()
    assert all(np.array_equal(before[0][k], after[0][k]) for k in before[0])
    assert before[1:] == after[1:]
    assert len(step.programs) == 1
    own_loss = step(X, Y).item()
    assert len(step.programs) == 1  # no guard was upset
    assert handles[0][0] == id(next(iter(model.parameters())).data)
    model, own, step = training(optimizer)
    assert own_loss == step(X, Y).item()


def test_a_graph_from_before_a_verification_can_still_be_differentiated():
    model, _, step = training()
    loss = F.mse_loss(model.last(model.first(tl.tensor(X)) * 1.0), tl.tensor(Y))
    assert step.verify(X, Y)
    loss.backward()  # it would refuse, if the parameters counted as written since


@pytest.mark.parametrize("name", ["mlp", "lenet", "rnn", "gpt"])
def test_the_models_verify_to_the_bit(name):
    model, loss = example(name, **{"rnn": {"steps": 4}, "gpt": {"depth": 1}}.get(name, {}))
    own = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @tl.compile
    def step():
        own.zero_grad()
        value = loss()
        value.backward()
        own.step()
        return value

    step()
    report = step.verify()
    assert report
    assert report.largest == 0
    names = [n for n, _ in model.named_parameters()]
    assert {"output 0", *names, *[f"gradient of {n}" for n in names], f"{names[0]}.momentum_buffer"} <= {d.what for d in report.results}
    assert "agree with the eager function to the bit" in str(report)


def test_gradients_that_add_up_verify():
    layer = nn.Linear(3, 1)

    @tl.compile
    def add(x):
        layer(x).sum().backward()

    for _ in range(3):
        add(X)
    assert add.verify(X)
    assert np.allclose(layer.weight.grad.numpy(), 3 * X.sum(0))  # three times, not four; rounding of sums of 20 in float32
    assert add.profile(X, repeat=1).lines


def test_a_pass_that_changes_the_mathematics_is_found_by_the_results(monkeypatch):
    def spoil(program):
        call = next(c for c in program.calls if c.function.text == "np.maximum")
        call.function = Function("np.minimum", np.minimum, "map")

    monkeypatch.setitem(PASSES, "spoil", spoil)
    _, _, step = training()
    report = step.verify(X, Y)
    assert not report
    assert not report.ok
    assert all(d.largest == 0 for d in report.lines)  # each line does what its call says
    assert {"output 0", "first.weight", "gradient of last.weight"} <= {d.what for d in report.wrong}
    assert "differ; the first is where to look" in str(report)
    assert step.verify(X, Y, rtol=1e6)


def test_a_line_that_is_not_what_its_call_says_is_named_first():
    _, _, step = training()
    bound = step.programs[-1]
    line = next(n for c, n in bound.source.lines.items() if c.function.text == "np.maximum")
    text = bound.source.text.splitlines()
    assert "np.maximum(" in text[line - 1]
    text[line - 1] = text[line - 1].replace("np.maximum(", "np.minimum(")
    bound.source = bound.source._replace(text="\n".join(text))
    first = step.verify(X, Y).wrong[0]
    assert (first.number, first.op, first.path) == (line, "relu", "Net")
    assert first.what.startswith("np.minimum(")
    assert "F.relu(self.first(x))" in first.origin


def test_a_difference_in_a_nan_is_one():
    @tl.compile
    def f(x):
        return tl.sqrt(x)

    x = np.array([-1.0, 4.0])
    with np.errstate(all="ignore"):
        f(x)
        assert f.verify(x)
        bound = f.programs[-1]
        bound.source = bound.source._replace(text=bound.source.text.replace("np.sqrt(x)", "np.abs(x)"))
        assert f.verify(x).largest == np.inf


def test_large_arrays_are_verified_and_timed_piece_by_piece():
    w = tl.tensor(np.linspace(0, 1, 100_000))
    x = np.array(1.0)

    @tl.compile
    def g(x):
        return ((tl.exp(w) * 2 + 1) * w).sum() + x

    g(x)
    assert "for (" in g.source
    report = g.verify(x)
    assert report.largest == 0
    assert len(report.lines) >= 4
    profile = g.profile(x, repeat=2)
    assert {line.text.partition("(")[0] for line in profile.lines} >= {"np.exp", "np.multiply", "np.add"}


def test_a_profile_says_what_each_line_moves_and_takes():
    _, _, step = training()
    profile = step.profile(X, Y, repeat=3)
    assert profile.repeat == 3
    assert sum(line.share for line in profile.lines) == pytest.approx(1)
    first = next(line for line in profile.lines if line.path == "first")
    assert first.text.startswith("np.dot(x, ")
    assert first.nbytes == 4 * (20 * 3 + 3 * 8 + 20 * 8)
    assert "model(x)" in first.origin or "self.first(x)" in first.origin
    assert [line.number for line in profile.lines] == sorted(line.number for line in profile.lines)
    assert all(line.seconds >= 0 for line in profile.lines)
    assert profile.by("path").keys() >= {"first", "last", "Net", ""}
    assert sum(profile.by("op").values()) == pytest.approx(sum(line.seconds for line in profile.lines))
    assert len(profile.table(most=3).splitlines()) == 2 + 3 + 1
    program = profile.table(most=None, order="program").splitlines()
    assert len(program) == 2 + len(profile.lines)
    assert str(profile) == profile.table()
    for wrong in (lambda: profile.by("shape"), lambda: profile.table(order="size"), lambda: step.profile(X, Y, repeat=0)):
        with pytest.raises(ValueError, match="not"):
            wrong()


def test_a_profile_without_arguments_takes_those_of_the_first_run():
    _, _, step = training()
    assert len(step.profile(repeat=1).lines) == len(step.profile(X, Y, repeat=1).lines)


def test_arguments_that_no_program_is_for_are_an_error():
    _, _, step = training()
    for look in (step.profile, step.verify):
        with pytest.raises(CompileError, match="step has no program for these arguments"):
            look(X[:3], Y[:3])
    fresh = tl.compile(lambda x: x)
    for look in (fresh.profile, fresh.verify, fresh.graph):
        with pytest.raises(CompileError, match="has no program yet"):
            look()


def test_a_program_as_cards_reads_only_what_stands_before():
    _, _, step = training()
    graph = step.graph()
    assert [card.number for card in graph.cards] == list(range(1, len(graph.cards) + 1))
    assert all(i < card.number for card in graph.cards for i in card.inputs)
    assert [card.label for card in graph.cards[:2]] == ["x", "y"]
    (root,) = graph.roots
    assert graph.cards[root - 1].shapes == ((),)
    product = next(card for card in graph.cards if card.label == "np.dot")
    assert product.path == "first"
    assert product.shapes == ((20, 8),)
    assert {card.kind for card in graph.cards} == {"leaf", "constant", "op"}


def test_the_cards_of_a_joined_update_read_the_gradients_that_were_made():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @tl.compile(passes={*PASSES, "reuse"} - {"layout"})  # which depends on what BLAS is there
    def step(x):
        optimizer.zero_grad()
        loss = (model(x) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    step(tl.ones(5, 3))
    found = step.graph().cards
    update = next(card for card in found if card.label == "np.multiply" and card.shapes == ((26,),))  # 3*4 + 4 + 4*2 + 2 entries
    gradients = [found[n - 1] for n in update.inputs if found[n - 1].kind == "op"]
    assert sorted(card.shapes[0] for card in gradients) == [(2,), (2, 4), (4,), (4, 3)]
    assert {card.label for card in found if card.kind == "leaf"} >= {"0.weight", "0.bias", "1.weight", "1.bias", "parameters"}
