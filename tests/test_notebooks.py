"""The notebooks: what is stored in them is whole, small and private; and each still runs from top to bottom.

The first is plain reading of JSON. The second (marked `notebooks`) starts a kernel for each and needs the extra [notebooks].
"""

import json
import os
import re
import time
from pathlib import Path

import pytest

import tinygrad_lite

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LIMIT_BYTES = 200_000
LIMIT_SECONDS = 30
PICTURES = {"image/png", "image/svg+xml"}
# a path from the root of somebody's machine, as it stands in a traceback or a repr; not the / of http:// or </svg>
ABSOLUTE_PATH = re.compile(r"""(?<![\w.:/<-])/(?:home|Users|root|tmp|var|opt|usr|work|mnt|private|content|workspaces?)/|\b[A-Z]:\\{1,2}\w""")

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def kinds(cell):
    """What a cell left behind, in order: 'stdout', 'image/png', ... Streams that arrive in parts count once; stderr is the machine's own matter."""
    found = []
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            kind = output["name"]
        elif output["output_type"] == "error":
            kind = f"error {output['ename']}: {output['evalue']}"
        else:
            kind = min(output["data"].keys() & PICTURES, default="text")
        if kind != "stderr" and not (kind == "stdout" and found and found[-1] == "stdout"):
            found.append(kind)
    return found


def joined(text):
    return text if isinstance(text, str) else "".join(text)


def readable(notebook):
    """All that a reader could see: sources, and outputs except PNG's base64, which can spell anything by chance."""
    yield json.dumps(notebook["metadata"])
    for cell in notebook["cells"]:
        yield joined(cell["source"])
        for output in cell.get("outputs", []):
            yield joined(output.get("text", ""))
            yield "\n".join(output.get("traceback", []))
            yield from (joined(value) for mime, value in output.get("data", {}).items() if mime != "image/png")


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 3  # else the tests below would pass over an empty list


@every_notebook
def test_stored_notebook_was_run_in_order_to_its_end_and_shows_a_picture(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    shown = [kind for cell in cells for kind in kinds(cell)]
    assert not [kind for kind in shown if kind.startswith("error")]
    assert PICTURES & set(shown)


@every_notebook
def test_stored_notebook_is_small_and_names_no_path_of_a_machine(path):
    assert path.stat().st_size < LIMIT_BYTES
    found = [match.group() for text in readable(json.loads(path.read_text(encoding="utf-8"))) for match in ABSOLUTE_PATH.finditer(text)]
    assert not found


def test_path_pattern_knows_paths_from_addresses():
    for text in ("/home/ann/x.py", "File '/tmp/ipykernel_12/3.py'", "C:\\Users\\ann", '"/opt/v/lib"'):
        assert ABSOLUTE_PATH.search(text), text
    for text in ("http://www.w3.org/tmp/", "</svg>", "a/b", "1/2m", "h²/6", "1853721204.py:5", "../var/x"):
        assert not ABSOLUTE_PATH.search(text), text


@pytest.mark.notebooks
@pytest.mark.filterwarnings("default")  # those of Jupyter's own packages, which change with every release
@every_notebook
def test_notebook_runs_from_top_to_bottom_and_shows_what_is_stored(path, tmp_path):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    pytest.importorskip("matplotlib")
    pytest.importorskip("pygraphviz")
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    for cell in code_cells(fresh):
        cell["outputs"], cell["execution_count"] = [], None
    package = str(Path(tinygrad_lite.__file__).parent.parent)  # the kernel imports the package that this test imports
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
                   "MPLBACKEND": "module://matplotlib_inline.backend_inline", "IPYTHONDIR": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"}
    client = nbclient.NotebookClient(fresh, timeout=LIMIT_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    start = time.perf_counter()
    client.execute(env=environment)  # raises CellExecutionError, with the cell and its traceback
    seconds = time.perf_counter() - start
    assert seconds < LIMIT_SECONDS  # 2 s here, most of it the start of the kernel and the import of matplotlib
    assert [kinds(cell) for cell in code_cells(fresh)] == [kinds(cell) for cell in code_cells(stored)]
