"""Random draws: reproducible from their generator, distributed as they say, and drawn anew when a capture is replayed.

NumPy's Generator is the witness for every number; moments are the witness for the distribution.
"""

import copy
import threading
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.engine import capture
from tinygrad_lite.ops import table


def seeded(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


DRAWS = {"randn": (tl.randn, lambda rng, shape, dtype: rng.standard_normal(shape, dtype=dtype)),
         "rand": (tl.rand, lambda rng, shape, dtype: rng.random(shape, dtype=dtype))}
both = pytest.mark.parametrize("name", DRAWS)


# ---- which numbers

@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0, 4)])
def test_numbers_are_those_of_the_generator(name: str, dtype: Any, shape: tuple[int, ...]) -> None:
    draw, numpys = DRAWS[name]
    for t in (draw(*shape, generator=seeded(), dtype=dtype), draw(shape, generator=seeded(), dtype=dtype)):
        assert t.shape == shape
        assert t.dtype == dtype
        assert isinstance(t.data, np.ndarray)
        np.testing.assert_array_equal(t.data, numpys(seeded(), shape, dtype))


@both
def test_a_generator_goes_on_and_is_not_started_again(name: str) -> None:
    draw, numpys = DRAWS[name]
    rng, again = seeded(), seeded()
    first, second = draw(4, generator=rng), draw(4, generator=rng)
    assert (first.data != second.data).all()
    np.testing.assert_array_equal(np.concatenate([numpys(again, 4, np.float32), numpys(again, 4, np.float32)]),
                                  np.concatenate([first.data, second.data]))


@both
def test_dtype_is_the_default_one_unless_given(name: str) -> None:
    draw, _ = DRAWS[name]
    assert draw(3).dtype == draw().dtype == np.float32
    assert draw(3, dtype="float64").dtype == np.float64
    assert draw(3, dtype=np.float16).dtype == np.float16
    try:
        tl.set_default_dtype(np.float64)
        assert draw(3).dtype == np.float64
    finally:
        tl.set_default_dtype(np.float32)


@both
def test_manual_seed_repeats_the_default_generator(name: str) -> None:
    draw, numpys = DRAWS[name]
    tl.manual_seed(11)
    first = draw(3)  # three float32: half of a 64-bit draw is kept back, and the next seed must forget it
    assert (draw(3).data != first.data).all()
    rng = tl.manual_seed(11)
    np.testing.assert_array_equal(draw(3).data, first.data)
    np.testing.assert_array_equal(first.data, numpys(seeded(11), 3, np.float32))
    assert isinstance(rng, np.random.Generator)
    tl.manual_seed(12)
    assert (draw(3).data != first.data).all()


def test_manual_seed_reaches_first_values_and_own_generators_leave_it_alone() -> None:
    tl.manual_seed(4)
    layer, after = nn.Linear(3, 2), tl.randn(5)
    tl.manual_seed(4)
    same = nn.Linear(3, 2)
    tl.rand(100, generator=seeded())
    nn.Linear(7, 7, generator=seeded())
    np.testing.assert_array_equal(layer.weight.data, same.weight.data)
    np.testing.assert_array_equal(after.data, tl.randn(5).data)
    first, second = (nn.Linear(3, 2, generator=seeded()) for _ in range(2))
    np.testing.assert_array_equal(first.weight.data, second.weight.data)


def test_numpys_global_state_is_neither_used_nor_moved() -> None:
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    tl.randn(10)
    nn.Linear(3, 3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@both
def test_a_draw_is_a_leaf(name: str) -> None:
    draw, _ = DRAWS[name]
    assert not draw(3).requires_grad
    x = draw(3, requires_grad=True)
    assert x.is_leaf
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, 2 * x.data)


def test_row_called_with_no_tensor_gives_an_array() -> None:
    y = table["uniform"](generator=seeded(), shape=(3,), dtype=np.float64, low=-2.0, high=3.0)
    assert type(y) is np.ndarray
    np.testing.assert_array_equal(y, seeded().random(3) * 5 - 2)


# ---- from which distribution: n = 10^5, and each bound is five standard deviations of what is measured

N = 100_000


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_of_randn(dtype: Any) -> None:
    z = tl.randn(N, generator=seeded(), dtype=dtype).data.astype(np.float64)
    assert abs(z.mean()) < 5 / N**0.5
    assert abs((z**2).mean() - 1) < 5 * (2 / N) ** 0.5
    assert abs((z**3).mean()) < 5 * (15 / N) ** 0.5
    assert abs((z**4).mean() - 3) < 5 * (96 / N) ** 0.5
    assert abs(np.mean(z[1:] * z[:-1])) < 5 / N**0.5  # neighbours are independent


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_of_rand(dtype: Any) -> None:
    u = tl.rand(N, generator=seeded(), dtype=dtype).data.astype(np.float64)
    assert 0 <= u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1  # of 10^5, none within 1e-4 of an end: once in e^10
    assert abs(u.mean() - 1 / 2) < 5 * (1 / 12 / N) ** 0.5
    assert abs(((u - 1 / 2) ** 2).mean() - 1 / 12) < 5 * (1 / 180 / N) ** 0.5
    assert np.ptp(np.histogram(u, 10, (0, 1))[0]) < 10 * (N * 0.09) ** 0.5


@pytest.mark.parametrize(("dtype", "low", "high"), [("float16", 0, 1), ("float32", 1000, 1001), ("float64", 0, 1)])
def test_uniform_never_reaches_its_upper_end(dtype: str, low: float, high: float) -> None:
    """[0, 1) is promised: log(1 - u) must be finite. Rounding to few digits must not end at the open end."""
    u = table["uniform"](generator=seeded(), shape=(N,), dtype=dtype, low=low, high=high)
    assert u.dtype == dtype
    assert low <= u.min()
    assert u.max() < high


# ---- under capture: a draw is a call like any other

@both
def test_a_draw_is_on_the_tape_and_a_replay_draws_what_comes_next(name: str) -> None:
    draw, numpys = DRAWS[name]
    rng, witness = seeded(), seeded()
    with capture() as tape:
        t = draw(2, 3, generator=rng)
        u = t * 2
    assert [call.node.op.name for call in tape.calls] == [{"randn": "normal", "rand": "uniform"}[name], "multiply"]
    assert tape.calls[0].node.params["generator"] is rng
    assert tape.calls[0].node.code.co_filename == __file__  # the user's line, not this package's
    np.testing.assert_array_equal(t.data, numpys(witness, (2, 3), np.float32))
    for _ in range(3):
        value = tape.replay({})
        expected = numpys(witness, (2, 3), np.float32)
        np.testing.assert_array_equal(value(t), expected)
        np.testing.assert_array_equal(value(u), 2 * expected)


@pytest.mark.parametrize("recording", [True, False])
def test_a_mask_drawn_under_capture_is_new_in_each_replay_and_the_gradient_follows(recording: bool) -> None:
    rng, witness = seeded(), seeded()
    x = tl.tensor(np.arange(1.0, 41.0), requires_grad=True)
    with capture() as tape:
        if recording:
            mask = tl.rand(40, generator=rng, dtype=np.float64) > 0.5
        else:
            with tl.no_grad():
                mask = tl.rand(40, generator=rng, dtype=np.float64) > 0.5
        g, = tl.autograd.grad((x * x * mask).sum(), x)
    np.testing.assert_array_equal(g.data, 2 * x.data * (witness.random(40) > 0.5))
    value = tape.replay({x: x.data + 1})
    kept = witness.random(40) > 0.5
    assert 0 < kept.sum() < 40
    np.testing.assert_array_equal(value(g), 2 * (x.data + 1) * kept)


def test_draws_of_the_default_generator_are_captured_too() -> None:
    tl.manual_seed(8)
    with capture() as tape:
        t = tl.randn(4)
    value = tape.replay({})
    witness = seeded(8)
    np.testing.assert_array_equal(t.data, witness.standard_normal(4, dtype=np.float32))
    np.testing.assert_array_equal(value(t), witness.standard_normal(4, dtype=np.float32))


def test_a_copied_generator_makes_a_replay_repeatable() -> None:
    rng = seeded()
    with capture() as tape:
        t = tl.rand(4, generator=rng)
    kept = copy.deepcopy(rng.bit_generator.state)
    first = tape.replay({})(t)
    rng.bit_generator.state = kept
    np.testing.assert_array_equal(tape.replay({})(t), first)


# ---- threads

def test_threads_with_generators_of_their_own_do_not_disturb_each_other() -> None:
    """Four threads draw at once, two of them under capture; each finds its own numbers, and each tape its own calls."""
    found: dict[int, Any] = {}
    gate = threading.Barrier(4)

    def work(i: int) -> None:
        rng = seeded(i)
        gate.wait()
        if i % 2:
            with capture() as tape:
                drawn = [tl.randn(50, generator=rng) for _ in range(40)]
            found[i] = ([t.data for t in drawn], len(tape.calls))
        else:
            found[i] = ([tl.randn(50, generator=rng).data for _ in range(40)], 40)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        arrays, calls = found[i]
        rng = seeded(i)
        assert calls == 40
        for array in arrays:
            np.testing.assert_array_equal(array, rng.standard_normal(50, dtype=np.float32))
