"""Every row of the table of ops through every property. A row without a line in `cases.py` fails the first test."""

from typing import Any

import numpy as np
import pytest
from cases import Case, all_cases

import tinygrad_lite as tl
from tinygrad_lite.engine import Variable, capture
from tinygrad_lite.ops import table
from tinygrad_lite.verify import gradcheck, gradgradcheck

CASES, WITHOUT_INPUTS = all_cases()
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
DIFFERENTIABLE = [case for case in CASES if table[case.op].differentiable]
differentiable = pytest.mark.parametrize("case", DIFFERENTIABLE, ids=lambda case: case.id)
elementwise = pytest.mark.parametrize("case", [case for case in CASES if case.elementwise], ids=lambda case: case.id)


def is_float(x: Any) -> bool:
    return getattr(x, "dtype", np.dtype(int)).kind == "f"


def takes_gradient(case: Case, i: int) -> bool:
    op = table[case.op]
    return is_float(case.inputs[i]) and (op.each is not None or op.rules[i] is not None)


def tensors(inputs: Any, case: Case, dtype: Any = None) -> list[Any]:
    """Every array as a Tensor, those that a gradient flows to as leaves."""
    return [x if not isinstance(x, np.ndarray) else tl.tensor(x, dtype if is_float(x) else None, requires_grad=takes_gradient(case, i))
            for i, x in enumerate(inputs)]


def outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple | list) else [result]


def value(x: Any) -> Any:
    return x.data if isinstance(x, Variable) else x


def gradients(case: Case, inputs: Any, params: Any = None, dtype: Any = None, create_graph: bool = False) -> tuple[list[Any], list[Any]]:
    """Outputs, and the gradient of each leaf for fixed cotangents 0.5, 0.6, ..."""
    xs = tensors(inputs, case, dtype)
    ys = outputs(table[case.op](*xs, **(case.params if params is None else params)))
    leaves = [x for x in xs if isinstance(x, Variable) and x.requires_grad]
    cotangents = [(0.5 + 0.1 * np.arange(y.size)).reshape(y.shape).astype(y.dtype) for y in ys]
    return ys, list(tl.autograd.grad(ys, leaves, cotangents, create_graph=create_graph))


def test_every_row_has_a_case() -> None:
    assert set(table) == {case.op for case in CASES} | WITHOUT_INPUTS


def test_every_row_says_what_it_computes() -> None:
    assert not [name for name, op in table.items() if not op.__doc__]


@every
def test_value(case: Case) -> None:
    like = case.like or getattr(np, case.op)
    expected = outputs(like(*case.inputs, **case.params))
    on_arrays = outputs(table[case.op](*case.inputs, **case.params))
    on_tensors = outputs(table[case.op](*tensors(case.inputs, case), **case.params))
    assert len(on_arrays) == len(on_tensors) == len(expected)
    for bare, tensor, e in zip(on_arrays, on_tensors, expected, strict=True):
        assert not isinstance(bare, Variable)
        assert isinstance(tensor, tl.Tensor)
        # rtol 1e-13: a formula may round differently from NumPy's function in the last digits
        np.testing.assert_allclose(bare, e, rtol=1e-13, atol=1e-15)
        np.testing.assert_array_equal(tensor.data, bare)
        assert tensor.shape == np.shape(e)
        assert isinstance(tensor.data, np.ndarray), "0-d results are arrays too"


@every
def test_no_gradient_where_no_rule(case: Case) -> None:
    ys = outputs(table[case.op](*tensors(case.inputs, case), **case.params))
    assert all(y.requires_grad == table[case.op].differentiable for y in ys)


@differentiable
def test_rule(case: Case) -> None:
    xs = [tl.tensor(x, requires_grad=takes_gradient(case, i)) if isinstance(x, np.ndarray) else x for i, x in enumerate(case.inputs)]
    if max(np.size(x) for x in case.inputs) > 2000:
        return  # 1500 rows, for the other way of summing them: compared with PyTorch
    gradcheck(lambda *xs: table[case.op](*xs, **case.params), xs, rtol=1e-7)  # central difference, h = 6e-6: truncation h^2 f''' = 4e-11 f'''


