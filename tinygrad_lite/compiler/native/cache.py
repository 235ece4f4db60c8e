"""Compiled kernels on disk: the source of a program's kernels as a module in the user's cache folder, where numba keeps machine code beside it.

A fresh process that prints the same source gets the machine code without compiling. Where the folder cannot be written, nothing is kept.
"""

import hashlib
import importlib.util
import linecache
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np

__all__ = ["folder", "load"]

KEPT = "KEPT = False"  # the line of the source that says whether numba may keep the machine code


def folder() -> Path:
    """TINYGRAD_LITE_CACHE, else the cache folder of the system's convention: created when first needed, safe to delete."""
    if own := os.environ.get("TINYGRAD_LITE_CACHE"):
        return Path(own)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "tinygrad_lite"


def load(text: str) -> ModuleType:
    """The module that `text` is the source of, from the cache where it can be kept there.

    The name is a hash of the text and of what else the machine code depends on, so a file is never changed once it is there: processes
    that write the same one at the same time write the same bytes, each to a name of its own that is then moved.
    """
    import numba

    from . import parts as native_parts

    source = text.replace(KEPT, "KEPT = True", 1)
    parts = Path(native_parts.__file__).read_bytes()
    versions = f"{numba.__version__} {np.__version__} {sys.version}"
    name = "native_" + hashlib.sha256(source.encode() + parts + versions.encode()).hexdigest()[:24]
    try:
        path = folder() / f"{name}.py"
        if not path.exists() or path.read_text() != source:
            _write(path, source)
        return _module(name, path)
    except (OSError, RuntimeError):  # RuntimeError: Path.home() knows no home, or numba no place for the machine code
        filename = f"<{name}>"
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        module = ModuleType(name)
        exec(compile(text, filename, "exec"), vars(module))  # noqa: S102  our own text
        return module


def _write(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(source)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise OSError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # numba pickles by module name
    spec.loader.exec_module(module)
    return module
