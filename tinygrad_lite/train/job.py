"""The main job: a table becomes a trained model, set beside its closed form, its gradients checked, its files written.
Everything is computed before the first file is made; an error on the way leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..data import (
    PENGUINS_CITATION,
    PENGUINS_LICENCE,
    Design,
    StandardScaler,
    Table,
    constant_columns,
    encode,
    split_rows,
)
from ..errors import DataError
from ..nn import Module, MSELoss
from ..optim import SGD
from ..tensors import Tensor, get_default_dtype
from ..verify import Report, audit, check_module
from ..viz import curves_svg, draw, to_dot
from .compare import LeastSquares, least_squares, r2_score
from .files import TrainedModel, save_history, save_trained, staged
from .fit import Epoch, History, LossFunction, fit
from .model import build_model

__all__ = ["PENGUIN_JOB", "Outcome", "Settings", "Task", "check_gradients", "prepare", "solve", "write"]

FILES = ("weights.npz", "history.csv", "curves.svg", "graph.svg", "graph.html", "graph.dot")
CHECKED_PARAMETERS = 20_000  # at most: two forward passes for each are seconds for so many, and hours for a million
CHECKED_ROWS = 32  # of the training rows: one step's worth, for the gradient check and for the graph


@dataclass(frozen=True)
class Settings:
    """What a job is asked for. patience: None trains for all the epochs, a number stops after so many without progress.

    unit and citation are for the report: what the target is measured in, and where the table is from."""

    target: str
    features: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    missing: Literal["drop", "refuse"] = "drop"
    hidden: tuple[int, ...] = ()
    activation: str = "tanh"
    lr: float = 0.05
    momentum: float = 0.0
    weight_decay: float = 0.0
    epochs: int = 200
    batch_size: int = 32
    seed: int = 0
    patience: int | None = None
    unit: str = ""
    citation: str = ""


PENGUIN_JOB = Settings(
    target="body_mass_g", unit="g",
    features=("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "sex", "island"),
    citation=f"{PENGUINS_CITATION}; {PENGUINS_LICENCE}",
)


@dataclass(frozen=True)
class Task:
    """A table made ready: encoded, split 80/20 by the seed, and in z-scores of the training rows' mean and deviation.

    X (rows, columns) and y (rows,) are float64; `y_scaler.inverse_transform` leads back to the target's own unit."""

    settings: Settings
    design: Design
    rows_in_table: int
    source: str
    X_scaler: StandardScaler
    y_scaler: StandardScaler
    X_train: NDArray[Any]
    y_train: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]


@dataclass(frozen=True)
class Outcome:
    """A task solved: the trained model, what it is compared with, and how its gradients did.

    weight_difference: the largest |trained - closed form| over weights and intercept, in standard deviations of the
    target per standard deviation of the feature; None with a hidden layer, or where the closed form is not unique."""

    task: Task
    trained: TrainedModel
    history: History
    closed_form: LeastSquares
    r2: float
    r2_closed_form: float
    rms: float  # of the held-out rows' errors, in the target's own unit
    rms_closed_form: float
    weight_difference: float | None
    gradients: Report | None  # None where there are too many parameters to check
    loss: Tensor  # of one step, with its graph


def prepare(table: Table, settings: Settings) -> Task:
    """Raises DataError, in one sentence, where the table can't be trained on as asked."""
    design = encode(table, settings.target, settings.features, settings.ignore, settings.missing)
    try:
        train, test = split_rows(len(design.y), seed=settings.seed)
    except DataError as error:
        raise DataError(f"{table.source}: {error}") from None
    if design.y[train].min() == design.y[train].max():
        raise DataError(f"{table.source}: the target {design.target!r} is {design.y[train][0]:g} in all training rows; "
                        "another --seed splits them differently")
    constant = constant_columns(design.X[train])
    if constant.any():
        left_out = tuple((design.names[i], "is constant in the training rows") for i in np.flatnonzero(constant))
        design = replace(design, X=design.X[:, ~constant], left_out=design.left_out + left_out,
                         names=tuple(name for name, drop in zip(design.names, constant, strict=True) if not drop))
        if not design.names:
            raise DataError(f"{table.source}: no feature varies in the training rows")
    with np.errstate(over="ignore", invalid="ignore"):
        X_scaler, y_scaler = StandardScaler().fit(design.X[train]), StandardScaler().fit(design.y[train])
    finite = np.isfinite([*X_scaler.scale_, y_scaler.scale_])
    if not finite.all():  # the square of 1e200 is inf
        name = (*design.names, design.target)[int(np.argmin(finite))]
        raise DataError(f"{table.source}: column {name!r} has numbers too large to take the standard deviation of")
    X, y = X_scaler.transform(design.X), y_scaler.transform(design.y)
    return Task(settings, design, len(table), table.source, X_scaler, y_scaler, X[train], y[train], X[test], y[test])


def solve(task: Task, on_batch: Callable[[int, int], None] | None = None,
          on_epoch: Callable[[Epoch], None] | None = None) -> Outcome:
    """Train by SGD on the mean squared error, solve the same by least squares, and check the gradients.

    Raises DivergenceError where the learning rate is too large."""
    settings, design = task.settings, task.design
    dtype = get_default_dtype()
    X, y = task.X_train.astype(dtype), task.y_train.astype(dtype)[:, None]
    generator = np.random.default_rng(settings.seed)
    model, loss_fn = build_model(len(design.names), settings.hidden, settings.activation, generator), MSELoss()
    optimizer = SGD(model.parameters(), lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)
    history = fit(model, loss_fn, optimizer, X, y, epochs=settings.epochs, batch_size=settings.batch_size,
                  seed=settings.seed, held_out=(task.X_test.astype(dtype), task.y_test.astype(dtype)[:, None]),
                  patience=settings.patience, on_batch=on_batch, on_epoch=on_epoch)

    trained = TrainedModel(model, settings.hidden, settings.activation, design.names, design.bases,
                           task.X_scaler.mean_, task.X_scaler.scale_, design.target,
                           float(task.y_scaler.mean_), float(task.y_scaler.scale_))
    closed_form = least_squares(task.X_train, task.y_train)
    truth = task.y_scaler.inverse_transform(task.y_test)
    by_model = trained.predict(task.X_scaler.inverse_transform(task.X_test))
    by_closed_form = task.y_scaler.inverse_transform(closed_form.predict(task.X_test))
    rows = slice(0, CHECKED_ROWS)
    return Outcome(
        task, trained, history, closed_form,
        r2=r2_score(truth, by_model), r2_closed_form=r2_score(truth, by_closed_form),
        rms=float(np.sqrt(np.mean((truth - by_model) ** 2))),
        rms_closed_form=float(np.sqrt(np.mean((truth - by_closed_form) ** 2))),
        weight_difference=_weight_difference(model, closed_form) if not settings.hidden else None,
        gradients=check_gradients(model, loss_fn, X[rows], y[rows]),
        loss=_one_step(model, loss_fn, X[rows], y[rows]),
    )


def check_gradients(model: Module, loss_fn: LossFunction, X: NDArray[Any], y: NDArray[Any]) -> Report | None:
    """Every parameter's gradient of loss_fn(model(X), y) against central finite differences, in float64.

    None where the model has more than CHECKED_PARAMETERS. A gradient that differs is in the report, and no error."""
    if sum(parameter.size for parameter in model.parameters()) > CHECKED_PARAMETERS:
        return None
    return check_module(model, Tensor(X), loss=lambda output: loss_fn(output, Tensor(y)), raise_exception=False)


def write(outcome: Outcome, out: Path) -> list[tuple[str, str]]:
    """All files of an outcome into the folder `out`, or none of them: (name, meaning) of each.

    Nothing but NumPy is needed for any of them. Raises OSError where `out` can't be written."""
    with staged(out, FILES) as folder:
        save_trained(folder / "weights.npz", outcome.trained)
        save_history(folder / "history.csv", outcome.history)
        (folder / "curves.svg").write_text(curves_svg(outcome.history), encoding="utf-8")
        draw(outcome.loss).save(folder / "graph.svg")
        draw(outcome.loss, color=audit(outcome.loss)).save(folder / "graph.html")
        (folder / "graph.dot").write_text(to_dot(outcome.loss), encoding="utf-8")
    meaning = {
        "weights.npz": "weights, with the scaling and names they need (np.load)",
        "history.csv": f"losses of {len(outcome.history.epochs)} epochs, 0 being before training",
        "curves.svg": "the losses, as a picture",
        "graph.svg": "computation graph of one step, as a picture",
        "graph.html": "the same to walk through, with each gradient rule checked",
        "graph.dot": "the same as text, for Graphviz",
    }
    return list(meaning.items())


def _weight_difference(model: Module, closed_form: LeastSquares) -> float | None:
    state = model.state_dict()
    differences = [*(state["weight"][0] - closed_form.coef), state["bias"][0] - closed_form.intercept]
    return float(np.abs(differences).max()) if closed_form.unique else None


def _one_step(model: Module, loss_fn: LossFunction, X: NDArray[Any], y: NDArray[Any]) -> Tensor:
    """Forward and backward once, without an update: the loss, whose graph then has gradients to show."""
    model.train()
    model.zero_grad()
    loss = loss_fn(model(Tensor(X, name="X")), Tensor(y, name="y"))
    loss.backward()
    return loss
