"""Pictures: what they say is so. Folding, opening, values and gradients."""

from typing import Any

import numpy as np
import pytest
from duck import Duck
from pictured import by_hand, example

import tinygrad_lite as tl
from tinygrad_lite import nn, viz
from tinygrad_lite.engine import capture
from tinygrad_lite.errors import GradError
from tinygrad_lite.viz.drawing.ink import heat_colour
from tinygrad_lite.viz.measuring.numbers import measure

SVG = "{http://www.w3.org/2000/svg}"

# ---- folding

def test_a_recurrent_cell_is_folded_with_a_loop_and_its_gradients_are_shown_over_the_rounds() -> None:
    _, loss_of = example("rnn")
    loss = loss_of()
    loss.backward()
    scene = viz.draw(loss).scene
    assert len(scene.cards) <= 20
    titles = {p.face.number: p.face.title for p in scene.cards}
    assert [(titles[e.source], titles[e.target]) for e in scene.edges if e.loop] == [("tanh → h", "linear")]
    assert [box.title for box in scene.boxes] == ["RNN", "×100"]
    assert [(p.face.title, p.face.badge) for p in scene.cards if p.face.badge] == [("leaf1", "100 alike")]  # what goes in differs
    rounds = next(p.face for p in scene.cards if p.face.title == "tanh → h").grads
    assert len(rounds) == 16
    assert rounds[0] < 1e-20 < rounds[-1]  # they vanish


def test_blocks_with_parameters_of_their_own_are_look_alikes_and_get_no_loop() -> None:
    _, loss_of = example("gpt", depth=12)
    loss = loss_of()
    scene = viz.draw(loss, max_nodes=10, depth=1).scene
    assert [(p.face.title, p.face.badge) for p in scene.cards if p.face.badge] == [("blocks.0", "12 alike")]
    assert not any(e.loop for e in scene.edges)
    scene = viz.draw(loss, max_nodes=10, depth=2).scene
    assert "12 alike, one after the other" in [box.title for box in scene.boxes]
    assert not any(e.loop for e in scene.edges)


def test_layers_of_hand_made_weights_are_look_alikes_too() -> None:
    h = tl.ones(1, 3)
    for _ in range(50):
        h = np.tanh(h @ tl.tensor(np.eye(3), requires_grad=True))
    scene = viz.draw(h.sum(), max_nodes=20).scene
    assert [box.title for box in scene.boxes] == ["50 alike, one after the other"]
    assert not any(e.loop for e in scene.edges)
    h, w = tl.ones(1, 3), tl.tensor(np.eye(3), requires_grad=True)
    for _ in range(50):
        h = np.tanh(h @ w)
    assert any(e.loop for e in viz.draw(h.sum(), max_nodes=20).scene.edges)


def test_another_librarys_arrays_are_drawn_without_their_numbers() -> None:
    x = tl.tensor(np.ones((2, 3)), requires_grad=True)
    x.data = Duck(np.ones((2, 3)))
    loss = (x * 2).sum()
    loss.backward()
    scene = viz.draw(loss).scene
    assert [(p.face.title, p.face.shape, p.face.value) for p in scene.cards] == [
        ("leaf1", "2×3", None), ("multiply", "2×3", None), ("sum → loss", "scalar", None)]


