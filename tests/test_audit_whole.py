"""What the audit asks of the graph as a whole: sums that arrive, leaves end to end; and mutations at every scale, on arrays of a thousand entries."""

import importlib
import inspect
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim, verify
from tinygrad_lite.engine import Op, capture
from tinygrad_lite.ops import table

sweep_module = importlib.import_module("tinygrad_lite.engine.sweep")
SCALES = [1e-8, 1e-4, 1.0, 1e4, 1e8]


# ---- sums

def broken_sweep(old: str, new: str) -> Any:
    """The engine's own sweep with one line of its text changed."""
    text = inspect.getsource(sweep_module.sweep)
    assert text.count(old) == 1, old
    names = dict(vars(sweep_module))
    exec("from __future__ import annotations\n" + text.replace(old, new), names)  # noqa: S102
    return names["sweep"]


MISTAKES = {
    "a result keeps its last contribution alone": ("pending[maker] = pending[maker] + gx", "pending[maker] = gx"),
    "a result keeps its first contribution alone": ("pending[maker] = pending[maker] + gx", "pass"),
    "a leaf keeps its last contribution alone": ("leaves[x] = leaves[x] + gx if x in leaves else", "leaves[x] = gx if x in leaves else"),
    "a leaf counts twice": ("leaves[x] = leaves[x] + gx if x in leaves else", "leaves[x] = leaves[x] + 2 * gx if x in leaves else"),
    "an input is left out": ("if rule is None or", "if x is held[1] and len(held) == 4 or rule is None or"),
}


def shared_by_two() -> Any:
    x = tl.tensor(np.array([0.5, -1.0, 2.0]), requires_grad=True, name="x")
    y = np.sin(x)
    return (y * y * 0.3 + np.exp(y) * x).sum()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_sweep_that_loses_a_contribution_is_found_and_no_rule_is_accused(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = shared_by_two()
    assert verify.audit(loss)
    monkeypatch.setattr("tinygrad_lite.verify.replay.sweep", broken_sweep(*MISTAKES[mistake]))
    report = verify.audit(loss)
    assert report.lost
    assert not report.wrong
    assert "what arrived is not what was sent" in report.verdict()


def test_a_hook_that_overwrites_is_named_with_its_victims() -> None:
    x = tl.tensor(np.array([0.5, -1.0, 2.0]), requires_grad=True, name="x")
    z = tl.tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True, name="z")
    y = np.sin(x)
    y.register_hook(lambda g: g * 0.5)
    report = verify.audit((y * y + z).sum())
    assert [arrival.hook for arrival in report.lost] == [True]
    assert "sin at test_audit_whole.py" in str(report.lost[0])
    assert "(a hook stands there)" in report.table()
    assert [leaf.name for leaf in report.victims] == ["x"]
    assert "because of it" in report.verdict()


def test_hooks_that_only_look_change_nothing_and_retained_gradients_stay() -> None:
    x = tl.tensor(np.array([0.5, -1.0, 2.0]), requires_grad=True)
    y = np.sin(x)
    seen = []
    y.register_hook(lambda g: seen.append(g.shape))
    y.retain_grad()
    loss = (y * y).sum()
    loss.backward()
    before = y.grad, x.grad
    assert verify.audit(loss)
    assert (y.grad, x.grad) == before
    assert set(seen) == {(3,)}


def test_a_missing_rule_shows_in_the_leaf_that_it_robs() -> None:
    half = Op("half", lambda a, b: a * b, lambda g, y, a, b: g * b, None)  # b has a gradient, and nobody sends it
    a, b = (tl.tensor(np.array(v), requires_grad=True, name=name) for v, name in (([1.0, 2.0], "a"), ([3.0, 4.0], "b")))
    report = verify.audit((half(a, b) + b).sum())
    assert not report.wrong
    assert [leaf.name for leaf in report.victims] == ["b"]


# ---- leaves

def test_gradients_that_vanish_are_told_all_the_same() -> None:
    x = tl.tensor(np.array([0.3, -0.4]), requires_grad=True, name="first")
    h = x
    for _ in range(12):
        h = np.tanh(h * 0.01)
    w = tl.tensor(np.array([1.0, 2.0]), requires_grad=True, name="last")
    report = verify.audit((h * 1e-3 + w * w).sum())
    assert [leaf.verdict for leaf in report.leaves] == ["ok", "ok"]
    assert "told" not in report.verdict()


def test_weights_that_a_step_has_changed_are_found_and_the_sweep_is_not_stopped() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    loss = nn.functional.mse_loss(net(tl.randn(4, 2)), tl.randn(4, 1))
    loss.backward()
    optim.SGD(net.parameters(), lr=1e-3).step()
    report = verify.audit(loss)
    assert [node.op.name for node in report.changed] == ["linear", "linear"]
    assert not report.wrong


