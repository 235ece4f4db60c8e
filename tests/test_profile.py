"""The profile of a recorded graph: what each node costs, and that looking changes nothing."""

import copy
import math
import tracemalloc

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, viz
from tinygrad_lite.errors import GradError
from tinygrad_lite.nn import functional as F
from tinygrad_lite.viz.measuring.flops import flops


def mlp():
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    return model, F.mse_loss(model(tl.randn(5, 4)), tl.randn(5, 2))


def of(profile, op):
    return [cost for cost in profile.costs if cost.op == op]


def test_operations_of_a_network_counted_by_hand():
    _, loss = mlp()
    first, second = of(tl.profile(loss, repeat=1), "linear")
    # (5, 4) @ (4, 8) + (8,): 2 · 5 · 8 · 4, and 5 · 8 for the bias
    assert first.forward_flops == 320 + 40
    assert second.forward_flops == 2 * 5 * 2 * 8 + 10
    # x wants no gradient: gᵀ x, and the sum of g over the batch as a product with ones; in the second layer g W as well
    assert first.backward_flops == 320 + 2 * 5 * 8
    assert second.backward_flops == 160 + 160 + 2 * 5 * 2
    (tanh,) = of(tl.profile(loss, repeat=1), "tanh")
    assert (tanh.forward_flops, tanh.backward_flops) == (40, 3 * 40)  # g (1 - y y)


@pytest.mark.parametrize(("make", "expected"), [
    (lambda r: r(3, 4, 5) @ r(3, 5, 6), 2 * 3 * 4 * 6 * 5),
    (lambda r: r(7) @ r(7), 2 * 7),
    (lambda r: tl.einsum("bij,bjk->bik", r(3, 4, 5), r(3, 5, 6)), 2 * 3 * 4 * 5 * 6),
    (lambda r: F.conv2d(r(2, 3, 8, 8), r(6, 3, 3, 3)), 2 * (2 * 6 * 6 * 6) * 27),
    (lambda r: np.linalg.inv(r(2, 5, 5)), 2 * 2 * 125),
    (lambda r: np.linalg.solve(r(6, 6), r(6, 2)), round(2 / 3 * 216) + 2 * 12 * 6),
    (lambda r: r(4, 5).reshape(20), 0),
    (lambda r: r(4, 5)[1:, ::2], 0),
    (lambda r: tl.concatenate([r(4), r(5)]), 0),
    (lambda r: r(4, 1) + r(5), 20),  # each entry of the result
    (lambda r: r(4, 5).sum(), 20),  # each entry of the input
    (lambda r: F.softmax(r(4, 5), dim=1), 100),
], ids=lambda x: str(x) if isinstance(x, int) else "")
def test_operations_by_the_conventions(make, expected):
    rng = np.random.default_rng(0)
    node = make(lambda *shape: tl.tensor(rng.standard_normal(shape), requires_grad=True)).node
    outputs = node.output if type(node.output) is tuple else (node.output,)
    assert flops(node.op, node.arrays, outputs, node.params) == expected


def test_memory_is_that_of_the_arrays_and_a_view_has_none():
    x = tl.tensor(np.ones((1000, 100)), requires_grad=True)
    profile = tl.profile(tl.tanh(x).reshape(-1, 50).sum())
    (tanh,), (reshape,), (total,) = of(profile, "tanh"), of(profile, "reshape"), of(profile, "sum")
    assert tanh.output == 800_000
    assert 800_000 <= tanh.forward_peak < 810_000
    assert 1_600_000 <= tanh.backward_peak < 1_700_000  # y y, then 1 - y y: one of the two is written over; g times it
    assert reshape.output == 0
    assert reshape.forward_peak < 10_000  # Python's own objects
    assert total.output == 8


def test_the_dearest_stands_first_and_the_shares_add_up():
    small = viz.Cost(birth=1, op="sin", path="net.0", origin="a.py:1", forward=1e-6, backward=2e-6, output=8, forward_peak=8, backward_peak=999_700,
                     forward_flops=1, backward_flops=2)
    large = viz.Cost(birth=2, op="matmul", path="net.1", origin="a.py:2", forward=3e-3, backward=6e-3, output=8, forward_peak=8, backward_peak=16,
                     forward_flops=0, backward_flops=0)
    profile = viz.Profile((small, large))
    assert profile.seconds == pytest.approx(9.003e-3)
    assert profile.share(small) == pytest.approx(3e-6 / 9.003e-3)
    assert profile.share(small, "flops") == 1
    head, _, first, second = profile.table().splitlines()
    assert head == "2 nodes: forward 3 ms, backward 6 ms, 3 FLOP, outputs 16 B; sorted by time"
    assert first.split() == ["matmul", "1", "net.1", "100.0%", "3", "ms", "6", "ms", "0", "8", "B", "16", "B", "a.py:2"]
    assert second.split()[:10] == ["sin", "1", "net.0", "0.0%", "1", "µs", "2", "µs", "3", "8"]
    assert profile.table(by="bytes").splitlines()[2].startswith("sin")
    assert "1 MB" in second


