"""Saved programs: each is run in an interpreter that cannot import this package, and goes on to the same numbers as the program that it was."""

import contextlib
import functools
import itertools
import math
import runpy
import subprocess
import sys

import numpy as np
import pytest
from cases import all_cases

import tinygrad_lite as tl
from benchmarks.models import example
from tinygrad_lite import Tensor, nn, optim
from tinygrad_lite.compiler import PASSES, program, snapshot
from tinygrad_lite.compiler.printing import opaque, pieces, words
from tinygrad_lite.errors import CompileError
from tinygrad_lite.nn import functional as F
from tinygrad_lite.ops import table

SIZES = {"rnn": {"steps": 5}, "gpt": {"depth": 1}}
OPTIMIZERS = {"sgd": functools.partial(optim.SGD, lr=0.01), "momentum": functools.partial(optim.SGD, lr=0.01, momentum=0.9),
              "adam": functools.partial(optim.Adam, lr=0.01)}
ALONE = """
import importlib, os, sys, numpy as np

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tinygrad_lite":
            raise ImportError(f"{name} is forbidden here")

sys.meta_path.insert(0, Forbidden())
found = {}
for path in sys.argv[2:]:
    sys.path.insert(0, os.path.dirname(path))
    step = importlib.import_module(os.path.basename(path).removesuffix(".py")).step
    step.settings["group"]["lr"] *= 0.5
    for i in range(3):
        found[f"{path} loss {i}"] = step()
    found |= {f"{path} state {name}": array for name, array in step.state.items()}
    found |= {f"{path} gradients {name}": array for name, array in step.gradients.items()}
assert not [name for name in sys.modules if name.startswith("tinygrad_lite")]
np.savez(sys.argv[1], **found)
"""


def train(loss, optimizer):
    @tl.compile
    def step():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return value
    return step


def dropout():
    tl.manual_seed(5)
    first, last = nn.Linear(6, 8), nn.Linear(8, 1)
    model = nn.Module()
    model.first, model.last = first, last
    x, generator = tl.randn(20, 6), np.random.Generator(np.random.SFC64(3))
    return model, lambda: tl.square(last(F.dropout(first(x), 0.3)) + tl.randn(20, 1, generator=generator)).mean()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What each saved program gave in an interpreter of its own, and the eager model and the program that it was saved from."""
    folder = tmp_path_factory.mktemp("saved")
    made = {}
    for name in ("mlp", "lenet", "rnn", "gpt", "dropout"):
        for kind, optimizer in OPTIMIZERS.items():
            model, loss = dropout() if name == "dropout" else example(name, **SIZES.get(name, {}))
            own = optimizer(model.parameters())
            step = train(loss, own)
            step()
            step()
            step.save(folder / f"{name}_{kind}.py")
            own.param_groups[0]["lr"] *= 0.5
            losses = [step() for _ in range(3)]
            made[name, kind] = model, own, losses
    subprocess.run([sys.executable, "-c", ALONE, str(folder / "found.npz"), *[str(folder / f"{name}_{kind}.py") for name, kind in made]], check=True,
                   cwd=folder)
    with np.load(folder / "found.npz") as file:
        found = {key.removeprefix(str(folder)): file[key] for key in file.files}
    return made, found


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("name", ["mlp", "lenet", "rnn", "gpt", "dropout"])
def test_a_saved_step_trains_on_to_the_same_bits_without_this_package(alone, name, kind):
    made, found = alone
    model, optimizer, losses = made[name, kind]
    path = f"/{name}_{kind}.py"
    assert [found[f"{path} loss {i}"] for i in range(3)] == [loss.item() for loss in losses]
    assert losses[0].item() != losses[2].item()
    for parameter, own in model.named_parameters():
        assert np.array_equal(found[f"{path} state {parameter}"], own.numpy())
        assert np.array_equal(found[f"{path} gradients {parameter}"], own.grad.numpy())
        for buffer, kept in optimizer.state.get(own, {}).items():
            if buffer != "step":
                assert np.array_equal(found[f"{path} state {parameter}.{buffer}"], kept.numpy())


@pytest.fixture
def saved(tmp_path):
    """Save a compiled function, and load it here."""
    def load(compiled):
        compiled.save(tmp_path / "saved.py")
        return runpy.run_path(str(tmp_path / "saved.py"))[compiled.eager.__name__]
    return load


def test_a_step_count_goes_on_and_settings_are_live(saved):
    model, loss = example("mlp")
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    step = train(loss, optimizer)
    for _ in range(3):
        step()
    alone = saved(step)
    assert alone.settings["state"] == {"step": 3}
    assert alone.settings["group"]["betas"] == (0.9, 0.999)
    alone()
    assert alone.settings["state"] == {"step": 4}
    before = alone.state["0.weight"].copy()
    alone.settings["group"]["lr"] = 0.0
    alone()
    assert np.array_equal(alone.state["0.weight"], before)


def test_a_setting_that_would_need_another_program_is_refused(saved):
    model, loss = example("mlp")
    step = train(loss, optim.SGD(model.parameters(), lr=0.01))
    step()
    alone = saved(step)
    alone.settings["group"]["momentum"] = 0.9
    with pytest.raises(ValueError, match="this program holds only while not settings"):
        alone()


def test_state_shares_its_memory_with_what_the_program_works_on(saved):
    model, loss = example("mlp")
    step = train(loss, optim.SGD(model.parameters(), lr=0.0))
    step()
    alone = saved(step)
    assert alone() == step().item() != 0
    for name in [n for n, _ in model.named_parameters()]:
        alone.state[name][...] = 0
    own = alone()
    for parameter in model.parameters():
        parameter.data[...] = 0
    assert own == step().item()


def test_arguments_and_results_keep_their_form(saved):
    w = tl.tensor(np.arange(3.0))

    @tl.compile
    def f(batch, scale, word, *, shift):
        assert word
        x, (y,) = batch["x"], batch["y"]
        return {"sum": x + y * scale, "rest": (w - shift, "words", [x @ w])}

    batch = {"x": np.ones(3), "y": (np.full(3, 2.0),)}
    word = 'a """ \\ {b}'  # whatever would end a text too soon
    f(batch, 3.0, word, shift=np.array(1.0))
    alone = saved(f)
    answer = alone(batch, 3.0, word, shift=np.array(0.5))
    assert answer["sum"].tolist() == [7, 7, 7]
    assert answer["rest"][0].tolist() == [-0.5, 0.5, 1.5]
    assert answer["rest"][1:] == ("words", [3.0])
    with pytest.raises(ValueError, match=r"scale is 3.0 in this program"):
        alone(batch, 4.0, word, shift=np.array(1.0))
    with pytest.raises(ValueError, match="word is"):
        alone(batch, 3.0, "b", shift=np.array(1.0))


@pytest.mark.parametrize("x", [np.ones((3, 2)), np.ones(2, np.float32), [[1, 2], [3, 4]]])
def test_an_input_of_another_form_is_an_error_with_both_sides(saved, x):
    @tl.compile
    def double(x):
        return x * 2

    double(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"double\(\): x must be float64 \(2, 2\), not (float64|float32|int64) \("):
        saved(double)(x)


def test_gradients_that_add_up_go_on_adding(saved):
    layer = nn.Linear(2, 1)

    @tl.compile
    def add(x):
        layer(x).sum().backward()

    x = np.array([[1.0, 2.0]], np.float32)
    add(x)
    with pytest.raises(CompileError, match="began without a gradient of weight"):
        saved(add)
    add(x)
    alone = saved(add)
    assert alone.gradients["weight"].tolist() == [[2, 4]]
    alone(x)
    alone(x)
    assert alone.gradients["weight"].tolist() == [[4, 8]]
    assert layer.weight.grad.numpy().tolist() == [[2, 4]]


class Normalized(nn.Module):
    """A layer whose running statistics are buffers."""

    def __init__(self):
        self.layer = nn.Linear(3, 2)
        self.register_buffer("mean", tl.zeros(2))
        self.register_buffer("var", tl.ones(2))

    def forward(self, x):
        return F.batch_norm(self.layer(x), self.mean, self.var, training=self.training)


def test_running_statistics_are_state_with_the_names_of_their_modules(saved):
    model = nn.Sequential(nn.Tanh(), Normalized())

    @tl.compile
    def f(x):
        return model(x)

    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    f(x)
    f(x)
    alone = saved(f)
    assert alone.state.keys() == {"1.layer.weight", "1.layer.bias", "1.mean", "1.var"}
    assert np.array_equal(alone(x), f(x).numpy())
    assert np.array_equal(alone.state["1.mean"], model[1].mean.numpy())
    assert np.array_equal(alone.state["1.var"], model[1].var.numpy())
    assert alone.state["1.mean"].any()


def test_the_gradient_of_an_argument_is_left_too(saved):
    @tl.compile
    def cube(x):
        (x**3).sum().backward()

    cube(tl.tensor([1.0, 2.0], dtype=np.float64, requires_grad=True))
    alone = saved(cube)
    assert alone(np.array([2.0, 3.0])) is None
    assert alone.gradients["x"].tolist() == [12, 27]


def test_numbers_that_are_more_than_arithmetic_cannot_be_saved(saved):
    class Odd(optim.SGD):
        def numbers(self, group, step):
            return {"lr": math.sin(group["lr"])}

        def change(self, p, g, buffers, n):
            return n["lr"] * g, ()

    model, loss = example("mlp")
    step = train(loss, Odd(model.parameters(), lr=0.1))
    step()
    assert step.verify()
    with pytest.raises(CompileError, match="_number computes a number for it anew at each call, by more than arithmetic"):
        saved(step)


def test_names_of_the_functions_own_do_not_clash_with_those_of_the_file(saved):
    @tl.compile
    def build(np, load, step, arrays):
        return np + load + step + arrays

    x = np.ones(2)
    build(x, x, x, x)
    assert saved(build)(x, x, x, x).tolist() == [4, 4]


def test_two_names_of_one_memory_stay_that(saved):
    both = np.arange(6.0)
    rows, every_other = tl.from_numpy(both.reshape(2, 3)), tl.from_numpy(both[::2])

    @tl.compile
    def f(x):
        return rows.sum() + (every_other * x).sum()

    f(np.ones(3))
    alone = saved(f)
    assert alone(np.ones(3)) == 15 + 0 + 2 + 4
    alone.state["rows"][0, 2] = 10
    assert alone.state["every_other"].tolist() == [0, 10, 4]
    assert alone(np.ones(3)) == 23 + 14


def test_arrays_in_any_order_of_memory_are_kept_in_it():
    arrays = {"c": np.arange(6.0).reshape(2, 3), "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "back": np.arange(4)[::-1],
              "point": np.array(3.0), "empty": np.empty((0, 2)), "wide": np.broadcast_to(np.arange(3.0), (4, 3))}
    for name, copy in snapshot.copied(arrays).items():
        assert np.array_equal(copy, arrays[name])
        assert copy.strides == arrays[name].strides
        assert not np.shares_memory(copy, arrays[name])


def test_a_save_that_fails_leaves_the_files_of_before(saved, tmp_path, monkeypatch):
    @tl.compile
    def f(x):
        return x * 2

    f(np.ones(2))
    saved(f)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    f(np.ones(3))
    monkeypatch.setattr(np, "savez", lambda *args, **arrays: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="disk is full"):
        saved(f)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_file_and_its_arrays_know_each_other(saved, tmp_path):
    @tl.compile
    def f(x):
        return x + Tensor(np.ones(2))

    f(np.ones(2))
    saved(f)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["saved.npz", "saved.py"]
    with np.load(tmp_path / "saved.npz", allow_pickle=False) as file:
        np.savez(tmp_path / "other.npz", **{**file, "saved": "0"})
    (tmp_path / "other.npz").replace(tmp_path / "saved.npz")
    with pytest.raises(ValueError, match="was saved with another program"):
        runpy.run_path(str(tmp_path / "saved.py"))


def test_what_cannot_be_saved_says_why(saved, tmp_path):
    @tl.compile
    def f(x):
        return x * 2

    with pytest.raises(CompileError, match="has no program yet"):
        f.save(tmp_path / "f.py")
    f(np.ones(2))
    with pytest.raises(ValueError, match=r"ends in \.py"):
        f.save(tmp_path / "f.txt")
    namespace = {"np": np}
    exec("def sort(x):\n    y = x.copy()\n    y.sort()\n    return y", namespace)
    sort = tl.Op("sort", namespace["sort"], None)

    @tl.compile
    def g(x):
        return sort(x)

    assert g(np.array([2.0, 1.0])).numpy().tolist() == [1, 2]
    assert g(np.array([4.0, 3.0])).numpy().tolist() == [3, 4]
    with pytest.raises(CompileError, match="g can't be saved: the source of sort is not at hand"):
        saved(g)
    assert not (tmp_path / "saved.py").exists()


