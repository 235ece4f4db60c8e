"""Programs as machine code: the numbers of eager, the ways out, and the cache."""

import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.compiler import native
from tinygrad_lite.compiler.native import cache as native_cache
from tinygrad_lite.compiler.native import source as native_source

# Sums are in another order and products fused: 50 steps add up some hundred roundings of 1e-16 and of 6e-8.
TOLERANCE = {np.float64: {"rtol": 1e-12, "atol": 1e-13}, np.float32: {"rtol": 2e-4, "atol": 2e-5}}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("native")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYGRAD_LITE_CACHE", str(cache))


@pytest.fixture
def numba() -> object:
    return pytest.importorskip("numba")


def mlp(widths, dtype):
    tl.manual_seed(3)
    layers = []
    for n_in, n_out in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    for p in model.parameters():
        p.data = p.data.astype(dtype)
    return model


def trained(compiled, dtype, optimizer, settings, schedule, widths=(3, 9, 16, 2), steps=50):
    model = mlp(widths, dtype)
    own = getattr(optim, optimizer)(model.parameters(), **settings)
    lr = optim.lr_scheduler.LambdaLR(own, lambda epoch: 1 / (1 + epoch / 10)) if schedule else None

    def step(x, y):
        own.zero_grad()
        loss = nn.MSELoss()(model(x), y)
        loss.backward()
        own.step()
        return loss

    run = tl.compile(step, backend="native") if compiled else step
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(steps):
        x, y = (tl.tensor(rng.standard_normal((20, n)).astype(dtype)) for n in (widths[0], widths[-1]))
        losses.append(run(x, y).item())
        if lr is not None:
            lr.step()
    return losses, [p.data.copy() for p in model.parameters()], [p.grad.data.copy() for p in model.parameters()], run


@pytest.mark.parametrize(("optimizer", "settings", "schedule", "dtype"), [
    ("SGD", {"lr": 0.05}, False, np.float32), ("SGD", {"lr": 0.05, "momentum": 0.9}, True, np.float64), ("Adam", {"lr": 0.01}, True, np.float32),
    ("Adam", {"lr": 0.01}, False, np.float64)], ids=["sgd", "momentum", "adam-float32", "adam-float64"])
def test_fifty_steps_are_eagers(numba, optimizer, settings, schedule, dtype):
    want = trained(False, dtype, optimizer, settings, schedule)
    got = trained(True, dtype, optimizer, settings, schedule)
    np.testing.assert_allclose(got[0], want[0], **TOLERANCE[dtype])
    for ours, eager in zip([*got[1], *got[2]], [*want[1], *want[2]], strict=True):
        assert ours.dtype == eager.dtype
        np.testing.assert_allclose(ours, eager, **TOLERANCE[dtype])
    (program,) = got[3].programs
    assert program.native.numpy_calls == []
    assert program.native.text.count("@njit") == 1


def both(function, *inputs, rtol=1e-12):
    """Eager and native on three calls; returns the compiled function."""
    compiled = tl.compile(function, backend="native")
    for scale in (1.0, 0.5, 1.5):
        arrays = [x * scale if x.dtype.kind == "f" else x for x in inputs]
        want, got = function(*map(tl.tensor, arrays)), compiled(*map(tl.tensor, arrays))
        for ours, eager in zip(got if isinstance(got, tuple) else (got,), want if isinstance(want, tuple) else (want,), strict=True):
            assert (ours.shape, ours.dtype) == (eager.shape, eager.dtype)
            np.testing.assert_allclose(ours.data, eager.data, rtol=rtol, atol=1e-13)
    assert compiled.programs[-1].native is not None
    return compiled


def test_reductions_along_every_axis(numba):
    x = np.random.default_rng(1).standard_normal((5, 18, 7))

    def sums(x):
        t = x.swapaxes(0, 2) * 2
        ways = [(None, False), (0, False), (1, True), (2, False), ((0, 2), False)]
        return (*[np.sum(v, axis=axis, keepdims=keep) for v in (x, t) for axis, keep in ways],
                *[f(v, axis=axis) for f in (np.max, np.mean) for v, axis in ((x, 0), (t, 0), (x, (1, 2)))], np.min(x), np.prod(t, axis=1))

    assert both(sums, x).programs[-1].native.numpy_calls == []