def test_nothing_is_changed_by_looking():
    model, loss = mlp()
    loss.backward()
    before = copy.deepcopy([loss.item(), *[p.data for p in model.parameters()], *[p.grad.data for p in model.parameters()]])
    tracemalloc.start()
    try:
        tl.profile(loss)
        assert tracemalloc.is_tracing()  # who was tracing goes on
    finally:
        tracemalloc.stop()
    tl.profile(loss)
    assert not tracemalloc.is_tracing()
    np.testing.assert_equal([loss.item(), *[p.data for p in model.parameters()], *[p.grad.data for p in model.parameters()]], before)
    loss.backward()
    for p, grad in zip(model.parameters(), before[5:], strict=True):
        np.testing.assert_allclose(p.grad.data, 2 * grad, rtol=1e-6)  # float32


def test_costs_are_found_by_the_birth_of_their_node():
    _, loss = mlp()
    profile = tl.profile([loss, loss], repeat=1)
    assert profile.by_birth[loss.node.birth].op == "mse_loss"
    assert len(profile.by_birth) == len(profile.costs) == 4
    assert [cost.birth for cost in profile.costs] == sorted(profile.by_birth)


def test_the_table_puts_the_calls_of_one_line_together():
    x = tl.ones(3, requires_grad=True)
    for _ in range(7):
        x = tl.sin(x)
    head, columns, row = tl.profile(x).table().splitlines()
    assert head.startswith("7 nodes: forward ")
    assert columns.split()[:3] == ["op", "calls", "module"]
    assert row.split()[:3] == ["sin", "7", "100.0%"]
    assert row.endswith("x = tl.sin(x)")
    assert " 63 " in row  # 7 sines of 3 entries, and 7 times a cosine and a product: 21 + 42


def test_a_long_table_is_cut_and_sorted_as_asked():
    _, loss = mlp()
    profile = tl.profile(loss)
    lines = profile.table(by="flops", limit=2).splitlines()
    assert lines[0].endswith("sorted by operations")
    assert [line.split()[0] for line in lines[2:]] == ["linear", "linear", "and"]
    assert lines[-1] == "and 2 more"
    with pytest.raises(ValueError, match="sorted by 'seconds'"):
        profile.table(by="price")


def test_empty_arrays_leaves_and_several_outputs_have_a_profile():
    assert tl.profile(tl.ones(2, requires_grad=True)).costs == ()
    assert "0 nodes" in str(tl.profile(tl.ones(2, requires_grad=True)))
    x = tl.tensor(np.ones((0, 3)), requires_grad=True)
    assert tl.profile((x * x).sum()).costs[0].flops == 0
    a = tl.tensor(np.diag([1.0, 2.0, 4.0]), requires_grad=True)
    values, vectors = np.linalg.eigh(a)
    (eigh,) = of(tl.profile([values.sum(), vectors.sum()]), "eigh")
    assert eigh.output == 3 * 8 + 9 * 8
    assert eigh.backward > 0


def test_a_users_rule_for_arrays_alone_has_times_and_no_count():
    def rule(g, y, x):
        if not isinstance(x, np.ndarray):
            raise TypeError("arrays only")
        return 2 * g * x

    op = tl.Op("mine", lambda x: x * x, rule)
    profile = tl.profile(op(tl.ones(3, requires_grad=True)))
    (cost,) = profile.costs
    assert cost.backward > 0
    assert math.isnan(cost.backward_flops)
    assert " 3? " in profile.table()

    def fails(g, y, x):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as error:
        tl.profile(tl.Op("broken", lambda x: x * x, fails)(tl.ones(3, requires_grad=True)))
    assert "backward rule of broken" in error.value.__notes__[0]


def test_a_function_in_pytorchs_form_is_not_timed_from_its_memory():
    calls = []

    class Slow(tl.func.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            calls.append(1)
            return g * 2

    y = Slow.apply(tl.ones(3, requires_grad=True))
    tl.profile(y, repeat=3)
    assert len(calls) >= 5  # each run of the rule is a call: it keeps the last gradient by its identity


def test_what_has_no_profile_is_refused():
    _, loss = mlp()
    loss.backward(retain_graph=False)
    with pytest.raises(GradError, match="dropped"):
        tl.profile(loss)
    with pytest.raises(TypeError, match="not from ndarray"):
        tl.profile([np.ones(2)])
    with pytest.raises(ValueError, match="once or more"):
        tl.profile(tl.ones(1, requires_grad=True), repeat=0)
