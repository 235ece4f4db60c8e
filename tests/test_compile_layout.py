"""The pass "layout": the weight of a first layer lies transposed in memory, and nobody can tell by the numbers."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.compiler import PASSES

rng = np.random.default_rng(3)


def problem(optimizer="SGD", dtype=np.float32, widths=(6, 16, 16, 3), **settings):
    """(model, optimizer, training step), the same at each call."""
    generator = np.random.default_rng(5)
    layers = [part for n, m in zip(widths, widths[1:], strict=False) for part in (nn.Linear(n, m, generator=generator), nn.ReLU())]
    model = nn.Sequential(*layers[:-1]).to(dtype)
    rule = getattr(optim, optimizer)(model.parameters(), **({"lr": 0.05} | settings))

    def step(x, y):
        rule.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        rule.step()
        return loss

    return model, rule, step


def data(rows, dtype=np.float32, inputs=6, outputs=3):
    return rng.standard_normal((rows, inputs)).astype(dtype), rng.standard_normal((rows, outputs)).astype(dtype)


def same_bits(rows, inputs, outputs, dtype=np.float32):
    """Does the BLAS that is here compute a layer's two products to the bit where the weight lies the other way? Some kernels do, some don't."""
    x, g = data(rows, dtype, inputs, outputs)
    w = rng.standard_normal((outputs, inputs)).astype(dtype)
    return (all(np.array_equal(a @ w.T, a @ np.ascontiguousarray(w.T)) for a in (x, np.asfortranarray(x)))
            and np.array_equal(g.T @ x, (x.T @ g).T))


def lies_transposed(tensor):
    return tensor.data.flags.f_contiguous and not tensor.data.flags.c_contiguous


@pytest.mark.parametrize(("optimizer", "settings"), [("SGD", {}), ("SGD", {"momentum": 0.9, "weight_decay": 0.01}), ("Adam", {}), ("AdamW", {})])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_is_eagers_to_the_bit(optimizer, settings, dtype):
    eager, rule, step = problem(optimizer, dtype, **settings)
    ours, own_rule, own_step = problem(optimizer, dtype, **settings)
    compiled = tl.compile(own_step)
    for rows in (32, 32, 5, 32, 5, 5):  # a smaller last batch has a program of its own
        x, y = data(rows, dtype)
        assert step(tl.tensor(x), tl.tensor(y)).item() == compiled(x, y).item()
    for a, b in zip(eager.parameters(), ours.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
        np.testing.assert_array_equal(a.grad.data, b.grad.data)
    for s, t in zip(rule.state_dict()["state"].values(), own_rule.state_dict()["state"].values(), strict=True):
        for key in s:
            np.testing.assert_array_equal(s[key], t[key])
    assert len(compiled.programs) == 2
    assert compiled.verify(x, y).ok
    turned = [same_bits(rows, 6, 16, dtype) for rows in (32, 5)]
    assert [lies_transposed(p) for p in ours.parameters()] == [turned[0]] + [False] * 5
    for bound in compiled.programs:
        assert ("out=p0_weight_grad_T)" in bound.source.text) == all(turned)
        assert "p2_weight.T" in bound.source.text
        assert bound.source.text.count("np.subtract(parameters") == 1 or turned == [True, False]  # one update for all, in both programs


def test_the_tensor_is_what_it_was():
    model, _, step = problem()
    weight = model[0].weight
    before = weight.data.copy()
    x, y = data(32)
    tl.compile(step)(x, y)
    assert weight.shape == (16, 6)
    assert weight.grad.shape == (16, 6)
    weight.data[...] = before
    np.testing.assert_array_equal(weight.data, before)
    assert model.state_dict()["0.weight"].shape == (16, 6)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("width", [16, 6000])  # the larger weight is updated in parts
def test_what_goes_on_eagerly_after_a_compiled_step_is_the_same_training(optimizer, width):
    eager, _, step = problem(optimizer, widths=(6, width, 3))
    ours, _, own_step = problem(optimizer, widths=(6, width, 3))
    compiled = tl.compile(own_step)
    for i in range(6):
        x, y = data(32)
        assert step(tl.tensor(x), tl.tensor(y)).item() == (own_step(tl.tensor(x), tl.tensor(y)) if i % 2 else compiled(x, y)).item()
    for a, b in zip(eager.parameters(), ours.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    assert len(compiled.programs) == 1


def test_a_saved_file_has_the_weight_as_the_model_has_it(tmp_path):
    model, _, step = problem("Adam")
    compiled = tl.compile(step)
    for _ in range(2):
        x, y = data(32)
        compiled(x, y)
    compiled.save(tmp_path / "train_step.py")
    space: dict = {"__file__": str(tmp_path / "train_step.py"), "__name__": "saved"}
    exec((tmp_path / "train_step.py").read_text(), space)
    saved = space["step"]
    np.testing.assert_array_equal(saved.state["0.weight"], model[0].weight.data)
    for _ in range(3):
        x, y = data(32)
        assert saved(x, y) == compiled(x, y).item()
    np.testing.assert_array_equal(saved.state["0.weight"], model[0].weight.data)
    np.testing.assert_array_equal(saved.gradients["0.weight"], model[0].weight.grad.data)


def moved(step, *args, passes=None):
    compiled = tl.compile(step, passes=passes)
    compiled(*args)
    return "_T, out=" in compiled.source and ".reshape(" in compiled.source and "_weight_T = parameters" in compiled.source


def test_where_it_would_not_pay_or_be_seen_nothing_moves():
    x, y = data(32)
    assert moved(problem()[2], x, y) == same_bits(32, 6, 16)
    assert not moved(problem()[2], x, y, passes={*PASSES, "reuse"} - {"layout"})

    model, _, step = problem()
    kept = model[0].weight.data  # somebody looks at this very array
    assert not moved(step, x, y)
    assert kept is model[0].weight.data

    model, _, step = problem()  # the gradient of x is wanted, and for it the weight as it lies
    given = tl.tensor(x, requires_grad=True)
    assert not moved(step, given, y)
    assert given.grad is not None

    model, rule, _ = problem()

    def twice(x, y):
        rule.zero_grad()
        loss = ((model(x) - y) ** 2).mean() + (model[0].weight ** 2).sum() * 0.01
        loss.backward()
        rule.step()
        return loss

    assert not moved(twice, x, y)


@pytest.mark.parametrize("widths", [(64, 10), (6, 16), (120, 84)])
def test_a_weight_moves_only_where_blas_gives_the_same_bits(widths):
    x, y = data(32, np.float32, *widths)
    assert moved(problem(widths=widths)[2], x, y) == same_bits(32, *widths)