def test_products_of_every_layout(numba):
    rng = np.random.default_rng(2)
    a, b, v, w, batch = (rng.standard_normal(s) for s in ((7, 40), (40, 33), (40,), (7,), (3, 40, 7)))

    def products(a, b, v, w, batch):
        return (a @ b, a @ v, w @ a, v @ b, v @ v, b.T @ a.T, a.T @ (a @ b), batch @ a, a @ batch, batch @ w, np.vecdot(batch, w), b.T @ v,
                a[:, :1] @ a[:1], a[::-1] @ b[:, ::2], batch.swapaxes(0, 1) @ a)

    assert both(products, a, b, v, w, batch).programs[-1].native.numpy_calls == []


def test_every_tile_of_a_product_is_written(numba):
    """The last rows and columns of a product are tiles of their own: exact in integers."""
    rng = np.random.default_rng(4)
    a, b = (rng.integers(-4, 5, s).astype(np.float32) for s in ((13, 3), (3, 23)))
    sizes = [(m, n) for m in (1, 5, 6, 13) for n in (1, 2, 16, 23)]
    compiled = tl.compile(lambda a, b: [a[:m].copy() @ b[:, :n].copy() for m, n in sizes], backend="native")
    for _ in range(2):
        for (m, n), product in zip(sizes, compiled(tl.tensor(a), tl.tensor(b)), strict=True):
            np.testing.assert_array_equal(product.data, a[:m] @ b[:, :n])


@pytest.mark.parametrize("seed", range(3))
def test_random_graphs_of_entries(numba, seed):
    """Six random ops on arrays that broadcast, views among them, and their gradients."""
    rng = np.random.default_rng(seed)
    unary = [np.tanh, np.exp, np.sin, np.abs, lambda t: np.maximum(t, 0.3), lambda t: t.T.copy().T, lambda t: np.sqrt(t * t + 1),
             lambda t: 1 / (1 + t * t), lambda t: tl.where(t > 0, t, 0.1 * t), lambda t: t[::-1],
             lambda t: (t + 2.0) ** 2, lambda t: t - t.mean(axis=0)]
    binary = [np.add, np.multiply, np.subtract, np.maximum, np.minimum, lambda a, b: a / (2 + b * b)]
    plan = [(int(rng.integers(12)), int(rng.integers(6)), int(rng.integers(3))) for _ in range(6)]

    def function(a, b, c):
        others = [a, b, c]
        t = a
        for i, j, k in plan:
            t = np.tanh(binary[j](unary[i](t), others[k]))
        return t.sum()

    arrays = [rng.standard_normal(s) for s in ((4, 9), (9,), (4, 1))]
    both(tl.func.grad(function, argnums=(0, 1, 2)), *arrays)


def test_integers_and_masks(numba):
    def function(x, n):
        mask = (n > 2) | (x < 0)
        return tl.where(mask, x, 0.0) * n, n + 3, n * n - n, mask

    both(function, np.linspace(-2, 2, 6), np.arange(6, dtype=np.int32))


def test_what_has_no_native_form_is_called_between_kernels(numba):
    def function(x):
        return np.exp(np.sort(np.tanh(x), axis=1) * 2).sum(axis=0)

    compiled = both(function, np.random.default_rng(0).standard_normal((6, 5)))
    text = compiled.programs[-1].native.text
    assert [c.op for c in compiled.programs[-1].native.numpy_calls] == ["sort"]
    assert text.count("@njit") == 2


def test_random_draws_go_on(numba):
    def function(x):
        return nn.functional.dropout(x * 2, 0.5) + 1

    compiled = tl.compile(function, backend="native")
    x = tl.ones(64)
    tl.manual_seed(7)
    want = [function(x).data for _ in range(3)]
    tl.manual_seed(7)
    got = [compiled(x).data for _ in range(3)]
    np.testing.assert_array_equal(got, want)
    assert not np.array_equal(got[1], got[2])


def test_an_argument_that_is_strided_or_protected_is_copied(numba):
    compiled = tl.compile(lambda x: x * 2 + 1, backend="native")
    x = np.arange(12.0).reshape(3, 4)
    compiled(tl.tensor(x))
    protected = x.copy()
    protected.flags.writeable = False
    for other in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], protected):
        np.testing.assert_array_equal(compiled(tl.tensor(other)).data, x * 2 + 1)


def test_a_write_reads_what_it_is_about_to_overwrite_first(numba):
    w = tl.tensor(np.arange(6.0), requires_grad=True)

    def turn():
        with tl.no_grad():
            v = w
            v -= v - (v[::-1] + 1)  # v = v[::-1] + 1: each entry is read after the first half is written, if it is done in one loop

    compiled = tl.compile(turn, backend="native")
    compiled()
    np.testing.assert_array_equal(w.data, np.arange(6.0)[::-1] + 1)
    compiled()
    np.testing.assert_array_equal(w.data, np.arange(6.0) + 2)


