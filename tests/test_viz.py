"""Graphs as text and as DOT: each node once, names are data, nothing is recursive."""

import gc
import shutil
import subprocess
import sys
import weakref

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, viz
from tinygrad_lite.errors import MissingExtra


def small():
    x, w = tl.tensor([[1.0, 2.0]], name="x"), tl.tensor([[3.0], [4.0]], requires_grad=True, name="w")
    return x, w, (x @ w * 2).sum()


def test_listing_numbers_every_step():
    _, _, loss = small()
    lines = [line.split("  ") for line in viz.listing(loss).splitlines()]
    assert [line[0].split()[0] + " " + line[1].strip() if line[0].strip().isdigit() else " ".join(line).strip() for line in lines][:3] == [
        "1 x (leaf)", "2 w (leaf, wants a gradient)", "3 matmul(%1, %2)"]
    text = viz.listing(loss)
    assert "5  multiply(%3, %4)" in text
    assert "6  sum(%5, axis=None, keepdims=False)" in text
    assert "scalar" in text
    assert "test_viz.py:" in text


def test_modules_name_their_parameters():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    x = tl.ones(1, 2)
    g = viz.graph(net(x), names={"x": x})
    assert [(c.kind, c.label, c.path) for c in g.cards] == [
        ("leaf", "x", ""), ("leaf", "0.weight", "0"), ("leaf", "0.bias", "0"), ("op", "linear", "0"), ("op", "tanh", "1")]
    assert g.cards[3].inputs == (1, 2, 3)
    assert g.roots == (5,)
    dot = viz.to_dot(net(x))
    assert dot.count("subgraph cluster_") == 2
    assert dot.index('cluster_1 { label="0"') < dot.index('label="linear') < dot.index('cluster_2 { label="1"') < dot.index('label="tanh')


def test_shared_nodes_stand_once():
    y = tl.tensor(1.0, requires_grad=True)
    for _ in range(16):
        y = y + y
    assert len(viz.graph(y).cards) == 17
    assert viz.to_dot(y).count(" -> ") == 32


def test_a_chain_of_ten_thousand_is_listed_without_recursion():
    y = tl.tensor(1.0, requires_grad=True)
    for _ in range(10_000):
        y = y * y
    assert len(viz.listing(y).splitlines()) == 10_001
    assert viz.to_dot(y).count("multiply") == 10_000


def test_the_same_graph_gives_the_same_text():
    dots = set()
    for _ in range(2):
        net = nn.Sequential(nn.Linear(2, 3, generator=np.random.default_rng(0)), nn.Tanh())
        dots.add(viz.to_dot(net(tl.ones(1, 2))))
    assert len(dots) == 1


def test_constants_several_roots_and_dropped_graphs():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    a, b = x * np.ones(2), x ** 2
    g = viz.graph([a, b])
    assert [c.kind for c in g.cards] == ["leaf", "constant", "op", "constant", "op"]
    assert g.roots == (3, 5)
    y = np.exp(x).sum()
    y.backward(retain_graph=False)
    assert [c.label for c in viz.graph(y).cards] == ["sum"]
    assert [c.kind for c in viz.graph(tl.ones(2)).cards] == ["leaf"]
    with pytest.raises(TypeError, match="made from Tensors, not from int"):
        viz.listing([1])


def test_a_graph_keeps_no_tensor_alive():
    x, w, loss = small()
    g = viz.graph(loss)
    gone = weakref.ref(w)
    del x, w, loss
    gc.collect()
    assert gone() is None
    assert len(g.cards) == 6


NASTY = 'a"b\\c\n<script>alert(1)</script>{|}'


def test_names_are_data_and_graphviz_reads_the_text_back():
    x = tl.tensor([1.0], requires_grad=True, name=NASTY)
    dot = viz.to_dot(x * 2, title=NASTY)
    assert 'a\\"b\\\\c\\n<script>' in dot
    digraph = viz.to_graphviz(x * 2)
    assert type(digraph).__name__ == "Digraph"
    assert "multiply" in digraph.source
    pygraphviz = pytest.importorskip("pygraphviz")
    again = pygraphviz.AGraph(string=dot)
    assert (again.number_of_nodes(), again.number_of_edges()) == (3, 2)


def test_render_without_graphviz_says_what_to_install(monkeypatch, tmp_path):
    _, _, loss = small()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(MissingExtra, match=r"pip install 'tinygrad_lite\[dot\]'"):
        viz.render(loss, tmp_path / "graph.svg")
    assert list(tmp_path.iterdir()) == []


def test_render_writes_a_picture(tmp_path):
    if shutil.which("dot") is None:
        pytest.importorskip("pygraphviz")
    _, _, loss = small()
    path = viz.render(loss, tmp_path / "graph.svg")
    text = path.read_text()
    assert text.count('class="node"') == 6
    assert text.count('class="edge"') == 5


def test_listing_works_in_a_bare_interpreter():
    code = "import tinygrad_lite as tl; x = tl.tensor(1.0, requires_grad=True); print(tl.viz.listing(x * x))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[1].split()[1] == "multiply(%1,"
