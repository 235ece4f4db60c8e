"""Curves of a training, as a small SVG with NumPy alone and through matplotlib: what goes on which axes, and that a picture shows its numbers."""

import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from xml.dom.minidom import parseString

import numpy as np
import pytest

from tinygrad_lite import viz
from tinygrad_lite.errors import DataError, MissingExtra, ShapeError
from tinygrad_lite.viz.training.panels import chart

EPOCHS = 50
HISTORY = {"epoch": list(range(EPOCHS)), "train_loss": [2 * 0.9 ** t + 0.01 for t in range(EPOCHS)],
           "held_out_loss": [2 * 0.9 ** t + 0.1 + 0.002 * t for t in range(EPOCHS)], "accuracy": [1 - 0.9 ** t for t in range(EPOCHS)],
           "learning_rate": [0.1] * EPOCHS, "gradient_norm": [5 * 0.8 ** t for t in range(EPOCHS)], "seconds": [0.1 * t for t in range(EPOCHS)]}


def elements(svg, tag):
    return [e for e in ElementTree.fromstring(svg).iter() if e.tag.endswith(tag)]


def texts(svg):
    return ["".join(e.itertext()) for e in elements(svg, "}text")]


# ---- what goes where

def test_train_and_held_out_share_a_panel_and_time_is_no_curve():
    data = chart(HISTORY)
    assert [(panel.title, [s.name for s in panel.series], panel.log) for panel in data.panels] == [
        ("loss", ["train", "held out"], True), ("accuracy", [""], False), ("gradient norm", [""], True)]
    assert (data.clock, data.span, data.notes) == ("epoch", (0.0, 49.0), ("learning rate 0.1 throughout",))


@pytest.mark.parametrize(("names", "titles"), [
    (("loss", "val_loss"), {"loss": ["train", "held out"]}),
    (("val_loss", "loss"), {"loss": ["train", "held out"]}),
    (("training loss", "validation loss"), {"loss": ["train", "held out"]}),
    (("train/acc", "test/acc"), {"acc": ["train", "held out"]}),
    (("evaluations", "tests"), {"evaluations": [""], "tests": [""]}),
    (("train", "held out"), {"train": [""], "held out": [""]}),
], ids=str)
def test_pairs_are_known_by_their_names(names, titles):
    data = chart({name: [1.0, 2.0] for name in names})
    assert {panel.title: [s.name for s in panel.series] for panel in data.panels} == titles


@pytest.mark.parametrize(("name", "values", "log"), [
    ("loss", [20.0, 1.0], True), ("loss", [19.0, 1.0], False), ("loss", [20.0, 0.0], False), ("loss", [20.0, -1.0], False),
    ("accuracy", [0.01, 1.0], False), ("learning_rate", [0.1, 0.001], True), ("rmse", [100.0, 1.0], True), ("dismay", [100.0, 1.0], False)])
def test_a_log_scale_is_for_what_is_positive_and_falls_by_orders_of_magnitude(name, values, log):
    assert chart({name: values}).panels[0].log == log


def test_the_lowest_loss_is_that_of_the_held_out_rows():
    x, y, words = chart(HISTORY).panels[0].lowest
    values = HISTORY["held_out_loss"]
    assert (x, y) == (values.index(min(values)), min(values))
    assert words == f"lowest held out {min(values):.4g}, epoch {x:g}"
    assert chart({"loss": [3.0, math.nan, 1.0, 2.0]}).panels[0].lowest == (2.0, 1.0, "lowest 1, entry 2")
    assert chart(HISTORY).panels[1].lowest is None


def test_none_is_bridged_and_nan_is_a_gap():
    values = [1.0, None, 3.0, math.nan, 5.0, 6.0, math.inf]
    (series,) = chart({"metric": values}).panels[0].series
    assert series.x.tolist() == [0, 2, 3, 4, 5, 6]
    svg = viz.curves_svg({"metric": values})
    lines = [e.get("points").split() for e in elements(svg, "}polyline")]
    assert [len(line) for line in lines] == [2, 2]  # 1 to 3, and 5 to 6
    assert "not finite" in texts(svg)


