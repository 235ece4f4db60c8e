"""Pictures: what is drawn is exactly the graph, nothing overlaps, nothing runs through anything, every word fits."""

import itertools
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictured import PICTURES, along, example, rectangles

import tinygrad_lite as tl
from tinygrad_lite import nn, viz
from tinygrad_lite.viz.layout.metrics import shortened, width

SVG = "{http://www.w3.org/2000/svg}"
every = pytest.mark.parametrize("picture", [p for _, p in PICTURES], ids=[name for name, _ in PICTURES])


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
    points = [point for edge in picture.scene.edges for point in along(edge)]
    for box in picture.scene.boxes:
        left, top, right, bottom = box.title_x, box.title_y - 9, box.title_x + width(box.title, 11, True), box.title_y + 2
        assert box.x <= left
        assert right <= box.x + box.width
        assert not [(x, y) for x, y in points if left < x < right and top < y < bottom]
        for a, b, c, d in rectangles(picture.scene).values():
            assert c <= left or right <= a or d <= top or bottom <= b


def test_text_is_as_wide_as_helvetica_makes_it() -> None:
    assert width("Hello", 10) == pytest.approx((722 + 556 + 222 + 222 + 556) / 100)  # Adobe's Helvetica
    assert width("Hello", 10, True) == pytest.approx((722 + 556 + 278 + 278 + 611) / 100)
    assert width("\u6f22", 10) == 10
    assert shortened("Hello", 10, 18) == "H…"  # 7.22 and 10


@every
def test_labels_lie_on_nothing(picture: Any) -> None:
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