def test_several_roots_several_outputs_and_a_root_that_is_a_leaf() -> None:
    x = tl.tensor(np.array([[2.0, 1.0], [1.0, 3.0]]), requires_grad=True)
    values, vectors = tl.linalg.eigh(x)
    assert verify.audit([values, (vectors * vectors * np.arange(4.0).reshape(2, 2)).sum(), x])


def test_zeros_hide_no_wrong_rule() -> None:
    bad = Op("bad", lambda x, b: x * b, lambda g, y, x, b: g * b, lambda g, y, x, b: g * x * 2)
    x = tl.tensor(np.zeros(5), requires_grad=True)
    b = tl.tensor(np.zeros(5), requires_grad=True)
    assert [(edge.node.op.name, edge.position) for edge in verify.audit(bad(x, b).sum()).wrong] == [("bad", 1)]


def test_every_edge_that_cannot_be_told_is_counted() -> None:
    far = Op("far", lambda x: x + 1e12, lambda g, y, x: g)  # of a number that large no difference keeps a digit
    x = tl.tensor(np.array([0.5, -1.0, 2.0]), requires_grad=True)
    report = verify.audit(far(x).sum())
    assert [edge.node.op.name for edge in report.untold] == ["far"]
    assert "1 edge could not be told" in report.verdict()
    assert "1 leaf gradient could not be told" in report.verdict()
    assert "far at test_audit_whole.py" in report.table()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_audit_inside_a_capture_or_under_detection_leaves_no_trace() -> None:
    x = tl.tensor(np.array([0.5, -1e300]), requires_grad=True)
    with capture() as tape:
        loss = (x * x * x).sum()
        calls = len(tape.calls)
        assert verify.audit(loss).edges
        assert len(tape.calls) == calls
    with verify.detect_anomaly():
        assert not verify.audit(loss).wrong


# ---- mutations at every scale

def one_in_a_thousand(gx: Any, x: Any) -> Any:
    factor = np.ones(gx.size)
    factor[gx.size // 3] = 1.5
    return gx * factor.reshape(gx.shape)


MUTATIONS = {
    "sign": lambda gx, x: -gx,
    "factor 1.001": lambda gx, x: gx * 1.001,
    "one in a thousand": one_in_a_thousand,
    "transposed": lambda gx, x: gx.swapaxes(-1, -2) if gx.ndim > 1 and gx.shape[-1] == gx.shape[-2] else gx[..., ::-1],
    "no sum where it was broadcast": lambda gx, x: gx[:1] if gx.shape != x.shape else gx * 1.5,
}
UNARY = ["arctan", "sin", "tanh", "sigmoid", "square", "abs", "relu", "softplus", "sum", "mean", "cumsum", "swapaxes", "softmax"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "hypot", "matmul"]
KEYWORDS = {"sum": {"axis": 0}, "mean": {"axis": 1}, "cumsum": {"axis": 1}, "swapaxes": {"axis1": 0, "axis2": 1}, "softmax": {"axis": 1}}


def row(name: str) -> Op:
    return table[name] if name in table else importlib.import_module("tinygrad_lite.ops.activations").softmax


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("name", UNARY + BINARY)
def test_mutations_of_a_thousand_entries_are_named_at_every_scale(name: str, mutation: str, scale: float) -> None:
    op = row(name)
    params = op.defaults | KEYWORDS.get(name, {})
    rng = np.random.default_rng(1)
    shapes = [(32, 32)] if name in UNARY else [(32, 32), (32, 32)] if name == "matmul" or mutation == "transposed" else [(32, 32), (32,)]
    arrays = [rng.uniform(0.5, 2.0, shape) * rng.choice([-1, 1], shape) * scale for shape in shapes]
    change = MUTATIONS[mutation]
    k = len(arrays) - 1

    def wrong(g: Any, y: Any, *xs: Any, **given: Any) -> Any:
        rule = op.rules[k]
        assert rule is not None
        gx = rule(g, y, *xs, **given)
        return change(gx, xs[k]) if gx.shape == xs[k].shape or "sum" in mutation or mutation == "sign" else gx * 1.001

    bad = Op(name, op.forward, *[wrong if i == k else rule for i, rule in enumerate(op.rules)], broadcasts=op.broadcasts, view=op.view)
    leaves = [tl.tensor(a, requires_grad=True) for a in arrays]
    y = bad(*leaves, **params)
    report = verify.audit((y * rng.standard_normal(y.shape)).sum() * scale)
    assert {(edge.node.op, edge.position) for edge in report.wrong} == {(bad, k)}, report.table()
    right = verify.audit(op(*leaves, **params).sum() * scale)
    assert right, right.table()
