"""The plan of the house: floors, public names, what an import loads."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_lite

ROOT = Path(tinygrad_lite.__file__).parent
# A module imports only from floors below its own, or from its own room. ARCHITECTURE.md draws it.
FLOOR = {"errors": 0, "engine": 1, "data": 1, "ops": 2, "tensors": 3, "nn": 4, "optim": 5, "verify": 5, "func": 5, "viz": 5, "compiler": 5,
         "train": 6, "autograd": 6, "coverage": 6, "linalg": 6, "utils": 6, "api": 6, "__init__": 6, "pytest_plugin": 7, "__main__": 7}
# The same within a room that has rooms and files of its own.
INNER = {
    "viz": {"reading": 0, "layout": 0, "training": 0, "text": 1, "passes": 1, "measuring": 2, "drawing": 3, "page": 4, "picture": 5, "model": 6,
            "__init__": 7},
    "compiler": {"program": 0, "snapshot": 0, "memory": 1, "listing": 1, "trace": 1, "record": 2, "passes": 2, "native": 2, "watch": 3, "printing": 3,
                 "entry": 4, "instrument": 4, "saved": 5, "profiling": 5, "verifying": 5, "compiled": 6, "__init__": 7}}
FILES = sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    """An entry point, `python -m tinygrad_lite.<room>`, stands on the top floor wherever it lies: nobody imports it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "__main__" if parts[-1] == "__main__" else parts[0]


def targets(path: Path):
    """(where, name, node) of every import from this package in the file, those for type checkers alone left out. Where: the parts of the module's
    path, ("viz", "reading"); of `from . import reading` too."""
    tree = ast.parse(path.read_text())
    typing_only = {id(node) for block in ast.walk(tree) if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
                   for node in ast.walk(block)}
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*package[:len(package) - node.level + 1], *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                yield base if len(base) > 1 else (*base, alias.name), alias.name, node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            for name in names:
                assert not name.startswith("tinygrad_lite"), f"{path}: write imports from this package as relative ones"


def imports(path: Path):
    """(room, node) of every import from this package in the file."""
    for where, _, node in targets(path):
        yield where[0] if where[0] in FLOOR else "__init__", node


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    here = room(path)
    assert here in FLOOR, f"{here} has no floor"
    if here in ("__init__", "__main__"):
        return
    for there, node in imports(path):
        assert there == here or FLOOR[there] < FLOOR[here], \
            f"{path.name}:{node.lineno} imports {there} (floor {FLOOR[there]}) into {here} (floor {FLOOR[here]})"


