"""What the rows of nn.functional stand on: rules for each output, sums of rows, NumPy's buffer, and the largest that is not taken out."""

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.nn import functional as F
from tinygrad_lite.ops.rows import long_rows, total_along, total_of_product, total_to

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.functions import CASES, CONTENDERS, agreeing_steps  # noqa: E402

rng = np.random.default_rng(3)
called: list[str] = []


def said(name: str, value: Any) -> Any:
    called.append(name)
    return value


# y = (a b, a^2): two outputs, and b has no part in the second
both = tl.Op("both", lambda a, b: (a * b, a * a),
             (lambda g, y, a, b: said("ab by a", g * b), lambda g, y, a, b: said("aa by a", 2 * g * a)),
             (lambda g, y, a, b: said("ab by b", g * a),))


def leaves() -> tuple[Any, Any]:
    called.clear()
    return tl.tensor(3.0, requires_grad=True), tl.tensor(5.0, requires_grad=True)


def test_what_the_rules_of_the_outputs_give_is_added_up() -> None:
    a, b = leaves()
    product, square = both(a, b)
    (product * 10 + square).backward()
    assert a.grad.item() == 10 * 5 + 2 * 3
    assert b.grad.item() == 10 * 3


def test_an_output_that_nothing_used_costs_nothing() -> None:
    a, b = leaves()
    both(a, b)[0].backward()
    assert called == ["ab by a", "ab by b"]
    assert (a.grad.item(), b.grad.item()) == (5, 3)


def test_an_input_without_a_part_in_what_was_used_has_no_gradient() -> None:
    a, b = leaves()
    both(a, b)[1].backward()
    assert a.grad.item() == 6
    assert b.grad is None
    with pytest.raises(tl.errors.GradError, match="do not depend on input 0"):
        tl.autograd.grad(both(a, b)[1], [b])


def test_hooks_targets_and_second_derivatives_meet_rules_for_each_output() -> None:
    a, b = leaves()
    product, square = both(a, b)
    seen: list[float] = []
    product.register_hook(lambda g: seen.append(g.item()))
    (g,) = tl.autograd.grad(product * square, [a], create_graph=True)  # d(a^3 b)/da = 3 a^2 b
    assert g.item() == 135
    assert seen == [9]
    assert [h.item() for h in tl.autograd.grad(g, [a, b])] == [90, 27]  # 6 a b and 3 a^2
    product, square = both(a, b)
    assert [h.item() for h in tl.autograd.grad(product, [product, square, a], allow_unused=True) if h is not None][::2] == [1, 5]


@pytest.mark.parametrize("shape", [(3, 4), (40, 30), (5, 6, 50), (2, 5000), (700, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_sums_are_numpys_in_every_size(shape: Any, dtype: Any) -> None:
    x = rng.uniform(0.5, 1, shape).astype(dtype)
    rtol = 20 * np.finfo(dtype).eps
    for axis in (-1, (-1,), x.ndim - 1, 0, (0, -1)):
        exact = x.astype(float).sum(axis, keepdims=True)
        for found in (total_along(x, axis), total_of_product(x, np.ones_like(x), axis)):
            assert found.dtype == dtype
            np.testing.assert_allclose(found, exact, rtol=rtol)
    np.testing.assert_allclose(total_to(x, shape=shape[-1:]), x.astype(float).sum(tuple(range(x.ndim - 1))), rtol=rtol)


def test_numpys_buffer_is_small_inside_and_what_it_was_afterwards() -> None:
    before = np.getbufsize()
    x = np.ones((64, 1024))
    elsewhere: list[int] = []
    with long_rows(x):
        assert np.getbufsize() < before
        thread = threading.Thread(target=lambda: elsewhere.append(np.getbufsize()))
        thread.start()
        thread.join()
    with pytest.raises(KeyboardInterrupt), long_rows(x):
        raise KeyboardInterrupt
    with long_rows(x[:, :100]):
        assert np.getbufsize() == before
    assert elsewhere == [before]
    assert np.getbufsize() == before


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("top", [0.0, 39.9, 40.1, 300.0, -300.0])
def test_softmax_is_the_same_with_and_without_the_largest_taken_out(top: float, dtype: Any) -> None:
    x = np.array([[0.0, 1.0, -2.5], [0.5, 0.25, 0.0]]) + top
    exact = np.exp(x - x.max(1, keepdims=True))
    exact /= exact.sum(1, keepdims=True)
    rtol = 2e-4 if dtype is np.float32 and abs(top) > 99 else 1e-5 if dtype is np.float32 else 1e-12  # x itself is rounded: eps * 300
    t = tl.tensor(x, dtype=dtype)
    np.testing.assert_allclose(F.softmax(t, 1).numpy(), exact, rtol=rtol)
    np.testing.assert_allclose(F.cross_entropy(t, tl.tensor([2, 0]), reduction="none").numpy(), -np.log(exact[[0, 1], [2, 0]]), rtol=rtol)


def test_cross_entropy_has_the_digits_that_its_probability_has_lost() -> None:
    t = tl.tensor([[0.0, 100.0], [-30.0, 39.0]], requires_grad=True)  # e^-100 is 0 in float32
    y = F.cross_entropy(t, tl.tensor([0, 0]), reduction="none")
    np.testing.assert_allclose(y.numpy(), [100, 69], rtol=1e-7)
    y.sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), [[-1, 1], [-1, 1]], rtol=1e-7)


def test_layer_norm_of_long_rows_in_float32_is_that_in_float64() -> None:
    arrays = [rng.standard_normal(shape) for shape in ((64, 1024), (1024,), (1024,), (64, 1024))]
    results = []
    for dtype in (np.float32, np.float64):
        x, w, b = (tl.tensor(v, dtype=dtype, requires_grad=True) for v in arrays[:3])
        y = F.layer_norm(x, 1024, w, b)
        y.backward(tl.tensor(arrays[3], dtype=dtype))
        results.append([v.numpy() for v in (y, x.grad, w.grad, b.grad)])
    for single, double in zip(*results, strict=True):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=0, atol=2e-6 * np.abs(double).max())  # sums of 1,024, rounded in float32


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_functions_of_the_benchmark_are_those_by_hand(case: Any, monkeypatch: Any) -> None:
    monkeypatch.delitem(CONTENDERS, "torch")
    steps, _ = agreeing_steps(case)  # raises where a value or a gradient is not the control's
    assert set(steps) == {"numpy", "tinygrad_lite", "compile"}
