"""The README's programs print what it says they print."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()


def run(tmp_path: Path, name: str, code: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / name
    path.write_text(code)
    return subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)


def test_the_twenty_lines_print_what_the_readme_shows(tmp_path):
    program = next(block for block in blocks("python") if "optimizer.step()" in block)
    expected = next(block for block in blocks("text") if block.startswith("step    0"))
    done = run(tmp_path, "train.py", program)
    assert done.stderr == ""
    assert done.stdout == expected


def test_the_compiled_step_prints_the_program_shown(tmp_path):
    step = next(block for block in blocks("python") if "@tl.compile" in block)
    shown = next(block for block in blocks("text") if block.startswith("def train_step"))
    before = ("import numpy as np\nimport tinygrad_lite as tl\nfrom tinygrad_lite import nn, optim\n\ntl.manual_seed(0)\n"
              "model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))\nloss_fn = nn.MSELoss()\n"
              "optimizer = optim.SGD(model.parameters(), lr=0.1)\n\n")
    done = run(tmp_path, "train.py", before + step)
    assert done.stderr == ""
    printed = textwrap.dedent(done.stdout[done.stdout.index("    def train_step"):])
    turned = shown[shown.index("    x_T = x.T"):shown.index("    np.dot(ones, b2")]
    usual = "    np.dot(b2_T, x, out=p0_weight_grad)          # (16, 64) @ (64, 3) -> (16, 3)\n"
    # the first weight lies transposed where the BLAS that is here gives the same bits
    assert printed.startswith((shown.rstrip(), shown.replace(turned, usual).rstrip()))


def test_the_pictures_shown_are_drawn(tmp_path):
    lines = next(block for block in blocks("python") if block.startswith("viz.draw(loss).save"))
    lines = "\n".join(line for line in lines.splitlines() if "history.csv" not in line)
    before = ("import tinygrad_lite as tl\nfrom tinygrad_lite import nn, verify, viz\nmodel, x = nn.Linear(2, 1), tl.ones(3, 2)\n"
              "loss = model(x).sum()\n")
    assert run(tmp_path, "draw.py", before + lines).stderr == ""
    assert {path.name for path in tmp_path.iterdir()} == {"draw.py", "graph.svg", "graph.html"}


def test_the_wrong_rule_prints_the_table_shown(tmp_path):
    program = next(block for block in blocks("python") if block.startswith("wrong = "))
    expected = next(block for block in blocks("text") if block.startswith("GradcheckError"))
    done = run(tmp_path, "wrong.py", f"import numpy as np\nimport tinygrad_lite as tl\n{program}")
    assert done.returncode == 1
    assert done.stderr.endswith("tinygrad_lite.errors." + expected)


@pytest.mark.parametrize(("error", "program"), [
    ("ShapeError", "import tinygrad_lite as tl\nfrom tinygrad_lite import nn\n\n"
                   "net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(5, 2))\nx = tl.ones(7, 3)\n\n\nprediction = net(x)\n"),
    ("GradError", "import tinygrad_lite as tl\n\nw = tl.tensor([2.0], requires_grad=True, name='w')\nloss = (w * w).sum()\n"
                  "with tl.no_grad():\n    w -= 0.1\nloss.backward()\n")])
def test_errors_read_as_shown(tmp_path, error, program):
    expected = next(block for block in blocks("text") if block.startswith(error))
    assert run(tmp_path, "train.py", program).stderr.endswith("tinygrad_lite.errors." + expected)


def test_the_rule_shown_is_the_rule_in_the_table():
    shown = next(block for block in blocks("python") if block.startswith("tanh = ")).strip()
    source = (Path(__file__).parent.parent / "tinygrad_lite" / "ops" / "elementary.py").read_text()
    assert shown.removesuffix(")") in source


def test_the_files_it_names_are_there():
    root = Path(__file__).parent.parent
    for name in re.findall(r"`([\w/]+(?:\.py|\.md|/))`", README):
        if name in ("tinygrad-lite-out/", "record.py", "sweep.py"):
            continue
        assert (root / name).exists(), name
