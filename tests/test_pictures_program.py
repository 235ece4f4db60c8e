"""Pictures of a compiled function: its calls as they are listed, known by their form alone."""

from types import SimpleNamespace
from typing import Any

import pytest

from tinygrad_lite import viz


class Listed:
    """What a compiled function looks like from here. lines: (label, inputs, path) of each card; a label without inputs is a leaf,
    or a constant. line: where all of them were called, if they all were in one."""

    __name__ = "step"

    def __init__(self, *lines: Any, roots: tuple[int, ...] = (), wanted: tuple[int, ...] = (), line: int = 0) -> None:
        cards = []
        for number, (label, inputs, path) in enumerate(lines, 1):
            kind = "op" if inputs else "constant" if label.isdigit() else "leaf"
            origin = f"train.py:{line or number}    line {line or number}" if inputs else ""
            cards.append(SimpleNamespace(number=number, kind=kind, label=label, shapes=((4, 3) if kind != "constant" else (),), dtype="float32",
                                         inputs=inputs, params=(), path=path, origin=origin, requires_grad=number in wanted))
        self.listed = SimpleNamespace(cards=tuple(cards), roots=roots or (len(cards),))

    def graph(self) -> Any:
        return self.listed


STEP = Listed(("x", (), ""), ("0.weight", (), "0"), (".T", (2,), "0"), ("np.dot", (1, 3), "0"), ("np.tanh", (4,), "1"),
              ("2", (), ""), ("np.multiply", (5, 6), ""), ("np.subtract", (7, 5), "1"), ("np.dot", (8, 3), "0"), ("np.add", (9, 1), "0"),
              roots=(7, 10), wanted=(2,))


def test_the_calls_of_a_program_are_cards_and_those_of_one_module_stand_in_its_box() -> None:
    scene = viz.draw(STEP).scene
    cards = {p.face.title: (p.face.look, p.face.lines, p.box) for p in scene.cards}
    assert scene.title == "Program of step"
    assert "10 nodes" in scene.subtitle
    assert [box.title for box in scene.boxes] == ["0"]  # the last two calls; the first dot is all of its part, the transpose being a word
    assert cards["tanh"] == ("function", ("1",), -1)
    assert cards["multiply"] == ("entry", ("× 2",), -1)
    assert cards["add"][2] == scene.boxes[0].number
    titles = {p.face.number: p.face.title for p in scene.cards}
    assert ("0.weight", "dot", "transpose") in [("0.weight" if titles[e.source] == "weight" else "", titles[e.target], e.label) for e in scene.edges]
    assert all(p.face.value is None and p.face.no_grad == "" for p in scene.cards)
    assert any("train.py:5    line 5" in p.face.tip for p in scene.cards)


def test_modules_nest_by_their_paths() -> None:
    program = Listed(("x", (), ""), ("np.exp", (1,), "a"), ("np.sin", (2,), "a.b"), ("np.cos", (3,), "a.b"), ("np.sin", (4,), "a.c.d"),
                     ("np.cos", (5,), "a.c.d"), ("np.exp", (6,), "a"), ("np.sin", (7,), ""))
    boxes = viz.draw(program, depth=9).scene.boxes
    title = {box.number: box.title for box in boxes} | {-1: ""}
    assert [(box.title, title[box.parent]) for box in boxes] == [("a", ""), ("a.b", "a"), ("a.c.d", "a")]
    closed = viz.draw(program, depth=1).scene
    assert [(p.face.title, p.face.lines) for p in closed.cards if p.face.look == "module"] == [("a.b", ("2 ops",)), ("a.c.d", ("2 ops",))]


def test_a_loop_that_was_unrolled_into_a_program_is_folded() -> None:
    lines: list[Any] = [("x", (), ""), ("W", (), "")]
    for _ in range(30):
        lines += [("np.dot", (len(lines) if len(lines) > 2 else 1, 2), "cell"), ("np.tanh", (len(lines) + 1,), "cell")]
    scene = viz.draw(Listed(*lines, wanted=(2,), line=7)).scene
    assert [p.face.title for p in scene.cards] == ["x", "dot", "tanh"]
    assert [box.title for box in scene.boxes] == ["cell", "×30"]
    assert len([e for e in scene.edges if e.loop]) == 1


def test_a_program_is_text_and_a_graph_to_compare_too() -> None:
    assert viz.listing(STEP).splitlines()[4].split() == ["5", "tanh(%4)", "4x3", "float32", "1", "train.py:5", "line", "5"]
    assert viz.to_dot(STEP).count("->") == 1 + 2 + 1 + 2 + 2 + 2 + 2
    shorter = Listed(*[(card.label, card.inputs, card.path) for card in STEP.listed.cards[:8]])
    assert [card.label for card in viz.graph_diff(STEP, shorter).removed] == ["dot", "add"]


@pytest.mark.parametrize("color", ["time", "memory", "grad"])
def test_what_a_program_does_not_keep_is_refused(color: str) -> None:
    with pytest.raises(ValueError, match="program"):
        viz.draw(STEP, color=color)
    heat = viz.Heat("calls", "", {7: 2.0, 8: 1.0})
    assert [p.face.heat for p in viz.draw(STEP, color=heat).scene.cards if p.face.heat] == [2.0, 1.0]
