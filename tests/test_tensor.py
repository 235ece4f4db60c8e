"""Tensor as users of NumPy and PyTorch meet it: making, reading, operators, protocols, refusals."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.errors import DtypeError, GradError, ShapeError


def test_arrays_keep_their_dtype_and_python_floats_take_the_default():
    assert tl.tensor(np.ones(2)).dtype == np.float64
    assert tl.tensor([1.0, 2.0]).dtype == np.float32
    assert tl.tensor(1.5).dtype == np.float32
    assert tl.tensor([1, 2]).dtype == np.int64
    assert tl.tensor([True]).dtype == bool
    assert tl.tensor([np.float64(1.0)]).dtype == np.float64
    assert tl.tensor([[np.ones(2)], [np.ones(2)]]).dtype == np.float64
    assert tl.tensor([]).dtype == np.float32
    assert tl.tensor([1.0], dtype="float64").dtype == np.float64
    assert tl.Tensor([1.0]).dtype == np.float32
    assert tl.tensor(np.ones(2, np.float16)).dtype == np.float16


def test_default_dtype_can_be_set():
    try:
        tl.set_default_dtype(np.float64)
        assert tl.tensor(1.0).dtype == tl.zeros(2).dtype == tl.nn.Linear(1, 1).weight.dtype == np.float64
    finally:
        tl.set_default_dtype(np.float32)
    with pytest.raises(DtypeError, match="must be a float dtype"):
        tl.set_default_dtype(int)


def test_tensor_copies_and_from_numpy_shares():
    a = np.ones(2)
    copied, shared = tl.tensor(a), tl.from_numpy(a)
    a[0] = 5
    assert copied.data[0] == 1
    assert shared.data[0] == 5
    with pytest.raises(DtypeError, match="takes an array, not list"):
        tl.from_numpy([1.0])


@pytest.mark.parametrize("bad", ["abc", ["a"], None, object(), 1j, np.array([1j])])
def test_what_is_not_real_numbers_is_refused(bad):
    with pytest.raises(DtypeError):
        tl.tensor(bad)


def test_ragged_lists_are_refused():
    with pytest.raises(ValueError, match="inhomogeneous"):
        tl.tensor([[1.0], [1.0, 2.0]])


def test_integers_cannot_require_a_gradient():
    for make in (lambda: tl.tensor([1, 2], requires_grad=True), lambda: tl.tensor([1, 2]).requires_grad_(),
                 lambda: tl.full(2, 3, requires_grad=True)):
        with pytest.raises(DtypeError, match="cannot require a gradient"):
            make()


def test_constructors():
    assert tl.zeros(2, 3).shape == tl.zeros((2, 3)).shape == (2, 3)
    assert tl.ones(2).data.tolist() == [1, 1]
    assert tl.full((2,), 1.5).dtype == np.float32
    assert tl.eye(2).data.tolist() == [[1, 0], [0, 1]]
    assert tl.arange(3).dtype == np.int64
    assert tl.arange(0, 1, 0.5).data.tolist() == [0, 0.5]
    assert tl.linspace(0, 1, 3).data.tolist() == [0, 0.5, 1]
    assert tl.zeros(2, requires_grad=True).requires_grad


def test_python_numbers_are_weak():
    x = tl.tensor([1.0, 2.0])
    for y in (x * 2.5, 2.5 * x, x + 1, 1 - x, x / 3, 3 / x, x ** 2, x ** 0.5, 2.0 ** x, x // 2, x % 2, -x, abs(x)):
        assert y.dtype == np.float32


def test_choosing_between_python_floats_gives_the_default_dtype():
    x = tl.tensor([1.0, -1.0])
    assert tl.where(x > 0, 1.0, 0.5).dtype == np.where(x > 0, 2, 0.5).dtype == np.float32
    assert tl.where(x > 0, 1, 0).dtype == np.int64
    assert tl.where(x > 0, x, 0.5).dtype == np.float32
    with pytest.raises(TypeError):
        np.where(x > 0, x)


def test_complex_numbers_are_refused():
    with pytest.raises(DtypeError, match="gradients here are of real numbers"):
        tl.tensor([1.0]) * 1j


def test_operators_in_both_orders():
    a = np.array([1.0, 4.0])
    x = tl.tensor(a)
    b = np.array([3.0, 0.5])
    for left, right, expected in ((x, b, a), (b, x, None)):
        p, q = (a, b) if expected is a else (b, a)
        for ours, theirs in ((left + right, p + q), (left - right, p - q), (left * right, p * q), (left / right, p / q), (left ** right, p ** q),
                             (left // right, p // q), (left % right, p % q), (left @ right, p @ q), (left > right, p > q), (left >= right, p >= q),
                             (left < right, p < q), (left <= right, p <= q), (left == right, p == q), (left != right, p != q)):
            assert isinstance(ours, tl.Tensor)
            np.testing.assert_array_equal(ours.data, theirs)
    assert isinstance(np.float64(2) * x, tl.Tensor)


def test_numpy_functions_record():
    x = tl.tensor([0.5, 1.0], np.float64, requires_grad=True)
    y = np.concatenate([np.exp(x), np.ones(1)]).sum() + np.where(x > 0.7, x, 0).sum() + np.sum(x, axis=0) + np.add.reduce(x) + np.stack([x, x]).mean()
    (g,) = tl.autograd.grad(y, x)
    np.testing.assert_allclose(g.data, np.exp([0.5, 1.0]) + [0, 1] + 1 + 1 + 0.5)
    assert np.shape(x) == (2,)
    assert np.ndim(x) == 1
    assert np.einsum("i,i->", x, x).item() == 1.25
    assert len(np.split(x, 2)) == 2
    assert np.transpose(tl.ones(2, 3)).shape == (3, 2)
    assert np.reshape(tl.ones(2, 3), (3, 2)).shape == (3, 2)
    assert np.max(x).item() == 1


def test_numpy_functions_without_a_rule_say_so():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"np\.i0 has no gradient rule here, so it does not take Tensors"):
        np.i0(x)
    with pytest.raises(TypeError, match=r"np\.linalg\.eig has no gradient rule here"):
        np.linalg.eig(x)
    with pytest.raises(TypeError, match=r"np\.spacing has no gradient rule"):
        np.spacing(x)
    with pytest.raises(TypeError, match="out="):
        np.add(x, 1, out=np.zeros(2))
    a = np.zeros(2)
    with pytest.raises(TypeError, match="out="):
        a += x
    with pytest.raises(GradError, match="lose its gradient"):
        np.asarray(x)
    assert np.asarray(x.detach()).tolist() == [1, 2]


def test_parameters_by_position_or_keyword_are_one_record():
    x = tl.ones(2, 3)
    assert tl.sum(x, 0).shape == tl.sum(x, axis=0).shape == x.sum(0).shape == (3,)
    with pytest.raises(TypeError, match="no parameter 'axs'"):
        tl.sum(x, axs=0)
    with pytest.raises(TypeError, match="needs its parameter 'shape'"):
        tl.reshape(x)
    with pytest.raises(TypeError, match="takes 2 arrays, got 1"):
        tl.add(x)
    with pytest.raises(TypeError, match="parameter 'axis' is a Tensor"):
        tl.sum(x, axis=tl.tensor(0))


def test_errors_from_numpy_keep_their_type_and_gain_the_line():
    a, b = tl.ones(2, 3), tl.ones(4, 5)
    h = a * 2
    h.requires_grad_()
    h = h + 1
    with pytest.raises(ValueError, match="matmul") as caught:
        h @ b
    note = caught.value.__notes__[0]
    assert note.startswith("in matmul((2, 3), (4, 5)) at test_tensor.py:")
    assert "h @ b" in note
    assert "made by add at test_tensor.py" in note


def test_indexing():
    a = np.arange(12.0).reshape(3, 4)
    x = tl.tensor(a)
    i, mask = np.array([2, 0, 2]), a[:, 0] > 1
    for key in (1, -1, slice(None, 2), (1, 2), (..., 0), None, (slice(None), None), i, [0, 1], mask, (i, i), (slice(None), i), (i, slice(1, 3)),
                (mask, 2), []):
        np.testing.assert_array_equal(x[key].data, a[key])
    np.testing.assert_array_equal(x[tl.tensor(i)].data, a[i])
    np.testing.assert_array_equal(x[x > 5].data, a[a > 5])
    assert x[x.argmax() // 4].shape == (4,)
    with pytest.raises(IndexError):
        x[7]
    with pytest.raises(IndexError, match="integers, bools or slices"):
        x[np.array([0.5])]
    with pytest.raises(TypeError, match="cannot be recorded"):
        x[0] = 1


def test_python_conversions():
    x = tl.tensor([[3.0]])
    assert float(x) == x.item() == 3
    assert int(x) == 3
    assert bool(x)
    assert f"{x:.2f}" == "3.00"
    assert x.tolist() == [[3.0]]
    assert [1, 2][tl.tensor(1)] == 2
    assert len(tl.ones(3)) == 3
    assert [v.item() for v in tl.arange(3)] == [0, 1, 2]
    assert 2 in tl.arange(3)
    with pytest.raises(ValueError):
        bool(tl.ones(2))
    with pytest.raises(TypeError):
        len(tl.tensor(1.0))
    with pytest.raises(TypeError):
        iter(tl.tensor(1.0))
    assert len({x, x}) == 1


def test_repr_says_what_it_is():
    assert repr(tl.tensor([0.5, 0.25])) == "Tensor([0.5 , 0.25], dtype=float32)"
    x = tl.tensor([0.5], requires_grad=True, name="x")
    assert repr(x) == "Tensor([0.5], dtype=float32, name='x', requires_grad=True)"
    assert repr(x + 1) == "Tensor([1.5], dtype=float32, op=add)"
    assert "..." in repr(tl.zeros(1000))


def test_detach_shares_and_cuts():
    x = tl.tensor([1.0], requires_grad=True)
    y = (x * 2).detach()
    assert not y.requires_grad
    assert y.is_leaf
    assert x.detach().data is x.data


def test_setting_data_and_grad_is_checked():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ShapeError):
        x.data = np.ones(3)
    with pytest.raises(DtypeError):
        x.data = np.array([1, 2])
    with pytest.raises(GradError, match="only the data of a leaf"):
        (x * 2).data = np.ones(2)
    with pytest.raises(ShapeError):
        x.grad = tl.ones(3)
    with pytest.raises(GradError, match="leaf only"):
        (x * 2).requires_grad = False
    x.grad = tl.ones(2)
    x.grad = None
    x.requires_grad = False
    assert not (x * 2).requires_grad


def test_copy_and_pickle_keep_leaves_and_refuse_results():
    x = tl.tensor([1.0], requires_grad=True, name="w")
    x.grad = tl.ones(1)
    for again in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert again.requires_grad
        assert again.name == "w"
        assert not np.shares_memory(again.data, x.data)
    with pytest.raises(GradError, match="only a leaf can be copied"):
        copy.deepcopy(x * 2)


def test_a_missing_method_names_the_function():
    with pytest.raises(AttributeError, match=r"write tl\.tanh\(t\) or np\.tanh\(t\)"):
        tl.ones(1).tanh()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tl.ones(1).nothing  # noqa: B018


def test_astype_carries_the_gradient_between_floats_and_none_to_integers():
    x = tl.tensor([1.5], requires_grad=True)
    y = x.astype(np.float64)
    assert y.dtype == np.float64
    y.backward()
    assert x.grad.dtype == np.float32
    assert not x.astype(int).requires_grad
    assert x.astype(np.float32, copy=False) is x


def test_clip_takes_numpys_forms():
    x = tl.tensor([-2.0, 0.5, 3.0])
    assert np.clip(x, 0, 1).tolist() == x.clip(0, 1).tolist() == tl.clip(x, min=0, max=1).tolist() == [0, 0.5, 1]
    assert x.clip(min=0).tolist() == [0, 0.5, 3]
    with pytest.raises(ValueError, match="needs a lower or an upper bound"):
        x.clip()


def test_dot_is_numpys_for_every_number_of_axes():
    shapes = [((), (3,)), ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((2, 4, 3), (5, 3, 2)), ((3,), (5, 3, 2))]
    for a, b in shapes:
        p, q = np.random.default_rng(0).standard_normal(a), np.random.default_rng(1).standard_normal(b)
        np.testing.assert_allclose(tl.dot(tl.tensor(p), tl.tensor(q)).data, np.dot(p, q), rtol=1e-13)


@pytest.mark.parametrize("subscripts", ["ij,jk", "ij", "ji", "ii", "...ij,...jk->...ik", "i...,i...", "...", "ij -> i", "a...b->b..."])
def test_einsum_takes_numpys_implicit_forms(subscripts):
    shapes = {"ij,jk": ((2, 3), (3, 4)), "...ij,...jk->...ik": ((5, 2, 3), (3, 4)), "i...,i...": ((3, 2), (3, 2)), "ii": ((3, 3),), "...": ((2, 3),),
              "a...b->b...": ((2, 3, 4),)}.get(subscripts, ((2, 3),))
    arrays = [np.random.default_rng(i).standard_normal(s) for i, s in enumerate(shapes)]
    expected = np.einsum(subscripts, *arrays)
    np.testing.assert_allclose(np.einsum(subscripts, *[tl.tensor(a) for a in arrays]).data, expected, rtol=1e-13)
    tl.verify.gradcheck(lambda *xs: tl.einsum(subscripts, *xs), arrays)


def test_einsum_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="names 2 operands, but 1"):
        tl.einsum("ij,jk", tl.ones(2, 3))
    with pytest.raises(ValueError, match="does not fit an array of 2 axes"):
        tl.einsum("ijk->i", tl.ones(2, 3))


def test_where_with_functions_calls_each_only_where_it_is_chosen():
    seen = []

    def safe_log(v):
        seen.append(v.tolist())
        return np.log(v)

    x = tl.tensor([0.0, 1.0, 4.0, -2.0], np.float64, requires_grad=True)
    y = tl.where(x > 0, safe_log, 0.0, x)  # no nan, no warning, at 0 and below
    assert seen == [[1, 4]]
    assert y.tolist() == [0, 0, np.log(4), 0]
    (g,) = tl.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [0, 1, 0.25, 0]
    assert tl.autograd.grad(g.sum(), x)[0].tolist() == [0, -1, -1 / 16, 0]
    z = tl.where(x > 0, np.sqrt, lambda v: -v, x)
    assert z.tolist() == [0, 1, 2, 2]
    assert tl.where(x > 0, 2.0, lambda v: v * 3, x).tolist() == [0, 2, 2, -6]
    column = tl.tensor([[1.0], [2.0]])
    assert tl.where(np.array([[True, False], [True, True]]), lambda v: v * 10, lambda v: v, column).tolist() == [[10, 1], [20, 20]]
    with pytest.raises(TypeError, match="neither is a function"):
        tl.where(x > 0, 1.0, 0.0, x)
