"""Adam, AdamW and schedules: worked by hand, refused, saved, captured. PyTorch is the witness where it is installed."""

import copy
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import optim
from tinygrad_lite.engine import capture
from tinygrad_lite.errors import StateError
from tinygrad_lite.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

SHAPES = ((3, 2), (2,), ())  # a 0-d parameter too: NumPy computes scalars from it


def leaves(dtype: Any = np.float64) -> list[Any]:
    rng = np.random.default_rng(2)
    return [tl.tensor(rng.standard_normal(shape), dtype, requires_grad=True) for shape in SHAPES]


def arrays(seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in SHAPES]


def loss_of(lib: Any, ps: list[Any], cs: list[Any]) -> Any:
    return sum((c * lib.sin(p)).sum() for p, c in zip(ps, cs, strict=True))


def with_groups(of: Any, kind: str, ps: list[Any], **settings: Any) -> Any:
    """Two groups, which differ in two settings."""
    return getattr(of, kind)([{"params": ps[:1]}, {"params": ps[1:], "weight_decay": 0.05, "lr": 0.003}], **settings)


def eager(lib: Any, ps: list[Any], optimizer: Any, scheduler: Any, steps: range) -> None:
    for t in steps:
        optimizer.zero_grad()
        loss_of(lib, ps, [lib.tensor(c) for c in arrays(t)]).backward()
        optimizer.step()
        scheduler.step()


def replayed(ps: list[Any], optimizer: Any, scheduler: Any, steps: range) -> None:
    """The same with a step that is captured once."""
    cs = [tl.tensor(c) for c in arrays(steps.start)]
    with capture() as tape:
        optimizer.zero_grad()
        loss_of(tl, ps, cs).backward()
        optimizer.step()
    scheduler.step()
    for t in steps[1:]:
        tape.replay(dict(zip(cs, arrays(t), strict=True)))
        scheduler.step()


# ---- by hand

def test_adams_first_step_is_the_learning_rate_whatever_the_gradient_is():
    w = tl.tensor([1.0, 1.0, 1.0], np.float64, requires_grad=True)
    (w * np.array([1e-3, 2.0, -5e4])).sum().backward()
    optim.Adam([w], lr=0.1, eps=0.0).step()  # m̂ = g and v̂ = g²: the step is lr g / |g|
    np.testing.assert_allclose(w.data, [0.9, 0.9, 1.1], rtol=1e-14)


def test_two_steps_of_adam_and_of_adamw_worked_out():
    for kind, decay in (("Adam", 0.0), ("AdamW", 0.5)):
        w = tl.tensor([2.0], np.float64, requires_grad=True)
        optimizer = getattr(optim, kind)([w], lr=0.1, betas=(0.5, 0.75), eps=1.0, weight_decay=decay)
        m = v = 0.0
        p = 2.0
        for t, g in ((1, 3.0), (2, -1.0)):
            w.grad = [g]
            optimizer.step()
            m, v = 0.5 * m + 0.5 * g, 0.75 * v + 0.25 * g * g
            p = p - 0.1 * decay * p - 0.1 * (m / (1 - 0.5 ** t)) / (math.sqrt(v / (1 - 0.75 ** t)) + 1.0)
            assert w.item() == pytest.approx(p, rel=1e-15)


def test_the_cosine_goes_from_the_first_rate_to_eta_min_and_back():
    optimizer = optim.SGD([tl.ones(1, requires_grad=True)], lr=1.0)
    scheduler = CosineAnnealingLR(optimizer, T_max=4, eta_min=0.2)
    rates = []
    for _ in range(9):
        rates += scheduler.get_last_lr()
        scheduler.step()
    h = 0.4 * math.sqrt(0.5)  # eta_min + 0.8 (1 + cos) / 2, at cos = 1, sqrt(1/2), 0, ...
    np.testing.assert_allclose(rates, [1, 0.6 + h, 0.6, 0.6 - h, 0.2, 0.6 - h, 0.6, 0.6 + h, 1], rtol=1e-15)


