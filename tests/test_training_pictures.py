"""Pictures of a model: gradient flow, decision regions, confusion, weights. What is drawn is read back from the figure."""

import re
import sys

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, viz
from tinygrad_lite.errors import DataError, MissingExtra, ShapeError

pytest.importorskip("matplotlib")


def texts(fig):
    return [t.get_text() for ax in fig.axes for t in ax.texts]


class Plane(nn.Module):
    """Scores that are known everywhere: x0 - x1, or one for each of three classes."""

    def __init__(self, classes=1):
        self.classes = classes
        self.scale = nn.Parameter([1.0])
        self.modes = []

    def forward(self, x):
        self.modes.append(self.training)
        score = (x[:, :1] - x[:, 1:]) * self.scale
        return score if self.classes == 1 else tl.concatenate([score, -score, score * 0], axis=1)


def test_gradients_have_their_rms_and_largest_entry():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].weight.grad = [[3.0, 0.0], [0.0, -4.0]]  # rms sqrt(25 / 4) = 2.5
    model[0].bias.grad = [0.0, 0.0]
    model[1].weight.grad = [[np.nan, 1.0]]
    fig = viz.gradients(model)
    (ax,) = fig.axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert texts(fig) == ["all zero", "nan or inf", "no gradient yet"]
    rms, largest = (line for line in ax.lines if line.get_label() in ("rms", "largest"))
    assert (rms.get_xdata(), rms.get_ydata()) == ([2.5], [0])
    assert largest.get_xdata() == [4.0]
    assert ax.get_xlim() == (1.0, 10.0)
    assert texts(viz.gradients(nn.Linear(1, 1))) == ["no gradient yet"] * 2
    tiny = nn.Linear(1, 1).to(np.float64)
    tiny.weight.grad = [[1e-200]]
    assert viz.gradients(tiny).axes[0].lines[1].get_xdata() == [1e-200]
    with pytest.raises(DataError, match="no parameters"):
        viz.gradients(nn.Tanh())


def test_a_decision_map_has_its_boundary_where_the_score_is_0():
    model = Plane()
    model.train()
    X, y = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 0.5]]), np.array(["no", "yes", "yes"])
    fig = viz.decision(model, X, y)
    (ax,) = fig.axes
    assert model.training
    assert model.modes == [False]  # looked at in evaluation mode, and put back
    assert model.scale.grad is None
    table = ax.images[0].get_array()
    assert table.shape == (200, 200)
    assert table[0, -1] > 0 > table[-1, 0]  # x0 large and x1 small is "yes"
    path = np.concatenate([p.vertices for p in ax.collections[0].get_paths()])
    np.testing.assert_allclose(path[:, 0], path[:, 1], atol=1e-6)  # float32 scores
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["no", "yes"]
    assert [len(c.get_offsets()) for c in ax.collections[1:]] == [1, 2]


def test_a_decision_of_several_scores_is_the_largest():
    fig = viz.decision(Plane(3), np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1, 0]))
    image = fig.axes[0].images[0].get_array()
    assert (image[0, -1], image[-1, 0]) == (0, 1)
    fig = viz.decision(lambda x: tl.sigmoid(x[:, 0]), [[-1.0, 0.0], [1.0, 0.0]], [False, True])  # any function; probabilities: 0.5
    vertices = fig.axes[0].collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(vertices[:, 0], 0, atol=1e-9)


def test_what_cannot_be_decided_is_refused():
    X, y = np.zeros((3, 2)), np.array([0, 1, 2])
    for args, error, words in (((Plane(), X, y), ShapeError, "1 outputs for 3 labels"), ((Plane(), np.zeros((3, 3)), y), ShapeError, "not (3, 3)"),
                               ((Plane(), X, y[:2]), ShapeError, "3 rows and 2 labels"), ((Plane(), np.zeros((0, 2)), y[:0]), ShapeError, "(0, 2)"),
                               ((Plane(), np.zeros((20, 2)), np.arange(20) / 7), DataError, "20 different values"),
                               ((lambda x: x.sum(), X, y), ShapeError, "the model gave ()")):
        with pytest.raises(error, match=re.escape(words)):
            viz.decision(*args)


