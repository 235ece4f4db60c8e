"""The audit names the wrong rule, and no other; it accuses no right one."""

from typing import Any

import numpy as np
import pytest
from cases import Case, all_cases

import tinygrad_lite as tl
from tinygrad_lite import nn, verify
from tinygrad_lite.engine import Op, Variable
from tinygrad_lite.errors import GradcheckError, GradError
from tinygrad_lite.ops import table

CASES = [case for case in all_cases()[0] if table[case.op].differentiable and max(np.size(x) for x in case.inputs) < 2000]
SCALES = [1e-8, 1e-3, 1.0, 1e3, 1e8]


def rule_of(op: Op, i: int) -> Any:
    return (lambda g, y, *xs, **params: op.each(i, g, y, *xs, **params)) if op.each is not None else op.rules[i]


def one_entry(g: Any) -> Any:
    mask = np.zeros(g.size)
    mask[-1] = 1
    return g + g * mask.reshape(g.shape)


MUTATIONS = {
    "sign": lambda gx, x: -gx, "factor 1.001": lambda gx, x: gx * 1.001, "one entry": lambda gx, x: one_entry(gx),
    "negative inputs": lambda gx, x: gx * (1 + 0.5 * (x < 0)), "lost": lambda gx, x: gx * 0,
    "transposed": lambda gx, x: gx.swapaxes(-1, -2) if gx.ndim > 1 and gx.shape[-1] == gx.shape[-2] else gx[..., ::-1] if gx.ndim else gx * 2,
}


def mutated(op: Op, i: int, mutation: Any) -> Op:
    """The same row with one rule made wrong."""
    def wrong(g: Any, y: Any, *xs: Any, **params: Any) -> Any:
        return mutation(rule_of(op, i)(g, y, *xs, **params), xs[i])

    if op.each is not None:
        return Op(op.name, op.forward, broadcasts=op.broadcasts, view=op.view,
                  each=lambda k, g, y, *xs, **p: wrong(g, y, *xs, **p) if k == i else op.each(k, g, y, *xs, **p))
    rules = [wrong if k == i else rule for k, rule in enumerate(op.rules)]
    return Op(op.name, op.forward, *rules, broadcasts=op.broadcasts, view=op.view)