def test_a_function_for_each_group_is_times_its_first_rate():
    a, b = tl.ones(1, requires_grad=True), tl.ones(1, requires_grad=True)
    optimizer = optim.SGD([{"params": a}, {"params": b, "lr": 0.5}], lr=1.0)
    scheduler = LambdaLR(optimizer, [lambda epoch: 0.5 ** epoch, lambda epoch: 1 / (1 + epoch)])
    assert scheduler.get_last_lr() == scheduler.base_lrs == [1.0, 0.5]
    scheduler.step()
    scheduler.step()
    assert scheduler.last_epoch == 2
    assert [group["lr"] for group in optimizer.param_groups] == scheduler.get_last_lr() == [0.25, 0.5 / 3]
    optimizer.add_param_group({"params": tl.ones(1, requires_grad=True), "lr": 7.0})
    CosineAnnealingLR(optimizer, T_max=2).step()
    assert optimizer.param_groups[2]["lr"] == pytest.approx(3.5)  # halfway from its own first rate


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_a_large_parameter_is_updated_in_parts_to_the_same_numbers(kind):
    rng = np.random.default_rng(0)
    for shape in ((70_000,), (300, 301), (2, 50_000), (1, 40_000)):  # uneven last parts, parts of one row, one row that is all
        p, q = (tl.tensor(rng.standard_normal(shape), requires_grad=True) for _ in range(2))
        q.data = np.asfortranarray(p.data.copy())  # rows of it are not contiguous
        whole = type(kind, (getattr(optim, kind),), {"entrywise": False})
        for _ in range(2):
            gradient = rng.standard_normal(shape)
            for tensor, of in ((p, getattr(optim, kind)), (q, whole)):
                tensor.grad = gradient
                optimizer = of([tensor], lr=0.1, **({"momentum": 0.9} if kind == "SGD" else {}))
                optimizer.step()
                optimizer.step()
        np.testing.assert_array_equal(p.data, q.data)


# ---- one text for arrays and for capture

SETTINGS = [{}, {"amsgrad": True}, {"weight_decay": 0.1}, {"maximize": True},
            {"betas": (0.5, 0.9), "eps": 1e-3, "amsgrad": True, "weight_decay": 0.02}]


@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_captured_step_gives_eagers_numbers_while_the_rate_falls(kind, settings, dtype):
    ends = []
    for run in (lambda *args: eager(tl, *args), replayed):
        ps = leaves(dtype)
        optimizer = with_groups(optim, kind, ps, lr=0.02, **settings)
        run(ps, optimizer, CosineAnnealingLR(optimizer, T_max=30), range(20))
        ends.append((ps, [optimizer.state[p] for p in ps]))
    for (mine, theirs), (ours, other) in zip(zip(*(ps for ps, _ in ends), strict=True), zip(*(state for _, state in ends), strict=True), strict=True):
        np.testing.assert_array_equal(mine.data, theirs.data)
        assert ours["step"] == other["step"] == 20
        assert mine.dtype == dtype
        for name in ours.keys() - {"step"}:
            np.testing.assert_array_equal(ours[name].data, other[name].data)
            assert ours[name].dtype == other[name].dtype == dtype


def test_parameters_share_their_live_numbers_and_refuse_to_when_their_steps_part():
    ps = leaves()
    optimizer = optim.Adam(ps, lr=0.1)
    with capture() as tape:
        loss_of(tl, ps, arrays(0)).backward()
        optimizer.step()
    assert len(tape.live) == len(optimizer.numbers(optimizer.param_groups[0], 0)) - 1  # one for each number; `maximize` is not one
    ps[0].grad = None
    optimizer.step()  # the others go on alone
    with pytest.raises(StateError, match="capture it again"):
        tape.replay({})


def test_parameters_that_are_at_different_steps_do_not_share():
    runs = []
    for captured in (False, True):
        ps = leaves()
        optimizer = optim.Adam(ps, lr=0.1)
        ps[0].grad = np.ones(SHAPES[0])
        optimizer.step()  # the first is one step ahead from now on
        scheduler = CosineAnnealingLR(optimizer, T_max=10)
        (replayed if captured else lambda *args: eager(tl, *args))(ps, optimizer, scheduler, range(5))
        assert [optimizer.state[p]["step"] for p in ps] == [6, 5, 5]
        runs.append([p.data for p in ps])
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_captured_step_goes_on_from_a_loaded_state():
    ps = leaves()
    optimizer = optim.AdamW(ps, lr=0.1, amsgrad=True)
    cs = [tl.tensor(c) for c in arrays(0)]
    start, fresh = [p.data.copy() for p in ps], optimizer.state_dict()
    with capture() as tape:
        optimizer.zero_grad()
        loss_of(tl, ps, cs).backward()
        optimizer.step()
    ends = []
    for _ in range(2):
        for p, array in zip(ps, start, strict=True):
            p.data[...] = array
        optimizer.load_state_dict(fresh)  # which has no state at all: as if no step had been taken
        for t in range(3):
            tape.replay(dict(zip(cs, arrays(t), strict=True)))
        ends.append([p.data.copy() for p in ps])
        assert {state["step"] for state in optimizer.state.values()} == {3}
    for a, b, first in zip(*ends, start, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, first)


