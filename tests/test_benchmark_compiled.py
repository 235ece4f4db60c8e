"""The contenders of the benchmark of compiled steps compute the same, a wrong one is noticed, and the tables say what was missed."""

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks import __main__ as command  # noqa: E402
from benchmarks import compiled as part  # noqa: E402
from benchmarks.compiled_report import step_bars, step_table, verdict  # noqa: E402
from benchmarks.compiled_tasks import SECTIONS, Task, contenders, through, training  # noqa: E402
from benchmarks.measure import beside_control  # noqa: E402
from benchmarks.steps import Disagreement, LeftOut, agreeing_steps  # noqa: E402

TASKS = [pytest.param(task, id=f"{task.name}, {section}") for section, tasks in SECTIONS.items() for task in tasks]
WITH_NUMPY_ALONE = ("numpy", "tinygrad_lite", "compile")


def few(task: Task) -> dict[str, Any]:
    return {name: build for name, build in contenders(task, torch_compile=False).items() if name in WITH_NUMPY_ALONE}


@pytest.mark.parametrize("task", TASKS)
def test_by_hand_eager_and_compiled_agree(task: Task) -> None:
    steps, missing = agreeing_steps(task, few(task), **task.agreement)
    assert not missing
    assert set(steps) == {name for name in WITH_NUMPY_ALONE if name != "numpy" or task.by_hand}


@pytest.mark.torch
@pytest.mark.parametrize("section", ["Adam", "LeNet", "GPT"])
def test_pytorch_agrees(section: str) -> None:
    pytest.importorskip("torch")
    task = SECTIONS[section][0]
    every = contenders(task, torch_compile=False)
    steps, missing = agreeing_steps(task, {name: every[name] for name in ("tinygrad_lite", "torch")}, **task.agreement)
    assert set(steps) == {"tinygrad_lite", "torch"}
    assert not missing


@pytest.mark.parametrize("task", TASKS)
def test_a_contender_that_forgets_one_parameter_is_noticed(task: Task) -> None:
    model, loss_fn, optimizer, x, y = task.ours()
    _, *others = model.parameters()
    train = training(model, loss_fn, type(optimizer)(others, lr=optimizer.param_groups[0]["lr"]))
    with pytest.raises(Disagreement, match="forgetful"):
        agreeing_steps(task, {"tinygrad_lite": few(task)["tinygrad_lite"], "forgetful": lambda task: lambda: train(x, y)}, **task.agreement)


def test_a_contender_that_cannot_run_is_left_out_with_its_reason() -> None:
    def refuses(task: Task) -> Any:
        raise LeftOut("no compiler")

    found = beside_control(SECTIONS["SGD"][0], {"tinygrad_lite": few(SECTIONS["SGD"][0])["tinygrad_lite"], "torch_compile": refuses}, 1)
    assert found["missing"] == {"torch_compile": "no compiler"}
    assert found["contenders"]["tinygrad_lite"]["ratio"] == 1  # over itself
    lines = step_table([{"problem": "p", **found}])
    assert "torch.compile" in lines[0]
    assert lines[-1].endswith("-")


def test_a_compiled_step_that_runs_eagerly_is_not_timed_as_compiled() -> None:
    def compile(train: Any) -> Any:
        def eager(*batch: Any) -> Any:
            warnings.warn("train runs eagerly: a reason", stacklevel=2)
            return train(*batch)

        return eager

    with pytest.raises(LeftOut, match="runs eagerly"):
        through(compile, SECTIONS["SGD"][0])


def test_a_number_above_its_bar_is_printed_as_missed() -> None:
    def row(ratio: float) -> list[str]:
        found = {"compile": {"ratio": ratio, "ratio_quartiles": [0.1, 0.9]}}
        compile, native = step_bars({"SGD": [{"problem": "p", "reach": {"compile": 0.75, "native": 0.25}, "contenders": found}]})
        assert native[2:] == ["-", "-", "not measured"]
        return compile

    assert row(0.75) == ["p, SGD: compile", "0.75", "0.75", "0.10 .. 0.90", "reached"]
    assert row(0.76)[-1] == "MISSED"
    assert verdict(float("nan"), 1) == "MISSED"


def test_the_part_runs_and_writes_its_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def absent() -> Any:
        raise ImportError("No module named 'other'")

    task = replace(SECTIONS["SGD"][0], torch=absent, jax=absent)
    monkeypatch.setattr(part, "SECTIONS", {"SGD": [task]})
    monkeypatch.setattr(part, "WIDE", replace(part.WIDE, depth=1, batch=16))
    settings = {"rounds": 1, "torch_compile": False, "captures": 1, "replays": 100}
    monkeypatch.setattr(command, "PARTS", {"compiled": (*command.PARTS["compiled"][:2], settings, settings)})
    assert command.main(["compiled", "--quick", "--json", str(tmp_path / "out.json")]) == 0
    found = json.loads((tmp_path / "out.json").read_text())["compiled"]
    assert found["steps"]["SGD"][0]["contenders"].keys() >= {"numpy", "tinygrad_lite", "compile"}
    assert found["capture"]["recorded"] >= 390
    assert found["peak"]["ratio"] < 1
    printed = capsys.readouterr().out
    assert "- PyTorch: No module named 'other'" in printed
    assert "capture and compile a GPT step" in printed
