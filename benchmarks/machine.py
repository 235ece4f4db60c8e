"""What the numbers were measured on: processor, system, versions, threads, BLAS. Part of every result.

Nothing here measures; a ratio carries over to another machine only as far as this page is alike.
"""

import datetime
import importlib
import os
import platform
import re
from importlib import metadata
from pathlib import Path

import numpy as np

from benchmarks import ONE_THREAD

__all__ = ["machine", "machine_lines"]

LIBRARIES = ("numpy", "tinygrad_lite", "numba", "torch", "jax", "jaxlib", "autograd", "mygrad")


def machine():
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "cores_usable": usable_cores(),
        "memory_gb": memory_gb(),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {name: version(name) for name in LIBRARIES},
        "blas": blas(),
        "threads": ONE_THREAD,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,  # other work, before we start
    }


def machine_lines(found):
    """The page as lines of text."""
    versions = ", ".join(f"{name} {number or '-'}" for name, number in found["versions"].items())
    load = "" if found["load"] is None else f", load {found['load']:.1f} before the start"
    memory = "" if found["memory_gb"] is None else f", {found['memory_gb']:.0f} GB"
    return [
        f"{found['processor']}, {found['cores_usable']} of {found['cores']} cores usable{memory}{load}",
        f"{found['system']}, {found['python']}",
        versions,
        f"BLAS: {found['blas']}; one thread for every contender",
    ]


def processor():
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if named:
            return f"{named[1]} ({platform.machine()})"
    return f"{platform.processor() or 'unknown processor'} ({platform.machine()})"


def usable_cores():
    """A container often may use fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def memory_gb():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError):
        return None


def version(name):
    """As installed; ours also from a checkout that is not installed, as it says of itself; else None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        if name != "tinygrad_lite":
            return None
    try:
        return getattr(importlib.import_module(name), "__version__", None)
    except ImportError:
        return None


def blas():
    """Name, version and, where threadpoolctl is installed, the kernels that were chosen for this processor."""
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    text = f"{built.get('name', 'unknown')} {built.get('version', '')}".strip()
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return text
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            return f"{text}, {pool.get('architecture', 'unknown')} kernels, {pool['num_threads']} thread"
    return text
