"""The command line, as a user meets it: what it prints, what it writes, its one-sentence refusals and its exit status.
Most run in this process, through `main`; signals and pipes need a process of their own.
"""

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite
from tinygrad_lite.__main__ import main

PLANTS = "height;soil;light;yield\n" + "".join(
    f"{10 + i};{('clay', 'sand', 'loam')[i % 3]};{'' if i == 7 else i * i % 11};{3 * i + 5 * (i % 3)}\n"
    for i in range(40))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with one table in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plants.csv").write_text(PLANTS, encoding="utf-8")
    return tmp_path


def run(capsys, line):
    status = main(line.split())
    said = capsys.readouterr()
    return status, said.out, said.err


def process(*words, **options):
    """The command in a process of its own, in the present folder."""
    root = str(Path(tinygrad_lite.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]),
                   "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen([sys.executable, "-m", "tinygrad_lite", *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment, **options)


def names(folder):
    return {path.name for path in folder.iterdir()}


# --- what is done

def test_without_arguments_it_trains_on_the_penguins(here, capsys):
    status, out, err = run(capsys, "")
    assert (status, err) == (0, "")
    assert "penguins.csv: 344 rows, 11 dropped" in out
    assert "doi:10.1371/journal.pone.0090081" in out
    assert "CC0" in out
    assert len(re.findall(r"^  epoch +\d+/200   loss 0\.\d+   held out 0\.\d+   [\d,]+ samples/s$", out, re.M)) == 11
    trained, closed = map(float, re.search(r"^  R² +([\d.]+) +([\d.]+)$", out, re.M).groups())
    assert closed > 0.8
    assert abs(trained - closed) < 0.02
    assert float(re.search(r"largest difference from least squares ([\d.]+)", out).group(1)) < 0.02
    assert float(re.search(r"largest relative error ([\d.e+-]+)", out).group(1)) < 1e-5
    folder = here / "tinygrad-lite-out"
    assert {"weights.npz", "history.csv", "curves.svg", "graph.svg", "graph.dot"} <= names(folder)
    assert str(folder) in out
    assert all(str(Path("tinygrad-lite-out", name)) in out for name in names(folder))
    assert max(len(line) for line in out.splitlines()) <= 120


def test_two_runs_of_one_seed_are_one_run(here, capsys):
    for out in ("a", "b"):
        run(capsys, f"--epochs 3 --seed 5 --out {out}")
    run(capsys, "--epochs 3 --seed 6 --out c")
    weights = [np.load(here / out / "weights.npz")["model/weight"] for out in "abc"]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_a_table_of_ones_own_is_trained_on(here, capsys):
    status, out, err = run(capsys, "train plants.csv --target yield --hidden 8,4 --activation relu --momentum 0.5 "
                                   "--weight-decay 0.001 --epochs 5 --batch-size 16 --lr 0.02 --out o")
    assert (status, err) == (0, "")
    assert "light 1 (line 9)" in out
    assert "height, soil=loam, soil=sand, light" in out
    assert "4-8-4-1 with relu, 81 parameters; SGD(lr=0.02, momentum=0.5, weight_decay=0.001), batches of 16" in out
    assert re.search(r"held out +network +least squares", out)
    with np.load(here / "o" / "weights.npz", allow_pickle=False) as file:
        assert {key for key in file.files if key.startswith("model/")} == {
            f"model/{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias")}


def test_columns_can_be_chosen(here, capsys):
    assert "features   height\n" in run(capsys, "train plants.csv --target yield --features height --epochs 1")[1]
    assert "features   height\n" in run(capsys, "train plants.csv --target yield --ignore soil,light --epochs 1")[1]


def test_until_converged_stops_by_itself(here, capsys):
    status, out, _ = run(capsys, "train plants.csv --target yield --until-converged --patience 4 --batch-size 100")
    ended = re.search(r"^training   converged after (\d+) epochs, 4 of them without progress", out, re.M)
    assert status == 0
    assert int(ended.group(1)) < 2000
    lines = (here / "tinygrad-lite-out" / "history.csv").read_text().splitlines()
    assert len(lines) == int(ended.group(1)) + 2  # the head, and epoch 0
    assert "not converged in 3 epochs" in run(capsys, "--until-converged --epochs 3")[1]


def test_version_and_help_are_told(here, capsys):
    assert run(capsys, "--version") == (0, f"tinygrad-lite {tinygrad_lite.__version__}\n", "")
    for line in ("--help", "train --help"):
        status, out, err = run(capsys, line)
        assert (status, err) == (0, "")
        assert "--until-converged" in out
    assert names(here) == {"plants.csv"}


# --- what is refused

@pytest.mark.parametrize(("line", "sentence"), [
    ("train none.csv --target y", "cannot read none.csv: No such file or directory"),
    ("train plants.csv --target yeld", "plants.csv: there is no column 'yeld'; did you mean 'yield'?"),
    ("train plants.csv --target soil",
     "plants.csv: column 'soil', line 2: 'clay' is not a number, but a target must be (predicting classes is not "
     "offered)"),
    ("train plants.csv --target yield --missing refuse", "plants.csv: values are missing: light 1 (line 9)"),
    ("train plants.csv --target yield --ignore colour",
     "plants.csv: there is no column 'colour'; the columns are 'height', 'soil', 'light' and 'yield'"),
    ("train plants.csv", "the following arguments are required: --target"),
    ("train plants.csv --target yield --hidden 32,x", "argument --hidden: '32,x' is not a list of sizes such as 32,16"),
    ("train plants.csv --target yield --hidden 0", "argument --hidden: '0' is not a list of sizes such as 32,16"),
    ("train plants.csv --target yield --activation relu",
     "--activation needs hidden layers: give --hidden as well, as in --hidden 32,16"),
    ("train plants.csv --target yield --epoch 5", "there is no option --epoch; did you mean --epochs?"),
    ("train plants.csv more.csv --target yield", "'more.csv' is one word too many (see tinygrad-lite train --help)"),
    ("trian plants.csv", "there is no command 'trian'; there is: tinygrad-lite train DATA.csv --target COLUMN"),
    ("--lr -1", "argument --lr: '-1' is not a number above 0"),
    ("--lr nan", "argument --lr: 'nan' is not a number above 0"),
    ("--lr fast", "argument --lr: 'fast' is not a number above 0"),
    ("--momentum 1", "argument --momentum: '1' is not a number from 0 to below 1"),
    ("--weight-decay -0.1", "argument --weight-decay: '-0.1' is not a number of 0 or more"),
    ("--epochs 0", "argument --epochs: '0' is not a whole number of 1 or more"),
    ("--epochs 1.5", "argument --epochs: '1.5' is not a whole number of 1 or more"),
    ("--batch-size 0", "argument --batch-size: '0' is not a whole number of 1 or more"),
    ("--seed -1", "argument --seed: '-1' is not a whole number of 0 or more"),
    ("--patience 3", "--patience is for --until-converged: give that as well"),
    ("--out plants.csv", "cannot write into plants.csv: {here}/plants.csv is a file"),
    ("--out plants.csv/below", "cannot write into plants.csv/below: {here}/plants.csv is a file"),
])
def test_a_mistake_is_one_sentence_and_status_2_and_leaves_nothing(here, capsys, line, sentence):
    status, out, err = run(capsys, line)
    assert (status, out, err) == (2, "", f"tinygrad-lite: {sentence.format(here=here)}\n")
    assert names(here) == {"plants.csv"}


def test_a_folder_without_permission_is_found_out_before_training(here, capsys, monkeypatch):
    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    assert run(capsys, "--out there") == (2, "", "tinygrad-lite: cannot write into there: Permission denied\n")


@pytest.mark.parametrize(("text", "sentence"), [
    ("", "t.csv is empty: its first line must hold the column names"),
    ("x,y\n", "t.csv has column names but no rows"),
    ("x,y\n1,2\n2,3\n3,x\n", "t.csv: column 'y', line 4: 'x' is not a number, but 2 cells of the column are"),
    ("x,y\n1,2\n2,2\n3,2\n", "t.csv: the target 'y' is constant (2 in all 3 rows used)"),
    ("x,y\n5,2\n5,4\n5,6\n", "t.csv: no feature is left to predict 'y' from: 'x' is constant (5)"),
])
def test_a_bad_table_is_one_sentence_and_status_2_and_leaves_nothing(here, capsys, text, sentence):
    (here / "t.csv").write_text(text)
    assert run(capsys, "train t.csv --target y") == (2, "", f"tinygrad-lite: {sentence}\n")
    assert names(here) == {"plants.csv", "t.csv"}


@pytest.mark.parametrize("line", ["--lr 300", "train plants.csv --target yield --lr 40 --hidden 8 --activation relu"])
def test_a_diverging_learning_rate_is_named_and_leaves_nothing(here, capsys, line):
    status, _, err = run(capsys, line)
    assert status == 2
    assert re.fullmatch(r"tinygrad-lite: training diverged at epoch \d+ with learning rate (300|40): the loss went "
                        r"from [\d.]+ to \S+; try a learning rate of 0\.05\n", err)  # and no RuntimeWarning
    assert names(here) == {"plants.csv"}


# --- what comes from outside

def test_ctrl_c_keeps_the_best_weights(here):
    # a test run in the background has SIGINT ignored, and a child inherits that
    with process("--epochs", "1000000", "--out", "kept",
                 preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as child:
        for line in child.stdout:
            if line.startswith("  epoch"):
                break
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in err
    last, best = map(int, re.search(r"^training   interrupted after (\d+) epochs?: the weights of epoch (\d+) are", out,
                                    re.M).groups())
    assert 1 <= best <= last < 1_000_000
    rows = np.loadtxt(here / "kept" / "history.csv", delimiter=",", skiprows=1)
    assert len(rows) == last + 1
    assert np.argmin(rows[:, 1]) == best
    assert {"weights.npz", "history.csv", "curves.svg", "graph.svg", "graph.dot"} <= names(here / "kept")
    assert names(here) == {"plants.csv", "kept"}


def test_ctrl_c_before_training_is_said_and_leaves_nothing(here, capsys, monkeypatch):
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_lite.__main__.prepare", press)
    assert run(capsys, "") == (
        130, "", "tinygrad-lite: interrupted: nothing was written\n")
    assert names(here) == {"plants.csv"}


def test_a_reader_who_goes_away_ends_the_job_quietly(here):
    with process("--epochs", "1000000", "--out", "none") as child:
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == ""
        assert child.wait(timeout=60) == 141
    assert names(here) == {"plants.csv"}