def test_gradients_go_on_adding_up_without_zero_grad(numba):
    w = tl.tensor(np.arange(1.0, 4), requires_grad=True)
    b = tl.tensor(np.ones(3), requires_grad=True)

    def accumulate(x):
        (w * x + b * b).sum().backward()

    compiled = tl.compile(accumulate, backend="native")
    for _ in range(5):
        compiled(tl.tensor([1.0, 2.0, 3.0]))
    assert w.grad.data.tolist() == [5, 10, 15]
    assert b.grad.data.tolist() == [10, 10, 10]
    assert all(program.native for program in compiled.programs)


def test_what_is_returned_is_the_callers(numba):
    compiled = tl.compile(lambda x: (x + 1, (x + 1).sum()), backend="native")
    compiled(tl.zeros(3))
    first = compiled(tl.zeros(3))
    compiled(tl.ones(3))
    assert first[0].data.tolist() == [1, 1, 1]
    assert first[1].item() == 3


def test_a_program_without_native_calls_says_so_once(numba):
    def sort(x):
        return np.sort(x)

    compiled = tl.compile(sort, backend="native")
    with pytest.warns(UserWarning, match="runs as NumPy calls, not natively: np.sort has no native form"):
        compiled(tl.tensor([3.0, 1.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled(tl.tensor([2.0, 1.0])).data.tolist() == [1, 2]
    assert compiled.programs[-1].native is None


def test_a_program_that_would_take_minutes_to_compile_is_left_to_numpy(numba, monkeypatch):
    monkeypatch.setattr(native_source, "MOST", 1)

    def products(a):
        return a @ a @ a

    compiled = tl.compile(products, backend="native")
    with pytest.warns(UserWarning, match="2 loops, which take minutes to compile"):
        compiled(tl.ones(3, 3))
    assert compiled(tl.ones(3, 3)).data[0].tolist() == [9, 9, 9]


def test_without_numba_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(native.importlib.util, "find_spec", lambda name: None)
    def double(x):
        return x * 2

    compiled = tl.compile(double, backend="native")
    with pytest.warns(UserWarning, match=r"pip install 'tinygrad_lite\[native\]'"):
        compiled(tl.ones(2))
    assert compiled(tl.ones(2)).data.tolist() == [2, 2]


def test_an_unknown_backend_names_both():
    with pytest.raises(ValueError, match="no backend 'cuda'; it has 'numpy' and 'native'"):
        tl.compile(lambda x: x, backend="cuda")


AGAIN = """
import sys, numpy as np, tinygrad_lite as tl
f = tl.compile(lambda x: np.tanh(x) * 3 + x.sum(), backend="native")
f(tl.ones(4)); assert np.allclose(f(tl.zeros(4)).data, 0)
import numba
kernel = sys.modules[next(m for m in sys.modules if m.startswith("native_"))].kernel_0
print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()))
"""


def test_a_fresh_process_takes_the_machine_code_from_the_cache(numba, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LITE_CACHE", str(tmp_path))
    runs = [subprocess.run([sys.executable, "-c", AGAIN], capture_output=True, text=True, check=True).stdout.split() for _ in range(2)]
    assert runs == [["0", "1"], ["1", "0"]]
    assert [p.suffix for p in tmp_path.iterdir() if p.is_file()] == [".py"]  # no temporary file is left


def test_a_file_in_the_cache_that_says_something_else_is_replaced(numba, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LITE_CACHE", str(tmp_path))
    text = f"{native_cache.KEPT}\nANSWER = 42\n"
    assert native_cache.load(text).ANSWER == 42
    (file,) = tmp_path.glob("*.py")
    file.write_text("ANSWER = 41\n")
    assert native_cache.load(text).ANSWER == 42


def test_a_folder_that_cannot_be_written_is_no_failure(numba, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYGRAD_LITE_CACHE", str(tmp_path / "file" / "below"))
    both(lambda x: x * 3, np.arange(3.0))


def test_two_threads_take_turns(numba):
    compiled = tl.compile(lambda x: np.exp(x) * 2 + x, backend="native")
    x = [tl.ones(50) * (k / 10) for k in range(2)]
    want = [np.exp(t.data) * 2 + t.data for t in x]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(500):
            if not np.allclose(compiled(x[k]).data, want[k], rtol=1e-6):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []
