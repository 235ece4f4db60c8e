"""Where a program's values lie: no memory is used for two of them at once, and little of it is used."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.compiler.memory import BLOCK, Slot, _homes

rng = np.random.default_rng(8)
F32 = np.dtype(np.float32)
KINDS = [tl.add, tl.multiply, lambda a, b: tl.tanh(a), tl.subtract, tl.maximum]


def slot(size, start, end, run=None, dtype=F32):
    return Slot(((size,), dtype, (0,)), start, end, run)


def test_what_is_needed_at_the_same_time_lies_apart_and_what_is_not_lies_together():
    a, b, c, d = slot(10, 0, 2), slot(10, 2, 4), slot(10, 3, 9), slot(4, 5, 9)
    buffers, homes = _homes([a, b, c, d], reuse=True)
    assert homes[a].whole is not homes[b].whole  # b is made while a is read
    assert homes[a] is homes[c]
    assert homes[d].whole is homes[b]  # the first four entries of a piece of ten
    assert len([x for x in buffers if x.whole is x]) == 2
    buffers, homes = _homes([a, b, c, d], reuse=False)
    assert len(buffers) == len(set(homes.values())) == 4


def test_another_dtype_is_another_piece():
    a, b = slot(10, 0, 1), slot(10, 2, 3, dtype=np.dtype(np.float64))
    assert len(_homes([a, b], reuse=True)[0]) == 2


def test_a_large_value_does_not_lie_in_a_small_one_and_a_long_lived_small_one_takes_no_large_place():
    large = [slot(40, start, start + 1) for start in (0, 4, 8)]
    small = slot(10, 2, 9)  # while the second and the third of the large ones are needed
    buffers, homes = _homes([large[0], small, *large[1:]], reuse=True)
    assert len({homes[x] for x in large}) == 1
    assert sum(x.size for x in buffers if x.whole is x) == 50


def test_one_piece_of_a_run_is_needed_for_the_whole_run():
    run = (3, 9)
    first, second = slot(BLOCK, 3, 5, run), slot(BLOCK, 6, 9, run)
    whole = slot(3 * BLOCK, 6, 12)  # the second piece's turn of `first` would write over the first piece of this
    assert not first.meets(second)  # within one turn they follow each other
    assert first.meets(whole)
    assert whole.meets(first)
    assert not first.meets(slot(BLOCK, 10, 12))


@pytest.mark.parametrize("seed", range(12))
def test_long_runs_of_pieces_give_eagers_numbers(seed):
    own = np.random.default_rng(seed)
    plan = [(own.integers(5), *own.integers(0, 1 << 20, 2)) for _ in range(14)]
    kept = own.choice(14, 3, replace=False)

    def f(x, y):
        values = [x, y]
        for kind, i, j in plan:
            a, b = values[i % len(values)], values[j % len(values)]
            values.append(KINDS[kind](a, b))
        return tuple(values[2 + k] for k in kept), sum(values[2:], 0.0).sum()

    size = 2 * BLOCK + 1000
    x, y = [tl.tensor(rng.standard_normal(size).astype(np.float32)) for _ in range(2)]
    compiled = tl.compile(f)
    for _ in range(3):
        (parts, total), (own_parts, own_total) = f(x, y), compiled(x, y)
        for a, b in zip((*parts, total), (*own_parts, own_total), strict=True):
            np.testing.assert_array_equal(a.data, b.data)
        x, y = y * 0.5, x


def test_a_network_reuses_what_its_forward_pass_has_left():
    model = nn.Sequential(*[layer for _ in range(6) for layer in (nn.Linear(64, 64), nn.Tanh())])
    optimizer = optim.SGD(model.parameters(), lr=0.01)

    @tl.compile
    def step(x):
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    x = tl.tensor(rng.standard_normal((256, 64)).astype(np.float32))
    step(x)
    # one activation for each of the 6 tanhs, one gradient on the way, one for (model(x) ** 2); the update's own numbers besides
    parameters = sum(p.data.nbytes for p in model.parameters())
    assert step.programs[-1].plan.nbytes <= 9 * x.data.nbytes + parameters
