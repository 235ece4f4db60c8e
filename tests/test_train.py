"""Training: the loop against gradient descent written out in NumPy, the job against least squares, and what it leaves.
Small tables and few epochs; every number has a witness that knows nothing of the framework.
"""

import csv
import io
import math
import signal
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from tinygrad_lite.data import load_penguins, parse_table
from tinygrad_lite.errors import DataError, DivergenceError
from tinygrad_lite.nn import Linear, MSELoss
from tinygrad_lite.optim import SGD
from tinygrad_lite.train import (
    PENGUIN_JOB,
    Epoch,
    Settings,
    fit,
    job,
    least_squares,
    load_trained,
    prepare,
    r2_score,
    solve,
    write,
)
from tinygrad_lite.train.model import build_model
from tinygrad_lite.train.report import Progress, head, result
from tinygrad_lite.verify import Report
from tinygrad_lite.viz import curves_svg
from tinygrad_lite.viz.training.panels import chart

rng = np.random.default_rng(7)
X = rng.standard_normal((40, 3)).astype(np.float32)
y = (X @ [1.0, -2.0, 0.5] + 3 + 0.3 * rng.standard_normal(40)).astype(np.float32)[:, None]


def mse_by_hand(model, X=X, y=y):
    """In float64, from the weights alone."""
    state = model.state_dict()
    return np.mean((X.astype(float) @ state["weight"].T.astype(float) + state["bias"] - y) ** 2)


def linear_fit(lr=0.1, momentum=0.0, weight_decay=0.0, **options):
    model = Linear(3, 1, generator=np.random.default_rng(0))
    return model, fit(model, MSELoss(), SGD(model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay),
                      X, y, **{"epochs": 20, "batch_size": 8, **options})


def square_table(rows=60):
    """y = x^2, which no straight line follows, with a category, gaps and a useless column."""
    lines = [f"{x:.4f},{'ab'[i % 2]},5,{x * x:.4f}" for i, x in enumerate(np.linspace(-2, 2, rows))]
    lines[3], lines[8] = "NA,a,5,1", "0.5,,5,1"
    return parse_table("x,kind,five,y\n" + "\n".join(lines), "square.csv")


# --- the loop

def test_a_full_batch_epoch_is_one_step_of_gradient_descent_with_momentum_and_decay():
    lr, momentum, decay = 0.1, 0.9, 0.01
    model, history = linear_fit(lr, momentum, decay, epochs=25, batch_size=100)
    start = Linear(3, 1, generator=np.random.default_rng(0)).state_dict()
    A = np.column_stack([X, np.ones(40)]).astype(float)
    w = np.append(start["weight"], start["bias"]).astype(float)
    velocity, losses = np.zeros(4), [np.mean((A @ w - y[:, 0]) ** 2)]
    for _ in range(25):
        gradient = 2 / 40 * A.T @ (A @ w - y[:, 0]) + decay * w
        velocity = momentum * velocity + gradient
        w = w - lr * velocity
        losses.append(np.mean((A @ w - y[:, 0]) ** 2))
    assert np.allclose([epoch.train_loss for epoch in history.epochs], losses, rtol=1e-4)  # float32: 1e-7 a step
    assert history.best == int(np.argmin(losses))


def test_the_history_is_floats_and_starts_before_training():
    model, history = linear_fit(epochs=3, held_out=(X[:5], y[:5]))
    assert [epoch.number for epoch in history.epochs] == [0, 1, 2, 3]
    assert all(type(value) is float for epoch in history.epochs for value in epoch[1:])
    assert all(type(epoch.number) is int for epoch in history.epochs)
    assert [epoch.learning_rate for epoch in history.epochs] == [0.1] * 4
    assert history.samples == 3 * 40
    assert history.ended == "epochs"
    untrained = Linear(3, 1, generator=np.random.default_rng(0))
    assert history.epochs[0].train_loss == pytest.approx(mse_by_hand(untrained), rel=1e-5)  # float32
    assert history.epochs[0].held_out_loss == pytest.approx(mse_by_hand(untrained, X[:5], y[:5]), rel=1e-5)
    assert math.isnan(linear_fit(epochs=1)[1].epochs[1].held_out_loss)


def test_the_model_ends_with_the_weights_of_the_lowest_training_loss():
    model, history = linear_fit(lr=0.25, epochs=30, batch_size=4)  # large steps, few rows: the loss jumps
    losses = [epoch.train_loss for epoch in history.epochs]
    assert losses[-1] > min(losses)
    assert history.best == int(np.argmin(losses))
    assert mse_by_hand(model) == pytest.approx(min(losses), rel=1e-5)


def test_a_seed_decides_the_order():
    losses = [[e.train_loss for e in linear_fit(seed=seed, epochs=3)[1].epochs] for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_patience_stops_a_training_without_progress():
    model, history = linear_fit(lr=0.2, epochs=500, batch_size=100, patience=5)
    losses = [epoch.train_loss for epoch in history.epochs]
    assert history.ended == "converged"
    assert len(losses) < 200
    reference, waited = losses[0], 0
    for number, loss in enumerate(losses[1:], 1):
        reference, waited = (loss, 0) if loss < reference * (1 - 1e-4) else (reference, waited + 1)
        assert (waited >= 5) == (number == len(losses) - 1)
    best = least_squares(X, y[:, 0])
    assert min(losses) == pytest.approx(np.mean((best.predict(X) - y[:, 0]) ** 2), rel=1e-3)


def test_patience_gives_way_to_the_number_of_epochs():
    assert linear_fit(epochs=4, patience=50)[1].ended == "epochs"


@pytest.mark.parametrize(("lr", "advice"), [(50.0, "0.05"), (1e30, "0.05"), (5.0, "0.05")])
def test_a_diverging_learning_rate_is_named_with_the_epoch_and_a_smaller_one(lr, advice):
    with pytest.raises(DivergenceError) as caught:
        linear_fit(lr=lr)
    sentence = str(caught.value)
    assert sentence.startswith("training diverged at epoch ")
    assert "\n" not in sentence
    assert f" with learning rate {lr:g}: the loss went from " in sentence
    assert sentence.endswith(f"; try a learning rate of {advice}")
    if lr == 5:  # seen long before the numbers end
        assert 1e6 < float(sentence.split(" to ")[1].split(";")[0]) < 1e12
    linear_fit(lr=float(advice), epochs=2)  # which does work


def test_a_learning_rate_that_is_small_already_gets_a_tenth():
    with pytest.raises(DivergenceError, match="with learning rate 0.03: .*; try a learning rate of 0.003$"):
        fit(model := Linear(3, 1), MSELoss(), SGD(model.parameters(), lr=0.03), 100 * X, y, epochs=50)


def test_nan_in_the_data_is_told_from_divergence():
    bad = X.copy()
    bad[3, 1] = np.nan
    with pytest.raises(DataError, match="^the loss is nan before the first step: look for nan or inf in the data$"):
        fit(model := Linear(3, 1), MSELoss(), SGD(model.parameters(), lr=0.1), bad, y, epochs=5)


def test_an_interrupt_ends_the_training_and_keeps_the_best_weights():
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        model, history = linear_fit(
            epochs=1000, on_epoch=lambda epoch: epoch.number == 6 and signal.raise_signal(signal.SIGINT))
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # given back
    finally:
        signal.signal(signal.SIGINT, before)
    assert history.ended == "interrupted"
    assert [epoch.number for epoch in history.epochs] == list(range(7))
    assert mse_by_hand(model) == pytest.approx(min(e.train_loss for e in history.epochs), rel=1e-5)


def test_an_interrupt_waits_for_its_step_but_not_for_its_epoch():
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        history = linear_fit(on_batch=lambda _, samples: samples == 88 and signal.raise_signal(signal.SIGINT))[1]
    finally:
        signal.signal(signal.SIGINT, before)
    assert history.ended == "interrupted"
    assert history.samples == 88  # 40 + 40 + 8: in epoch 3
    assert [epoch.number for epoch in history.epochs] == [0, 1, 2]


def test_an_interrupt_in_the_first_epoch_keeps_what_was_learned_in_it():
    def press(number, samples):
        if samples == 16:  # two batches of five
            raise KeyboardInterrupt

    model, history = linear_fit(on_batch=press)
    assert history.ended == "interrupted"
    assert history.samples == 16
    assert [epoch.number for epoch in history.epochs] == [0, 1]
    assert history.epochs[1].train_loss < history.epochs[0].train_loss
    assert mse_by_hand(model) == pytest.approx(history.epochs[1].train_loss, rel=1e-5)


# --- what it is compared with

def test_r2_is_one_minus_the_unexplained_part():
    truth = np.array([1.0, 2.0, 6.0])  # mean 3, squares 4 + 1 + 9 = 14
    assert r2_score(truth, truth) == 1
    assert r2_score(truth, np.full(3, 3.0)) == 0
    assert r2_score(truth, np.array([1.0, 3.0, 8.0])) == pytest.approx(1 - 5 / 14, rel=1e-15)
    assert math.isnan(r2_score(np.ones(3), truth))


def test_least_squares_solves_the_normal_equations():
    A, b = X.astype(float), y[:, 0].astype(float)
    found = least_squares(A, b)
    ones = np.column_stack([A, np.ones(40)])
    assert np.allclose([*found.coef, found.intercept], np.linalg.solve(ones.T @ ones, ones.T @ b), rtol=1e-10)
    assert found.unique
    assert not least_squares(np.column_stack([A, A[:, 0] + A[:, 1]]), b).unique
    assert not least_squares(A[:3], b[:3]).unique  # three rows, four weights


# --- the job

def test_a_task_is_scaled_by_its_training_rows_alone():
    task = prepare(load_penguins(), PENGUIN_JOB)
    assert task.design.names == ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "sex=male", "island=Dream",
                                 "island=Torgersen")
    assert (task.X_train.shape, task.X_test.shape) == ((266, 6), (67, 6))
    assert np.allclose(task.X_train.mean(axis=0), 0, atol=1e-12)
    assert np.allclose(task.X_train.std(axis=0), 1)
    assert np.abs(task.X_test.mean(axis=0)).max() > 0.01  # not scaled by their own mean
    grams = np.concatenate([task.y_scaler.inverse_transform(part) for part in (task.y_train, task.y_test)])
    assert np.allclose(np.sort(grams), np.sort(task.design.y), rtol=1e-12)


def test_a_column_that_only_held_out_rows_vary_in_is_left_out():
    held_out = np.random.default_rng(0).permutation(20)[0]  # as split_rows: the first of the order are held out
    rows = [f"{i},{int(i == held_out)},{i * i}" for i in range(20)]
    task = prepare(parse_table("x,rare,y\n" + "\n".join(rows), "t.csv"), Settings(target="y"))
    assert task.design.names == ("x",)
    assert task.X_train.shape == (16, 1)
    assert task.design.left_out == (("rare", "is constant in the training rows"),)


def test_too_few_rows_are_refused_with_the_name_of_the_file():
    with pytest.raises(DataError, match="^t.csv: 3 rows are too few to hold out 20% of them: each side needs"):
        prepare(parse_table("x,y\n1,2\n2,3\n3,5\n", "t.csv"), Settings(target="y"))


def test_numbers_too_large_to_square_are_refused():
    table = parse_table("x,y\n" + "".join(f"{i}e200,{i * i}\n" for i in range(12)), "t.csv")
    with pytest.raises(DataError, match="^t.csv: column 'x' has numbers too large to take the standard deviation of$"):
        prepare(table, Settings(target="y"))


def test_the_penguins_reach_what_least_squares_reaches():
    task = prepare(load_penguins(), PENGUIN_JOB)
    outcome = solve(task)
    A = np.column_stack([task.X_train, np.ones(266)])
    w = np.linalg.lstsq(A, task.y_train, rcond=None)[0]
    p = np.column_stack([task.X_test, np.ones(67)]) @ w
    r2 = 1 - np.sum((task.y_test - p) ** 2) / np.sum((task.y_test - task.y_test.mean()) ** 2)
    assert outcome.r2_closed_form == pytest.approx(r2, rel=1e-9)
    assert outcome.r2_closed_form > 0.8
    assert abs(outcome.r2 - r2) < 0.02
    state = outcome.trained.model.state_dict()
    by_hand = np.abs(np.append(state["weight"], state["bias"]) - w).max()
    assert outcome.weight_difference == pytest.approx(by_hand, rel=1e-6)
    assert by_hand < 0.02
    assert outcome.rms == pytest.approx(np.sqrt(np.mean(
        (task.y_scaler.scale_ * (task.X_test @ state["weight"][0] + state["bias"][0] - task.y_test)) ** 2)), rel=1e-4)
    assert outcome.gradients
    assert 0 < outcome.gradients.max_relative_error < 1e-6  # central differences in float64


def test_hidden_layers_bend_where_a_line_cannot():
    task = prepare(square_table(), Settings(target="y", hidden=(16, 8), lr=0.1, epochs=150, batch_size=8))
    outcome = solve(task)
    assert outcome.r2 > 0.9 > 0.3 > outcome.r2_closed_form  # x^2 on -2..2 has no slope
    assert outcome.weight_difference is None
    assert outcome.gradients
    assert [row.name for row in outcome.gradients.rows] == [
        f"{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias")]


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_each_activation_trains(activation):
    task = prepare(square_table(), Settings(target="y", hidden=(8,), activation=activation, lr=0.1, epochs=30))
    history = solve(task).history
    assert history.epochs[history.best].train_loss < history.epochs[0].train_loss


def test_a_network_is_linear_layers_with_activations_between():
    names = dict(build_model(5, (4, 3), "relu").named_parameters())
    assert {name: p.shape for name, p in names.items()} == {
        "0.weight": (4, 5), "0.bias": (4,), "2.weight": (3, 4), "2.bias": (3,), "4.weight": (1, 3), "4.bias": (1,)}


# --- what it leaves behind

def small_outcome(**settings):
    return solve(prepare(square_table(), Settings(target="y", epochs=3, **settings)))


@pytest.mark.parametrize("hidden", [(), (6, 4)])
def test_the_weights_can_be_used_again(tmp_path, hidden):
    outcome = small_outcome(hidden=hidden)
    write(outcome, tmp_path / "a" / "out")
    path = tmp_path / "a" / "out" / "weights.npz"
    again = load_trained(path)
    X = outcome.task.design.X
    assert np.array_equal(again.predict(X), outcome.trained.predict(X))
    assert again.names == ("x", "kind=b")
    assert again.bases == ("kind=a",)
    assert again.target == "y"
    if not hidden:  # by NumPy alone, as a reader without this package would
        with np.load(path, allow_pickle=False) as f:
            z = (X - f["input/mean"]) / f["input/scale"]
            y = (z @ f["model/weight"][0] + f["model/bias"]) * f["target/scale"] + f["target/mean"]
        assert np.allclose(y, again.predict(X), rtol=1e-5)  # the model is float32


def test_a_file_of_other_arrays_is_no_file_of_weights(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    with pytest.raises(DataError, match=r"other\.npz is no file of weights from a training job"):
        load_trained(tmp_path / "other.npz")


def test_the_history_file_holds_every_epoch(tmp_path):
    outcome = small_outcome()
    write(outcome, tmp_path)
    with open(tmp_path / "history.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["epoch", "train_loss", "held_out_loss", "learning_rate", "seconds"]
    assert np.allclose(np.array(rows[1:], dtype=float), np.array(outcome.history.epochs), rtol=1e-6, atol=1e-6)


def test_the_graph_file_is_the_graph_of_one_step(tmp_path):
    write(small_outcome(), tmp_path)
    text = (tmp_path / "graph.dot").read_text(encoding="utf-8")
    assert text.startswith("digraph")
    assert text.rstrip().endswith("}")
    assert all(f'label="{name}' in text for name in ("X", "y", "weight", "bias", "mse_loss"))


def test_an_error_while_writing_leaves_nothing_new_and_nothing_harmed(tmp_path, monkeypatch):
    outcome = small_outcome()
    old = tmp_path / "old"
    write(outcome, old)
    before = {path.name: path.read_bytes() for path in old.iterdir()}

    def fail(*_):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(job, "save_history", fail)
    for out in (old, tmp_path / "new" / "er"):
        with pytest.raises(RuntimeError, match="the disk is full"):
            write(outcome, out)
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_pictures_need_nothing_but_numpy(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    for module in ("pygraphviz", "graphviz", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)
    files = write(small_outcome(hidden=(4,)), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name for name, _ in files}
    texts = {name: "".join(ElementTree.parse(tmp_path / name).getroot().itertext()) for name in ("graph.svg", "curves.svg")}
    for word in ("X", "y", "weight", "bias", "tanh", "mse_loss", "rms"):  # of values and of gradients
        assert word in texts["graph.svg"]
    assert "held out" in texts["curves.svg"]


def test_a_wrong_gradient_is_told_and_a_model_too_large_to_check_too(monkeypatch):
    outcome = small_outcome()
    row = outcome.gradients.rows[0]
    wrong = Report((replace(row, wrong=1, relative_error=0.5), *outcome.gradients.rows[1:]))
    assert "1 of 3 differ from finite differences, largest relative error 5.0e-01" in "\n".join(
        result(replace(outcome, gradients=wrong)))
    monkeypatch.setattr(job, "CHECKED_PARAMETERS", 2)
    assert "not checked" in "\n".join(result(small_outcome()))


def test_files_of_others_stay_and_old_ones_of_its_own_go(tmp_path):
    for name in ("notes.txt", *job.FILES):
        (tmp_path / name).write_text("old")
    files = write(small_outcome(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", *(name for name, _ in files)}
    assert [path.name for path in tmp_path.iterdir() if path.read_bytes() == b"old"] == ["notes.txt"]


def test_a_history_is_columns_too():
    _, history = linear_fit(epochs=3)
    assert list(history) == ["epoch", "train_loss", "held_out_loss", "learning_rate", "seconds"]
    assert history["epoch"] == [0, 1, 2, 3]
    assert history["train_loss"] == [epoch.train_loss for epoch in history.epochs]
    with pytest.raises(KeyError, match="a history has epoch, train_loss, .*, not 'loss'"):
        history["loss"]
    svg = curves_svg(history)  # nothing was held out, and the rate never changed
    assert [panel.title for panel in chart(history).panels] == ["loss"]
    assert f"train {history['train_loss'][-1]:.4g}" in svg
    assert "learning rate 0.1 throughout" in svg


def test_a_folder_that_cannot_be_one_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError, match="^cannot write into .*: .*file is a file$"):
            write(small_outcome(), out)


# --- what it says

class Screen(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


def show(screen, monkeypatch, epochs, seconds_each):
    """Run a Progress through `epochs` of two batches of 5 rows, on a clock that the test turns."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    progress = Progress(screen, epochs, 10)
    progress.epoch(Epoch(0, 2.0, 2.0, 0.1, 0.0))
    for number in range(1, epochs + 1):
        for samples in (10 * number - 5, 10 * number):
            now[0] += seconds_each / 2
            progress.batch(number, samples)
        progress.epoch(Epoch(number, 1 / number, 0.5, 0.1, now[0]))
    progress.close()
    return screen.getvalue()


def test_progress_shows_epoch_loss_and_speed_in_some_ten_lines(monkeypatch):
    lines = show(Screen(False), monkeypatch, 200, 0.01).splitlines()
    assert len(lines) == 11
    assert "epoch   1/200" in lines[0]
    assert lines[-1] == "  epoch 200/200   loss 0.005000   held out 0.5000   1,000 samples/s"


def test_progress_of_slow_epochs_is_shown_every_ten_seconds(monkeypatch):
    assert len(show(Screen(False), monkeypatch, 50, 10).splitlines()) == 50


def test_progress_on_a_terminal_is_one_line_rewritten_at_most_ten_times_a_second(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = show(Screen(True), monkeypatch, 100, 0.02)  # two seconds
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert 10 <= text.count("\r") <= 21
    assert text.split("\r")[-1].strip().startswith("[####################]  epoch 100/100   loss 0.01000")


@pytest.mark.parametrize("columns", [40, 72, 80, 100])
def test_progress_never_outgrows_its_terminal(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = show(Screen(True), monkeypatch, 1000, 0.02).strip("\n").split("\r")
    assert max(len(line) for line in lines) < columns
    assert all("samples/s" in line for line in lines[1:]) or columns == 40


def test_the_report_says_what_was_done_with_what():
    table = square_table()
    text = "\n".join(head(prepare(table, Settings(target="y", momentum=0.9))))
    assert "square.csv: 60 rows, 2 dropped for missing values" in text
    assert "x 1 (line 5), kind 1 (line 10)" in text
    assert "five: is constant (5)" in text
    assert "Linear(2, 1), 3 parameters; SGD(lr=0.05, momentum=0.9), batches of 32" in text
    assert "2-16-4-1 with relu, 121 parameters" in "\n".join(  # 3 * 16 + 17 * 4 + 5
        head(prepare(table, Settings(target="y", hidden=(16, 4), activation="relu"))))


def test_the_result_stands_beside_least_squares():
    outcome = small_outcome()
    text = "\n".join(result(outcome))
    for number in (outcome.r2, outcome.r2_closed_form, outcome.weight_difference, *outcome.closed_form.coef):
        assert f"{number:.4f}" in text
    assert "largest relative error" in text
    assert "0 epochs" not in text
