"""Updates that return a new Tensor, entries chosen, and sorting: against their definition, NumPy's functions, and
PyTorch to second order."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.engine import capture
from tinygrad_lite.errors import DtypeError, ShapeError
from tinygrad_lite.verify import gradcheck, gradgradcheck

rng = np.random.default_rng(12)
X = rng.standard_normal((4, 6))
V = rng.standard_normal(6)
T = rng.standard_normal((2, 3, 4))
M = rng.random((4, 6)) > 0.4
I = np.array([[2, 0, 1, 2, 2, 5]])  # noqa: E741  an index, as on paper


def leaf(x: Any) -> Any:
    return tl.tensor(np.array(x, dtype=float), requires_grad=True)


# ---- t.at

def test_set_and_add_by_hand() -> None:
    x, v = leaf([1, 2, 3]), leaf([10, 20])
    y = x.at[[0, 0]].set(v)  # 20 stays
    np.testing.assert_array_equal(y.data, [20, 2, 3])
    (y * y).sum().backward()  # d/dx = 2 y where x is left, d/dv = 2 y for the one that stayed
    np.testing.assert_array_equal(x.grad.data, [0, 4, 6])
    np.testing.assert_array_equal(v.grad.data, [0, 40])
    x, v = leaf([1, 2, 3]), leaf([10, 20])
    y = x.at[[0, 0]].add(v)
    np.testing.assert_array_equal(y.data, [31, 2, 3])
    (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [62, 4, 6])
    np.testing.assert_array_equal(v.grad.data, [62, 62])


def test_x_itself_is_left_alone() -> None:
    x = leaf([1, 2, 3])
    x.at[0].set(5.0), x.at[1:].add(1.0), x.at[x > 1].multiply(0.0)
    np.testing.assert_array_equal(x.data, [1, 2, 3])


KEYS = [1, slice(1, 3), (slice(None), -1), ..., (None, 2), (slice(None, None, -2), slice(0, 4, 3)), [0, 2],
        (slice(None), [1, 0]), ([0, 1], [5, 4]), np.array([[0, 1], [3, 2]]), X > 0, (2, X[0] > 0),
        np.array([True, False, True, True]), (np.array([[0], [2]]), np.array([1, 3])), []]


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("name", ["set", "add", "subtract", "multiply", "divide", "power", "max", "min"])
def test_updates_are_what_numpy_writes(name: str, key: Any) -> None:
    x = abs(X) + 0.5
    v = rng.uniform(0.5, 1.5, x[key].shape)
    expected = x.copy()
    expected[key] = {"set": lambda a, b: b, "add": np.add, "subtract": np.subtract, "multiply": np.multiply,
                     "divide": np.divide, "power": np.power,
                     "max": np.maximum, "min": np.minimum}[name](x[key], v)
    np.testing.assert_array_equal(getattr(leaf(x).at[key], name)(leaf(v)).data, expected)
    gradcheck(lambda x, v: getattr(x.at[key], name)(v), [x, v], rtol=1e-7)
    if name not in ("max", "min"):  # linear
        # a fourth power's third derivative: 6e-8 of it is left
        gradgradcheck(lambda x, v: getattr((x * x).at[key], name)(v * v), [x, v], rtol=1e-6)


def test_values_broadcast_and_numbers_are_weak() -> None:
    x = tl.ones(3, 4)
    for y in (x.at[0].set(2.0), x.at[:, [1, 1]].add(0.5), x.at[x > 0].multiply(3.0), x.at[1].set([1.0, 2.0, 3.0, 4.0]),
              x.at[0].subtract([1.0, 2.0, 3.0, 4.0])):
        assert y.dtype == np.float32
    column = leaf([[1], [2]])
    y = leaf(X).at[[0, 2]].set(column)
    np.testing.assert_array_equal(y[[0, 2]].data, [[1] * 6, [2] * 6])
    y.sum().backward()
    np.testing.assert_array_equal(column.grad.data, [[6], [6]])
    row = leaf(np.ones((1, 1, 6)))  # NumPy lets axes of length 1 in front go when it assigns
    leaf(X).at[1:3].set(row).sum().backward()
    np.testing.assert_array_equal(row.grad.data, np.full((1, 1, 6), 2.0))


TURNS = {"C": lambda a: a, "backward": lambda a: a[::-1].copy()[::-1], "F": np.asfortranarray,
         "gaps": lambda a: np.repeat(a, 2, -1)[..., ::2], "both backward": lambda a: a[::-1, ::-1].copy()[::-1, ::-1]}


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS.keys())
def test_the_last_in_c_order_stays_however_the_memory_lies(turn: Any) -> None:
    i, v = np.array([[1, 0, 1], [1, 2, 0]]), np.arange(6.0).reshape(2, 3)
    x, values = leaf(np.zeros(3)), tl.from_numpy(turn(v)).requires_grad_()
    y = x.at[turn(i)].set(values)
    # place 0 is named by entries 1 and 5, place 1 by 0, 2 and 3, place 2 by 4
    np.testing.assert_array_equal(y.data, [5, 3, 4])
    y.sum().backward()
    np.testing.assert_array_equal(values.grad.data, [[0, 0, 0], [1, 1, 1]])


def test_a_place_named_twice_is_refused_where_it_has_no_meaning() -> None:
    x = leaf([1, 2, 3])
    for name in ("multiply", "divide", "power", "max", "min"):
        with pytest.raises(IndexError, match="names a place twice"):
            getattr(x.at[[0, 2, 0]], name)(2.0)
    with pytest.raises(IndexError, match="names a place twice"):
        x.at[[1, -2]].apply(tl.exp)
    np.testing.assert_allclose(x.at[[0, 2]].apply(tl.exp).data, [np.e, 2, np.exp(3)], rtol=1e-15)
    np.testing.assert_array_equal(x.at[[0, 0]].get().data, [1, 1])


def test_what_does_not_fit_is_refused() -> None:
    x = leaf([1, 2, 3])
    with pytest.raises(IndexError, match="out of bounds"):
        x.at[3].set(1.0)
    with pytest.raises(IndexError, match="out of bounds"):
        x.at[[0, 3]].add(1.0)
    with pytest.raises(ValueError, match="shape mismatch|broadcast"):
        x.at[:2].set(leaf([1, 2, 3]))
    with pytest.raises(ValueError, match="broadcast|shape mismatch"):
        x.at[[0, 1]].add(leaf([1, 2, 3]))
    with pytest.raises(IndexError, match="integers"):
        x.at[[0.5]].set(1.0)
    with pytest.raises(DtypeError, match="int64"):
        tl.tensor([1, 2]).at[0].set(0.5)
    with pytest.raises(TypeError, match=r"t\.at\[i\]\.set\(v\)"):
        x[0] = 1.0


def test_indices_that_are_tensors_are_seen_by_a_capture() -> None:
    x, v, i = leaf([1, 2, 3, 4]), leaf([10, 20, 30]), tl.tensor(np.array([0, 0, 1]))
    with capture() as tape:
        y = x.at[i].set(v)
        gx, gv = tl.autograd.grad((y * y).sum(), [x, v])
    after = tape.replay({i: np.array([3, 2, 3])})
    np.testing.assert_array_equal(after(y), [1, 2, 20, 30])
    np.testing.assert_array_equal(after(gx), [2, 4, 0, 0])
    np.testing.assert_array_equal(after(gv), [0, 40, 60])


@pytest.mark.torch
@pytest.mark.parametrize("accumulate", [False, True])
def test_at_is_pytorchs_index_put(accumulate: bool) -> None:
    torch = pytest.importorskip("torch")
    rows, columns = np.array([0, 3, 1]), np.array([5, 5, 0])
    if accumulate:
        rows[1], columns[1] = 0, 5  # a place named twice
    v = rng.standard_normal(3)
    x1, v1 = leaf(X), leaf(v)
    x2, v2 = torch.tensor(X, requires_grad=True), torch.tensor(v, requires_grad=True)
    place = (x1 * x1).at[rows, columns]
    y1 = (place.add if accumulate else place.set)(v1 ** 3)
    y2 = (x2 * x2).index_put((torch.tensor(rows), torch.tensor(columns)), v2 ** 3, accumulate=accumulate)
    np.testing.assert_allclose(y1.data, y2.detach().numpy(), rtol=1e-15)
    a = tl.autograd.grad((y1 ** 2).sum(), [x1, v1], create_graph=True)
    b = torch.autograd.grad((y2 ** 2).sum(), [x2, v2], create_graph=True)
    a2 = tl.autograd.grad((a[0] ** 2).sum() + (a[1] ** 2).sum(), [x1, v1])
    b2 = torch.autograd.grad((b[0] ** 2).sum() + (b[1] ** 2).sum(), [x2, v2])
    for ours, theirs in zip([*a, *a2], [*b, *b2], strict=True):
        np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-12, atol=1e-14)


# ---- chosen entries: one text, read on arrays and on Tensors

CALLS: list[tuple[str, Any, Any]] = [
    ("take flat", lambda x: np.take(x, [3, -1, 3]), X), ("take", lambda x: np.take(x, [[0, 2], [2, 1]], axis=1), X),
    ("take one", lambda x: np.take(x, 1, 0), X),
    ("take wrap", lambda x: np.take(x, [-7, 8], 1, mode="wrap"), X),
    ("take clip", lambda x: np.take(x, [-7, 8], 1, mode="clip"), X),
    ("take none", lambda x: np.take(x, [], 1), X), ("method take", lambda x: x.take([1, 1], -1), T),
    ("compress", lambda x: np.compress([True, False, True], x, axis=1), X),
    ("compress flat", lambda x: np.compress([0, 1, 1], x), X),
    ("extract", lambda x: np.extract(M, x), X),
    ("choose", lambda x: np.choose(np.array([0, 1, 2, 1, 0, 0]), [x, 2.0, x[0] * x]), X),
    ("select", lambda x: np.select([X > 1, X > 0], [x, x * x], -1.0), X),
    ("select arrays", lambda x: np.select([X > 1], [x], X * 2), X),
    ("piecewise", lambda x: np.piecewise(x, [x > 0, x < -1], [np.sqrt, 2.0, lambda x: x * x]), X),
    ("piecewise one", lambda x: np.piecewise(x, x > 0, [np.log]), V),
    ("piecewise last", lambda x: np.piecewise(x, [x > 0, x > 1], [np.sin, np.cos]), X),
    ("diag", np.diag, V), ("diag k", lambda x: np.diag(x, -2), V), ("diag of", lambda x: np.diag(x, 1), X),
    ("diagflat", lambda x: np.diagflat(x, 1), X),
    ("diagonal", lambda x: np.diagonal(x, 1, 1, 2), T), ("method diagonal", lambda x: x.diagonal(), T),
    ("tril", np.tril, X), ("triu", lambda x: np.triu(x, 2), T), ("tril of a vector", np.tril, V),
    ("meshgrid", lambda x: np.meshgrid(x, [1.0, 2.0])[0], V),
    ("meshgrid ij", lambda x: np.meshgrid(x[:2], x[2:4], x[4:], indexing="ij")[1], V),
    ("meshgrid sparse", lambda x: np.meshgrid(x, [1.0, 2.0], x, sparse=True)[2], V),
    ("sort", np.sort, X), ("sort 0", lambda x: np.sort(x, 0), X),
    ("sort flat", lambda x: np.sort(x, None, kind="stable"), X),
    ("unique", np.unique, np.round(V)), ("unique all", lambda x: np.unique(x, True, True, True)[0], X),
    ("unique rows", lambda x: np.unique(x, axis=0), np.array([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0]])),
    ("bincount", lambda x: np.bincount(np.array([2, 0, 2, 5, 0, 0]), x), V),
    ("bincount minlength", lambda x: np.bincount(np.array([2, 0, 2, 1, 0, 0]), x, 8), V),
]
calls = pytest.mark.parametrize(("f", "x"), [(f, x) for _, f, x in CALLS], ids=[name for name, _, _ in CALLS])


@calls
def test_numpys_function_on_a_tensor_is_numpys_value(f: Any, x: Any) -> None:
    y, expected = f(tl.tensor(x, requires_grad=True)), f(x)
    assert isinstance(y, tl.Tensor)
    assert y.requires_grad
    np.testing.assert_array_equal(y.data, expected)


@calls
def test_to_second_order(f: Any, x: Any) -> None:
    if len(np.unique(x)) < x.size:
        return  # ties: a difference would part them
    gradcheck(lambda x: f(x * np.exp(x)), x, rtol=1e-7)
    gradgradcheck(lambda x: f(x * np.exp(x)), x, rtol=1e-6)


def test_piecewise_computes_only_what_it_chooses() -> None:
    x = leaf([-1, 0, 2])
    np.piecewise(x, [x > 0], [tl.log]).sum().backward()  # where(x > 0, log(x), 0) would have nan here
    np.testing.assert_array_equal(x.grad.data, [0, 0, 0.5])


def test_the_first_of_equals_gets_the_gradient_of_unique_and_each_its_own_in_a_sort() -> None:
    x = leaf([2, 1, 2, 1])
    (np.unique(x) * np.array([1.0, 10.0])).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [10, 1, 0, 0])
    x = leaf([2, 1, 2, 1])
    (np.sort(x) * np.array([1.0, 2.0, 3.0, 4.0])).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3, 1, 4, 2])


POSITIONS: list[Any] = [
    lambda x: np.argsort(x), lambda x: np.argsort(x, None), lambda x: x.argsort(0), lambda x: np.argwhere(x > 0),
    lambda x: np.flatnonzero(x > 0),
    lambda x: np.nonzero(x > 0)[1], lambda x: (x > 0).nonzero()[0], lambda x: np.count_nonzero(x > 0),
    lambda x: np.count_nonzero(x > 0, axis=1, keepdims=True),
    lambda x: np.searchsorted(np.array([-1.0, 0.0, 1.0]), x),
    lambda x: np.searchsorted(x[0], 0.3, side="right", sorter=np.argsort(x[0])),
    lambda x: np.digitize(x, [-1.0, 0.0, 1.0], right=True), lambda x: np.unique(x, return_index=True)[1],
    lambda x: np.unique(np.round(x), return_counts=True)[1],
    lambda x: np.bincount(np.argsort(x[0]) // 2, minlength=5), lambda x: np.argwhere(x[0, 0]),
]


@pytest.mark.parametrize("f", POSITIONS)
def test_positions_are_integers_without_a_gradient(f: Any) -> None:
    y, expected = f(tl.tensor(X, requires_grad=True)), f(X)
    assert not y.requires_grad
    assert y.dtype == expected.dtype if isinstance(expected, np.ndarray) else y.dtype.kind == "i"
    np.testing.assert_array_equal(y.data, expected)


def test_partition_has_every_entry_on_its_side() -> None:
    y, i = np.partition(tl.tensor(X), 2), np.argpartition(tl.tensor(X), (1, 2))
    np.testing.assert_array_equal(y.data[:, 2], np.partition(X, 2)[:, 2])
    assert (y.data[:, :2] <= y.data[:, 2:3]).all()
    assert (y.data[:, 3:] >= y.data[:, 2:3]).all()
    np.testing.assert_array_equal(np.take_along_axis(X, i.data, 1), y.data)
    with pytest.raises(ValueError, match="kth = 6"):
        np.partition(tl.tensor(X), 6)


def test_put_along_axis_returns_a_new_tensor_and_numpys_does_not_find_it() -> None:
    x, v = leaf(X), leaf(np.arange(6.0)[None])
    y = tl.put_along_axis(x, np.argmax(X, 0)[None], v, 0)
    expected = X.copy()
    np.put_along_axis(expected, np.argmax(X, 0)[None], np.arange(6.0)[None], 0)
    np.testing.assert_array_equal(y.data, expected)
    gradcheck(lambda x, v: tl.put_along_axis(x * x, I, v * v, 1), [X[:1], V[None]], rtol=1e-7)
    np.testing.assert_array_equal(tl.put_along_axis(x, np.array([7, -1]), [1.0, 2.0], None).data.ravel()[[7, -1]],
                                  [1, 2])
    with pytest.raises(ShapeError, match=r"\(2,\).*\(4, 6\)"):
        tl.put_along_axis(x, np.array([0, 1]), 0.0, 1)
    with pytest.raises(TypeError, match="put_along_axis"):
        np.put_along_axis(x, np.argmax(X, 0)[None], v, 0)  # in place: silently nothing, if it found ours


@pytest.mark.torch
def test_pytorchs_names_mean_what_they_mean_there() -> None:
    torch = pytest.importorskip("torch")
    pairs = [(lambda x: tl.masked_select(x, M), lambda x: torch.masked_select(x, torch.tensor(M))),
             (lambda x: tl.masked_select(x, M[0]), lambda x: torch.masked_select(x, torch.tensor(M[0]))),
             (lambda x: tl.masked_fill(x, M, -2.5), lambda x: x.masked_fill(torch.tensor(M), -2.5)),
             (lambda x: tl.index_fill(x, 1, np.array([0, 2]), 1.5),
              lambda x: x.index_fill(1, torch.tensor([0, 2]), 1.5)),
             (lambda x: tl.sort(x, 0), lambda x: torch.sort(x, 0).values),
             *((lambda x, k=k, dim=dim, largest=largest: tl.topk(x, k, dim, largest).values,
                lambda x, k=k, dim=dim, largest=largest: torch.topk(x, k, dim, largest).values)
               for k, dim, largest in ((1, -1, True), (3, 0, True), (2, 1, False), (6, 1, True), (0, 1, True)))]
    for f, h in pairs:
        ours, theirs = leaf(X), torch.tensor(X, requires_grad=True)
        y, z = f(ours * ours), h(theirs * theirs)
        np.testing.assert_array_equal(y.data, z.detach().numpy())
        (a,) = tl.autograd.grad((y ** 3).sum(), [ours], create_graph=True)
        (b,) = torch.autograd.grad((z ** 3).sum(), [theirs], create_graph=True)
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-12)
        (a,), (b,) = tl.autograd.grad((a * a).sum(), [ours]), torch.autograd.grad((b * b).sum(), [theirs])
        np.testing.assert_allclose(a.data, b.numpy(), rtol=1e-12)
    values, places = tl.topk(leaf(X), 3, 0)
    np.testing.assert_array_equal(places.data, torch.topk(torch.tensor(X), 3, 0).indices.numpy())
    assert not places.requires_grad
    assert tl.masked_fill(tl.ones(3), tl.tensor([True, False, True]), -np.inf).dtype == np.float32


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda: tl.topk(tl.ones(3), 4), ShapeError, r"k = 4.*\(3,\)"),
    (lambda: tl.take(tl.ones(3), 3), IndexError, "3"), (lambda: tl.take(tl.ones(3), [3]), IndexError, "3"),
    (lambda: tl.take(tl.ones(3), [0], mode="x"), ValueError, "wrap"),
    (lambda: tl.compress(np.ones((2, 2), bool), tl.ones(3)), ShapeError, r"\(2, 2\)"),
    (lambda: tl.choose(np.array([2]), [tl.ones(1), tl.ones(1)]), ValueError, "invalid entry"),
    (lambda: tl.select([], []), ValueError, "0 conditions"),
    (lambda: tl.select([np.ones(3)], [tl.ones(3)]), TypeError, "bools"),
    (lambda: tl.diag(tl.ones(2, 2, 2)), ShapeError, r"\(2, 2, 2\)"),
    (lambda: tl.meshgrid(tl.ones(2), indexing="yx"), ValueError, "yx"),
    (lambda: tl.diagonal(tl.ones(3)), ValueError, "two dimensions"),
    (lambda: tl.masked_select(tl.ones(3), np.ones(3, int)), IndexError, "bools"),
    (lambda: tl.masked_fill(tl.ones(3), np.ones(3), 0), IndexError, "bools"),
    (lambda: tl.bincount(tl.tensor([0, 1]), tl.ones(3)), ShapeError, r"\(2,\).*\(3,\)"),
    (lambda: tl.sort(tl.ones(3), 1), np.exceptions.AxisError, "axis 1"),
])
def test_what_cannot_be_is_refused(call: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call()
