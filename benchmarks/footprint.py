"""What a framework adds to a program before it computes anything: seconds to import it, megabytes on disk.

Import time is what `import X` takes in an interpreter that has already imported NumPy; tinygrad_lite loads nothing
until its first name is asked for, so there it is `from tinygrad_lite import Tensor`. Each measurement is a fresh
interpreter, the contenders in turn, so that all see the same file cache; a first round fills it and is not counted.
"""

import importlib.util
import os
import re
import statistics
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

__all__ = ["CONTENDERS", "footprint", "import_times", "installed_sizes"]

ROOT = Path(__file__).resolve().parent.parent
CONTENDERS = ("tinygrad_lite", "torch", "jax", "autograd", "mygrad")

# an installed package has its bytecode; a checkout writes it at the first import, unless it is told not to
WITH_BYTECODE = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

NUMPY_ALONE = """
import time
start = time.perf_counter()
import numpy
print(time.perf_counter() - start)
"""
OVER_NUMPY = """
import time, numpy
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
"""


def footprint(rounds, say=lambda text: None):
    """Import times in milliseconds and installed sizes in megabytes, by contender; NumPy's own as the scale."""
    say(f"import time: {rounds} rounds")
    times, missing = import_times(rounds)
    return {"import_ms": times, "installed_mb": installed_sizes(times), "missing": missing}


def import_times(rounds):
    first = {"tinygrad_lite": "from tinygrad_lite import Tensor"}
    programs = {"numpy": NUMPY_ALONE} | {
        name: OVER_NUMPY.format(statement=first.get(name, f"import {name}")) for name in CONTENDERS
    }
    missing = {name: reason for name in CONTENDERS if (reason := failure(programs[name]))}
    times = {name: [] for name in programs if name not in missing}
    for _ in range(rounds):
        for name, taken in times.items():
            printed = subprocess.check_output([sys.executable, "-c", programs[name]], env=WITH_BYTECODE)
            taken.append(1000 * float(printed))
    return {name: statistics.median(taken) for name, taken in times.items()}, missing


def failure(program):
    """The last line that the program says when it fails, or None. It also leaves the bytecode behind."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=WITH_BYTECODE, check=False, capture_output=True, text=True)
    return done.stderr.strip().splitlines()[-1] if done.returncode else None


def installed_sizes(names):
    """{"alone", "with_dependencies"} in MB, bytecode not counted: its amount depends on who has run it."""
    sizes = {}
    for name in names:
        needed = closure(name)
        by_name = {each: size_of(each) for each in needed}
        sizes[name] = {
            "alone": by_name[name] / 1e6,
            "with_dependencies": sum(by_name.values()) / 1e6,
            "dependencies": sorted(needed - {name}),
        }
    return sizes


def closure(name):
    """The distribution and all that it requires, as far as it is installed: markers of other systems are not."""
    found, waiting = set(), [name]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += [other for other in requirements(each) if installed(other)]
    return found


def requirements(name):
    """The names that a distribution requires without any extra; ours from pyproject.toml when run uninstalled."""
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        pyproject = ROOT / "pyproject.toml"
        lines = tomllib.loads(pyproject.read_text())["project"]["dependencies"] if pyproject.exists() else []
    lines = [line for line in lines if "extra ==" not in line]
    return [re.match(r"[\w.-]+", line).group().lower().replace("_", "-") for line in lines]


def installed(name):
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def size_of(name):
    """Bytes of a distribution's files; of the package's folder when it is not installed, or editable."""
    files = []
    if installed(name):
        files = [Path(str(file.locate())) for file in metadata.files(name) or []]
    if not any(file.suffix == ".py" for file in files):
        spec = importlib.util.find_spec(name)
        folders = spec.submodule_search_locations if spec else []
        files = [file for folder in folders for file in Path(folder).rglob("*")]
    return sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc")
