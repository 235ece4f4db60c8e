"""Pictures: what is drawn is the graph, nothing overlaps, nothing is hidden that was asked for, and nothing is said that is not so."""

import gc
import itertools
import json
import re
import subprocess
import sys
import weakref
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, verify, viz
from tinygrad_lite.engine import Op, capture
from tinygrad_lite.errors import GradError, MissingExtra

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.models import MODELS, example  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
NASTY = 'a"b\\c\n<script>alert(1)</script>&{|}\x00]]>'
bad_tanh = Op("tanh", np.tanh, lambda g, y, x: g * (1 - y))


def by_hand(op: Any = np.tanh) -> Any:
    """The loss of a small net whose parameters are plain Tensors, and its leaves by name."""
    rng = np.random.default_rng(0)
    leaves = {"W": tl.tensor(rng.standard_normal((4, 6)), requires_grad=True), "b": tl.tensor(rng.standard_normal(6), requires_grad=True),
              "V": tl.tensor(rng.standard_normal((6, 1)), requires_grad=True), "x": tl.tensor(rng.standard_normal((8, 4)))}
    h = op(leaves["x"] @ leaves["W"] + leaves["b"])
    loss = (h @ leaves["V"] * 0.5).mean()
    return loss, leaves


class Nested(nn.Module):
    """A random part: some ops on what it was given and on an outer value, and parts of its own."""

    def __init__(self, rng: Any, depth: int) -> None:
        self.rng, self.w = rng, nn.Parameter(np.ones((3, 3)))
        self.parts = [Nested(rng, depth - 1) for _ in range(int(rng.integers(0, 3)))] if depth else []

    def forward(self, x: Any, outer: Any) -> Any:
        pool = [x, x @ self.w]
        for part in self.parts:
            pool.append(part(pool[self.rng.integers(len(pool))], outer if self.rng.random() < 0.5 else pool[-1]))
        for _ in range(int(self.rng.integers(1, 5))):
            a, b = (pool[i] for i in self.rng.integers(0, len(pool), 2))
            pool.append([lambda: a + b, lambda: np.tanh(a), lambda: a.T * outer, lambda: a * self.w][int(self.rng.integers(4))]())  # noqa: B023
        return sum(pool[1:], pool[0])


KEPT: list[Any] = []  # the modules of random graphs: names are read from living ones