def takes_gradient(op: Op, i: int, x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f" and (op.each is not None or op.rules[i] is not None)


def graph(op: Op, case: Case, scale: float = 1.0) -> tuple[Any, list[Any]]:
    """The op in the middle of a small graph: leaves times 1, the op, a function of what it gives."""
    leaves = [tl.tensor(x, requires_grad=True) if takes_gradient(op, i, x) else x for i, x in enumerate(case.inputs)]
    ys = op(*[x * 1.0 if isinstance(x, Variable) else x for x in leaves], **case.params)
    parts = [np.sin(y * 0.3).sum() for y in (ys if isinstance(ys, tuple) else (ys,))]
    loss = parts[0]
    for part in parts[1:]:
        loss = loss + part
    return loss * scale, leaves


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_right_rules_are_not_accused(case: Case) -> None:
    loss, leaves = graph(table[case.op], case)
    if any(isinstance(x, Variable) for x in leaves):
        report = verify.audit(loss)
        assert report, report.table()


@pytest.mark.parametrize("name", MUTATIONS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_wrong_rule_is_named_and_no_other(case: Case, name: str) -> None:
    op = table[case.op]
    for i, x in enumerate(case.inputs):
        if not takes_gradient(op, i, x):
            continue
        loss, leaves = graph(mutated(op, i, MUTATIONS[name]), case)
        reference, wrong = gradient(op, case, i), gradient(mutated(op, i, MUTATIONS[name]), case, i)
        if np.allclose(reference, wrong, rtol=1e-6, atol=1e-9):
            continue  # this mutation changes nothing here, such as a transposed symmetric gradient
        report = verify.audit(loss)
        assert {(edge.node.op.name, edge.position) for edge in report.wrong} == {(op.name, i)}, report.table()


def gradient(op: Op, case: Case, i: int) -> Any:
    loss, leaves = graph(op, case)
    (g,) = tl.autograd.grad(loss, leaves[i], allow_unused=True)
    return np.zeros(np.shape(case.inputs[i])) if g is None else g.data


@pytest.mark.parametrize("scale", SCALES)
def test_scale_hides_nothing(scale: float) -> None:
    bad = Op("bad", np.sin, lambda g, y, x: -g * np.cos(x))
    x = tl.tensor(np.array([0.5, -1.0, 2.0]) * scale, requires_grad=True)
    report = verify.audit((bad(x) * scale).sum())
    assert [edge.node.op.name for edge in report.wrong] == ["bad"]
    assert verify.audit((np.sin(x) * scale).sum())


def test_a_rule_that_is_right_once_and_wrong_twice_is_found_at_second_order() -> None:
    hidden = Op("hidden", np.cos, lambda g, y, x: g * np.cos(x))  # should be -sin
    half_right = Op("half_right", np.sin, lambda g, y, x: g * hidden(x))
    x = tl.tensor(np.array([0.5, -1.0, 2.0]), requires_grad=True)
    loss = (half_right(x) ** 2).sum()
    assert verify.audit(loss)
    report = verify.audit(loss, order=2)
    assert [(edge.node.op.name, edge.order) for edge in report.wrong] == [("half_right", 2)]
    assert "differentiated once more it gives" in report.table()
    with pytest.raises(ValueError, match="order is 1 or 2"):
        verify.audit(loss, order=3)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_right_rules_are_not_accused_at_second_order(case: Case) -> None:
    loss, leaves = graph(table[case.op], case)
    if any(isinstance(x, Variable) for x in leaves):
        report = verify.audit(loss, order=2)
        assert report, report.table()


def wrong_network() -> tuple[nn.Module, Any]:
    bad = tl.Op("tanh", np.tanh, lambda g, y, x: g * (1 - y))

    class Net(nn.Module):
        def __init__(self) -> None:
            self.fc1 = nn.Linear(3, 4, generator=np.random.default_rng(0))
            self.fc2 = nn.Linear(4, 1, generator=np.random.default_rng(1))

        def forward(self, x: Any) -> Any:
            return self.fc2(bad(self.fc1(x)))

    net = Net()
    return net, nn.functional.mse_loss(net(tl.randn(8, 3)), tl.randn(8, 1))


def test_cause_and_victims_are_told_apart() -> None:
    net, loss = wrong_network()  # named by their paths while the model lives
    report = verify.audit(loss)
    assert not report
    assert report.verdict() == "1 wrong backward rule (tanh); 2 of 4 leaf gradients are wrong because of it"
    assert [leaf.name for leaf in report.victims] == ["fc1.weight", "fc1.bias"]
    assert "wrong rule   tanh 'Net' at test_audit.py:" in report.table()
    with pytest.raises(GradcheckError, match="1 wrong backward rule"):
        report.assert_ok()
    assert net.fc1.weight.grad is None


def test_an_array_changed_in_place_is_found() -> None:
    x = tl.tensor([1.0, 2.0], np.float64, requires_grad=True)
    loss = (np.exp(x) * 2).sum()
    x.numpy()[0] = 5  # behind the library's back
    report = verify.audit(loss)
    assert [node.op.name for node in report.changed] == ["exp"]
    assert "an array was changed in place" in report.verdict()


def test_huge_masks_kinks_and_constants_accuse_nobody() -> None:
    scores = tl.tensor(np.random.default_rng(0).standard_normal((4, 4)), requires_grad=True)
    mask = np.where(np.tri(4) > 0, 0.0, -1e9)
    z = scores + mask
    z = z - z.max(axis=-1, keepdims=True).detach()
    attention = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    assert verify.audit((attention ** 2).sum())
    x = tl.tensor([0.0, 1.0, -1.0], np.float64, requires_grad=True)
    assert verify.audit(tl.relu(x).sum() + abs(x).sum() + tl.maximum(x, 0.0).sum())


def test_float32_graphs_are_audited_in_float64() -> None:
    net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2))
    report = verify.audit(nn.functional.mse_loss(net(tl.randn(16, 5)), tl.randn(16, 2)))
    assert report
    assert [leaf.name for leaf in report.leaves] == ["2.weight", "2.bias", "0.weight", "0.bias"]


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs_are_not_accused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pool = [tl.tensor(rng.standard_normal((3, 3)) * 10.0 ** rng.integers(-2, 3), requires_grad=True) for _ in range(3)]
    unary = [np.tanh, np.sin, tl.sigmoid, tl.relu, abs, tl.softplus, lambda a: a.T, lambda a: a.sum(axis=0, keepdims=True),
             lambda a: a.max(axis=1, keepdims=True), lambda a: tl.logsumexp(a, axis=0, keepdims=True), lambda a: a[::-1],
             lambda a: tl.clip(a, -0.5, 0.5), lambda a: a ** 2, lambda a: a * 0.1]
    binary = [lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - b, tl.maximum, lambda a, b: tl.where(a > b, a, b),
              lambda a, b: a / (1 + b * b)]
    for _ in range(12):
        if rng.random() < 0.5:
            pool.append(unary[rng.integers(len(unary))](pool[rng.integers(len(pool))]))
        else:
            pool.append(binary[rng.integers(len(binary))](pool[rng.integers(len(pool))], pool[rng.integers(len(pool))]))
    loss = np.tanh(pool[-1] * 0.01).sum() + pool[-2].mean()
    report = verify.audit(loss)
    assert report, report.table()


def test_a_dropped_graph_cannot_be_audited() -> None:
    x = tl.tensor([1.0], requires_grad=True)
    loss = (x * 2).sum()
    loss.backward(retain_graph=False)
    with pytest.raises(GradError, match="nothing left to audit"):
        verify.audit(loss)
