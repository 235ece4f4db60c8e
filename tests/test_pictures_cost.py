"""Pictures of what a graph costs: time and memory as colour, with the numbers on the cards, and nothing lost between the profile and them."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest
from pictured import by_hand, example

import tinygrad_lite as tl
from tinygrad_lite import nn, viz
from tinygrad_lite.engine import capture
from tinygrad_lite.errors import GradError
from tinygrad_lite.viz.drawing.ink import heat_colour


def hand_made(root: Any, seconds: Any) -> viz.Profile:
    """A profile in which `seconds` gives (forward, backward) of each op by its name: no clock."""
    costs = []
    for card in viz.graph(root).cards:
        if card.kind == "op":
            forward, backward = seconds(card.label)
            costs.append(viz.Cost(card.birth, card.label, card.path, card.origin, forward, backward, 0, 0, 0, 0.0, 0.0))
    return viz.Profile(tuple(costs))


def warm(picture: Any) -> dict[str, tuple[float, str]]:
    return {p.face.title: (p.face.heat, p.face.lines[0]) for p in picture.scene.cards if p.face.heat is not None}


def test_a_profile_is_a_colour_with_seconds_and_shares_on_the_cards() -> None:
    loss, _ = by_hand()
    times = {"matmul": (2e-6, 3e-6), "add": (1e-6, 1e-6), "tanh": (4e-6, 4e-6), "multiply": (0.0, 1e-6), "mean": (0.0, 1e-6)}
    picture = viz.draw(loss, color=hand_made(loss, times.get))
    seen = [(p.face.title, p.face.heat, p.face.lines[0]) for p in picture.scene.cards if p.face.heat is not None]
    assert [(title, pytest.approx(heat)) for title, heat, _ in seen] == [
        ("matmul", 5e-6), ("add", 2e-6), ("tanh → h", 8e-6), ("matmul", 5e-6), ("multiply", 1e-6), ("mean → loss", 1e-6)]
    assert [text for *_, text in seen] == ["5 µs · 23%", "2 µs · 9%", "8 µs · 36%", "5 µs · 23%", "1 µs · 5%", "1 µs · 5%"]  # of 22 µs
    assert "forward 9 µs, backward 13 µs" in picture.scene.subtitle
    assert [(key.look, key.text) for key in picture.scene.legend] == [("cold", "1 µs"), ("hot", "8 µs  time"), ("none", "none")]
    fills = {rect.get("fill") for g in ElementTree.fromstring(picture.svg) for rect in g.findall("{http://www.w3.org/2000/svg}rect")}
    assert {heat_colour(x, 1e-6, 8e-6) for x in (1e-6, 2e-6, 5e-6, 8e-6)} <= fills


@pytest.mark.parametrize(("name", "options"), [("gpt", {"depth": 0}), ("gpt", {"depth": 9}), ("gpt", {"open": "blocks.0"}),
                                               ("gpt", {"depth": 1, "max_nodes": 3}), ("rnn", {}), ("lenet", {"depth": 1})])
def test_open_closed_or_folded_the_cards_add_up_to_the_whole(name: str, options: dict[str, Any]) -> None:
    _, loss_of = example(name, steps=70, depth=4)
    loss = loss_of()
    profile = hand_made(loss, lambda op: (1.0, 0.5))  # movements on edges, later rounds of a repeat and closed modules included
    scene = viz.draw(loss, color=profile, **options).scene
    assert sum(p.face.heat or 0.0 for p in scene.cards) == pytest.approx(profile.seconds)
    memory = viz.draw(loss, color="memory", **options).scene
    assert sum(p.face.heat or 0.0 for p in memory.cards) == sum(cost.output for cost in tl.profile(loss, repeat=1).costs)


def test_memory_is_what_the_results_hold_and_a_view_holds_none() -> None:
    x = tl.tensor(np.ones((30, 40)), requires_grad=True)
    turned = np.exp(x).T
    scene = viz.draw([turned, (turned * 2).sum()], color="memory")
    assert warm(scene) == {"exp": (9600.0, "9.6 kB · 50%"), "transpose → turned": (0.0, "0 B · 0%"), "multiply": (9600.0, "9.6 kB · 50%"),
                           "sum": (8.0, "8 B · <1%")}
    assert "results hold 19.2 kB" in scene.scene.subtitle


def test_time_is_measured_where_no_profile_is_given() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    loss = net(tl.ones(2, 3)).sum()
    scene = viz.draw(loss, color="time").scene
    assert all(p.face.heat > 0 for p in scene.cards if p.face.look not in ("data", "parameter"))
    assert [p.face.heat for p in scene.cards if p.face.look == "data"] == [None]
    assert "µs" in scene.subtitle or "ms" in scene.subtitle  # a step of six operations
    assert net[0].weight.grad is None


def test_costs_that_cannot_be_known_are_refused() -> None:
    loss, _ = by_hand()
    with pytest.raises(ValueError, match="this profile is of another graph: it does not know the matmul"):
        viz.draw(loss, color=tl.profile(by_hand()[0], repeat=1))
    with capture() as tape:
        by_hand()
    with pytest.raises(ValueError, match="'time' runs each op again, and those of a capture or a program may write"):
        viz.draw(tape, color="time")
    assert "results hold" in viz.draw(tape, color="memory").scene.subtitle
    loss.backward(retain_graph=False)
    for color in ("time", "memory"):
        with pytest.raises(GradError, match="dropped"):
            viz.draw(loss, color=color)
    assert viz.draw(tl.ones(3), color="time").scene.legend[0].text == "no time is known"