def random_graph(seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    net = Nested(rng, 3)
    KEPT.append(net)
    x = tl.tensor(rng.standard_normal((3, 3)), requires_grad=True, name="x")
    mask = tl.tensor(rng.standard_normal((3, 3)), name="mask")
    return [net(net(x, mask), mask * 2).sum()]


def pictures() -> list[Any]:
    """(name, picture) of many kinds: models closed, partly open and open, folded, side by side, shared, failed."""
    made = []
    for name in MODELS:
        _, loss_of = example(name, steps=30, depth=2)
        loss = loss_of()
        loss.backward()
        for depth in (0, 1, None, 9):
            made.append((f"{name}, depth {depth}", viz.draw(loss, depth=depth)))
    made.append(("one module open", viz.draw(loss, open=["blocks.1", "blocks.1.attn"])))
    made.append(("folded blocks", viz.draw(example("gpt", depth=9)[1](), max_nodes=8)))
    made.append(("by hand", viz.draw(by_hand()[0])))
    x = tl.tensor(np.ones((3, 3)), requires_grad=True)
    skips = [x]
    for k in range(1, 9):
        skips.append(sum(skips[max(0, k - 3):], skips[0]) * np.tanh(skips[-1]))
    made.append(("skips", viz.draw(skips[-1].sum() + (skips[2] @ skips[5].T).sum())))
    made.append(("several roots", viz.draw([skips[2], skips[3].reshape(9), x])))
    for seed in range(6):
        made.append((f"random {seed}", viz.draw(*random_graph(seed), max_nodes=40)))
    made.append(("failed", viz.draw_model(nn.Sequential(nn.Linear(5, 8), nn.Linear(9, 2)), (7, 5))))
    return made


PICTURES = pictures()
every = pytest.mark.parametrize("picture", [p for _, p in PICTURES], ids=[name for name, _ in PICTURES])


def rectangles(scene: Any) -> dict[int, tuple[float, float, float, float]]:
    """Left, top, right, bottom of each card, its pile counted."""
    return {p.face.number: (p.x, p.y - 6 * p.face.stack, p.x + p.face.width + 6 * p.face.stack, p.y + p.face.height) for p in scene.cards}


# ---- the drawing is the graph

@every
def test_the_svg_has_exactly_the_cards_and_edges_that_show(picture: Any) -> None:
    tree = ElementTree.fromstring(picture.svg)
    ids = [g.get("id", "").partition("-")[2] for g in tree.iter(f"{SVG}g") if g.get("id")]
    name = lambda n: str(n) if n > 0 else f"m{-1 - n}"  # noqa: E731
    scene = picture.scene
    wanted = [f"n{name(p.face.number)}" for p in scene.cards] + [f"b{box.number}" for box in scene.boxes]
    wanted += [f"e{name(e.source)}-{name(e.target)}{'-loop' if e.loop else ''}" for e in scene.edges]
    assert sorted(ids) == sorted(wanted)
    assert len(set(ids)) == len(ids)


@every
def test_only_presentation_attributes_are_used(picture: Any) -> None:
    assert not re.search(r"<style|<!DOCTYPE|<script|class=|style=|href", picture.svg)
    assert len(set(re.findall(r'id="(\w+)-', picture.svg))) == 1


def test_edges_are_those_of_the_graph_with_parameters_constants_and_movements_inlined() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(4, 6)

        def forward(self, x: Any) -> Any:
            h = self.inner(x).reshape(2, 3, 6).transpose(0, 2, 1)
            return (h * 2).sum()

    net, x = Net(), tl.ones(6, 4)
    scene = viz.draw(net(x), names={"x": x}).scene
    words = {p.face.number: (p.face.title, p.face.lines, [chip.label for chip in p.face.chips]) for p in scene.cards}
    assert list(words.values()) == [("x", (), []), ("linear", ("inner · Linear",), ["weight", "bias"]), ("multiply", ("× 2",), []), ("sum", (), [])]
    titles = {n: word[0] for n, word in words.items()}
    assert [(titles[e.source], titles[e.target], e.label) for e in scene.edges] == [
        ("x", "linear", ""), ("linear", "multiply", "reshape transpose"), ("multiply", "sum", "")]


def test_indices_are_labels_and_an_asked_for_movement_stays_a_card() -> None:
    x = tl.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True, name="x")
    y = (x[0] * x[-1] + x[-1, 1:][0] + x[:2, ::2].sum() + x[..., 0].sum() + x[None, -3:-1, -4:-1].sum()).reshape(2, 2)
    scene = viz.draw(y).scene
    assert {e.label for e in scene.edges} == {"[0], [-1] ×2", "[-1, 1:] [0]", "[:2, ::2]", "[…, 0]", "[…]", ""}
    assert scene.cards[-1].face.title.startswith("reshape")
    flat = x.reshape(12)
    assert [p.face.title for p in viz.draw([flat, flat.sum()]).scene.cards] == ["x", "reshape → flat", "sum"]


# ---- places

@every
def test_no_two_cards_overlap_and_all_lie_in_the_picture(picture: Any) -> None:
    scene = picture.scene
    places = rectangles(scene)
    for (a, b, c, d), (e, f, g, h) in itertools.combinations(places.values(), 2):
        assert c <= e or g <= a or d <= f or h <= b
    for a, b, c, d in places.values():
        assert a >= 0
        assert b >= 48
        assert c <= scene.width
        assert d <= scene.height - 30