@differentiable
def test_rule_of_the_rule(case: Case) -> None:
    if max(np.size(x) for x in case.inputs) > 2000:
        return
    xs = [tl.tensor(x, requires_grad=takes_gradient(case, i)) if isinstance(x, np.ndarray) else x for i, x in enumerate(case.inputs)]
    gradgradcheck(lambda *xs: table[case.op](*xs, **case.params), xs, rtol=1e-7)


@differentiable
def test_recorded_gradient_is_the_same_number(case: Case) -> None:
    _, first = gradients(case, case.inputs)
    _, recorded = gradients(case, case.inputs, create_graph=True)
    for a, b in zip(first, recorded, strict=True):
        np.testing.assert_array_equal(a.data, b.data)


@every
def test_float32_stays_float32(case: Case) -> None:
    if case.op == "astype":
        return
    op = table[case.op]
    ys = outputs(op(*tensors(case.inputs, case, np.float32), **case.params))
    wide = outputs(op(*case.inputs, **case.params))
    for y, w in zip(ys, wide, strict=True):
        assert y.dtype == (np.float32 if w.dtype == np.float64 else w.dtype)
    if op.differentiable:
        for create_graph in (False, True):
            xs = tensors(case.inputs, case, np.float32)
            # the gradient is asked for of results on the way too, so that a rule which widens is not hidden by the leaf's own dtype
            inner = [x * 1 if isinstance(x, Variable) and x.requires_grad else x for x in xs]
            ys = outputs(op(*inner, **case.params))
            seen: list[Any] = []
            leaves = [x for x in xs if isinstance(x, Variable) and x.requires_grad]
            for x in inner:
                if isinstance(x, Variable) and x.requires_grad:
                    x.register_hook(seen.append)
            tl.autograd.grad(ys, leaves, [tl.ones(*y.shape) for y in ys], create_graph=create_graph)
            assert {g.dtype for g in seen} == {np.dtype(np.float32)}


@elementwise
def test_zero_dimensions(case: Case) -> None:
    one = [x[(0,) * x.ndim] for x in case.inputs]
    check_same(case, [np.asarray(x) for x in one], [x.reshape(1) for x in one], lambda y: y.reshape(()))


@elementwise
def test_no_entries(case: Case) -> None:
    none = [x[:0] for x in case.inputs]
    assert table[case.op](*none).size == 0
    if table[case.op].differentiable:
        assert all(g.shape == none[0].shape for g in gradients(case, none)[1])


@pytest.mark.parametrize("case", [case for case in CASES if case.empty is not None], ids=lambda case: case.id)
def test_no_entries_where_allowed(case: Case) -> None:
    params = case.params if case.empty_params is None else case.empty_params
    ys, gs = gradients(case, case.empty, params)
    leaves = [x for i, x in enumerate(case.empty) if takes_gradient(case, i)]
    assert [g.shape for g in gs] == [x.shape for x in leaves]
    assert all(np.isfinite(g.data).all() for g in gs)
    assert ys


@pytest.mark.parametrize("case", [case for case in CASES if case.elementwise and len(case.inputs) == 2], ids=lambda case: case.id)
@pytest.mark.parametrize("cut", [(slice(None), slice(0, 1)), (slice(0, 1), slice(None)), (0,), (0, 0)], ids=["column", "row", "vector", "scalar"])
@pytest.mark.parametrize("which", [0, 1])
def test_broadcasting_both_ways(case: Case, cut: Any, which: int) -> None:
    small = [np.asarray(x[cut]) if i == which else x for i, x in enumerate(case.inputs)]
    full = [np.broadcast_to(x, case.inputs[0].shape).copy() for x in small]
    if not table[case.op].differentiable:
        np.testing.assert_array_equal(table[case.op](*tensors(small, case)).data, table[case.op](*full))
        return
    (y,), gs = gradients(case, small)
    (y_full,), gs_full = gradients(case, full)
    np.testing.assert_array_equal(y.data, y_full.data)
    for g, g_full, x in zip(gs, gs_full, small, strict=True):
        extra = g_full.ndim - x.ndim
        axes = (*range(extra), *(extra + i for i, n in enumerate(x.shape) if n == 1))
        # rtol: a sum of twelve terms in another order
        np.testing.assert_allclose(g.data, g_full.data.sum(axis=axes).reshape(x.shape), rtol=1e-13, atol=1e-14)


