"""vmap calls a function once for all examples: the numbers of a loop, for every row of the table, and a loop where it must be one."""

import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import Case, all_cases

import tinygrad_lite as tl
from benchmarks import transforms as benchmark
from tinygrad_lite import func, nn
from tinygrad_lite.autograd import detect_anomaly, guard
from tinygrad_lite.engine import Variable, here
from tinygrad_lite.errors import GradError
from tinygrad_lite.nn import functional as F
from tinygrad_lite.ops import table
from tinygrad_lite.verify import audit, gradcheck

N = 3
CASES = [case for case in all_cases()[0]  # 9000 rows say no more than 3; the shape of what unique gives differs between examples
         if max(np.size(x) for x in case.inputs) <= 2000 and case.op != "unique_places"]
rng = np.random.default_rng(1)
X, W = rng.standard_normal((4, 3)), rng.standard_normal((3, 3))


# ---- the table

def examples(x: Any) -> Any:
    """N arrays like x, side by side along a new last axis: each a little smaller than the one before; integers and bools moved around."""
    if x.dtype.kind == "f":
        wave = 1 - 1e-3 * np.arange(x.size).reshape(x.shape) / max(x.size, 1)
        return np.stack([x * (1 - 0.02 * k) * wave ** k for k in range(N)], -1)
    return np.stack([np.roll(x, k) for k in range(N)], -1)


def outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple | list) else [result]


def gradients(ys: list[Any], xs: list[Any], create_graph: bool = False) -> list[Any]:
    """For fixed cotangents; 0 where nothing depends on an input."""
    cotangents = [(0.5 + 0.1 * np.sin(np.arange(y.size))).reshape(y.shape).astype(y.dtype) for y in ys]
    found = tl.autograd.grad(ys, xs, cotangents, create_graph=create_graph, allow_unused=True)
    return [tl.tensor(0.0) if g is None else g for g in found]


def both(case: Case, batched: list[bool]) -> tuple[list[list[Any]], list[list[Any]], int]:
    """The row on the inputs named along their last axis: outputs of vmap and of a plain loop, the leaves of each, and vmap's calls of the row."""
    op, calls = table[case.op], 0

    def one(*xs: Any) -> Any:
        nonlocal calls
        calls += 1
        return tuple(outputs(op(*xs, **case.params)))

    together, looped = ([tl.tensor(examples(x) if b else x, requires_grad=x.dtype.kind == "f") if isinstance(x, np.ndarray) else x
                         for x, b in zip(case.inputs, batched, strict=True)] for _ in range(2))
    got = func.vmap(one, in_dims=tuple([-1 if b else None for b in batched]))(*together)
    called = calls
    results = [one(*[x[..., k] if b else x for x, b in zip(looped, batched, strict=True)]) for k in range(N)]
    expected = [tl.stack(parts, axis=0) for parts in zip(*results, strict=True)]
    leaves = [[x for x in xs if isinstance(x, Variable) and x.requires_grad] for xs in (together, looped)]
    return [list(got), expected], leaves, called


def compare(case: Case, batched: list[bool]) -> None:
    (got, expected), leaves, _ = both(case, batched)
    for y, e in zip(got, expected, strict=True):
        assert type(y.data) is np.ndarray
        assert (y.shape, y.dtype, y.requires_grad) == (e.shape, e.dtype, e.requires_grad)
        np.testing.assert_allclose(y.data, e.data, rtol=1e-12, atol=1e-14)  # sums of a few terms, perhaps in another order
    if expected[0].requires_grad:
        for g, e in zip(gradients(got, leaves[0]), gradients(expected, leaves[1]), strict=True):
            assert type(g.data) is np.ndarray
            np.testing.assert_allclose(g.data, e.data, rtol=1e-10, atol=1e-12)  # gaps and inverses enlarge such roundings


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_row_is_the_loop(case: Case) -> None:
    arrays = [isinstance(x, np.ndarray) for x in case.inputs]
    compare(case, arrays)
    if sum(arrays) > 1:
        for i in np.flatnonzero(arrays):
            compare(case, [k == i for k in range(len(arrays))])