@every
def test_a_card_is_in_a_box_exactly_if_it_belongs_there(picture: Any) -> None:
    scene = picture.scene
    parent = {box.number: box.parent for box in scene.boxes}
    for place in scene.cards:
        a, b, c, d = rectangles(scene)[place.face.number]
        around = set()
        box = place.box
        while box >= 0:
            around.add(box)
            box = parent[box]
        for box in scene.boxes:
            left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
            if box.number in around:
                assert left + 10 <= a
                assert top + 10 + 8 * (not scene.sideways) <= b  # below its title
                assert c <= right - 10
                assert d <= bottom - 10
            else:
                assert c <= left or right <= a or d <= top or bottom <= b


def along(edge: Any) -> list[tuple[float, float]]:
    """Points on the edge as it is drawn: on a curve that leaves and arrives vertically, 24 of them."""
    points = [edge.points[0]]
    for (x, y), (x2, y2) in itertools.pairwise(edge.points):
        for t in np.linspace(0, 1, 25)[1:]:
            if edge.loop or x == x2 or y == y2:
                points.append((x + (x2 - x) * t, y + (y2 - y) * t))
            else:  # the cubic with control points (x, middle), (x2, middle)
                m, s = (y + y2) / 2, 1 - t
                points.append((s ** 3 * x + 3 * s * s * t * x + 3 * s * t * t * x2 + t ** 3 * x2,
                               s ** 3 * y + 3 * s * s * t * m + 3 * s * t * t * m + t ** 3 * y2))
    return points


@every
def test_no_edge_goes_through_a_card(picture: Any) -> None:
    places = rectangles(picture.scene)
    for edge in picture.scene.edges:
        for x, y in along(edge):
            for number, (a, b, c, d) in places.items():
                inside = a + 0.5 < x < c - 0.5 and b + 0.5 < y < d - 0.5
                assert not inside, (edge, number)
        a, b, c, d = places[edge.source]
        assert a <= edge.points[0][0] <= c
        assert abs(edge.points[0][1] - d) < 0.2
        a, b, c, d = places[edge.target]
        assert a <= edge.points[-1][0] <= c
        assert abs(edge.points[-1][1] - b) < 0.2


@every
def test_no_edge_and_no_card_is_drawn_over_the_title_of_a_box(picture: Any) -> None:
    from tinygrad_lite.viz.metrics import width
    points = [point for edge in picture.scene.edges for point in along(edge)]
    for box in picture.scene.boxes:
        left, top, right, bottom = box.title_x, box.title_y - 9, box.title_x + width(box.title, 11, True), box.title_y + 2
        assert box.x <= left
        assert right <= box.x + box.width
        assert not [(x, y) for x, y in points if left < x < right and top < y < bottom]
        for a, b, c, d in rectangles(picture.scene).values():
            assert c <= left or right <= a or d <= top or bottom <= b


def test_text_is_as_wide_as_helvetica_makes_it() -> None:
    from tinygrad_lite.viz.metrics import shortened, width
    assert width("Hello", 10) == pytest.approx((722 + 556 + 222 + 222 + 556) / 100)  # Adobe's Helvetica
    assert width("Hello", 10, True) == pytest.approx((722 + 556 + 278 + 278 + 611) / 100)
    assert width("\u6f22", 10) == 10
    assert shortened("Hello", 10, 18) == "H…"  # 7.22 and 10


@every
def test_labels_lie_on_nothing(picture: Any) -> None:
    from tinygrad_lite.viz.metrics import width
    places = list(rectangles(picture.scene).values())
    labels = [(e.label_at[0] - width(e.label, 10) / 2 - 4, e.label_at[1] - 7, e.label_at[0] + width(e.label, 10) / 2 + 4, e.label_at[1] + 7)
              for e in picture.scene.edges if e.label_at]
    for i, (a, b, c, d) in enumerate(labels):
        for e, f, g, h in places + labels[:i]:
            assert c <= e or g <= a or d <= f or h <= b


@every
def test_words_fit_on_their_cards(picture: Any) -> None:
    root = ElementTree.fromstring(picture.svg)
    cards = {f"n{p.face.number if p.face.number > 0 else f'm{-1 - p.face.number}'}": p for p in picture.scene.cards}
    for g in root.iter(f"{SVG}g"):
        place = cards.get(g.get("id", "").partition("-")[2])
        if place is not None:
            for text in g.iter(f"{SVG}text"):
                left, wide = float(text.get("x", "")), float(text.get("textLength", ""))
                assert left >= place.x
                assert left + wide <= place.x + place.face.width + (12 if text.text == place.face.badge else 0.5)


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
    assert len(rounds) == 100
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
    from duck import Duck
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
    assert closed == ["blocks.0", "blocks.1", "blocks.2", "blocks.3", "ln"]
    scene = viz.draw(loss, open="blocks.1").scene
    assert [box.title for box in scene.boxes] == ["GPT", "blocks.1"]
    assert {p.face.title for p in scene.cards if p.face.look == "module"} == {"blocks.0", "blocks.2", "blocks.3", "ln", "blocks.1.ln1",
                                                                            "blocks.1.attn", "blocks.1.ln2"}
    assert [p.face.title for p in viz.draw(loss, depth=0).scene.cards] == ["leaf1", "GPT", "leaf2", "cross_entropy"]
    for most in (8, 20, 60):
        assert len(viz.draw(loss, max_nodes=most).scene.cards) <= most
    with pytest.raises(ValueError, match=r"open='blocks.9': no module of this graph has that path; it has GPT, blocks.0"):
        viz.draw(loss, open="blocks.9")


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
    normed = nn.functional.layer_norm(x, (3,), tl.ones(3), tl.zeros(3))  # two ops: the last one is the result
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
    from tinygrad_lite.viz.numbers import measure
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
    from tinygrad_lite.viz.ink import heat_colour
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


# ---- the audit

def test_exactly_the_wrong_op_is_red() -> None:
    loss, _ = by_hand(bad_tanh)
    scene = viz.draw(loss, color=verify.audit(loss)).scene
    assert {p.face.title: p.face.verdict.kind for p in scene.cards if p.face.verdict and p.face.verdict.kind != "ok"} == {
        "tanh → h": "wrong", "leaf2": "victim", "leaf3": "victim"}
    assert scene.title == "1 wrong backward rule (tanh)"
    assert "2 of 3 leaf gradients are wrong because of it" in scene.subtitle
    svg = viz.draw(loss, color=verify.audit(loss)).svg
    red = [g.get("id", "") for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if any(r.get("stroke") == "#CC3311" for r in g.findall(f"{SVG}rect"))]
    assert len(red) == 1
    assert [key.look for key in scene.legend] == ["wrong", "victim", "ok", "none"]


def test_a_closed_module_has_the_colour_of_its_worst_member_and_a_wrong_movement_stays_a_card() -> None:
    class Bad(nn.Module):
        def forward(self, x: Any) -> Any:
            return bad_tanh(x * 2)

    net = nn.Sequential(nn.Linear(3, 4), Bad())
    loss = (net(tl.ones(2, 3)) ** 2).sum()
    faces = {p.face.title: p.face for p in viz.draw(loss, color=verify.audit(loss), depth=0).scene.cards}
    assert faces["Sequential"].verdict.kind == "wrong"
    bad_transpose = Op("transpose", np.transpose, lambda g, y, x: 2 * g.T)
    x = tl.tensor(np.ones((2, 3)), requires_grad=True)
    loss = (bad_transpose(x) * 3).sum()
    assert "transpose" in [p.face.title for p in viz.draw(loss, color=verify.audit(loss)).scene.cards]


def test_what_was_changed_in_place_is_marked_and_a_wrong_rule_comes_first() -> None:
    for op, kind in ((np.tanh, "changed"), (bad_tanh, "wrong")):
        x = tl.tensor([1.0, 2.0], np.float64, requires_grad=True)
        y = op(x)
        loss = (y * 3).sum()
        x.numpy()[0] = 5  # behind the library's back
        faces = {p.face.title: p.face for p in viz.draw(loss, color=verify.audit(loss)).scene.cards}
        assert faces["tanh → y"].verdict.kind == kind


