"""The witness models train, and every rule that they use is right where they use it."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import optim, verify, viz
from tinygrad_lite.engine import capture, newest_first

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.models import MODELS, example  # noqa: E402

every = pytest.mark.parametrize("name", MODELS)


@every
def test_a_few_steps_lower_the_loss_in_float32(name: str) -> None:
    model, loss_of = example(name)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert loss.dtype == np.float32
    assert all(p.grad is not None and p.grad.dtype == p.dtype == np.float32 for p in model.parameters())


@every
def test_the_audit_finds_nothing_wrong(name: str) -> None:
    model, loss_of = example(name, steps=20, depth=2)
    report = verify.audit(loss_of())
    assert report, report.table()
    assert {leaf.name for leaf in report.leaves} == {path for path, _ in model.named_parameters()}


@every
def test_a_captured_step_replays_to_eagers_numbers(name: str) -> None:
    results: list[Any] = []
    for captured in (False, True):
        model, loss_of = example(name, steps=10, depth=1)
        optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

        def step(optimizer: Any = optimizer, loss_of: Any = loss_of) -> Any:
            optimizer.zero_grad()
            loss = loss_of()
            loss.backward()
            optimizer.step()
            return loss

        if captured:
            with capture() as tape:
                loss = step()
            for _ in range(3):
                value = tape.replay({})
            results.append((float(value(loss)), model.state_dict()))
        else:
            results.append(([step().item() for _ in range(4)][-1], model.state_dict()))
    assert results[0][0] == results[1][0]
    for path, array in results[0][1].items():
        np.testing.assert_array_equal(array, results[1][1][path])


def test_the_gpt_is_the_size_that_pictures_and_compilers_are_measured_on() -> None:
    model, loss_of = example("gpt")
    nodes = newest_first([loss_of()])
    assert 60 < len(nodes) < 500
    assert "blocks.3.attn.qkv.weight" in viz.listing(loss_of())
    assert abs(loss_of().item() - np.log(27)) < 0.1  # at the start, what chance gives