def test_a_chain_of_unequal_wiring_is_not_folded() -> None:
    x = tl.tensor(1.0, requires_grad=True)
    kept, y = [x], x
    for k in range(40):
        y = y * kept[k // 3]  # no two rounds reach equally far back
        kept.append(y)
    assert len(viz.draw(y, max_nodes=10).scene.cards) == 41


def test_doublings_are_drawn_one_by_one_while_they_fit() -> None:
    x = tl.tensor(1.0, requires_grad=True)
    for _ in range(16):
        x = x + x
    scene = viz.draw(x).scene
    assert len(scene.cards) == 17
    assert [e.label for e in scene.edges] == ["×2"] * 16


def test_deep_graphs_are_folded_drawn_or_refused_without_recursion() -> None:
    x = tl.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(5000):
        y = y * y
    assert len(viz.draw(y).scene.cards) == 2
    y = x
    functions = [np.sin, np.cos, np.tanh]
    for k in np.random.default_rng(0).integers(0, 3, 2000):
        y = functions[k](y)
    assert len(viz.draw(y, max_nodes=3000).scene.cards) == 2001
    for k in np.random.default_rng(0).integers(0, 3, 4000):
        y = functions[k](y)
    with pytest.raises(ValueError, match=r"cards, more than anybody can look at \(3,000\)"):
        viz.draw(y)


# ---- opening

def test_modules_open_by_depth_and_by_path() -> None:
    _, loss_of = example("gpt", depth=4)
    loss = loss_of()
    closed = [p.face.title for p in viz.draw(loss, depth=1).scene.cards if p.face.look == "module"]
    assert closed == ["blocks.0", "blocks.1", "blocks.2", "blocks.3"]  # a layer norm is one op, and a card by itself
    scene = viz.draw(loss, open="blocks.1").scene
    assert [box.title for box in scene.boxes] == ["GPT", "blocks.1"]
    assert {p.face.title for p in scene.cards if p.face.look == "module"} == {"blocks.0", "blocks.2", "blocks.3", "blocks.1.attn"}
    assert [p.face.title for p in viz.draw(loss, depth=0).scene.cards] == ["leaf1", "GPT", "leaf2", "cross_entropy"]
    for most in (8, 20, 60):
        assert len(viz.draw(loss, max_nodes=most).scene.cards) <= most
    with pytest.raises(ValueError, match=r"open='blocks.9': no module of this graph has that path; it has GPT, blocks.0"):
        viz.draw(loss, open="blocks.9")


def test_without_being_asked_a_picture_shows_what_is_taken_in_at_a_glance() -> None:
    _, loss_of = example("gpt", depth=4)
    loss = loss_of()
    scene = viz.draw(loss).scene  # GPT is open; its blocks, 7 cards each, would make 41
    assert [p.face.title for p in scene.cards if p.face.look == "module"] == ["blocks.0", "blocks.1", "blocks.2", "blocks.3"]
    assert len(scene.cards) == 12
    assert scene.height < 1500
    opened = viz.draw(loss, max_nodes=60).scene
    assert [box.title for box in opened.boxes][:5] == ["GPT", "blocks.0", "blocks.1", "blocks.2", "blocks.3"]
    _, loss_of = example("gpt", depth=1)
    assert [box.title for box in viz.draw(loss_of()).scene.boxes] == ["GPT", "blocks.0"]  # 17 cards
    _, loss_of = example("gpt", depth=24)
    scene = viz.draw(loss_of()).scene  # one block stands for all, so that there is room to open it
    assert {box.title for box in scene.boxes} == {"GPT", "24 alike, one after the other", "blocks.0"}
    assert len(scene.cards) <= 20


def test_a_model_of_many_layers_of_its_own_is_opened_all_the_same() -> None:
    widths = range(3, 30)
    deep = nn.Sequential(*[layer for n in widths for layer in (nn.Linear(n, n + 1), nn.Tanh())])  # no two alike
    assert len(viz.draw(deep(tl.ones(2, 3)).sum()).scene.cards) == 56
    deeper = nn.Sequential(deep, *[nn.Linear(30, 30), nn.Linear(30, 30)])
    assert len(viz.draw(deeper(tl.ones(2, 3)).sum()).scene.cards) == 5


def test_two_models_with_equal_paths_stay_apart() -> None:
    one, two = (nn.Sequential(nn.Linear(2, 3), nn.Tanh()) for _ in range(2))
    x = tl.ones(4, 2)
    loss = (one(x) * two(x)).sum() + one(x).sum()
    assert [box.title for box in viz.draw(loss).scene.boxes] == ["Sequential", "Sequential", "Sequential (call 2)"]
    dot = viz.to_dot((one(x) * two(x)).sum())
    assert dot.count('label="0"') == dot.count('label="1"') == 2


# ---- numbers

def test_no_gradient_is_said_before_backward_and_shown_after() -> None:
    loss, leaves = by_hand()
    faces = {p.face.title: p.face for p in viz.draw(loss, names=leaves).scene.cards}
    assert faces["W"].grad is None
    assert faces["W"].no_grad == faces["tanh → h"].no_grad == "no gradient yet"
    assert faces["x"].no_grad == ""
    loss.backward()
    before = leaves["W"].grad.numpy().copy()
    faces = {p.face.title: p.face for p in viz.draw(loss, names=leaves).scene.cards}
    assert faces["W"].grad.rms == pytest.approx(np.sqrt(np.mean(before ** 2)))
    assert faces["mean → loss"].grad.low == 1.0
    assert faces["multiply"].grad.low == faces["multiply"].grad.high == pytest.approx(1 / 8)  # d mean / d entry, 8 entries
    np.testing.assert_array_equal(leaves["W"].grad.numpy(), before)


def test_a_picture_runs_no_hook_and_stores_no_gradient() -> None:
    loss, leaves = by_hand()
    seen: list[Any] = []
    leaves["W"].register_hook(seen.append)
    viz.draw(loss, color="grad")
    assert seen == []
    assert leaves["W"].grad is None
    loss.backward()
    assert len(seen) == 1


def test_a_picture_adds_nothing_to_a_capture() -> None:
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    with capture() as tape:
        loss = (np.tanh(x) * x).sum()
        viz.draw(loss, color="grad")
        assert [call.node.op.name for call in tape.calls] == ["tanh", "multiply", "sum"]
        loss.backward()
        assert len(tape.calls) > 2


def test_a_result_has_the_users_name_where_the_call_is_all_of_an_assignment() -> None:
    x = tl.tensor(np.ones((2, 3)), requires_grad=True, name="x")
    normed = nn.functional.group_norm(x, 1, tl.ones(3), tl.zeros(3))  # two ops: the last one is the result
    scaled: Any = normed * 2  # a comment does no harm
    both = np.exp(scaled) + x
    named = {p.face.title for p in viz.draw(both.sum(), names={"e": both}).scene.cards}
    assert named == {"x", "leaf1", "leaf2", "standardize", "scale_shift → normed", "multiply → scaled", "exp", "add → e", "sum"}


def test_gradients_that_cannot_be_known_are_not_made_up() -> None:
    loss, leaves = by_hand()
    loss.backward()
    with tl.no_grad():
        leaves["V"] -= 0.1 * leaves["V"].grad
    picture = viz.draw(loss)
    assert "gradients of results are not known: arrays were changed since the forward pass" in picture.scene.subtitle
    assert {p.face.no_grad for p in picture.scene.cards if p.face.look == "product"} == {"gradient not known"}
    with pytest.raises(GradError, match="changed in place"):
        viz.draw(loss, color="grad")
    loss, _ = by_hand()
    loss.backward(retain_graph=False)
    assert "the graph was dropped" in viz.draw(loss).scene.subtitle
    with pytest.raises(GradError, match="nothing here requires a gradient"):
        viz.draw(tl.ones(3), color="grad")


def test_numbers_of_arrays() -> None:
    n = measure(np.array([-1.0, 0, 3, np.nan, np.inf], np.float32))
    assert (n.size, n.low, n.high, n.nan, n.inf) == (5, -1, 3, 1, 1)
    assert n.rms == pytest.approx(np.sqrt(10 / 3))  # of -1, 0, 3
    assert n.bins == (1, 0, 0, 0, 1, *[0] * 10, 1)  # bins of width 1/4: 0 begins the fifth
    assert measure(np.array([1e300, -1e300])).rms == pytest.approx(1e300)  # whose square overflows
    assert measure(np.array([1.7e308, -1.7e308])).bins == (1, *[0] * 14, 1)
    assert measure(np.array([True, False])).high == 1
    assert measure(np.full(3, np.nan)).nan == 3
    assert measure(np.ones((0, 3))) is None
    assert measure("text") is None
    assert sum(measure(np.linspace(0, 1, 1_000_000)).bins) < 140_000


def test_nan_is_marked() -> None:
    x = tl.tensor([1.0, -1.0], requires_grad=True)
    with np.errstate(invalid="ignore"):
        svg = viz.draw(np.sqrt(x).sum()).svg
    assert "! 1 nan" in svg


def test_gradients_as_colour_run_from_pale_to_deep() -> None:
    _, loss_of = example("rnn", steps=5)
    scene = viz.draw(loss_of(), color="grad").scene
    heats = {p.face.title: p.face.heat for p in scene.cards}
    assert heats["mse_loss"] == 1.0
    assert scene.hot is not None
    assert scene.hot[0] < scene.hot[1]
    shades = [heat_colour(x, 1e-6, 1, True) for x in (0, 1e-6, 1e-3, 1)]
    grey = [sum(int(shade[i:i + 2], 16) for i in (1, 3, 5)) for shade in shades]
    assert grey == sorted(grey, reverse=True)
    assert [key.look for key in scene.legend][:2] == ["cold", "hot"]


def test_any_number_can_be_a_colour() -> None:
    loss, _ = by_hand()
    cards = {card.number: float(card.nbytes) for card in viz.graph(loss).cards}
    scene = viz.draw(loss, color=viz.Heat("memory", "B", cards, log=False)).scene
    assert next(p.face.heat for p in scene.cards if p.face.title == "matmul") == 8 * 6 * 8
    assert "384 B  memory" in [key.text for key in scene.legend]
    _, loss_of = example("mlp")
    loss = loss_of()
    heat = viz.Heat("count", "", {card.number: 1.0 for card in viz.graph(loss).cards if card.kind == "op"})
    closed = viz.draw(loss, color=heat, depth=0).scene
    assert next(p.face.heat for p in closed.cards if p.face.look == "module") == 5  # three linear, two tanh
