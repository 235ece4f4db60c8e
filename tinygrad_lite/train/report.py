"""What the job says: the head before training, the progress line, and the result beside least squares.
Text is made here and nowhere else; numbers come from the job and are not computed anew.
"""

from __future__ import annotations

import math
import shutil
import textwrap
import time
from collections.abc import Iterable
from typing import TextIO

from .fit import Epoch, History
from .job import Outcome, Task
from .model import describe

__all__ = ["Progress", "head", "result"]

WIDTH = 110
SHOWN_WEIGHTS = 12


def head(task: Task) -> list[str]:
    """What is about to be trained, on what, and what was left out."""
    settings, design = task.settings, task.design
    used = f"{task.source}: {task.rows_in_table} rows"
    if design.rows_dropped:
        used += f", {design.rows_dropped} dropped for missing values"
    if settings.citation:
        used += f" ({settings.citation})"
    optimizer = f"SGD(lr={settings.lr:g}" + "".join(
        f", {name}={value:g}" for name, value in
        (("momentum", settings.momentum), ("weight_decay", settings.weight_decay)) if value) + ")"
    parameters = _parameter_count(len(design.names), settings.hidden)
    lines = [
        *_entry("data", used),
        *_entry("missing", ", ".join(str(gap) for gap in design.missing) or "nothing"),
    ]
    for name, reason in design.left_out:
        lines += _entry("left out", f"{name}: {reason}")
    return lines + [
        *_entry("target", design.target),
        *_entry("features", ", ".join(design.names)),
        *_entry("rows", f"{len(task.y_train)} to train, {len(task.y_test)} held out (seed {settings.seed}); "
                        "all columns in standard deviations of the training rows"),
        *_entry("model", f"{describe(len(design.names), settings.hidden, settings.activation)}, "
                         f"{parameters} parameters; {optimizer}, "
                         f"batches of {min(settings.batch_size, len(task.y_train))}"),
        *_entry("loss", f"mean squared error of the scaled {design.target}: always guessing its mean would give 1"),
    ]


def result(outcome: Outcome) -> list[str]:
    """How it ended, and how good it is beside the closed form."""
    settings, unit = outcome.task.settings, outcome.task.settings.unit
    linear = not settings.hidden
    name = "SGD" if linear else "network"
    rms = f"rms error{f' in {unit}' if unit else ''}"
    lines = [
        *_entry("training", _ending(outcome.history, settings.patience)),
        "",
        f"  {'held out':<22}{name:>12}{'least squares':>16}",
        f"  {'R²':<22}{_score(outcome.r2):>12}{_score(outcome.r2_closed_form):>16}",
        f"  {rms:<22}{_amount(outcome.rms):>12}{_amount(outcome.rms_closed_form):>16}",
        "",
    ]
    if linear:
        lines += _weights(outcome)
    return [*lines, *_entry("gradients", _verdict(outcome))]


class Progress:
    """One line with epoch, loss and speed: rewritten in place on a terminal, else printed some ten times in all.

    `batch` and `epoch` are what `fit` calls; `close` ends the line."""

    def __init__(self, stream: TextIO, epochs: int, rows: int) -> None:
        self.stream, self.epochs, self.rows = stream, epochs, rows
        self.terminal = stream.isatty()
        self.last: Epoch | None = None
        self.samples = 0
        self.start = self.shown_at = time.perf_counter()
        self.shown_epoch = 0
        self.drawn = 0  # how many characters are on the line now

    def batch(self, number: int, samples: int) -> None:
        """After a step: `samples` rows have been seen in all."""
        self.samples = samples
        if self.terminal and time.perf_counter() - self.shown_at >= 0.1:
            self._show(number)

    def epoch(self, epoch: Epoch) -> None:
        """After an epoch."""
        self.last = epoch
        every = math.ceil(self.epochs / 10)
        # ten seconds without a word is too long, however many epochs are to come
        due = epoch.number == 1 or epoch.number % every == 0 or time.perf_counter() - self.shown_at >= 10
        if epoch.number and not self.terminal and due:
            self._show(epoch.number)

    def close(self) -> None:
        """Show the last epoch, and end the line."""
        if self.last and self.last.number and (self.terminal or self.shown_epoch != self.last.number):
            self._show(self.last.number)
        if self.drawn:
            self.stream.write("\n")
            self.drawn = 0
        self.stream.flush()

    def _show(self, number: int) -> None:
        assert self.last is not None
        now = time.perf_counter()
        speed = self.samples / max(now - self.start, 1e-9)
        text = (f"  epoch {number:>{len(str(self.epochs))}}/{self.epochs}   loss {self.last.train_loss:#.4g}"
                f"   held out {self.last.held_out_loss:#.4g}   {speed:,.0f} samples/s")
        if self.terminal:
            free = shutil.get_terminal_size().columns - 1
            bar = min(20, free - len(text) - 4)  # what the numbers leave
            if bar >= 5:
                done = "#" * round(bar * self.samples / (self.epochs * self.rows))
                text = f"  [{done:.<{bar}}]{text}"
            text = text[:free]
            self.stream.write("\r" + text.ljust(self.drawn))
            self.drawn = len(text)
        else:
            self.stream.write(text + "\n")
        self.stream.flush()
        self.shown_at, self.shown_epoch = now, number