def test_the_main_jobs_file_is_a_history(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,train_loss,held_out_loss,learning_rate,seconds\n0,1.5,nan,0.05,0\n1,0.5,nan,0.05,0.1\n2,0.25,,0.05,0.2\n")
    data = chart(path)
    assert [(panel.title, [s.name for s in panel.series]) for panel in data.panels] == [("loss", ["train"])]  # nothing was held out
    assert viz.curves_svg(path) == viz.curves_svg(str(path))


def test_what_is_no_history_is_refused(tmp_path):
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("epoch,loss\n0,1\n1\n")
    for history, error, words in (
            ({}, DataError, "no columns"), ({"loss": []}, DataError, "no finite number in 'loss'"),
            ({"loss": [math.nan, None]}, DataError, "no finite"),
            ({"loss": [1, 2], "val_loss": [1]}, ShapeError, "'loss' has 2 entries, 'val_loss' has 1: put None"),
            ({"loss": ["low", "high"]}, DataError, "'loss' is to be numbers"), ([1, 2], TypeError, "not list"), (ragged, DataError, "no history"),
            ({"lr": [0.1, 0.1]}, DataError, "lr 0.1 throughout"), (tmp_path / "none.csv", FileNotFoundError, "none.csv")):
        with pytest.raises(error, match=re.escape(words)):
            viz.curves_svg(history)


# ---- the SVG

def test_lines_are_where_their_numbers_are():
    svg = viz.curves_svg({"metric": [0.0, 10.0, 5.0]})
    ((a, b, c),) = [[tuple(map(float, p.split(","))) for p in e.get("points").split()] for e in elements(svg, "}polyline")]
    assert b[0] - a[0] == c[0] - b[0] > 0
    assert b[1] < c[1] < a[1]  # upward on the page is larger
    assert (a[1] + b[1]) / 2 == pytest.approx(c[1], abs=0.1)  # places are written to a tenth
    ticks = {e.text: float(e.get("y")) - 4 for e in elements(svg, "}text") if e.get("text-anchor") == "end"}
    assert ticks["0"] == pytest.approx(a[1], abs=0.15)
    assert ticks["10"] == pytest.approx(b[1], abs=0.15)
    log = viz.curves_svg({"loss": [100.0, 1.0, 10.0]})
    (a, b, c) = [float(p.split(",")[1]) for p in elements(log, "}polyline")[0].get("points").split()]
    assert (a + b) / 2 == pytest.approx(c, abs=0.1)


def test_the_two_lines_differ_in_colour_and_dashes_and_say_their_last_value():
    svg = viz.curves_svg(HISTORY)
    train, held_out = elements(svg, "}polyline")[:2]
    assert (train.get("stroke"), train.get("stroke-dasharray")) == ("#0077BB", None)
    assert (held_out.get("stroke"), held_out.get("stroke-dasharray")) == ("#EE7733", "7 3")
    said = texts(svg)
    assert f"train {HISTORY['train_loss'][-1]:.4g}" in said
    assert f"held out {HISTORY['held_out_loss'][-1]:.4g}" in said
    assert "learning rate 0.1 throughout" in said


def test_nothing_lies_outside_and_no_two_texts_overlap():
    for history, title in ((HISTORY, "A title"), ({**HISTORY, "accuracy": [-1e-7 * t for t in range(EPOCHS)]}, None), ({"loss": [1.0]}, None),
                           ({"loss": [1e-8 * 10 ** t for t in range(20)]}, None)):
        svg = viz.curves_svg(history, title)
        root = ElementTree.fromstring(svg)
        width, height = float(root.get("width")), float(root.get("height"))
        for line in elements(svg, "}polyline"):
            assert all(0 <= x <= width and 0 <= y <= height for x, y in (map(float, p.split(",")) for p in line.get("points").split()))
        boxes = []
        for e in elements(svg, "}text"):
            x, y, size = (float(e.get(key)) for key in ("x", "y", "font-size"))
            long = len(e.text) * size * 0.5
            left = x - {"start": 0, "middle": long / 2, "end": long}[e.get("text-anchor")]
            boxes.append((left, left + long, y - size * 0.7, y))
            assert left >= 0
            assert left + long <= width
            assert size * 0.7 <= y <= height
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2], (a, b)


def test_names_are_data():
    svg = viz.curves_svg({'<script>alert("x")</script> & loss': [1.0, 2.0]}, title="</svg><b>")
    parseString(svg)
    assert "<script" not in svg
    assert {e.tag.split("}")[1] for e in ElementTree.fromstring(svg).iter()} <= {"svg", "title", "rect", "text", "line", "polyline", "circle"}
    assert "</svg><b>" in texts(svg)
    assert "style" not in svg
    assert "class" not in svg


def test_a_long_history_stays_small_and_keeps_its_spikes():
    values = np.ones(100_000)
    values[77_777] = 9.0
    svg = viz.curves_svg({"metric": values})
    assert len(svg) < 60_000
    assert viz.curves_svg({"metric": values}) == svg
    heights = [float(p.split(",")[1]) for p in elements(svg, "}polyline")[0].get("points").split()]
    assert sum(h < max(heights) - 50 for h in heights) == 1


@pytest.mark.parametrize("values", [[0.0, 0.0], [1e-300, 1e299],
                                    [-1e308, 1e308, 1.0], [1.0, 1.0 + 1e-15], [5.0], [1e-320, 1.0], [1e16, 1e16 + 2]], ids=str)
def test_extreme_numbers_have_a_picture(values):
    for name in ("loss", "metric"):
        svg = viz.curves_svg({name: values})
        assert "nan" not in svg
        assert "inf" not in svg
        assert 0 < len(texts(svg)) < 40


def test_the_svg_needs_numpy_alone():
    code = ("import sys; sys.modules['matplotlib'] = None\nfrom tinygrad_lite import viz\nprint(viz.curves_svg({'loss': [1.0, 2.0]})[:4])\n"
            "try: viz.curves({'loss': [1.0, 2.0]})\nexcept ImportError as error: print(error)")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == ["<svg", "this picture needs matplotlib: pip install 'tinygrad_lite[plot]'"]


# ---- matplotlib

def test_without_matplotlib_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"pip install 'tinygrad_lite\[plot\]'"):
        viz.curves(HISTORY)


def test_the_figure_has_the_same_panels_and_numbers(tmp_path):
    pytest.importorskip("matplotlib")
    loaded = "matplotlib.pyplot" in sys.modules
    fig = viz.curves(HISTORY, title="Training")
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["loss", "accuracy", "gradient norm"]
    assert [ax.get_yscale() for ax in fig.axes] == ["log", "linear", "log"]
    train, held_out, lowest = fig.axes[0].lines
    np.testing.assert_array_equal(train.get_ydata(), HISTORY["train_loss"])
    np.testing.assert_array_equal(held_out.get_ydata(), HISTORY["held_out_loss"])
    assert lowest.get_ydata()[0] == min(HISTORY["held_out_loss"])
    fig.savefig(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert ("matplotlib.pyplot" in sys.modules) == loaded