@pytest.mark.parametrize("case", [case for case in CASES if table[case.op].differentiable], ids=lambda case: case.id)
def test_every_rule_differentiates_again(case: Case) -> None:
    second = []
    ys, leaves, _ = both(case, [isinstance(x, np.ndarray) for x in case.inputs])
    for outs, xs in zip(ys, leaves, strict=True):
        first = [g for g in gradients(outs, xs, create_graph=True) if g.requires_grad]
        squares = [(g * g * (1 + 0.1 * np.cos(np.arange(g.size)).reshape(g.shape))).sum() for g in first]
        second.append([g.data for g in gradients(squares, xs)] if squares else [np.zeros(1)] * len(xs))
    for g, e in zip(*second, strict=True):  # a gradient that is constant is recorded here, or not: the next one is 0
        np.testing.assert_allclose(g, e, rtol=1e-8, atol=1e-9)


def test_nearly_every_row_is_called_once() -> None:
    apart = {case.op for case in CASES if both(case, [isinstance(x, np.ndarray) for x in case.inputs])[2] > 1}
    assert apart == {"nonzero", "gather", "scatter_add", "at_set", "at_add", "gather_last",  # by a mask that differs
                     "embedding_add", "repeat_each"}  # by how often an index names a place, and by how often it is repeated


# ---- transforms in each other

def counted(f: Callable[..., Any]) -> tuple[Callable[..., Any], list[int]]:
    calls: list[int] = []

    def g(*args: Any) -> Any:
        calls.append(1)
        return f(*args)

    return g, calls


def ours(x: Any) -> Any:
    return np.tanh(W @ x) * x


TRANSFORMS = {
    "vmap jacrev": lambda t, f, g: t.vmap(t.jacrev(f)),
    "jacrev vmap": lambda t, f, g: t.jacrev(t.vmap(f)),
    "vmap jacfwd": lambda t, f, g: t.vmap(t.jacfwd(f)),
    "jacfwd vmap": lambda t, f, g: t.jacfwd(t.vmap(f)),
    "vmap hessian": lambda t, f, g: t.vmap(t.hessian(f)),
    "hessian vmap": lambda t, f, g: t.hessian(t.vmap(f)),
    "three jacrev": lambda t, f, g: lambda x: t.jacrev(t.jacrev(t.jacrev(f)))(x[0]),
    "every pair": lambda t, f, g: lambda x: t.vmap(t.vmap(g, (None, 0)), (0, None))(x, x),
    "every pair, turned": lambda t, f, g: lambda x: t.vmap(t.vmap(g, (0, None), -1), (None, 1))(x, x.T),
    "grad of every pair": lambda t, f, g: t.grad(lambda a: t.vmap(t.vmap(g, (None, 0)), (0, None))(a, a).sum()),
    "per sample, of a vmap inside": lambda t, f, g: lambda x: t.vmap(t.grad(lambda r: (t.vmap(lambda s: g(r, s).sum())(x) ** 2).sum()))(x),
    "hessian of a vmap over the closure": lambda t, f, g: lambda x: t.hessian(lambda r: (t.vmap(lambda s: g(s, r).sum())(x) ** 2).sum())(x[0]),
    "third order through vmap": lambda t, f, g: lambda x: t.grad(lambda q: t.hessian(
        lambda r: (t.vmap(lambda s: g(s, r).sum())(x) ** 2).sum())(q).sum())(x[0]),
}


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")  # PyTorch warns of its own functions
@pytest.mark.parametrize("name", TRANSFORMS)
def test_nested_transforms_equal_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    weight, x = torch.tensor(W), torch.tensor(X)
    got = TRANSFORMS[name](func, ours, lambda a, b: np.tanh(a * b).sum() * b)(X)
    expected = TRANSFORMS[name](torch.func, lambda x: torch.tanh(weight @ x) * x, lambda a, b: torch.tanh(a * b).sum() * b)(x)
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-11, atol=1e-12)  # float64, sums in another order


def test_a_third_derivative_by_three_jacobians() -> None:
    eye = np.eye(3)  # (x . x) x_i: d3 / dx_j dx_k dx_l = 2 (d_jk d_il + d_jl d_ik + d_kl d_ij)
    expected = 2 * (np.einsum("jk,il->ijkl", eye, eye) + np.einsum("jl,ik->ijkl", eye, eye) + np.einsum("kl,ij->ijkl", eye, eye))
    for outer, inner in ((func.jacrev, func.jacrev), (func.jacfwd, func.jacrev), (func.jacrev, func.jacfwd)):
        np.testing.assert_allclose(outer(inner(func.jacrev(lambda x: (x @ x) * x)))(X[0]), expected, atol=1e-12)
        exp = outer(inner(func.jacrev(np.exp)))(X[0])  # a rule that reads its output, which is a new Tensor in each pass
        np.testing.assert_allclose(exp[range(3), range(3), range(3), range(3)], np.exp(X[0]), rtol=1e-13)


def test_a_jacobian_makes_its_passes_together() -> None:
    sizes: list[int] = []
    op = tl.engine.Op("probe", np.sin, lambda g, y, x: (sizes.append(getattr(g, "whole", g).size), g * np.cos(x))[1], doc="sin")
    x = np.arange(100.0)
    np.testing.assert_allclose(func.jacrev(op)(x), np.diag(np.cos(x)))
    assert sizes == [64 * 100, 36 * 100]


# ---- Tensors from outside

def test_what_the_function_uses_from_outside_gets_its_gradients_to_third_order() -> None:
    def third(together: bool) -> list[Any]:
        w = tl.tensor(W[0], requires_grad=True)
        h = np.exp(w)  # a result and the leaf that it was made of, both used

        def one(x: Any) -> Any:
            return (np.tanh(h * x) * w * w).sum() * x

        y = func.vmap(one)(tl.tensor(X)) if together else tl.stack([one(tl.tensor(x)) for x in X])
        (g,) = tl.autograd.grad((y * y).sum(), w, create_graph=True)
        (k,) = tl.autograd.grad((g * g).sum(), w, create_graph=True)
        return [g.data, k.data, tl.autograd.grad((k * k).sum(), w)[0].data]

    for a, b in zip(third(True), third(False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


def test_hooks_outside_see_one_gradient_for_all_examples() -> None:
    w = tl.tensor(W[0], requires_grad=True)
    h, seen = w * 2, []
    h.register_hook(lambda g: seen.append(g.data))
    h.retain_grad()
    func.vmap(lambda x: (x * h).sum())(tl.tensor(X)).sum().backward()
    np.testing.assert_allclose(seen, [X.sum(axis=0)])
    np.testing.assert_allclose(h.grad.data, X.sum(axis=0))
    np.testing.assert_allclose(w.grad.data, 2 * X.sum(axis=0))


def test_bare_examples_meet_tensors() -> None:
    w = tl.tensor(W[0], requires_grad=True)
    for f in (lambda x: x * w, lambda x: x @ w, lambda x: np.concatenate([x, w]), lambda x: np.where(x > 0, w, x), lambda x: tl.tensor(x) * w):
        y = func.vmap(f)(X)
        assert y.node.op.name == "vmap"
        each = tl.stack([f(x) for x in X])
        np.testing.assert_allclose(y.data, each.data, rtol=1e-13)
        np.testing.assert_allclose(tl.autograd.grad((y * y).sum(), w)[0].data, tl.autograd.grad((each * each).sum(), w)[0].data, rtol=1e-12)


def test_a_rule_that_says_the_same_of_all_examples_counts_for_each() -> None:
    straight = tl.engine.Op("straight", np.sign, lambda g, y, x: np.full(3, 2.0), doc="a slope of its own")
    w = tl.tensor(W[0], requires_grad=True)
    func.vmap(lambda x: (straight(w) * x).sum())(tl.tensor(X)).sum().backward()
    assert w.grad.data.tolist() == [2 * 4] * 3


def test_each_output_depends_on_what_it_was_made_of() -> None:
    w, x = tl.tensor(W[0], requires_grad=True), tl.tensor(X, requires_grad=True)
    a, b, c = func.vmap(lambda r: (r * 2, w * 3, r * w))(x)
    with pytest.raises(GradError, match="do not depend"):
        tl.autograd.grad(a.sum(), w)
    with pytest.raises(GradError, match="do not depend"):
        tl.autograd.grad(b.sum(), x)
    (a.sum() + b.sum() + c.sum()).backward()
    np.testing.assert_allclose(w.grad.data, 3 * 4 + X.sum(axis=0))
    np.testing.assert_allclose(x.grad.data, np.broadcast_to(2 + W[0], (4, 3)))


def test_a_model_gives_per_sample_gradients_in_one_call() -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).to(np.float64)
    parameters = {name: tl.tensor(p) for name, p in net.named_parameters()}
    labels = np.array([0, 1, 1, 0])
    loss, calls = counted(lambda p, x, k: F.cross_entropy(func.functional_call(net, p, x.reshape(1, 3)), k.reshape(1)))
    got = func.vmap(func.grad(loss), in_dims=(None, 0, 0))(parameters, tl.tensor(X), tl.tensor(labels))
    assert len(calls) == 1
    for i in range(4):
        expected = func.grad(loss)(parameters, tl.tensor(X[i]), tl.tensor(labels[i]))
        for name, g in expected.items():
            np.testing.assert_allclose(got[name].data[i], g.data, rtol=1e-12)
    func.vmap(lambda x: (net(x) ** 2).sum())(tl.tensor(X)).mean().backward()
    summed = [p.grad.data for p in net.parameters()]
    for p in net.parameters():
        p.grad = None
    (net(tl.tensor(X)) ** 2).sum(axis=1).mean().backward()
    for p, g in zip(net.parameters(), summed, strict=True):
        np.testing.assert_allclose(g, p.grad.data, rtol=1e-12)


def test_what_does_not_depend_on_the_example_is_repeated() -> None:
    w, x = tl.tensor(W[0], requires_grad=True), tl.tensor(X, requires_grad=True)
    a, b, c, e = func.vmap(lambda r: (w, r, w * 2, np.ones(2)), out_dims=1)(x)
    assert (a.shape, b.shape, c.shape, type(e), e.shape) == ((3, 4), (3, 4), (3, 4), np.ndarray, (2, 4))
    assert func.vmap(lambda r: 3.0)(x).tolist() == [3] * 4
    np.testing.assert_array_equal(b.data, X.T)
    (a.sum() + 3 * c.sum() + b.sum()).backward()
    assert w.grad.data.tolist() == [4 + 3 * 2 * 4] * 3
    assert x.grad.data.tolist() == [[1] * 3] * 4


# ---- NumPy on bare arrays: writes, views and numbers mean what they mean for one example

def numbers(x: Any) -> Any:
    total = x.sum()
    kept = total
    total += 1
    array = np.zeros_like(total)
    same = array
    array += 1
    return total, kept, same * 1


def view_by_reshape(x: Any) -> Any:
    y = x * 1
    y.reshape(-1)[1] = 5
    return y


def view_of_a_transpose(x: Any) -> Any:
    y = x.T * 1
    y.reshape(-1)[1] = 5
    return y


def entry_is_no_view(x: Any) -> Any:
    y = x * 1
    kept = y[0, 1]
    y[0] = 7
    return kept * 1, y


def into_shared_memory(x: Any) -> Any:
    y = np.zeros(x.shape)
    y[...] = x
    return y


def by_masks(x: Any) -> Any:
    y = x * 1
    y[y < 0] = 0
    y[0] += y[1]
    return y


def by_arrays_apart(x: Any) -> Any:
    y = np.zeros((2, 3, 2))
    return np.stack([x[[0, 1]][:, None, [1, 0]].sum(), y.sum()]), np.stack([x, x * 2])[[0, 1], :, [2, 0]]


def places_that_differ(x: Any) -> Any:
    i = np.argsort(x, axis=0)
    y = x[i[0], np.arange(3)] + x[:, i[1, 0]][0]
    z = x * 1
    z[i[0], 1] = 9
    return y, z


def questions(x: Any) -> Any:
    return sum(row.sum() for row in x), len(x), isinstance(x, np.ndarray), x @ np.ones(3), np.linalg.norm(x), np.median(x, axis=0)


WRITTEN = [numbers, view_by_reshape, view_of_a_transpose, entry_is_no_view, into_shared_memory, by_masks, by_arrays_apart,
           places_that_differ, questions]


@pytest.mark.parametrize("f", WRITTEN, ids=lambda f: f.__name__)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_plain_numpy_means_what_it_means_for_one_example(f: Callable[..., Any], axis: int) -> None:
    x = np.ascontiguousarray(np.moveaxis(rng.standard_normal((4, 3, 3)), 0, axis))  # so that examples lie in it in different ways
    got = outputs(func.vmap(f, in_dims=axis)(x))
    each = [outputs(f(np.take(x, k, axis))) for k in range(4)]
    for a, parts in zip(got, zip(*each, strict=True), strict=True):
        np.testing.assert_allclose(a, np.stack(parts), rtol=1e-13)


def test_the_callers_array_is_written_as_by_the_loop() -> None:
    def f(x: Any) -> Any:
        x[0] += 5
        return x if x[1] > 0 else x * 2

    x = np.array([[1.0, 2.0], [3.0, -4.0]])
    assert func.vmap(f)(x).tolist() == [[6, 2], [16, -8]]
    assert x.tolist() == [[6, 2], [8, -4]], "once, not by a first call too"


def test_a_branch_that_all_take_is_taken_and_others_are_taken_apart() -> None:
    same, calls = counted(lambda x: x * 2 if (x > -100).all() else -x)
    np.testing.assert_array_equal(func.vmap(same)(X), X * 2)
    assert len(calls) == 1
    differs, calls = counted(lambda x: x * 2 if x[0] > 0 else -x)
    np.testing.assert_array_equal(func.vmap(differs)(np.array([[1.0], [-1.0]])), [[2], [1]])
    assert len(calls) == 1 + 2


def test_a_single_example_and_one_that_is_a_number() -> None:
    np.testing.assert_allclose(func.vmap(func.hessian(lambda x: (x ** 3).sum()))(X[:1]), [np.diag(6 * X[0])])
    assert func.vmap(lambda v: v * v + 1)(np.arange(3.0)).tolist() == [1, 2, 5]
    assert func.vmap(func.grad(lambda v: v ** 3))(np.arange(3.0)).tolist() == [0, 3, 12]
    assert func.vmap(np.tanh)(X.astype(np.float32)).dtype == np.float32


def test_an_error_is_that_of_one_example() -> None:
    with pytest.raises(ValueError, match=r"mismatch") as caught:
        func.vmap(lambda x: np.ones((2, 2)) @ x)(tl.tensor(X))
    assert "matmul((2, 2), (3,))" in str(caught.value.__notes__)
    with pytest.raises(np.exceptions.AxisError):
        func.vmap(lambda x: x.sum(axis=-2))(X)  # which would be the examples' own axis

    def too_many(x: Any) -> Any:
        y = np.zeros_like(np.outer(x, x))
        y[0] = np.ones((4, 3))  # as many rows as examples
        return y

    with pytest.raises(ValueError, match="could not broadcast"):
        func.vmap(too_many)(X)


# ---- what each example must do by itself

def test_draws_are_those_of_the_loop() -> None:
    def f(x: Any) -> Any:
        return F.dropout(x, 0.5) + tl.rand(3)

    tl.manual_seed(3)
    got = func.vmap(f)(tl.tensor(X)).data
    tl.manual_seed(3)
    np.testing.assert_array_equal(got, [f(tl.tensor(x)).data for x in X])
    own = np.random.default_rng(5)
    got = func.vmap(lambda x: x + tl.rand(3, generator=own))(tl.tensor(X)).data
    again = np.random.default_rng(5)
    np.testing.assert_array_equal(got, [(tl.tensor(x) + tl.rand(3, generator=again)).data for x in X])


def test_backward_and_writes_inside_are_done_for_each() -> None:
    w = tl.tensor(W[0], requires_grad=True)

    def f(x: Any) -> Any:
        loss = (x * w).sum()
        loss.backward()
        return loss.detach()

    func.vmap(f)(tl.tensor(X))
    assert type(w.grad.data) is np.ndarray
    np.testing.assert_allclose(w.grad.data, X.sum(axis=0))
    counter = tl.tensor(0.0, requires_grad=True)

    def count(x: Any) -> Any:
        nonlocal counter
        with tl.no_grad():
            counter += 1
        return x

    func.vmap(count)(X)
    assert counter.item() == 4

    def count_by_data(x: Any) -> Any:
        counter.data = counter.data + 1
        return x

    func.vmap(count_by_data)(X)
    assert counter.item() == 4 + 4


@pytest.mark.parametrize("mode", [detect_anomaly, guard])
def test_watched_modes_see_every_example(mode: Any) -> None:
    x = tl.tensor(X, requires_grad=True)
    f, calls = counted(lambda r: (r * r).sum())
    with mode():
        func.vmap(f)(x).sum().backward()
    assert len(calls) == 4
    np.testing.assert_allclose(x.grad.data, 2 * X)
    x.grad, y = None, func.vmap(f)(x).sum()
    with mode():
        y.backward()
    np.testing.assert_allclose(x.grad.data, 2 * X)


def test_compiled_steps_are_captured_example_by_example() -> None:
    @tl.compile
    def step(x: Any) -> Any:
        return func.vmap(lambda r: (r * r).sum())(x)

    for k in range(3):
        np.testing.assert_allclose(step(tl.tensor(X + k)).data, ((X + k) ** 2).sum(axis=1))


# ---- the one node

def test_vmap_is_one_node_that_verification_understands() -> None:
    w, x = tl.tensor(W[0], requires_grad=True), tl.tensor(X, requires_grad=True)
    y = func.vmap(lambda r: (np.tanh(r) * w).sum())(x)
    assert (y.node.op.name, y.node.inputs) == ("vmap", (x, w))
    assert "none wrong" in str(audit(y.sum()))
    gradcheck(lambda x, w: func.vmap(lambda r: np.tanh(r * w).sum() * r)(x), [x, w])
    with tl.no_grad():
        assert not func.vmap(lambda r: (r * w).sum())(x).requires_grad


def test_a_cotangent_that_is_used_again_with_other_numbers_gives_other_gradients() -> None:
    x, v = tl.tensor(X, requires_grad=True), np.ones(4)
    y = func.vmap(lambda r: (r * r).sum())(x)
    np.testing.assert_allclose(tl.autograd.grad(y, x, v)[0].data, 2 * X)
    v[...] = 5
    np.testing.assert_allclose(tl.autograd.grad(y, x, v)[0].data, 10 * X)


def test_a_change_in_place_is_noticed_where_the_value_is_needed() -> None:
    x = tl.tensor(X, requires_grad=True)
    squared, tripled = func.vmap(lambda r: (r * r).sum())(x), func.vmap(lambda r: (r * 3).sum())(x)
    with tl.no_grad():
        x -= 1
    for create_graph in (False, True):
        with pytest.raises(GradError, match="changed in place"):
            tl.autograd.grad(squared.sum(), x, create_graph=create_graph)
    np.testing.assert_array_equal(tl.autograd.grad(tripled.sum(), x)[0].data, np.full((4, 3), 3.0))
    c = tl.tensor(W[0])
    y = func.vmap(lambda r: (r * r * c).sum())(x)
    c.data += 1
    for create_graph in (False, True):
        with pytest.raises(GradError, match="changed in place"):
            tl.autograd.grad(y.sum(), x, create_graph=create_graph)
    y = func.vmap(lambda r: (r * r).sum())(x)
    x.data = X
    with pytest.raises(GradError, match="given other data"):
        tl.autograd.grad(y.sum(), x, create_graph=True)


def test_checkpoint_and_functions_of_ones_own_go_together() -> None:
    class Square(func.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * ctx.saved_tensors[0] * g

    x = tl.tensor(X, requires_grad=True)
    func.vmap(lambda r: func.checkpoint(Square.apply, r).sum())(x).sum().backward()
    np.testing.assert_allclose(x.grad.data, 2 * X)


def test_nothing_is_left_behind() -> None:
    def stop(x: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        func.vmap(stop)(X)
    assert not here.thread.batched

    w = tl.tensor(W[0], requires_grad=True)

    def step() -> None:
        (g,) = tl.autograd.grad((func.vmap(lambda x: (x * w * w).sum())(tl.tensor(X)) ** 2).sum(), w, create_graph=True)
        g.sum().backward()
        w.grad = None

    step()
    gc.collect()
    gc.disable()
    try:
        step()
        assert gc.collect() == 0, "a graph with a vmap in it has no cycle"
    finally:
        gc.enable()


def test_threads_share_a_graph() -> None:
    w = tl.tensor(W[0], requires_grad=True)
    y = func.vmap(lambda x: (np.tanh(x * w)).sum())(tl.tensor(X))
    (expected,) = tl.autograd.grad(y, w, np.ones(4))
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(50):
            (g,) = tl.autograd.grad(y, w, np.full(4, float(k)))
            if not np.allclose(g.data, k * expected.data, rtol=1e-12):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("task", benchmark.TASKS, ids=lambda task: task.name)
def test_the_transforms_of_the_benchmark_give_what_the_loop_gives(task: Any, monkeypatch: Any) -> None:
    for name in ("torch", "jax"):
        monkeypatch.delitem(benchmark.CONTENDERS, name)
    steps, _ = benchmark.agreeing_steps(task)  # raises where they do not
    assert set(steps) == {"loop", "tinygrad_lite"}
