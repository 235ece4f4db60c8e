"""The page of a picture, without a browser: one file, of a size to send, in which nothing becomes markup; and the plain data that it is made from."""

import gc
import json
import re
import weakref
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from pictured import NASTY, PICTURES, bad_tanh, by_hand, example

import tinygrad_lite as tl
from tinygrad_lite import nn, verify, viz
from tinygrad_lite.engine import Op
from tinygrad_lite.viz.page.data import page_data
from tinygrad_lite.viz.page.rules import rules_of, source_of
from tinygrad_lite.viz.page.snapshot import CELLS


def data_of(page: str) -> Any:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def loss_of(name: str, **sizes: Any) -> Any:
    model, compute = example(name, **sizes)
    loss = compute()
    loss.backward()
    return model, loss


class Elements(HTMLParser):
    """The tags and attributes of a page, and the text in each kind of element."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


# ---- one file

@pytest.mark.parametrize("name", [name for name, _ in PICTURES])
def test_the_page_needs_nothing_but_itself(name: str) -> None:
    page = dict(PICTURES)[name].html()
    assert not re.search(r"src=|@import|url\(|<link|<iframe|fetch\(|XMLHttpRequest|import\(|WebSocket", page)
    assert set(re.findall(r"https?://[^\s\"']*", page)) == {"http://www.w3.org/2000/svg"}  # a name, not a place
    tags = Elements(page).tags
    assert tags.count("script") == 2
    assert tags.count("style") == 1
    assert "default-src 'none'" in page  # and the browser holds it to that


def test_a_page_is_small_enough_to_send() -> None:
    for name, most in (("mlp", 100_000), ("lenet", 150_000), ("rnn", 200_000), ("gpt", 400_000)):
        model, loss = loss_of(name)
        assert len(viz.draw(loss, color=verify.audit(loss)).html().encode()) <= most, name


def test_the_same_picture_gives_the_same_bytes() -> None:
    pages = []
    for _ in range(2):
        model, loss = loss_of("gpt", depth=2)
        picture = viz.draw(loss)
        pages += [picture.html(), picture.html()]
    assert len(set(pages)) == 1


def test_save_writes_it(tmp_path: Any) -> None:
    picture = viz.draw(loss_of("mlp")[1])
    assert picture.save(tmp_path / "graph.HTML").read_text(encoding="utf-8") == picture.html()


# ---- nothing becomes markup

@pytest.mark.parametrize("name", [NASTY, "</script><script>alert(1)</script>", "<!--<script>", "\ud800 half a character", "\u2028 a line's end",
                                  "]]>&lt;"])
def test_names_values_and_titles_stay_text(name: str, tmp_path: Any) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.parts = {name: nn.Linear(3, 3)}

        def forward(self, x: Any) -> Any:
            return np.tanh(self.parts[name](x)) * 2

    net = Net()
    loss = net(tl.tensor(np.ones((2, 3)), name=name)).sum()
    loss.backward()
    page = viz.draw(loss, title=name, names={name: loss}).save(tmp_path / "page.html").read_text(encoding="utf-8")
    plain = viz.draw(loss, title="plain").html()
    assert Elements(page).tags == Elements(plain).tags
    assert Elements(page).attributes == Elements(plain).attributes
    assert "<" not in re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1]
    whole = name.replace("\ud800", "\ufffd")
    assert data_of(page)["title"] == whole
    assert any(whole in tile["tip"] for tile in data_of(page)["tiles"])


def test_the_scripts_make_no_markup() -> None:
    page = viz.draw(by_hand()[0]).html()
    own = page.partition('id="data"')[0] + page.rpartition("<script>")[2]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|\son\w+=", own)


# ---- a snapshot

def test_a_page_is_made_of_what_was_when_the_picture_was_drawn() -> None:
    loss, leaves = by_hand()
    loss.backward()
    picture, expected = viz.draw(loss, names=leaves), viz.draw(loss, names=leaves).html()
    with tl.no_grad():
        for leaf in leaves.values():
            leaf -= 5.0  # noqa: PLW2901  writes in place
    assert picture.html() == expected


def test_a_picture_with_its_page_keeps_no_tensor_alive() -> None:
    loss, leaves = by_hand()
    loss.backward()
    picture = viz.draw(loss)
    gone = [weakref.ref(x._data) for x in leaves.values()] + [weakref.ref(loss._data)]
    del loss, leaves
    gc.collect()
    assert [ref() for ref in gone] == [None] * 5
    assert len(picture.html()) > 1000


# ---- numbers

def cells_of(array: Any) -> Any:
    x = tl.tensor(array, requires_grad=True, name="x")
    data = page_data(viz.draw(x * 0.5).page)
    return next(tile for tile in data["tiles"] if tile["title"] == "x").get("cells", [None])[0], data


def test_values_are_a_character_each_and_can_be_read_back() -> None:
    (rows, columns, of_rows, of_columns, said, top, text), data = cells_of(np.array([[1.0, -1.0, 0.5], [0.0, np.nan, -np.inf]]))
    assert (rows, columns, of_rows, of_columns, said, top) == (2, 3, 2, 3, "1", 1.0)
    shades = data["shades"]
    assert [data["code"].index(c) - shades for c in text] == [shades, -shades, shades // 2, 0, shades + 1, shades + 3]


@pytest.mark.parametrize("shape", [(1000,), (33,), (1000, 1000), (3, 5000), (5000, 3), (7, 11, 13, 17), (256,), (257, 1), (1, 257)])
def test_at_most_256_numbers_of_a_tensor_are_shown(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    (rows, columns, of_rows, of_columns, _, top, text), data = cells_of(rng.standard_normal(shape))
    assert len(text) <= rows * columns <= CELLS
    assert len(text) >= min(32, np.prod(shape))
    assert (of_rows - 1) * of_columns < np.prod(shape) <= of_rows * of_columns
    assert all(0 <= data["code"].index(c) <= 2 * data["shades"] for c in text)


ODD = {"empty": np.zeros((0, 3)), "0-d": np.float64(3.0), "zeros": np.zeros((4, 4)), "nan": np.full((2, 2), np.nan), "huge": np.full((2, 2), 1e308),
       "tiny": np.full(3, 5e-324), "strided": np.arange(600.0).reshape(20, 30)[::2, ::3].T}


@pytest.mark.parametrize("array", ODD.values(), ids=ODD)
def test_odd_arrays_have_a_page(array: Any) -> None:
    cells, data = cells_of(array)
    assert (cells is None) == (np.size(array) < 2)
    json.dumps(data, allow_nan=False)


def test_the_shown_entries_are_evenly_spaced_true_ones() -> None:
    array = np.arange(64.0 * 64).reshape(64, 64)
    (rows, columns, *_, top, text), data = cells_of(array)
    assert (rows, columns) == (16, 16)
    shades = np.array([data["code"].index(c) for c in text]).reshape(16, 16) - data["shades"]
    assert np.array_equal(shades, np.rint(array[::4, ::4] / array.max() * data["shades"]))


# ---- rules, and the backward pass

def test_rules_are_shown_as_their_author_wrote_them() -> None:
    two = Op("two", np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: (
        g * a))
    assert rules_of(two) == {"rules": [["a", "g * b"], ["b", "g * a"]]}
    assert rules_of(bad_tanh) == {"rules": [["x", "g * (1 - y)"]]}

    def by_x(g: Any, y: Any, x: Any) -> Any:
        return g * y

    assert rules_of(Op("exp", np.exp, by_x)) == {"rules": [["x", "def by_x(g: Any, y: Any, x: Any) -> Any:\n    return g * y"]]}
    assert rules_of(Op("none", np.sign, None)) == {"rules": []}
    assert source_of(eval("lambda g, y, x: g")) == ""  # noqa: S307  no source at hand
    assert source_of(np.negative) == ""


def test_every_row_of_the_table_has_a_rule_to_show() -> None:
    from tinygrad_lite.ops import elementary

    for op in vars(elementary).values():
        if isinstance(op, Op):
            assert all(text for _, text in rules_of(op)["rules"]), op.name


def test_steps_are_those_of_the_sweep() -> None:
    """loss = mean(0.5 * (tanh(x W + b) V)): each gradient's rms in view of autograd's own arrays."""
    loss, leaves = by_hand()
    loss.backward()
    data = page_data(viz.draw(loss, names=leaves).page)
    names = [data["ops"][step[2]]["name"] for step in data["steps"]]
    assert names == ["mean", "multiply", "matmul", "tanh", "add", "matmul"]
    sent = {name: rms for step in data["steps"] for _, name, rms in step[4]}
    for name in ("W", "b", "V"):
        g = leaves[name].grad.numpy()
        assert float(sent[name]) == pytest.approx(np.sqrt(np.mean(g * g)), rel=5e-3)  # three digits
    assert data["steps"][0][3] == "1"


def test_a_folded_repeat_says_in_which_round_each_step_is() -> None:
    _, loss = loss_of("rnn", steps=30)
    data = page_data(viz.draw(loss).page)
    tanh = [step for step in data["steps"] if data["ops"][step[2]]["name"] == "tanh"]
    assert [step[1] for step in tanh] == list(range(29, -1, -1))
    assert len({step[0] for step in tanh}) == 1


def test_of_a_very_long_backward_pass_the_steps_with_a_card_are_played() -> None:
    x = h = tl.tensor(np.array([0.5]), requires_grad=True)
    for _ in range(4000):
        h = np.tanh(h)
    loss = h.sum()
    loss.backward()
    data = page_data(viz.draw(loss).page)
    assert [data["ops"][step[2]]["name"] for step in data["steps"]] == ["sum", "tanh"]
    assert x.grad is not None


def test_without_a_gradient_nothing_is_played_and_nothing_is_made_up() -> None:
    data = page_data(viz.draw(by_hand()[0]).page)
    assert (data["steps"], data["heats"], data["nothing"]) == ([], {}, "no gradient yet")
    failed = data_of(viz.draw_model(nn.Sequential(nn.Linear(5, 8), nn.Linear(9, 2)), (7, 5)).html())
    assert failed["steps"] == []
    assert any(tile.get("verdict", [""])[0] == "failed" for tile in failed["tiles"])


def test_colour_modes_are_those_that_are_known() -> None:
    loss, _ = by_hand(bad_tanh)
    loss.backward()
    modes = {}
    heat = viz.Heat("time", "s", {card.number: 1e-6 * card.number for card in viz.graph(loss).cards})
    for name, color in (("op", "op"), ("grad", "grad"), ("audit", verify.audit(loss)), ("time", heat)):
        data = page_data(viz.draw(loss, color=color).page)
        assert data["mode"] == name
        modes[name] = (sorted(data["heats"]), data["audited"])
    assert modes == {"op": (["grad"], False), "grad": (["grad"], False), "audit": (["grad"], True), "time": (["grad", "time"], False)}


def test_words_alone_have_a_page_of_words() -> None:
    data = page_data(viz.draw(loss_of("mlp")[1], detail="names").page)
    assert not [tile for tile in data["tiles"] if "cells" in tile or "value" in tile or "grad" in tile]


def test_a_page_drawn_by_time_can_change_to_memory_and_gradients() -> None:
    _, loss = loss_of("mlp")
    data = data_of(viz.draw(loss, color="time").html())
    assert set(data["heats"]) == {"time", "memory of results", "grad"}
    assert data["mode"] == "time"
    # 16x16 after each of four layers, 16x4 after the last, one number for the loss; float32
    held = [tile["heat"]["memory of results"][0] for tile in data["tiles"] if "memory of results" in tile.get("heat", {})]
    assert sum(held) == 4 * (4 * 16 * 16 + 16 * 4 + 1)