def inner(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[1]


@pytest.mark.parametrize("path", [path for path in FILES if room(path) in INNER], ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_within_a_room_go_one_way(path):
    floor, here = INNER[room(path)], inner(path)
    assert here in floor, f"{room(path)}/{here} has no floor"
    for where, name, node in targets(path):
        if where[0] == room(path):
            there = where[1] if where[1] in floor else "__init__"
            assert there == here or floor[there] < floor[here], \
                f"{path.name}:{node.lineno} imports {name} of {there} (floor {floor[there]}) into {here} (floor {floor[here]})"


def test_each_room_of_viz_gives_what_the_others_use_and_no_more():
    rooms = {path.name for path in (ROOT / "viz").iterdir() if (path / "__init__.py").exists()}
    used = {(where, name) for path in FILES if room(path) == "viz" for where, name, _ in targets(path)
            if where[0] == "viz" and where[1] in rooms and where[1] != inner(path)}
    given = {(("viz", name), public) for name in rooms for public in importlib.import_module(f"tinygrad_lite.viz.{name}").__all__}
    assert used == given


def test_nobody_imports_an_entry_point():
    assert not [path for path in FILES for there, _ in imports(path) if there == "__main__"]
    assert not [path for path in FILES if "import __main__" in path.read_text()]


def test_the_floors_are_checked_at_all():
    assert {there for path in FILES if room(path) == "tensors" for there, _ in imports(path)} == {"engine", "errors", "ops", "tensors"}


MODULES = ["tinygrad_lite", *(info.name for info in pkgutil.walk_packages([str(ROOT)], "tinygrad_lite.") if not info.name.endswith("__main__"))]


@pytest.mark.parametrize("name", MODULES)
def test_all_is_true(name):
    module = importlib.import_module(name)
    if name != "tinygrad_lite.__init__":
        assert module.__doc__, f"{name} does not say what it is"
        assert len(set(module.__all__)) == len(module.__all__)
        for public in module.__all__:
            assert getattr(module, public, None) is not None, f"{name}.__all__ names {public}, which is not there"


def test_everything_public_says_what_it_is():
    silent = [name for name in tinygrad_lite.__all__ if not (getattr(tinygrad_lite, name).__doc__ or "").strip()]
    assert silent == []


def test_no_folder_has_the_name_of_a_public_function():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} | {path.stem for path in ROOT.glob("*.py")}
    assert not [name for name in folders & set(tinygrad_lite.__all__) if callable(getattr(tinygrad_lite, name))]
    for name in INNER:
        public = importlib.import_module(f"tinygrad_lite.{name}").__all__
        assert not {path.name for path in (ROOT / name).iterdir() if path.is_dir()} & set(public), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_can_be_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 350


def loaded(code: str) -> set[str]:
    out = subprocess.run([sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in out.stdout.split()}


def test_import_alone_loads_nothing_and_the_first_name_numpy_and_nothing_else_from_outside():
    own = {"tinygrad_lite"}
    assert loaded("import tinygrad_lite; tinygrad_lite.__version__") - loaded("import importlib, typing") - set(sys.stdlib_module_names) == own
    new = loaded("import tinygrad_lite; tinygrad_lite.Tensor") - loaded("import numpy") - set(sys.stdlib_module_names)
    assert new == own  # not numpy.random either, whose 11 ms NumPy itself puts off
    program = "import tinygrad_lite, sys; tinygrad_lite.Tensor; print(*[m for m in sys.modules if m.startswith('tinygrad_lite.')])"
    rooms = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    early = {"verify", "viz", "train", "data", "autograd", "func", "pytest_plugin"} & {name.split(".")[1] for name in rooms.split()}
    assert not early, "these rooms are imported when asked for"


@pytest.mark.parametrize("first", [
    "import tinygrad_lite.nn; assert tinygrad_lite.nn.Linear(2, 3) and tinygrad_lite.tensor",
    "from tinygrad_lite import *; assert Tensor and verify.gradcheck and exp",
    "from tinygrad_lite import errors, engine, nn, ops, verify",  # files of the package, before anything else was asked for
    "import tinygrad_lite as tl; assert 'Tensor' in dir(tl) and 'viz' in dir(tl)",
    "import tinygrad_lite.api; import tinygrad_lite as tl; assert tl.Tensor is tinygrad_lite.api.Tensor",
    "import tinygrad_lite as tl, pickle; assert pickle.loads(pickle.dumps(tl.tensor([1.0]))).item() == 1",
    "import tinygrad_lite as tl; tl.Tensor; assert 'Tensor' in vars(tl) and 'exp' in vars(tl)",
    "import tinygrad_lite as tl, sys; assert not hasattr(tl, '__wrapped__') and not hasattr(tl, '__path_hooks__') and 'numpy' not in sys.modules",
    "import tinygrad_lite as tl, concurrent.futures as c\n"
    "with c.ThreadPoolExecutor(16) as pool: assert all(pool.map(lambda k: tl.tensor([k]).item() == k and tl.verify.gradcheck, range(64)))"])
def test_whatever_is_asked_for_first_is_there(first):
    done = subprocess.run([sys.executable, "-W", "error", "-c", first], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_rooms_come_when_asked_for():
    assert tinygrad_lite.viz.listing
    assert tinygrad_lite.autograd.grad
    with pytest.raises(AttributeError, match="no attribute 'compile_me'"):
        tinygrad_lite.compile_me  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'compile_me'"):
        from tinygrad_lite import compile_me  # noqa: F401
