"""Pictures of an audit, of models that run for the picture, and the files that they are saved as."""

import gc
import json
import subprocess
import sys
import weakref
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictured import NASTY, bad_tanh, by_hand, example

import tinygrad_lite as tl
from tinygrad_lite import nn, verify, viz
from tinygrad_lite.engine import Op, capture
from tinygrad_lite.errors import MissingExtra

SVG = "{http://www.w3.org/2000/svg}"

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
    for options, message in [({"color": "audit"}, r"pass color=verify.audit\(root\)"), ({"color": "red"}, "'op', 'grad', 'time', 'memory', an audit"),
                             ({"engine": "neato"}, "'auto' or 'dot'"), ({"detail": "all"}, "'stats' or 'names'"),
                             ({"direction": "up"}, "'auto', 'TB' or 'LR'"), ({"max_nodes": 0}, "1 or more"), ({"depth": -1}, "0 or more")]:
        with pytest.raises(ValueError, match=message):
            viz.draw(loss, **options)
    with pytest.raises(TypeError, match="made from Tensors"):
        viz.draw(3)


def test_edge_cases_are_pictures_too() -> None:
    for root in (tl.tensor(1.0), tl.ones(0, 3), tl.tensor(np.nan, requires_grad=True) * 1, [tl.ones(2), tl.ones(2)],
                 np.linalg.qr(tl.tensor(np.eye(3), requires_grad=True))[1], tl.tensor(np.arange(4)), []):
        for detail in ("stats", "names"):
            ElementTree.fromstring(viz.draw(root, detail=detail).svg)