def test_an_audit_of_another_graph_is_refused() -> None:
    audit = verify.audit(by_hand()[0])
    with pytest.raises(ValueError, match="this audit is of another graph"):
        viz.draw(by_hand()[0], color=audit)


# ---- models that run for the picture

def test_a_failed_forward_shows_how_far_it_came() -> None:
    net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(9, 2), nn.Tanh())
    scene = viz.draw_model(net, (7, 5)).scene
    assert [p.face.title for p in scene.cards] == ["input", "linear", "tanh", "linear"]
    failed = scene.cards[-1].face
    assert failed.verdict is not None
    assert (failed.verdict.kind, failed.verdict.text) == ("failed", "ShapeError here")
    assert "Linear '2' (in_features=9) got (7, 8)" in failed.tip
    assert scene.title == "Sequential failed in linear"
    assert (scene.cards[2].face.number, failed.number) in [(e.source, e.target) for e in scene.edges]
    assert {p.box for p in scene.cards[1:]} == {scene.boxes[0].number}


def test_a_layer_that_fails_before_any_op_is_marked_itself() -> None:
    class Picky(nn.Module):
        def forward(self, x: Any) -> Any:
            raise KeyError("no such column")

    scene = viz.draw_model(nn.Sequential(nn.Tanh(), Picky()), (2, 2)).scene
    assert [p.face.title for p in scene.cards] == ["input", "tanh", "Picky"]
    assert "KeyError: 'no such column'" in scene.subtitle
    scene = viz.draw_model(lambda x: 1 / 0, (2, 2)).scene
    assert scene.cards == ()
    assert "ZeroDivisionError" in scene.subtitle


def test_a_model_is_drawn_with_what_needs_no_gradient_too() -> None:
    def model(x: Any, y: Any) -> Any:
        mask = x > 0
        return {"out": np.where(mask, x, y).sum()}

    scene = viz.draw_model(model, tl.ones(3), tl.zeros(3)).scene
    assert [p.face.title for p in scene.cards] == ["x", "greater → mask", "y", "where", "sum"]
    with capture() as tape:
        model(tl.ones(3), tl.zeros(3))
    assert [p.face.title for p in viz.draw(tape).scene.cards][1] == "greater → mask"


# ---- files, names, snapshots

def test_the_same_graph_gives_the_same_bytes() -> None:
    made = set()
    for _ in range(2):
        _, loss_of = example("gpt", depth=2)
        picture = viz.draw(loss_of(), depth=9)
        made.add((picture.svg, picture.dot))
    assert len(made) == 1
    other = "import sys; sys.path.insert(0, '.'); from benchmarks.models import example; from tinygrad_lite import viz; " \
            "_, loss_of = example('gpt', depth=2); print(viz.draw(loss_of(), depth=9).svg, end='')"
    out = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7", "PATH": "",
                         "PYTHONPATH": ":".join(sys.path)}, cwd=Path(__file__).parent.parent).stdout
    assert out == picture.svg


def test_names_are_data_in_every_format(tmp_path: Path) -> None:
    x = tl.tensor([1.0], requires_grad=True, name=NASTY)
    picture = viz.draw(x * 2, title=NASTY)
    tree = ElementTree.fromstring(picture.svg)
    assert [node.tag for node in tree.iter() if "script" in node.tag] == []
    assert any("<script>alert(1)</script>" in (text.text or "") for text in tree.iter(f"{SVG}text"))
    picture.save(tmp_path / "a.mmd")
    assert "<script" not in (tmp_path / "a.mmd").read_text()
    json.loads(picture.save(tmp_path / "a.json").read_text())


@every
def test_graphviz_reads_the_dot_text_back(picture: Any) -> None:
    pygraphviz = pytest.importorskip("pygraphviz")
    again = pygraphviz.AGraph(string=picture.dot)
    assert again.number_of_nodes() == len(picture.scene.cards)
    assert again.number_of_edges() == len({(e.source, e.target, e.loop) for e in picture.scene.edges})