def _ending(history: History, patience: int | None) -> str:
    last, best = history.epochs[-1].number, history.epochs[history.best]
    kept = f"the weights of epoch {best.number} are kept, whose training loss is the lowest ({best.train_loss:.4g})"
    if history.ended == "interrupted":
        return f"interrupted after {_epochs(last)}: {kept}"
    if history.ended == "converged":
        return f"converged after {_epochs(last)}, {patience} of them without progress: {kept}"
    if patience is not None:
        return f"not converged in {_epochs(last)}: {kept}"
    return f"done in {history.epochs[-1].seconds:.2g} s: {kept}"


def _weights(outcome: Outcome) -> list[str]:
    state, closed_form = outcome.trained.model.state_dict(), outcome.closed_form
    rows = [*zip(outcome.trained.names, state["weight"][0], closed_form.coef, strict=True),
            ("intercept", state["bias"][0], closed_form.intercept)]
    width = max(22, *(len(name) + 2 for name, _, _ in rows[:SHOWN_WEIGHTS]))
    lines = [f"  {'weight':<{width}}{'SGD':>12}{'least squares':>16}{'difference':>13}"]
    lines += [f"  {name:<{width}}{a:>12.4f}{b:>16.4f}{a - b:>13.4f}" for name, a, b in rows[:SHOWN_WEIGHTS]]
    if len(rows) > SHOWN_WEIGHTS:
        lines.append(f"  and {len(rows) - SHOWN_WEIGHTS} more")
    if outcome.weight_difference is None:
        said = "least squares has no unique weights here (columns depend on each other, or too few rows)"
    else:
        said = f"largest difference from least squares {outcome.weight_difference:.4f} (target and features scaled)"
    if outcome.task.settings.weight_decay:
        said += "; least squares is without weight decay"
    return [*lines, "", *_entry("weights", said)]


def _verdict(outcome: Outcome) -> str:
    if outcome.gradients is None:
        return "not checked: each parameter costs two forward passes, and this model has too many"
    counts = outcome.gradients.counts
    entries, ok, wrong = sum(counts.values()), counts["ok"], counts["wrong"]
    found = f"{wrong} of {entries} differ from" if wrong else f"all {entries} agree with" if ok == entries else f"{ok} of {entries} agree with"
    rest = [f"{counts[verdict]} {words}, " for verdict, words in (("kink", "at a kink"), ("cannot tell", "could not be told")) if counts[verdict]]
    return (f"of the trained model: {found} finite differences, {''.join(rest)}"
            f"largest relative error {outcome.gradients.max_relative_error:.1e}")


def _entry(name: str, text: str) -> Iterable[str]:
    return textwrap.wrap(f"{name:<11}{text}", WIDTH, subsequent_indent=" " * 11, break_long_words=False,
                         break_on_hyphens=False)


def _score(r2: float) -> str:
    return "undefined" if math.isnan(r2) else f"{r2:.4f}"


def _amount(error: float) -> str:
    return f"{error:,.0f}" if 1000 <= error < 1e7 else f"{error:.4g}"


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"


def _parameter_count(inputs: int, hidden: tuple[int, ...]) -> int:
    widths = (inputs, *hidden, 1)
    return sum((a + 1) * b for a, b in zip(widths, widths[1:], strict=False))