# ---- the text

def test_the_text_reads_as_written_by_hand():
    tl.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    scale = tl.tensor(np.linspace(1, 2, 5, dtype=np.float32).reshape(-1, 1))

    @tl.compile(passes={*PASSES, "reuse"} - {"layout"})  # which depends on what BLAS is there
    def train_step(x, y):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x) * scale, y)
        loss.backward()
        optimizer.step()
        return loss

    train_step(np.zeros((5, 2), np.float32), np.zeros((5, 1), np.float32))
    lines = train_step.source.splitlines()
    assert max(map(len, lines)) <= 120
    text = "\n".join(lines)
    for part in ["def build(", "    def train_step(x, y):", "lr[...] = group['lr']", "p0_weight_T = p0_weight.T",
                 "np.dot(x, p0_weight_T, out=b0)", "# (5, 2) @ (2, 4) -> (5, 4)", ", scale, out=", "np.tanh(b0, out=b0)", "out=p0_weight_grad)",
                 "mse_loss = dot / 5", "return mse_loss,", "loss.backward()\n", "one = np.array(1.0, np.float32)"]:
        assert part in text, part
    place = next(i for i, line in enumerate(lines) if "np.dot(x, " in line)
    assert lines[place - 1].endswith("loss = F.mse_loss(model(x) * scale, y)")
    assert lines[place - 1].startswith("        # 0    test_compile_save.py:")
    assert "        # 1" in lines  # the same line of the user's is not said again
    for junk in ("(None)", "dtype=None", "keepdims=False", "0.4000000059604645"):
        assert junk not in text


# ---- functions printed with what they use

TEN = 10
ramp = np.array([0.0, 0.5])
as_it_is: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
counter = itertools.count()


class OutOfRange(ValueError):
    """Of this file."""


@functools.lru_cache(maxsize=8)
def _places(n: int) -> tuple[int, ...]:
    return tuple([i for i in range(n) if i % 2 == 0])


def _every_other(x, *, at: float = 1.5, most: int = TEN):
    if x.size > most:
        raise OutOfRange(f"{x.size} entries")
    with as_it_is:
        y = x.copy()
    y[list(_places(len(x)))] += at * math.pi + ramp[1]  # a slice that is assigned to: this stays one call
    return y


def scaled_by(k):
    return lambda x: np.where(x > k, x, np.array([k for _ in range(len(x))]))


def printed(function):
    """The function made from its own text, in a namespace that has nothing else; and the text."""
    taken = set()

    def free(wish):
        name = wish
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    definitions = opaque.Definitions(free)
    name = definitions.function(program.Function("op", function, "opaque"))
    assert not definitions.unsaved
    text = "\n".join(definitions.lines)
    namespace = {}
    exec(text, namespace)
    return eval(name, namespace), text


def test_a_function_is_printed_with_all_that_it_names():
    function, text = printed(_every_other)
    assert function(np.zeros(3)).tolist() == [1.5 * math.pi + 0.5, 0, 1.5 * math.pi + 0.5]
    assert "def _every_other(x, *, at=1.5, most=TEN):" in text
    assert "TEN = 10" in text
    assert "ramp = np.array([0.0, 0.5], np.float64)" in text
    assert "@functools.lru_cache(maxsize=8)" in text
    assert "as_it_is = contextlib.nullcontext()" in text
    with pytest.raises(ValueError, match="11 entries") as caught:
        function(np.zeros(11))
    assert type(caught.value).__name__ == "OutOfRange"
    assert type(caught.value) is not OutOfRange  # the text has a class of its own


def test_functions_of_others_are_imported(saved):
    special = pytest.importorskip("scipy.special")

    @tl.compile
    def f(x):
        return special.gammaln(x)

    f(np.array([2.0]))
    assert "from scipy.special import gammaln" in f.source
    assert "Needs NumPy and scipy." in f.source
    assert saved(f)(np.array([4.0])) == pytest.approx(math.log(6), rel=1e-15)  # a few roundings


def test_what_changes_by_itself_is_not_printed():
    definitions = opaque.Definitions(lambda wish: wish)
    definitions.function(program.Function("op", lambda x: x + next(counter), "opaque"))
    assert definitions.unsaved == {"op": "counter is a count, which has no text"}
    assert definitions.lines == ["import numpy as np"]


