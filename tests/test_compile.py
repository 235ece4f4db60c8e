"""tl.compile: what is replayed is what eager computes, and what can't be is said or captured again."""

import gc
import threading
import tracemalloc
import warnings
from itertools import combinations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.compiler import PASSES
from tinygrad_lite.errors import CompileError, ShapeError
from tinygrad_lite.nn import functional as F

rng = np.random.default_rng(11)


def batches(n, rows=8, inputs=3, outputs=2, dtype=np.float32):
    return [(rng.standard_normal((rows, inputs)).astype(dtype), rng.standard_normal((rows, outputs)).astype(dtype)) for _ in range(n)]


class Problem:
    """A small network, its optimizer, and one training step."""

    def __init__(self, optimizer="SGD", dtype=np.float32, **settings):
        generator = np.random.default_rng(5)
        self.model = nn.Sequential(nn.Linear(3, 8, generator=generator), nn.ReLU(), nn.Linear(8, 8, generator=generator), nn.Tanh(),
                                   nn.Linear(8, 2, generator=generator)).to(dtype)
        self.optimizer = getattr(optim, optimizer)(self.model.parameters(), **({"lr": 0.05} | settings))
        self.loss_fn = nn.MSELoss()

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.loss_fn(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss


def assert_same(a, b):
    for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)
        assert (p.grad is None) == (q.grad is None)
        if p.grad is not None:
            np.testing.assert_array_equal(p.grad.data, q.grad.data)
    for s, t in zip(a.optimizer.state_dict()["state"].values(), b.optimizer.state_dict()["state"].values(), strict=True):
        assert s.keys() == t.keys()
        for key in s:
            np.testing.assert_array_equal(s[key], t[key])


def pair(*args, **settings):
    """The same problem twice: trained eagerly, and compiled."""
    eager, ours = Problem(*args, **settings), Problem(*args, **settings)
    return eager, ours, tl.compile(ours.step)


OPTIMIZERS = [("SGD", {}), ("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
              ("SGD", {"momentum": 0.5, "dampening": 0.3}), ("SGD", {"maximize": True, "lr": 1e-3}), ("Adam", {}),
              ("Adam", {"amsgrad": True, "weight_decay": 0.1}), ("AdamW", {})]


# ---- the same numbers

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=str)
def test_training_is_eagers_to_the_bit(name, settings, dtype):
    eager, ours, step = pair(name, dtype, **settings)
    for t, (x, y) in enumerate(batches(25, dtype=dtype)):
        eager.optimizer.param_groups[0]["lr"] = ours.optimizer.param_groups[0]["lr"] = 0.05 / (1 + t)  # a schedule: live
        want, got = eager.step(tl.tensor(x), tl.tensor(y)), step(tl.tensor(x), tl.tensor(y))
        assert want.item() == got.item()
        assert_same(eager, ours)
    assert len(step.programs) == 1  # momentum's first step, Adam's counts and the schedule are all one program


@pytest.mark.parametrize("scheduler", [lambda o: optim.lr_scheduler.CosineAnnealingLR(o, T_max=10),
                                       lambda o: optim.lr_scheduler.LambdaLR(o, lambda epoch: 0.9 ** epoch)], ids=["cosine", "lambda"])
def test_a_schedule_goes_on_between_replays(scheduler):
    eager, ours, step = pair("Adam")
    schedules = scheduler(eager.optimizer), scheduler(ours.optimizer)
    for x, y in batches(12):
        eager.step(tl.tensor(x), tl.tensor(y))
        step(x, y)
        for schedule in schedules:
            schedule.step()
    assert_same(eager, ours)
    assert len(step.programs) == 1


NAMES = [*PASSES, "reuse"]


@pytest.mark.parametrize("passes", [c for n in range(len(NAMES) + 1) for c in combinations(NAMES, n)], ids=lambda c: "+".join(c) or "none")
def test_every_combination_of_passes_gives_the_same(passes):
    eager, ours = Problem("Adam", weight_decay=0.1), Problem("Adam", weight_decay=0.1)
    step = tl.compile(ours.step, passes=passes)
    for x, y in batches(3):
        assert step(x, y).item() == eager.step(tl.tensor(x), tl.tensor(y)).item()
    assert_same(eager, ours)


def test_large_updates_run_in_blocks_and_are_the_same():
    w, v = (tl.tensor(rng.standard_normal((400, 300)), np.float32, requires_grad=True) for _ in range(2))
    v.data[...] = w.data
    x = rng.standard_normal((5, 400)).astype(np.float32)

    def step(p, optimizer, x):
        optimizer.zero_grad()
        (x @ p).sum().backward()
        optimizer.step()

    one, two = optim.Adam([w], lr=0.1), optim.Adam([v], lr=0.1)
    compiled = tl.compile(lambda x: step(v, two, x))
    for _ in range(3):
        step(w, one, tl.tensor(x))
        compiled(x)
    np.testing.assert_array_equal(w.data, v.data)
    assert "for " in compiled.source.partition("def build")[2].partition("pieces")[2]


def test_sums_over_a_batch_of_products_become_one_product():
    w = tl.tensor(rng.standard_normal((4, 5)), requires_grad=True)
    x, y = rng.standard_normal((6, 3, 4)), rng.standard_normal((6, 3, 5))

    def f(x, y):
        return tl.autograd.grad(((tl.tanh(x) @ w) * y).sum(), w)[0]

    merged, exact = tl.compile(f), tl.compile(f, passes=set(PASSES) - {"merge"})
    want = f(tl.tensor(x), tl.tensor(y)).data
    for compiled, one, other in ((merged, "np.dot", "np.matmul"), (exact, "np.matmul", "np.dot")):
        compiled(x, y)
        got = compiled(x, y).data
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-14)  # a sum of 18 products in another order
        assert one in compiled.source
        assert other not in compiled.source
    np.testing.assert_array_equal(exact(x, y).data, want)


def test_textbook_loop_is_one_update_on_flat_memory():
    ws = [tl.tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((3, 4), (4,), (4, 2))]
    before = [w.data.copy() for w in ws]

    def step(x):
        for w in ws:
            w.grad = None
        loss = ((tl.tanh(x @ ws[0] + ws[1]) @ ws[2]) ** 2).sum()
        loss.backward()
        with tl.no_grad():
            for w in ws:
                w -= 0.01 * w.grad
        return loss

    compiled = tl.compile(step)
    xs = [tl.tensor(rng.standard_normal((5, 3))) for _ in range(4)]
    losses = [compiled(x).item() for x in xs]
    after = [w.data.copy() for w in ws]
    for w, b in zip(ws, before, strict=True):
        w.data[...] = b
    assert losses == [step(x).item() for x in xs]
    for w, a in zip(ws, after, strict=True):
        np.testing.assert_array_equal(w.data, a)
    assert compiled.source.count("np.subtract(parameters") == 1


def test_two_steps_in_one_function():
    eager, ours = Problem(momentum=0.9), Problem(momentum=0.9)

    def two(problem, x, y):
        return problem.step(x, y) + problem.step(x, y)

    compiled = tl.compile(lambda x, y: two(ours, x, y))
    for x, y in batches(4):
        assert two(eager, tl.tensor(x), tl.tensor(y)).item() == compiled(x, y).item()
    assert_same(eager, ours)


def test_dropout_draws_the_same_numbers_and_moves_the_generator():
    def f(x, generator):
        return F.dropout(x, 0.4, generator=generator) * tl.rand(3, 4, generator=generator)

    a, b = np.random.default_rng(1), np.random.default_rng(1)
    compiled = tl.compile(lambda x: f(x, b))
    for _ in range(4):
        x = tl.tensor(rng.standard_normal((3, 4)))
        np.testing.assert_array_equal(f(x, a).data, compiled(x).data)
    assert a.bit_generator.state == b.bit_generator.state


def test_running_statistics_are_written():
    mean, var = tl.zeros(3), tl.ones(3)
    mean2, var2 = tl.zeros(3), tl.ones(3)
    f = tl.compile(lambda x: F.batch_norm(x, mean, var, training=True))
    for _ in range(3):
        x = tl.tensor(rng.standard_normal((6, 3)), np.float32)
        np.testing.assert_array_equal(f(x).data, F.batch_norm(x, mean2, var2, training=True).data)
    np.testing.assert_array_equal(mean.data, mean2.data)
    np.testing.assert_array_equal(var.data, var2.data)


def test_functions_of_arrays_and_second_derivatives():
    def f(x):
        return (x ** 3).sum() + tl.sin(x).prod()

    for transform in (tl.func.value_and_grad, tl.func.grad, tl.func.hessian):
        compiled = tl.compile(transform(f))
        for _ in range(3):
            x = tl.tensor(rng.standard_normal(4))
            want, got = transform(f)(x), compiled(x)
            for a, b in zip(want, got, strict=True) if isinstance(want, tuple) else [(want, got)]:
                np.testing.assert_array_equal(a.data, b.data)
        assert len(compiled.programs) == 1
    hvp = tl.compile(lambda x, v: tl.func.hvp(f, (x,), (v,)))
    x, v = (tl.tensor(rng.standard_normal(4)) for _ in range(2))
    hvp(x, v)
    np.testing.assert_array_equal(hvp(v, x).data, tl.func.hvp(f, (v,), (x,)).data)


def test_checkpoint_and_function():
    class Cube(tl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x * x

    def f(x):
        y = Cube.apply(tl.utils.checkpoint(lambda t: tl.tanh(t) * F.dropout(t, 0.5), x))
        return tl.autograd.grad(y.sum(), x)[0]

    compiled = tl.compile(f)
    for seed in range(3):
        x = tl.tensor(rng.standard_normal(5), requires_grad=True)
        tl.manual_seed(seed)
        want = f(x)
        tl.manual_seed(seed)
        np.testing.assert_array_equal(compiled(x).data, want.data)


# ---- what goes in and out

def test_arrays_tensors_nested_and_keywords():
    @tl.compile
    def f(pair, *, scale, options):
        return {"sum": pair[0] + pair[1] * scale, "both": (pair[0] * options["k"], 7)}

    for _ in range(2):
        a, b = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
        out = f([a, tl.tensor(b)], scale=2.0, options={"k": tl.tensor(3.0)})
        np.testing.assert_array_equal(out["sum"].data, a + b * 2.0)
        np.testing.assert_array_equal(out["both"][0].data, a * np.float32(3.0))
        assert out["both"][1] == 7
    assert len(f.programs) == 1


def test_results_stay_when_the_program_runs_again():
    f = tl.compile(lambda x: (tl.tanh(x), (x * 2).reshape(2, 3), x.sum(), x.T))
    x = tl.tensor(rng.standard_normal((3, 2)))
    f(x)
    first = f(x)
    copies = [t.data.copy() for t in first]
    f(tl.tensor(rng.standard_normal((3, 2))))
    for t, c in zip(first, copies, strict=True):
        np.testing.assert_array_equal(t.data, c)


def test_a_gradient_that_was_read_stays():
    _, ours, step = pair()
    (x, y), (x2, y2) = batches(2)
    step(x, y)
    step(x, y)
    g = ours.model[0].weight.grad
    kept = g.data.copy()
    step(x2, y2)
    np.testing.assert_array_equal(g.data, kept)
    assert not np.array_equal(ours.model[0].weight.grad.data, kept)


def test_gradient_of_an_argument():
    def f(x):
        (x * x).sum().backward()

    compiled = tl.compile(f)
    for _ in range(3):
        x = tl.tensor(rng.standard_normal(3), requires_grad=True)
        compiled(x)
        np.testing.assert_array_equal(x.grad.data, 2 * x.data)


def test_gradients_of_several_arguments_stay_their_own():
    f = tl.compile(lambda x: (x * x).sum().backward())
    xs = [tl.tensor(rng.standard_normal(3), requires_grad=True) for _ in range(4)]
    for x in [*xs, xs[0]]:  # the first one twice: its gradient adds up, and so does eager's
        f(x)
    np.testing.assert_array_equal(xs[0].grad.data, 4 * xs[0].data)
    for x in xs[1:]:
        np.testing.assert_array_equal(x.grad.data, 2 * x.data)


def test_one_array_given_twice_is_no_other_program():
    f = tl.compile(lambda x, y: x - y)
    a, b = tl.tensor([5.0]), tl.tensor([2.0])
    assert [f(*pair).item() for pair in ((a, a), (a, b), (b, a), (b, b))] == [0.0, 3.0, -3.0, 0.0]
    g = tl.compile(lambda x, y: (x * y).sum().backward())
    p, q = (tl.tensor([v], requires_grad=True) for v in (5.0, 2.0))
    with pytest.warns(UserWarning, match="read by another name"):
        g(p, p)
    assert p.grad.item() == 10.0
    h = tl.compile(lambda x, y: (x * y).sum().backward())
    p.grad = None
    h(p, q)
    assert (p.grad.item(), q.grad.item()) == (2.0, 5.0)
    p.grad = q.grad = None
    with pytest.warns(UserWarning, match="read by another name"):
        h(p, p)
    assert p.grad.item() == 10.0


def test_an_argument_that_is_a_name_outside_too():
    w = tl.tensor([3.0])
    f = tl.compile(lambda x: x * w)
    assert [f(x).item() for x in (w, tl.tensor([5.0]), w)] == [9.0, 15.0, 9.0]
    v = tl.tensor([3.0], requires_grad=True)
    g = tl.compile(lambda x: (x * v * v).sum().backward())
    with pytest.warns(UserWarning, match="read by another name"):
        g(v)
    assert v.grad.item() == 27.0  # 3 v^2


def test_arguments_may_be_written():
    def f(w, x):
        with tl.no_grad():
            w -= 0.5 * x
        return w * 1.0 + x

    compiled = tl.compile(f)
    w, x = tl.tensor([1.0], requires_grad=True), tl.tensor([2.0])
    with tl.no_grad():
        results = [compiled(w, x).item() for _ in range(3)]
    assert results == [2.0, 1.0, 0.0]
    assert w.item() == -2.0
    v = tl.tensor([4.0], requires_grad=True)
    with tl.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one memory under two names, and written: it runs eagerly, and may say so
        assert compiled(v, v).item() == f(tl.tensor([4.0], requires_grad=True), tl.tensor([4.0])).item() - 2.0


def test_an_argument_that_is_returned_is_that_argument():
    f = tl.compile(lambda x, y: (x, x + y))
    for _ in range(2):
        x, y = tl.tensor([1.0]), tl.tensor([2.0])
        assert f(x, y)[0] is x


def test_attributes_names_and_settings_that_are_set_inside_run_eagerly():
    class Net(nn.Module):
        def __init__(self):
            self.mean, self.calls = tl.zeros(2), 0

        def forward(self, x):
            self.mean = self.mean * 0.5 + x.mean(axis=0) * 0.5
            return x - self.mean

    eager, ours = Net(), Net()
    f = tl.compile(lambda x: ours(x))
    with pytest.warns(UserWarning, match="Net sets its attribute 'mean'"):
        f(tl.ones(3, 2))
    eager(tl.ones(3, 2))
    x = tl.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
    np.testing.assert_array_equal(f(x).data, eager(x).data)

    count = 0

    def counted(x):
        nonlocal count
        count += 1
        return x * count

    g = tl.compile(counted)
    with pytest.warns(UserWarning, match="it sets what it reads"):
        assert g(tl.tensor(2.0)).item() == 2.0
    assert g(tl.tensor(2.0)).item() == 4.0

    problem = Problem()

    def decaying(x, y):
        loss = problem.step(x, y)
        problem.optimizer.param_groups[0]["lr"] *= 0.5
        return loss

    ((x, y),) = batches(1)
    with pytest.warns(UserWarning, match="'lr' of an optimizer's group"):
        tl.compile(decaying)(x, y)


def test_gradients_accumulate_without_zero_grad():
    eager, ours = Problem(), Problem()

    def backward(problem, x, y):
        loss = problem.loss_fn(problem.model(x), y)
        loss.backward()
        return loss

    compiled = tl.compile(lambda x, y: backward(ours, x, y))
    for i, (x, y) in enumerate(batches(6)):
        backward(eager, tl.tensor(x), tl.tensor(y))
        compiled(x, y)
        assert_same(eager, ours)
        if i == 3:
            eager.optimizer.step()  # an eager step between
            ours.optimizer.step()
            eager.optimizer.zero_grad()
            ours.optimizer.zero_grad()
    assert len(compiled.programs) == 2  # without a gradient before, and with one


def test_the_optimizers_step_alone():
    eager, ours = Problem("Adam"), Problem("Adam")
    compiled = tl.compile(ours.optimizer.step)
    for x, y in batches(4):
        for problem, step in ((eager, eager.optimizer.step), (ours, compiled)):
            problem.optimizer.zero_grad()
            problem.loss_fn(problem.model(tl.tensor(x)), tl.tensor(y)).backward()
            step()
        assert_same(eager, ours)


def test_a_returned_parameter_is_the_parameter():
    w = tl.tensor([1.0, 2.0], requires_grad=True)
    f = tl.compile(lambda x: (w, x * w))
    f(tl.tensor([1.0, 1.0]))
    assert f(tl.tensor([1.0, 1.0]))[0] is w


# ---- what is noticed

def test_a_last_small_batch_is_another_program():
    eager, ours, step = pair("Adam")
    for rows in (8, 8, 3, 8, 3):
        ((x, y),) = batches(1, rows)
        eager.step(tl.tensor(x), tl.tensor(y))
        step(x, y)
        assert_same(eager, ours)
    assert len(step.programs) == 2
    assert "parameters" in step.source  # the second works on the flat memory of the first


def test_training_mode_is_noticed():
    class Net(nn.Module):
        def forward(self, x):
            return F.dropout(x, 0.5, self.training)

    net = Net().train()
    f = tl.compile(lambda x: net(x))
    x = tl.ones(1000)
    assert (f(x).data == 0).any()
    net.eval()
    assert not (f(x).data == 0).any()
    net.train()
    assert (f(x).data == 0).any()
    assert len(f.programs) == 2


def test_replaced_data_flags_and_loaded_state_are_noticed():
    eager, ours, step = pair(momentum=0.9)
    data = batches(8)
    for i, (x, y) in enumerate(data):
        for problem in (eager, ours):
            weight = problem.model[0].weight
            if i == 2:
                weight.data = weight.data * 0.5
            if i == 4:
                problem.model.load_state_dict(Problem().model.state_dict())
            if i == 5:
                problem.optimizer.load_state_dict(Problem(momentum=0.9).optimizer.state_dict())
            if i == 6:
                problem.model[2].bias.requires_grad_(False)
        eager.step(tl.tensor(x), tl.tensor(y))
        step(x, y)
        assert_same(eager, ours)


def test_a_changed_setting_or_group_is_noticed():
    eager, ours, step = pair()
    for i, (x, y) in enumerate(batches(6)):
        for problem in (eager, ours):
            if i == 2:
                problem.optimizer.param_groups[0]["weight_decay"] = 0.1
            if i == 4:
                problem.optimizer.param_groups[0]["momentum"] = 0.9
        eager.step(tl.tensor(x), tl.tensor(y))
        step(x, y)
        assert_same(eager, ours)
    assert len(step.programs) == 3


SCALE = 2.0


def scaled(x):
    return x * SCALE


def test_numbers_in_names_that_the_function_reads_are_noticed(monkeypatch):
    offset = 1.0

    def f(x):
        return scaled(x) + offset

    compiled = tl.compile(f)
    assert compiled(tl.tensor(3.0)).item() == compiled(tl.tensor(3.0)).item() == 7.0
    offset = 5.0
    assert compiled(tl.tensor(3.0)).item() == 11.0
    monkeypatch.setattr("test_compile.SCALE", 10.0)
    assert compiled(tl.tensor(3.0)).item() == 35.0


def test_layers_that_are_exchanged_or_added_are_noticed():
    class Net(nn.Module):
        def __init__(self):
            self.layers = [nn.Linear(3, 3), nn.ReLU()]
            self.last = nn.ReLU()

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return self.last(x)

    net = Net()
    f = tl.compile(lambda x: net(x))
    x = tl.tensor(rng.standard_normal((2, 3)), np.float32)

    def exchange():
        net.layers[1] = nn.Tanh()

    changes = [lambda: None, exchange, lambda: net.layers.append(nn.Sigmoid()), lambda: setattr(net, "last", nn.Tanh())]
    for programs, change in enumerate(changes, 1):
        change()
        for _ in range(2):
            np.testing.assert_array_equal(f(x).data, net(x).data)
        assert len(f.programs) == programs


def test_hooks_functions_in_attributes_and_the_default_dtype_are_noticed():
    class Net(nn.Module):
        def __init__(self):
            self.activation = tl.tanh
            self.w = nn.Parameter(np.ones(3))

        def forward(self, x):
            return self.activation(x * self.w) * tl.tensor([0.5, 0.5, 0.5])

    net = Net()

    def step(x):
        net.w.grad = None
        net(x).sum().backward()
        return net.w.grad * 1.0

    compiled = tl.compile(step)
    x = tl.tensor([1.0, 2.0, 3.0], np.float64)

    def both():
        want = step(x)
        for _ in range(2):
            got = compiled(x)
            np.testing.assert_array_equal(got.data, want.data)
            assert got.dtype == want.dtype

    both()
    net.activation = tl.sin
    both()
    removable = net.w.register_hook(lambda g: g * 10.0)
    both()
    removable.remove()
    both()
    net.register_forward_hook(lambda module, args, out: out * 2.0)
    both()
    net.register_forward_hook(lambda module, args, out: out * 3.0)
    both()
    f, before = tl.compile(lambda: tl.zeros(2)), tl.get_default_dtype()
    assert f().dtype == np.float32
    tl.set_default_dtype(np.float64)
    try:
        assert f().dtype == np.float64
    finally:
        tl.set_default_dtype(before)


def test_no_grad_and_python_arguments_choose_programs():
    @tl.compile
    def f(x, power, flag=True):
        y = x ** power
        return y.requires_grad if flag else y

    x = tl.tensor([2.0], requires_grad=True)
    assert f(x, 2) is True
    with tl.no_grad():
        assert f(x, 2) is False
    assert f(x, 3, False).item() == 8.0
    assert f(x, 2, False).item() == 4.0
    assert len(f.programs) == 4


def test_too_many_programs_run_eagerly_with_a_warning():
    f = tl.compile(lambda x, k: x * k)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for k in range(32):
            f(tl.tensor(1.0), float(k))
    with pytest.warns(UserWarning, match="32 programs.*passed as a Tensor"):
        assert f(tl.tensor(2.0), 99.0).item() == 198.0


# ---- what cannot be replayed

@pytest.mark.parametrize("take", [bool, float, int, lambda t: t.numpy(), lambda t: t.item(), lambda t: t.tolist(), lambda t: t.data, tl.tensor,
                                  lambda t: np.asarray(t), lambda t: [1, 2, 3][t.astype(np.int64)]],
                         ids=["bool", "float", "int", "numpy", "item", "tolist", "data", "tensor", "asarray", "index"])
def test_a_value_that_leaves_is_an_error_with_the_line_and_the_remedy(take):
    def f(x):
        return x * 2 if take(x.sum()) is not None else x

    with pytest.raises(CompileError, match=r"f: .* takes a value out of the Tensors at test_compile.py:\d+ .*\n.*tl.where"):
        tl.compile(f)(tl.tensor([0.5]))
    lenient = tl.compile(f, fullgraph=False)
    with pytest.warns(UserWarning, match="f runs eagerly"):
        assert lenient(tl.tensor([0.5])).item() == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once
        assert lenient(tl.tensor([1.5])).item() == 3.0
    assert not lenient.programs


def test_a_shape_that_depends_on_values_runs_eagerly():
    f = tl.compile(lambda x: x[x > 0].sum())
    with pytest.warns(UserWarning, match="depends on values"):
        assert f(tl.tensor([1.0, -1.0, 2.0])).item() == 3.0
    assert f(tl.tensor([1.0, -1.0, -2.0])).item() == 1.0


def test_arrays_that_share_memory_and_are_written_run_eagerly():
    memory = np.zeros(4)
    a, b = tl.from_numpy(memory).requires_grad_(), tl.from_numpy(memory[1:])

    def f(x):
        w = a
        with tl.no_grad():
            w += x
        return b * 1

    compiled = tl.compile(f)
    with pytest.warns(UserWarning, match="share memory"):
        compiled(tl.ones(4, dtype=np.float64))
    np.testing.assert_array_equal(compiled(tl.ones(4, dtype=np.float64)).data, [2, 2, 2])


def test_an_array_that_the_user_holds_is_not_moved():
    ours = Problem()
    held = ours.model[0].weight.data
    step = tl.compile(ours.step)
    for x, y in batches(3):
        step(x, y)
    np.testing.assert_array_equal(held, ours.model[0].weight.data)


def test_an_error_in_the_first_call_leaves_everything_as_eager_does():
    eager, ours, step = pair()
    ((x, y),) = batches(1)
    for f in (eager.step, step):
        with pytest.raises(ShapeError, match="Linear '0'"):
            f(tl.tensor(x[:, :2].copy()), tl.tensor(y))
    eager.step(tl.tensor(x), tl.tensor(y))
    step(x, y)
    assert_same(eager, ours)
    assert not tl.engine.here.thread.mode & tl.engine.CAPTURE


def test_a_label_out_of_range_is_an_error_in_a_replay_too():
    f = tl.compile(lambda x, t: F.cross_entropy(x, t))
    x = rng.standard_normal((2, 3))
    f(x, np.array([0, 2]))
    with pytest.raises(IndexError, match="class index 3"):
        f(x, np.array([0, 3]))
    assert f(x, np.array([1, 1])).item() == F.cross_entropy(tl.tensor(x), tl.tensor([1, 1])).item()


def test_an_argument_with_a_graph_is_refused():
    x = tl.tensor([1.0], requires_grad=True) * 2
    with pytest.raises(CompileError, match="made by multiply.*detach"):
        tl.compile(lambda t: t * 2)(x)


def test_what_is_not_a_function_and_unknown_passes_are_refused():
    with pytest.raises(TypeError, match="takes a function"):
        tl.compile(3)
    with pytest.raises(ValueError, match="no pass 'fast'"):
        tl.compile(lambda: 0, passes=["fast"])
    with pytest.raises(CompileError, match="call it first"):
        _ = tl.compile(lambda: 0).source
    with pytest.raises(CompileError, match="cannot be compared"):
        tl.compile(lambda x: x)({1, 2})


# ---- together with other things

def test_compiled_inside_compiled_and_recursion():
    @tl.compile
    def power(x, n):
        return x * power(x, n - 1) if n else x

    outer = tl.compile(lambda x: power(x, 3) + power(x, 2))
    for v in (2.0, 3.0):
        assert outer(tl.tensor(v)).item() == v ** 4 + v ** 3
        assert power(tl.tensor(v), 3).item() == v ** 4


def test_methods_and_decorated_methods():
    class Trainer(Problem):
        train = tl.compile(Problem.step)

    trainer, eager = Trainer(), Problem()
    for x, y in batches(3):
        assert trainer.train(x, y).item() == eager.step(tl.tensor(x), tl.tensor(y)).item()


def test_two_threads_at_once():
    f = tl.compile(lambda x: (tl.tanh(x) @ x.T).sum())
    xs = [tl.tensor(rng.standard_normal((20, 20))) for _ in range(8)]
    want = [(tl.tanh(x) @ x.T).sum().item() for x in xs]
    got = [[] for _ in xs]

    def work(i):
        for _ in range(50):
            got[i].append(f(xs[i]).item())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(xs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [[w] * 50 for w in want]


def test_anomalies_are_still_found():
    f = tl.compile(lambda x: tl.log(x))
    f(tl.tensor([1.0]))
    with np.errstate(invalid="ignore"), tl.autograd.detect_anomaly(), pytest.raises(tl.errors.AnomalyError):
        f(tl.tensor([-1.0]))


def test_under_guard_it_runs_eagerly():
    eager, ours, step = pair()
    for i, (x, y) in enumerate(batches(3)):
        eager.step(tl.tensor(x), tl.tensor(y))
        if i == 1:
            with tl.autograd.guard():
                step(x, y)
        else:
            step(x, y)
        assert_same(eager, ours)
    assert len(step.programs) == 1


def test_replays_keep_memory_flat():
    _, ours, step = pair("Adam")
    ((x, y),) = batches(1)
    x, y = tl.tensor(x), tl.tensor(y)
    for _ in range(10):
        step(x, y)
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        step(x, y)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2000):
            step(x, y)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 2000  # bytes: less than one for each replay
    assert gc.collect() < 50


def test_empty_0d_integers_and_no_arguments():
    f = tl.compile(lambda x: (x * 2, x.sum(), x > 1))
    for x in (np.zeros((0, 3)), np.float64(2.0) * np.ones(()), np.arange(4)):
        for _ in range(2):
            for ours, want in zip(f(x), (x * 2, x.sum(), x > 1), strict=True):
                np.testing.assert_array_equal(ours.data, want)
                assert ours.dtype == np.asarray(want).dtype
    w = tl.tensor([1.0])
    g = tl.compile(lambda: w * 3)
    assert g().item() == g().item() == 3.0
    w.data[...] = 5.0
    assert g().item() == 15.0


def test_non_contiguous_arguments():
    f = tl.compile(lambda x: (x + 1).sum(axis=0) * tl.exp(x))
    wide = rng.standard_normal((4, 6))
    for x in (wide[:, ::2].copy(), wide[:, ::2], wide[::-1, ::2], np.asfortranarray(wide[:, ::2])):
        x = tl.from_numpy(x)
        np.testing.assert_array_equal(f(x).data, ((x + 1).sum(axis=0) * tl.exp(x)).data)


def test_a_layer_norm_is_seen_as_the_numpy_calls_that_it_is():
    x, g = [rng.standard_normal((40, 64)).astype(np.float32) for _ in range(2)]  # so many entries that BLAS sums them
    weight, bias = [tl.tensor(rng.standard_normal(64).astype(np.float32), requires_grad=True) for _ in range(2)]

    def f(x):
        weight.grad = bias.grad = None
        y = F.layer_norm(x, (64,), weight, bias)
        y.backward(tl.tensor(g))
        return y

    want, gradients = f(tl.tensor(x)).data, [weight.grad.data, bias.grad.data]
    compiled = tl.compile(f)
    for _ in range(2):
        np.testing.assert_array_equal(compiled(tl.tensor(x)).data, want)
        np.testing.assert_array_equal([weight.grad.data, bias.grad.data], gradients)
    assert "_layer_norm(" not in compiled.source
    assert "np.vecdot(" in compiled.source
    assert "ones, out=" in compiled.source
