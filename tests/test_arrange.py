"""Manipulation of arrays: NumPy's functions on Tensors give what they give on arrays, differentiate twice, and refuse
what they should."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.engine import capture
from tinygrad_lite.verify import gradcheck, gradgradcheck

rng = np.random.default_rng(11)
X = rng.standard_normal((4, 6))
V = rng.standard_normal(6)
T = rng.standard_normal((2, 3, 4))
V_LIST, X_LIST = V.tolist(), X.tolist()  # Python numbers, which are weak
mask = np.array([True, False, True, True])

# one text, read on arrays and on Tensors
CALLS: list[tuple[str, Any, Any]] = [
    ("ravel", np.ravel, X), ("ravel F", lambda x: np.ravel(x, "F"), X), ("method ravel", lambda x: x.ravel(), T),
    ("moveaxis", lambda x: np.moveaxis(x, 0, -1), T), ("moveaxis two", lambda x: np.moveaxis(x, (0, -1), (1, 0)), T),
    ("rollaxis", lambda x: np.rollaxis(x, 2), T), ("rollaxis start", lambda x: np.rollaxis(x, 0, 3), T),
    ("permute_dims", lambda x: np.permute_dims(x, (2, 0, 1)), T), ("matrix_transpose", np.matrix_transpose, T),
    ("rot90", np.rot90, X), ("rot90 2", lambda x: np.rot90(x, 2), X),
    ("rot90 -1", lambda x: np.rot90(x, -1, (1, 2)), T),
    ("rot90 4", lambda x: np.rot90(x, 4), X), ("flipud", np.flipud, X), ("fliplr", np.fliplr, X),
    ("atleast_1d", np.atleast_1d, X[0, 0]), ("atleast_2d", np.atleast_2d, V), ("atleast_3d", np.atleast_3d, V),
    ("atleast_3d matrix", np.atleast_3d, X),
    ("atleast_1d several", lambda x: np.concatenate(np.atleast_1d(x[0], x, 2.5)), V),
    ("broadcast_arrays", lambda x: np.broadcast_arrays(x, x[:1], 1.0)[1], X),
    ("vstack", lambda x: np.vstack([x, x[:1], V_LIST]), X),
    ("vstack vectors", lambda x: np.vstack([x, [1.0, 2, 3, 4, 5, 6]]), V),
    ("hstack", lambda x: np.hstack([x, x[:, :2]]), X), ("hstack vectors", lambda x: np.hstack([x, 1.0, x[:2]]), V),
    ("dstack", lambda x: np.dstack([x, x * x]), X), ("dstack vectors", lambda x: np.dstack((x, V_LIST)), V),
    ("column_stack", lambda x: np.column_stack([x, x[:, 0], x[:, 1]]), X),
    ("block", lambda x: np.block([[x, x[:, :1]], [x[:1] * 2, 7.0]]), X),
    ("block row", lambda x: np.block([x, *V_LIST, 1.0]), V),
    ("block one", lambda x: np.block(x), X), ("block deep", lambda x: np.block([[[x], [x]], [[x], [x * 2]]]), X),
    ("array_split", lambda x: np.array_split(x, 4)[1], V),
    ("array_split at", lambda x: np.array_split(x, [1, 3], 1)[2], X),
    ("array_split many", lambda x: np.concatenate(np.array_split(x, 9)), V),
    ("vsplit", lambda x: np.vsplit(x, 2)[1], X), ("hsplit", lambda x: np.hsplit(x, [2, 3])[0], X),
    ("hsplit vector", lambda x: np.hsplit(x, 3)[2], V),
    ("dsplit", lambda x: np.dsplit(x, 2)[1], T), ("unstack", lambda x: tl.unstack(x, axis=1)[2], T),
    ("tile", lambda x: np.tile(x, (2, 1, 3)), X), ("tile list", lambda x: np.tile(x, [2]), X),
    ("repeat", lambda x: np.repeat(x, 2), X), ("repeat each", lambda x: np.repeat(x, [0, 2, 1, 3], axis=0), X),
    ("repeat flat", lambda x: np.repeat(x, [0, 2, 1, 3, 1, 1]), V),
    ("repeat one for all", lambda x: np.repeat(x, [2], axis=1), X),
    ("roll", lambda x: np.roll(x, 2), X), ("roll two", lambda x: np.roll(x, (1, -2), axis=(0, 1)), X),
    ("roll far", lambda x: np.roll(x, 13, 1), X),
    ("resize", lambda x: np.resize(x, (3, 5)), V), ("resize smaller", lambda x: np.resize(x, 3), X),
    ("append", lambda x: np.append(x, V_LIST), X), ("append axis", lambda x: np.append(x, [V_LIST], axis=0), X),
    ("append number", lambda x: np.append(x, 1.5), V),
    ("delete", lambda x: np.delete(x, 1, 0), X), ("delete slice", lambda x: np.delete(x, slice(None, None, 2), 1), X),
    ("delete several", lambda x: np.delete(x, [0, -1]), V), ("delete mask", lambda x: np.delete(x, mask, 0), X),
    ("insert", lambda x: np.insert(x, 1, 5.0), V), ("insert row", lambda x: np.insert(x, 2, V, axis=0), X),
    ("insert column", lambda x: np.insert(x, 1, x[:, 0], axis=1), X),
    ("insert several", lambda x: np.insert(x, [1, 3], x[:2]), V),
    ("insert same place", lambda x: np.insert(x, [1, 1, 4], [1.0, 2.0, 3.0]), V),
    ("insert columns", lambda x: np.insert(x, [1], x[:, :2], axis=1), X),
    ("insert rows", lambda x: np.insert(x, slice(0, 2), x[:2], axis=0), X),
    ("apply_along_axis", lambda x: np.apply_along_axis(np.sum, 0, x), X),
    ("apply_along_axis sorted", lambda x: np.apply_along_axis(np.sort, 1, x), T),
    ("apply_along_axis outer", lambda x: np.apply_along_axis(lambda row: np.outer(row, row[:2]), 0, x), T),
    ("apply_over_axes", lambda x: np.apply_over_axes(np.sum, x, [0, -1]), T),
    *((f"pad {mode}", lambda x, mode=mode: np.pad(x, ((1, 2), (3, 0)), mode), X)
      for mode in ("constant", "edge", "reflect", "symmetric", "wrap")),
    ("pad int", lambda x: np.pad(x, 2), X), ("pad pair", lambda x: np.pad(x, (1, 2), constant_values=3.0), X),
    ("pad each", lambda x: np.pad(x, [[1], [2]], constant_values=(1.0, 2.0)), X),
]
calls = pytest.mark.parametrize(("f", "x"), [(f, x) for _, f, x in CALLS], ids=[name for name, _, _ in CALLS])


@calls
def test_numpys_function_on_a_tensor_is_numpys_value(f: Any, x: Any) -> None:
    y, expected = f(tl.tensor(x, requires_grad=True)), f(x)
    assert isinstance(y, tl.Tensor)
    assert y.requires_grad
    np.testing.assert_array_equal(y.data, expected)
    # float32 rounds lists to 6e-8
    np.testing.assert_allclose(f(tl.tensor(x, np.float32)).data, f(x.astype(np.float32)), rtol=1e-7)
    assert f(tl.tensor(x, np.float32)).dtype == np.float32


@calls
def test_to_second_order(f: Any, x: Any) -> None:
    gradcheck(lambda x: f(x * x), x, rtol=1e-7)
    gradgradcheck(lambda x: f(x * x), x, rtol=1e-7)


def test_trim_zeros_is_a_mask_that_a_capture_sees() -> None:
    x = tl.tensor(np.array([0.0, 0.0, 1.5, 0.0, 2.5, 0.0]), requires_grad=True)
    np.testing.assert_array_equal(np.trim_zeros(x, "f").data, [1.5, 0.0, 2.5, 0.0])
    np.testing.assert_array_equal(np.trim_zeros(x, "b").data, [0.0, 0.0, 1.5, 0.0, 2.5])
    with capture() as tape:
        y = np.trim_zeros(x)
        (g,) = tl.autograd.grad(y.sum(), [x])
    np.testing.assert_array_equal(g.data, [0, 0, 1, 1, 1, 0])
    after = tape.replay({x: np.array([1.0, 0.0, 2.0, 0.0, 0.0, 0.0])})
    np.testing.assert_array_equal(after(y), [1, 0, 2])


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.2.0", reason="NumPy 2.2 trims every axis")
def test_trim_zeros_of_a_matrix() -> None:
    x = np.pad(np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0]]), ((1, 2), (0, 3)))
    np.testing.assert_array_equal(np.trim_zeros(tl.tensor(x)).data, np.trim_zeros(x))


def test_pad_by_a_dict_names_axes() -> None:
    y = tl.pad(tl.tensor(X), {-1: (0, 2), 0: 1})
    np.testing.assert_array_equal(y.data, np.pad(X, ((1, 1), (0, 2))))


def test_repeats_may_be_a_tensor_and_a_capture_sees_it() -> None:
    x, repeats = tl.tensor(V[:3], requires_grad=True), tl.tensor(np.array([2, 0, 1]))
    with capture() as tape:
        y = tl.repeat(x, repeats)
        (g,) = tl.autograd.grad(y, [x], tl.tensor(np.array([1.0, 10.0, 100.0])))
    np.testing.assert_array_equal(g.data, [11, 0, 100])
    after = tape.replay({repeats: np.array([0, 1, 2])})
    np.testing.assert_array_equal(after(y), V[[1, 2, 2]])
    np.testing.assert_array_equal(after(g), [0, 1, 110])


def test_numbers_and_lists_are_weak() -> None:
    x = tl.ones(3)
    for y in (tl.hstack([x, 1.0]), tl.append(x, [0.5]), tl.insert(x, 0, 2.0), tl.vstack([x, [1.0, 2.0, 3.0]]),
              tl.block([x, 1.0])):
        assert y.dtype == np.float32


def test_unused_parts_of_unstack_count_as_zero() -> None:
    x = tl.tensor(X, requires_grad=True)
    tl.unstack(x)[2].sum().backward()
    np.testing.assert_array_equal(x.grad.data, (np.arange(4) == 2)[:, None] * np.ones(6))


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda: tl.pad(tl.ones(3), -1), ValueError, "negative"),
    (lambda: tl.pad(tl.ones(3), 1, "mean"), ValueError, "there are constant, edge"),
    (lambda: tl.pad(tl.ones(3), 1, "reflect", reflect_type="odd"), ValueError, "odd"),
    (lambda: tl.pad(tl.ones(3), 1.5), TypeError, "integer"),
    (lambda: tl.pad(tl.ones(3), 1, constant_values=tl.ones(1)), TypeError, "no gradient"),
    (lambda: tl.moveaxis(tl.ones(3, 4), 2, 0), np.exceptions.AxisError, "out of bounds"),
    (lambda: tl.rot90(tl.ones(3)), ValueError, "two different axes"),
    (lambda: tl.rot90(tl.ones(3, 4), axes=(0, -2)), ValueError, "two different axes"),
    (lambda: tl.matrix_transpose(tl.ones(3)), ValueError, r"\(3,\)"),
    (lambda: tl.ravel(tl.ones(3), "K"), ValueError, "memory"),
    (lambda: tl.broadcast_arrays(tl.ones(3), tl.ones(4)), ValueError, "shape"),
    (lambda: tl.vstack([tl.ones(3), tl.ones(4)]), ValueError, r"\(1, 3\)"),
    (lambda: tl.block([[tl.ones(1)], tl.ones(1)]), ValueError, "equally deep"),
    (lambda: tl.block([tl.ones(1), [tl.ones(1)]]), ValueError, "equally deep"),
    (lambda: tl.vsplit(tl.ones(3), 3), ValueError, "needs 2 axes"),
    (lambda: tl.hsplit(tl.ones(3), 2), ValueError, "equal division"),
    (lambda: tl.array_split(tl.ones(3), 0), ValueError, "positive"),
    (lambda: tl.delete(tl.ones(3), 3), IndexError, "3"),
    (lambda: tl.delete(tl.ones(3), tl.tensor([1])), TypeError, r"obj\.numpy"),
    (lambda: tl.insert(tl.ones(3), 5, 1.0), IndexError, "5"),
    (lambda: tl.insert(tl.ones(3), [0, 1], tl.ones(3)), ValueError, r"\(3,\)|broadcast"),
    (lambda: tl.repeat(tl.ones(3), -1), ValueError, "negative"),
    (lambda: tl.repeat(tl.ones(3), [1, 2]), ValueError, r"\(2,\)"),
    (lambda: tl.tile(tl.ones(3), 1.5), TypeError, "integer|float"),
])
def test_what_cannot_be_is_refused(call: Any, error: type, words: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert __import__("re").search(words, "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])]))


@pytest.mark.torch
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad_is_pytorchs(mode: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = tl.tensor(T[None], requires_grad=True), torch.tensor(T[None], requires_grad=True)
    y = tl.pad(ours, ((0, 0), (0, 0), (1, 2), (3, 0)), {"replicate": "edge", "circular": "wrap"}.get(mode, mode))
    z = torch.nn.functional.pad(theirs, (3, 0, 1, 2), mode=mode)
    np.testing.assert_array_equal(y.data, z.detach().numpy())
    weights = rng.standard_normal(y.shape)
    (a,) = tl.autograd.grad((y ** 3 * weights).sum(), [ours], create_graph=True)
    (b,) = torch.autograd.grad((z ** 3 * torch.tensor(weights)).sum(), [theirs], create_graph=True)
    np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-12)
    (a,), (b,) = tl.autograd.grad((a * a).sum(), [ours]), torch.autograd.grad((b * b).sum(), [theirs])
    np.testing.assert_allclose(a.data, b.numpy(), rtol=1e-11)  # a sum of up to six terms in another order


@pytest.mark.torch
def test_tile_repeat_roll_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    times = torch.tensor([1, 0, 2, 3])
    for f, h in ((lambda x: tl.tile(x, (2, 3)), lambda x: torch.tile(x, (2, 3))),
                 (lambda x: tl.roll(x, (1, -2), (0, 1)), lambda x: torch.roll(x, (1, -2), (0, 1))),
                 (lambda x: tl.repeat(x, [1, 0, 2, 3], 0), lambda x: torch.repeat_interleave(x, times, 0)),
                 (lambda x: tl.rot90(x, 3), lambda x: torch.rot90(x, 3)),
                 (lambda x: tl.moveaxis(x, 0, 1), lambda x: torch.moveaxis(x, 0, 1))):
        ours, theirs = tl.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
        y, z = f(ours), h(theirs)
        np.testing.assert_array_equal(y.data, z.detach().numpy())
        weights = rng.standard_normal(y.shape)
        (y * weights).sum().backward()
        (z * torch.tensor(weights)).sum().backward()
        np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy(), rtol=1e-12, atol=1e-14)
