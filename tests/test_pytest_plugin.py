"""The pytest plugin in a project of its own: the fixture, its failures, its seed, and that it costs nothing unused."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import tinygrad_lite

ROOT = Path(tinygrad_lite.__file__).parent.parent

RIGHT_AND_WRONG = """
import numpy as np
import pytest
import tinygrad_lite as tl

x = np.array([0.5, -1.0, 2.0])
wrong = tl.Op("wrong", np.sin, lambda g, y, x: -g * np.cos(x))


def test_right(gradcheck):
    report = gradcheck(np.sin, x)
    assert report.counts["ok"] == 3
    assert gradcheck.gradgradcheck(np.sin, x)
    assert gradcheck.check_module(tl.nn.Linear(2, 3), tl.ones(4, 2))
    assert gradcheck.check(lambda x: np.sin(x).sum(), np.cos, x)


def test_wrong(gradcheck):
    gradcheck(lambda x: wrong(x) * 1e-7, x)


def test_wrong_twice(gradcheck):
    half_right = tl.Op("half", np.sin, lambda g, y, x: g * tl.Op("hidden", np.cos, lambda g, y, x: g * np.cos(x))(x))
    gradcheck(half_right, x)
    gradcheck.gradgradcheck(half_right, x)


def test_wrong_claim(gradcheck):
    gradcheck.check(lambda x: np.sin(x).sum(), np.sin, x)


def test_cannot_be_checked(gradcheck):
    gradcheck(lambda x: x.detach(), x)
"""


def pytest_in(folder: Path, source: str, *arguments: str, plugin: bool = True, path: str = "") -> str:
    (folder / "test_it.py").write_text(source)
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), path] if path else [str(ROOT)])}
    for name in ("CI", "BUILD_NUMBER"):  # where these are set, pytest repeats each message in its summary, whole
        environment.pop(name, None)
    if path:
        del environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *(["-p", "tinygrad_lite.pytest_plugin"] if plugin else []), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_a_failure_is_the_report_and_no_traceback(tmp_path: Path) -> None:
    said = pytest_in(tmp_path, RIGHT_AND_WRONG)
    assert "4 failed, 1 passed" in said
    assert "gradcheck: --" not in said  # the header of a project that asks for no seed stays as it is
    assert "gradcheck of <lambda>: 3 of 3 entries differ from finite differences" in said
    line = RIGHT_AND_WRONG.splitlines().index("    gradcheck(lambda x: wrong(x) * 1e-7, x)") + 1
    assert f"wrong rule   wrong at test_it.py:{line}    gradcheck(lambda x: wrong(x) * 1e-7, x), input 0" in said
    assert "gradcheck of the gradient of half: 3 of 6 entries differ" in said
    assert "check of sin: 3 of 3 entries differ" in said
    assert said.count("to draw the same again: --gradcheck-seed=0") == 3
    assert "pytest_plugin.py" not in said.replace("tinygrad_lite.pytest_plugin", "")
    assert "GradError: the output does not depend on any input" in said  # not a gradient that is wrong: an error with its traceback


def test_the_seed_is_taken_and_said_and_draws(tmp_path: Path) -> None:
    source = "import numpy as np\ndef test_it(gradcheck):\n    assert 0, (gradcheck.seed, gradcheck(np.sin, np.ones(2)).rows[0].analytic)\n"
    drawn = {}
    for asked in ("41", "random"):
        said = pytest_in(tmp_path, source, f"--gradcheck-seed={asked}")
        seed = said.split("gradcheck: --gradcheck-seed=")[1].split()[0]
        assert f"AssertionError: ({seed}, " in said
        drawn[seed] = said.split(f"AssertionError: ({seed}, ")[1].split(")")[0]
    assert "41" in drawn
    assert len(set(drawn.values())) == 2


def test_a_project_that_does_not_use_it_imports_nothing(tmp_path: Path) -> None:
    source = ("import sys\ndef test_it():\n    assert 'tinygrad_lite.pytest_plugin' in sys.modules\n    assert 'numpy' not in sys.modules\n"
              "    assert [m for m in sys.modules if m.startswith('tinygrad')] == ['tinygrad_lite', 'tinygrad_lite.pytest_plugin']\n")
    assert "1 passed" in pytest_in(tmp_path, source)
    assert "1 failed" in pytest_in(tmp_path, source.replace("def test_it()", "def test_it(gradcheck)").replace(
        "    assert 'numpy'", "    import numpy as np; gradcheck(np.sin, 0.5)\n    assert 'numpy'"))


def test_pytest_finds_it_by_its_entry_point(tmp_path: Path) -> None:
    """An installed distribution in small: the entry points of pyproject.toml in a .dist-info of their own."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    info = tmp_path / "site" / "declared-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: declared\nVersion: 1\n")
    (info / "entry_points.txt").write_text("".join([f"[{group}]\n{name} = {target}\n" for group, entries in declared.items()
                                                    for name, target in entries.items()]))
    source = "import numpy as np\ndef test_it(gradcheck):\n    gradcheck(np.sin, 0.5)\n"
    assert "1 passed" in pytest_in(tmp_path, source, plugin=False, path=str(tmp_path / "site"))
