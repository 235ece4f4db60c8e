"""The training loop: shuffled mini-batches, a step for each, and the losses of the weights that each epoch ends with.
It keeps floats, never a graph, and always leaves the model with the best weights it has seen.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engine import no_grad
from ..errors import DataError, DivergenceError
from ..nn import Module
from ..optim import Optimizer
from ..tensors import Tensor, from_numpy

__all__ = ["Epoch", "History", "fit", "learning_rate", "mean_loss"]

DIVERGED = 1e6  # times the loss before the first step: no descent comes back from there
SAFE_LEARNING_RATE = 0.05  # on standardised columns: what a diverged training is told to try, at most
EVALUATION_ROWS = 4096  # at a time, so that a large table's hidden layers fit into memory

LossFunction = Callable[[Tensor, Tensor], Tensor]


class Epoch(NamedTuple):
    """One line of the history: the losses of the weights as they are when this epoch ends. Epoch 0 is before training.

    held_out_loss is nan where no rows are held out; seconds count from the start of training."""

    number: int
    train_loss: float
    held_out_loss: float
    learning_rate: float
    seconds: float


COLUMNS = ("epoch", *Epoch._fields[1:])


@dataclass
class History(Mapping[str, list[float]]):
    """What happened, epoch by epoch, in floats; and as columns: history["train_loss"] is a list, `viz.curves(history)` draws them all.

    best:  the epoch whose weights the model has now: the one of the lowest training loss
    ended: "epochs" (all were done), "converged" (patience ran out), or "interrupted" (Ctrl-C)
    samples: how many rows the steps have seen, a row counting anew in each epoch"""

    epochs: list[Epoch] = field(default_factory=list)
    best: int = 0
    ended: Literal["epochs", "converged", "interrupted"] = "epochs"
    samples: int = 0

    def __getitem__(self, name: str) -> list[float]:
        if name not in COLUMNS:
            raise KeyError(f"a history has {', '.join(COLUMNS)}, not {name!r}")
        return [epoch[COLUMNS.index(name)] for epoch in self.epochs]

    def __iter__(self) -> Iterator[str]:
        return iter(COLUMNS)

    def __len__(self) -> int:
        return len(COLUMNS)


def fit(model: Module, loss_fn: LossFunction, optimizer: Optimizer, X: NDArray[Any], y: NDArray[Any], *, epochs: int,
        batch_size: int = 32, seed: int = 0, held_out: tuple[NDArray[Any], NDArray[Any]] | None = None,
        patience: int | None = None, tolerance: float = 1e-4, on_batch: Callable[[int, int], None] | None = None,
        on_epoch: Callable[[Epoch], None] | None = None) -> History:
    """Train model on X (rows, in), y (rows, out) by `epochs` passes in an order that `seed` decides.

    loss_fn must be a mean over the batch's rows. After each epoch the loss of all training rows is computed anew, in
    evaluation mode; the weights of its lowest value are what the model has in the end, however the training ended.
    They are chosen by the training loss on purpose: chosen by the held-out loss, they would flatter the held-out score.

    patience:  stop once the lowest training loss has not fallen by more than the fraction `tolerance` in so many epochs
    on_batch:  called with (epoch, rows seen in all) after each step; on_epoch with each Epoch, number 0 included

    Ctrl-C ends the training after the step it is in (a second one at once, as KeyboardInterrupt): the history then says
    "interrupted". Before the first epoch's end, what was learned so far counts as epoch 1.
    Raises DivergenceError when a batch's loss is not finite or above 1e6 times the first loss."""
    history = History()
    best_weights = model.state_dict()
    start = time.perf_counter()

    def finish(number: int) -> float:
        """Evaluate the weights as they are, and keep them where they are the best so far."""
        nonlocal best_weights
        train_loss = mean_loss(model, loss_fn, X, y)
        held_out_loss = mean_loss(model, loss_fn, *held_out) if held_out else math.nan
        epoch = Epoch(number, train_loss, held_out_loss, learning_rate(optimizer), time.perf_counter() - start)
        best = min((e.train_loss for e in history.epochs), default=math.inf)
        history.epochs.append(epoch)
        if train_loss < best:
            best_weights = model.state_dict()
            history.best = number
        if on_epoch:
            on_epoch(epoch)
        return train_loss

    with np.errstate(over="ignore", invalid="ignore"), _Interrupt() as interrupt:  # divergence is an error below
        first = finish(0)
        if not math.isfinite(first):
            raise DataError(f"the loss is {first:g} before the first step: look for nan or inf in the data")
        limit = max(DIVERGED * first, 1.0)
        reference, waited = first, 0
        rng = np.random.default_rng(seed)
        number = 1
        try:
            for number in range(1, epochs + 1):
                order = rng.permutation(len(X))
                model.train()
                for begin in range(0, len(X), batch_size):
                    rows = order[begin:begin + batch_size]
                    optimizer.zero_grad()
                    loss = loss_fn(model(from_numpy(X[rows])), from_numpy(y[rows]))
                    value = loss.item()
                    if not value <= limit:  # nan is not <= either
                        raise DivergenceError(_advice(learning_rate(optimizer), number, value, first))
                    loss.backward()
                    optimizer.step()
                    history.samples += len(rows)
                    if on_batch:
                        on_batch(number, history.samples)
                    if interrupt.asked:
                        raise KeyboardInterrupt
                now = finish(number)
                if not now <= limit:
                    raise DivergenceError(_advice(learning_rate(optimizer), number, now, first))
                if patience is not None:
                    reference, waited = (now, 0) if now < reference * (1 - tolerance) else (reference, waited + 1)
                    if waited >= patience:
                        history.ended = "converged"
                        break
                if interrupt.asked:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            history.ended = "interrupted"
            if len(history.epochs) == 1:
                finish(number)
    model.load_state_dict(best_weights)
    return history


def mean_loss(model: Module, loss_fn: LossFunction, X: NDArray[Any], y: NDArray[Any]) -> float:
    """The loss of all rows, without recording, in evaluation mode. loss_fn must be a mean over rows."""
    model.eval()
    total = 0.0
    with no_grad():
        for begin in range(0, len(X), EVALUATION_ROWS):
            part = slice(begin, begin + EVALUATION_ROWS)
            total += loss_fn(model(from_numpy(X[part])), from_numpy(y[part])).item() * len(X[part])
    return total / len(X)


def learning_rate(optimizer: Optimizer) -> float:
    """The step size as it is now."""
    return float(optimizer.param_groups[0]["lr"])


def _advice(lr: float, epoch: int, loss: float, first: float) -> str:
    return (f"training diverged at epoch {epoch} with learning rate {lr:g}: the loss went from {first:.3g} to "
            f"{loss:.3g}; try a learning rate of {min(lr / 10, SAFE_LEARNING_RATE):g}")


class _Interrupt:
    """`with _Interrupt() as interrupt`: the first Ctrl-C only sets `interrupt.asked`, so that no step is cut in half.

    Where a handler of somebody else's is in place, or in a thread, Ctrl-C stays what it was."""

    def __init__(self) -> None:
        self.asked = False
        self._mine = False

    def __enter__(self) -> _Interrupt:
        if (threading.current_thread() is threading.main_thread()
                and signal.getsignal(signal.SIGINT) is signal.default_int_handler):
            signal.signal(signal.SIGINT, self._note)
            self._mine = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