# ---- saved, refused, shown

def test_training_resumed_from_the_two_state_dicts_is_the_same_training():
    ps = leaves()
    optimizer = with_groups(optim, "Adam", ps, lr=0.1, amsgrad=True)
    scheduler = CosineAnnealingLR(optimizer, T_max=20, eta_min=0.01)
    eager(tl, ps, optimizer, scheduler, range(7))
    saved = optimizer.state_dict(), scheduler.state_dict()
    untouched = copy.deepcopy(saved)
    others = [tl.tensor(p.data, requires_grad=True) for p in ps]
    resumed = with_groups(optim, "Adam", others, lr=3.0)  # whose settings the state overwrites
    again = CosineAnnealingLR(resumed, T_max=5)
    resumed.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    assert again.get_last_lr() == scheduler.get_last_lr() == [group["lr"] for group in resumed.param_groups]
    assert again.base_lrs == [0.1, 0.003]
    eager(tl, ps, optimizer, scheduler, range(7, 15))
    eager(tl, others, resumed, again, range(7, 15))
    for a, b in zip(ps, others, strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    np.testing.assert_equal(saved, untouched)


def test_a_schedule_begun_late_needs_the_first_rates():
    optimizer = optim.SGD([tl.ones(1, requires_grad=True)], lr=1.0)
    with pytest.raises(ValueError, match="initial_lr"):
        CosineAnnealingLR(optimizer, T_max=4, last_epoch=1)
    optimizer.param_groups[0]["initial_lr"] = 1.0
    scheduler = CosineAnnealingLR(optimizer, T_max=4, last_epoch=1)
    assert (scheduler.last_epoch, scheduler.get_last_lr()) == (2, [0.5])


def test_what_makes_no_sense_is_refused():
    w = tl.ones(2, requires_grad=True)
    for settings in ({"lr": -1}, {"lr": math.nan}, {"eps": -1e-8}, {"betas": (0.9, 1.0)}, {"betas": (-0.1, 0.9)}, {"betas": (0.9,)},
                     {"weight_decay": -1}):
        with pytest.raises(ValueError, match=f"AdamW: {next(iter(settings))}"):
            optim.AdamW([w], **settings)
    optimizer = optim.Adam([w])
    for make, error in ((lambda: CosineAnnealingLR(optimizer, 0), "T_max"), (lambda: LambdaLR(optimizer, [math.sqrt] * 2), "2 functions for 1"),
                        (lambda: CosineAnnealingLR(optimizer, 3, last_epoch=-2), "last_epoch")):
        with pytest.raises(ValueError, match=error):
            make()
    with pytest.raises(TypeError, match="needs an optimizer"):
        CosineAnnealingLR(w, 3)
    with pytest.raises(TypeError, match="must define get_lr"):
        LRScheduler(optimizer)
    with pytest.raises(StateError, match="T_max"):
        CosineAnnealingLR(optimizer, 3).load_state_dict(LambdaLR(optimizer, lambda _: 1).state_dict())
    assert optimizer.param_groups[0]["lr"] == 1e-3


def test_a_schedule_that_fails_has_not_moved():
    optimizer = optim.SGD([tl.ones(1, requires_grad=True)], lr=1.0)
    scheduler = LambdaLR(optimizer, lambda epoch: 1 / (1 - epoch) if epoch else 1)
    with pytest.raises(ZeroDivisionError):
        scheduler.step()
    assert (scheduler.last_epoch, optimizer.param_groups[0]["lr"]) == (0, 1.0)


def test_repr_is_what_could_be_typed():
    w = tl.ones(1, requires_grad=True)
    assert repr(optim.AdamW([w], lr=0.1, amsgrad=True)) == "AdamW(lr=0.1, amsgrad=True)"
    assert repr(optim.AdamW([w], weight_decay=0)) == "AdamW(lr=0.001, weight_decay=0)"
    scheduler = CosineAnnealingLR(optim.Adam([w]), T_max=5)
    assert repr(scheduler) == "CosineAnnealingLR(Adam(lr=0.001), T_max=5, eta_min=0.0, last_epoch=0)"


# ---- PyTorch

GRID = [{"betas": betas, "eps": eps, "weight_decay": decay, "amsgrad": amsgrad, "maximize": maximize}
        for betas, eps in (((0.9, 0.999), 1e-8), ((0.6, 0.8), 1e-3)) for decay in (0.0, 0.1)
        for amsgrad in (False, True) for maximize in (False, True)]


def schedule(lib: Any, optimizer: Any, kind: str) -> Any:
    of = lib.optim.lr_scheduler
    if kind == "cosine":
        return of.CosineAnnealingLR(optimizer, T_max=60, eta_min=1e-3)  # through its minimum and back, more than once
    return of.LambdaLR(optimizer, [lambda epoch: 0.99 ** epoch, lambda epoch: 1 / (1 + 0.1 * epoch)])


@pytest.mark.torch
@pytest.mark.parametrize("run", [lambda *args: eager(tl, *args), replayed], ids=["eager", "captured"])
@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
@pytest.mark.parametrize("options", GRID, ids=lambda o: ",".join(f"{k}={v}" for k, v in o.items()))
def test_200_steps_are_pytorchs(options, kind, run):
    torch = pytest.importorskip("torch")
    ps = leaves()
    qs = [torch.tensor(p.data.copy(), requires_grad=True) for p in ps]
    shape = "cosine" if options["amsgrad"] else "lambda"
    ours, theirs = with_groups(optim, kind, ps, lr=0.02, **options), with_groups(torch.optim, kind, qs, lr=0.02, **options)
    schedules = schedule(tl, ours, shape), schedule(torch, theirs, shape)
    run(ps, ours, schedules[0], range(200))
    eager(torch, qs, theirs, schedules[1], range(200))
    np.testing.assert_allclose(schedules[0].get_last_lr(), schedules[1].get_last_lr(), rtol=1e-12)  # PyTorch's cosine goes on from its own last rate
    for p, q in zip(ps, qs, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-10, atol=1e-10)
        mine, others = ours.state[p], theirs.state[q]
        assert mine["step"] == others["step"] == 200
        for name in mine.keys() - {"step"}:
            np.testing.assert_allclose(mine[name].data, others[name].numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["cosine", "lambda"])
def test_a_schedule_alone_is_pytorchs(kind):
    torch = pytest.importorskip("torch")
    rates = []
    for lib, p in ((tl, tl.ones(1, requires_grad=True)), (torch, torch.ones(1, requires_grad=True))):
        optimizer = lib.optim.SGD([{"params": [p]}, {"params": [lib.ones(1, requires_grad=True)], "lr": 2.0}], lr=0.5)
        scheduler = schedule(lib, optimizer, kind)
        optimizer.step()  # PyTorch warns otherwise
        rates.append([scheduler.get_last_lr()])
        for _ in range(150):
            scheduler.step()
            rates[-1].append(scheduler.get_last_lr())
    np.testing.assert_allclose(*rates, rtol=1e-12)  # PyTorch's recursion drifts by a rounding each step, and by cancellation near the minimum
    assert any(a != b for a, b in pairwise(rates[0]))


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
def test_pytorchs_state_goes_on_here(kind):
    torch = pytest.importorskip("torch")
    qs = [torch.tensor(p.data, requires_grad=True) for p in leaves()]
    theirs = with_groups(torch.optim, kind, qs, lr=0.02, amsgrad=True)
    eager(torch, qs, theirs, schedule(torch, theirs, "lambda"), range(9))
    ps = [tl.tensor(q.detach().numpy(), requires_grad=True) for q in qs]
    ours = with_groups(optim, kind, ps, lr=7.0, amsgrad=True)
    saved = copy.deepcopy(theirs.state_dict())
    for entry in saved["state"].values():
        entry.update({name: value.numpy() for name, value in entry.items()})
    ours.load_state_dict(saved)
    eager(torch, qs, theirs, schedule(torch, theirs, "lambda"), range(9, 20))
    eager(tl, ps, ours, schedule(tl, ours, "lambda"), range(9, 20))
    for p, q in zip(ps, qs, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-12)