@every
def test_json_and_mermaid_say_what_the_picture_says(picture: Any, tmp_path: Path) -> None:
    data = json.loads(picture.save(tmp_path / "a.json").read_text())
    assert [card["face"]["title"] for card in data["cards"]] == [p.face.title for p in picture.scene.cards]
    text = picture.save(tmp_path / "a.mmd").read_text()
    assert text.count("-->") + text.count("-.->") == len(picture.scene.edges)
    assert len(re.findall(r"^  classDef ", text, re.M)) >= 1 or not picture.scene.cards


def test_files_are_written_on_a_machine_with_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for module in ("pygraphviz", "graphviz", "matplotlib", "IPython"):
        monkeypatch.setitem(sys.modules, module, None)
    picture = viz.draw(by_hand()[0])
    for ending in (".svg", ".dot", ".json", ".mmd"):
        assert picture.save(tmp_path / f"graph{ending}").stat().st_size > 500
    with pytest.raises(MissingExtra, match=r"pip install 'tinygrad_lite\[dot\]'.*Without it there are .svg"):
        picture.save(tmp_path / "graph.png")
    with pytest.raises(ValueError, match="not as '.gif'"):
        picture.save(tmp_path / "graph.gif")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".dot", ".json", ".mmd", ".svg"]


def test_graphviz_draws_where_it_is(tmp_path: Path) -> None:
    pytest.importorskip("pygraphviz")
    loss, _ = by_hand()
    assert viz.draw(loss).save(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert 'class="node"' in viz.draw(loss, engine="dot").svg


def test_a_picture_shows_itself_and_keeps_nothing_alive() -> None:
    loss, leaves = by_hand()
    picture = viz.draw(loss)
    bundle = picture._repr_mimebundle_()
    assert bundle["image/svg+xml"] == picture.svg
    assert "12 nodes" in bundle["text/plain"] or "nodes" in bundle["text/plain"]
    gone = weakref.ref(leaves["W"])
    del loss, leaves
    gc.collect()
    assert gone() is None


def test_options_that_do_not_exist_are_refused() -> None:
    loss, _ = by_hand()
    for options, message in [({"color": "audit"}, r"pass color=verify.audit\(root\)"), ({"color": "red"}, "'op', 'grad', an audit or a Heat"),
                             ({"engine": "neato"}, "'auto' or 'dot'"), ({"detail": "all"}, "'stats' or 'names'"),
                             ({"direction": "up"}, "'auto', 'TB' or 'LR'"), ({"max_nodes": 0}, "1 or more"), ({"depth": -1}, "0 or more")]:
        with pytest.raises(ValueError, match=message):
            viz.draw(loss, **options)
    with pytest.raises(TypeError, match="made from Tensors"):
        viz.draw(3)


def test_from_left_to_right_is_the_same_turned_over() -> None:
    _, loss_of = example("rnn", steps=30)
    loss = loss_of()
    down, right = viz.draw(loss).scene, viz.draw(loss, direction="LR").scene
    assert [(e.source, e.target, e.label, e.loop) for e in down.edges] == [(e.source, e.target, e.label, e.loop) for e in right.edges]
    test_no_two_cards_overlap_and_all_lie_in_the_picture(viz.draw(loss, direction="LR"))
    test_a_card_is_in_a_box_exactly_if_it_belongs_there(viz.draw(loss, direction="LR"))
    test_words_fit_on_their_cards(viz.draw(loss, direction="LR"))
    places = {p.face.number: p for p in right.cards}
    assert all(places[e.source].x < places[e.target].x for e in right.edges if not e.loop)


def test_edge_cases_are_pictures_too() -> None:
    for root in (tl.tensor(1.0), tl.ones(0, 3), tl.tensor(np.nan, requires_grad=True) * 1, [tl.ones(2), tl.ones(2)],
                 np.linalg.qr(tl.tensor(np.eye(3), requires_grad=True))[1], tl.tensor(np.arange(4)), []):
        for detail in ("stats", "names"):
            ElementTree.fromstring(viz.draw(root, detail=detail).svg)