def test_two_functions_of_one_text_keep_their_own_numbers():
    taken = set()
    definitions = opaque.Definitions(lambda wish: wish + "_" * len(taken) if not taken.add(len(taken)) else "")
    names = [definitions.function(program.Function("op", scaled_by(k), "opaque")) for k in (1.0, 2.0)]
    namespace = {}
    exec("\n".join(definitions.lines), namespace)
    assert [namespace[name](np.zeros(1)).tolist() for name in names] == [[1.0], [2.0]]


def test_a_compiled_function_raises_the_errors_of_the_functions_that_it_calls():
    own = tl.Op("every_other", _every_other, None)

    @tl.compile
    def f(x):
        return own(x)

    with pytest.raises(OutOfRange):
        f(np.zeros(11))
    f(np.zeros(4))
    labels = tl.tensor(np.array([0, 1]))

    @tl.compile
    def loss(x, y):
        return F.cross_entropy(x, y)

    loss(np.zeros((2, 2)), labels)
    with pytest.raises(IndexError, match="class index 5"):
        loss(np.zeros((2, 2)), np.array([0, 5]))


@pytest.mark.parametrize("case", all_cases()[0], ids=lambda case: case.id)
def test_every_row_of_the_table_does_the_same_from_its_own_text(case):
    op = table[case.op]
    function, text = printed(op.forward)
    assert "tinygrad_lite" not in text
    for dtype in (np.float64, np.float32):
        inputs = [x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype == np.float64 else x for x in case.inputs]
        params = op.defaults | case.params
        own, wanted = function(*inputs, **params), op.forward(*inputs, **params)
        for a, b in zip(own if isinstance(own, tuple) else (own,), wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
            assert np.array_equal(a, b, equal_nan=True)
            assert np.asarray(a).dtype == np.asarray(b).dtype


def test_source_that_has_changed_since_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "changing.py"
    path.write_text("def f(x):\n    return x + 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import changing  # noqa: PLC0415

    assert pieces.piece_of(changing.f).text("g", {}) == "def g(x):\n    return x + 1"
    pieces._piece.cache_clear()
    path.write_text("def f(x):\n    return x + 2000\n")
    import linecache  # noqa: PLC0415

    linecache.checkcache()
    with pytest.raises(pieces.NoSource, match="has changed"):
        pieces.piece_of(changing.f)


def test_text_is_broken_inside_brackets_alone():
    lines = words.wrapped("x = f(aaaaaaaa, (0, 0), 'a, b c, d e, f', g(1, 2), [1, 2, 3])", 4, 30)
    assert lines == ["    x = f(aaaaaaaa, (0, 0),", "        'a, b c, d e, f',", "        g(1, 2), [1, 2, 3])"]
    assert words.wrapped("a = 'xx xx, yy' + bbbbbbbbbbbbbb", 0, 10) == ["a = 'xx xx, yy' + bbbbbbbbbbbbbb"]


@pytest.mark.parametrize("value", [None, ..., True, 3, 1e300, -0.0, "a'b", (1,), (), [1, (2.5, "x")], {"a": slice(None, 2)}, np.float32(0.1),
                                   np.int8(-3), np.bool_(True), np.array([[1, 2]], np.int16), np.zeros((0, 3), np.float32),
                                   np.dtype(">f4"), np.dtype("f4"),
                                   np.float16, np.add, np.add.reduce, np.linalg.svd, float, math.inf, -math.inf])
def test_a_literal_gives_the_value_again(value):
    again = eval(words.literal(value), {"np": np})
    assert type(again) is type(value)
    assert np.array_equal(again, value) if isinstance(value, np.ndarray) else again == value
    assert getattr(again, "dtype", None) == getattr(value, "dtype", None)


@pytest.mark.parametrize("value", [object(), np.array(["a"]), (1, object()), math.sqrt, functools.partial(min, 1)])
def test_what_has_no_literal_has_none(value):
    assert words.literal(value) is None


def test_the_shortest_number_is_that_number_in_its_dtype():
    assert words.scalar_word(np.float32(0.02)) == "0.02"
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    assert all(np.float32(float(words.scalar_word(v))) == v for v in values)