def test_confusion_counts_rows_of_true_by_predicted():
    fig = viz.confusion([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0])
    assert texts(fig) == ["2", "1", "2", "1"]
    assert [t.get_position() for t in fig.axes[0].texts] == [(0, 0), (1, 0), (1, 1), (0, 2)]
    assert fig.axes[0].get_title(loc="left") == "4 of 6 right (66.7%)"
    np.testing.assert_allclose(fig.axes[0].images[0].get_array(), [[2 / 3, 1 / 3, 0], [0, 1, 0], [1, 0, 0]])


def test_confusion_takes_names_an_order_and_tensors():
    ticks = lambda fig: [t.get_text() for t in fig.axes[0].get_xticklabels()]  # noqa: E731
    assert ticks(viz.confusion(tl.tensor([0, 1]), np.array([1, 1]), ["cat", "dog", "fox"])) == ["cat", "dog", "fox"]
    assert ticks(viz.confusion(["b", "a"], ["a", "a"])) == ["a", "b"]
    fig = viz.confusion(["b", "a"], ["a", "a"], ["b", "a"])
    assert ticks(fig) == ["b", "a"]
    assert [t.get_position() for t in fig.axes[0].texts] == [(1, 0), (1, 1)]
    for args, error, words in ((([0, 1], [0]), ShapeError, "y_true is (2,), y_pred is (1,)"), (([], []), DataError, "no rows"),
                               (([0, 3], [0, 1], ["cat", "dog"]), DataError, "3 is none of the labels"),
                               (([0, 1], np.zeros((2, 3))), ShapeError, "argmax")):
        with pytest.raises(error, match=re.escape(words)):
            viz.confusion(*args)


def test_weights_are_tables_images_and_filters():
    layer = nn.Linear(6, 4)
    np.testing.assert_allclose(viz.weights(layer).axes[0].images[0].get_array(), layer.weight.data)
    assert all(tick == round(tick) for tick in viz.weights(tl.ones(16, 2)).axes[0].get_xticks())  # there is no input 0.5
    images = [ax.images[0].get_array() for ax in viz.weights(layer, shape=(2, 3)).axes if ax.images]
    np.testing.assert_allclose(images[1], layer.weight.data[1].reshape(2, 3))
    assert len(images) == 4
    filters = tl.randn(5, 3, 2, 2)
    drawn = [ax for ax in viz.weights(filters).axes if ax.images]
    assert len(drawn) == 15
    np.testing.assert_allclose(drawn[5 * 2 + 1].images[0].get_array(), filters.data[1, 2])  # a row for each input channel
    assert {ax.images[0].get_clim() for ax in drawn} == {(-(m := float(np.abs(filters.data).max())), m)}
    assert "the first 64 units" in viz.weights(tl.randn(70, 1, 2, 2)).get_suptitle()
    for args, error, words in (((nn.Tanh(),), TypeError, "no weight"), ((layer, (2, 2)), ShapeError, "(4, 6)"),
                               ((tl.randn(2, 2, 2),), ShapeError, "(2, 2, 2)")):
        with pytest.raises(error, match=re.escape(words)):
            viz.weights(*args)


def test_every_picture_can_be_saved_and_none_touches_pyplot(tmp_path):
    loaded = "matplotlib.pyplot" in sys.modules
    for fig in (viz.gradients(nn.Linear(2, 2)), viz.decision(Plane(), [[0.0, 1.0], [1.0, 0.0]], [0, 1]), viz.confusion([0, 1], [0, 0]),
                viz.weights(tl.zeros(2, 3))):
        fig.savefig(tmp_path / "x.png", dpi=40)
        assert (tmp_path / "x.png").stat().st_size > 500
    assert ("matplotlib.pyplot" in sys.modules) == loaded


def test_a_notebook_shows_a_picture_that_ends_a_cell():
    formatters = pytest.importorskip("IPython.core.formatters")
    loaded = "matplotlib.pyplot" in sys.modules
    shown, _ = formatters.DisplayFormatter().format(viz.confusion([0, 1], [0, 0]))
    assert shown["image/png"][:4] == b"\x89PNG"
    assert ("matplotlib.pyplot" in sys.modules) == loaded


def test_without_matplotlib_each_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (lambda: viz.gradients(nn.Linear(1, 1)), lambda: viz.confusion([0], [0]), lambda: viz.weights(tl.zeros(2, 3)),
                 lambda: viz.decision(Plane(), [[0.0, 1.0]], [0])):
        with pytest.raises(MissingExtra, match="plot"):
            draw()