def strided(x: Any) -> Any:
    """The same numbers with a gap between neighbours along the last axis, read backward along the first."""
    if not isinstance(x, np.ndarray) or not x.ndim:
        return x
    return np.repeat(x[::-1], 2, axis=-1)[::-1, ..., ::2] if x.ndim > 1 else np.repeat(x[::-1], 2)[::-1][1::2]


@every
def test_non_contiguous(case: Case) -> None:
    apart = [strided(x) for x in case.inputs]
    assert all(a is x or np.array_equal(a, x, equal_nan=a.dtype.kind == "f") for a, x in zip(apart, case.inputs, strict=True))
    check_same(case, apart, case.inputs, lambda y: y)


def check_same(case: Case, inputs: Any, reference: Any, back: Any) -> None:
    """The op on `inputs`, shared without a copy, gives values and gradients of the op on `reference`."""
    op = table[case.op]
    xs = [x if not isinstance(x, np.ndarray) else tl.from_numpy(x).requires_grad_(takes_gradient(case, i)) for i, x in enumerate(inputs)]
    ys = outputs(op(*xs, **case.params))
    for y, e in zip(ys, outputs(op(*reference, **case.params)), strict=True):
        np.testing.assert_allclose(y.data, back(np.asarray(e)), rtol=1e-14)  # BLAS may sum in another order
    if op.differentiable:
        leaves = [x for x in xs if isinstance(x, Variable) and x.requires_grad]
        cotangents = [(0.5 + 0.1 * np.arange(y.size)).reshape(y.shape) for y in ys]
        for g, e in zip(tl.autograd.grad(ys, leaves, cotangents), gradients(case, reference)[1], strict=True):
            np.testing.assert_allclose(g.data, back(e.data), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("case", [case for case in DIFFERENTIABLE if len({np.shape(x) for x in case.inputs}) == 1 and len(case.inputs) > 1
                                  and all(takes_gradient(case, i) for i in range(len(case.inputs)))
                                  and case.op not in ("maximum", "minimum", "remainder", "mse_loss")], ids=lambda case: case.id)
def test_shared_input_adds_all_paths(case: Case) -> None:
    gradcheck(lambda x: table[case.op](*[x] * len(case.inputs), **case.params), np.abs(case.inputs[0]) + 0.1, rtol=1e-7)


@differentiable
def test_under_capture(case: Case) -> None:
    """Forward and backward captured, then replayed on other numbers, are what eager gives for those."""
    op = table[case.op]
    xs = tensors(case.inputs, case)
    leaves = [x for x in xs if isinstance(x, Variable) and x.requires_grad]
    with capture() as tape:
        ys = outputs(op(*xs, **case.params))
        gs = tl.autograd.grad(ys, leaves, [tl.ones(*y.shape, dtype=np.float64) for y in ys])
    new = {x: x.data[::-1].copy() if x.ndim else x.data * 1.5 for x in leaves}
    replayed = tape.replay(new)
    eager = [tl.tensor(new[x], requires_grad=True) if isinstance(x, Variable) and x in new else x for x in xs]
    ys2 = outputs(op(*eager, **case.params))
    gs2 = tl.autograd.grad(ys2, [x for x in eager if isinstance(x, Variable) and x.requires_grad], [np.ones(y.shape) for y in ys2])
    for captured, e in zip([*ys, *gs], [*ys2, *gs2], strict=True):
        np.testing.assert_array_equal(replayed(captured), e.data)
