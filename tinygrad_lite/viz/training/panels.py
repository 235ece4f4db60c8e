"""A history of a training, sorted into panels: what belongs on one pair of axes, in which scale. Both kinds of picture are made from this.

A history is a mapping of names to equally long lists, or a CSV file with such columns: the main job's history.csv is one.
"""

import csv
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError, ShapeError

__all__ = ["BLUE", "Chart", "GRID", "HELD_OUT", "History", "INK", "ORANGE", "Panel", "SOFT", "Series", "chart", "number"]

BLUE, ORANGE, INK, SOFT, GRID = "#0077BB", "#EE7733", "#223344", "#667788", "#E3E8EE"  # the two lines also differ in their dashes

History = Mapping[str, Sequence[Any]] | str | os.PathLike[str]

CLOCKS = ("epoch", "epochs", "step", "steps", "iteration", "batch")  # the first of these is the horizontal axis
TIMES = ("seconds", "time", "elapsed")  # always grow, and say nothing about the training
TRAIN, HELD_OUT = "train", "held out"
_ROLE = re.compile(r"^(?:(train(?:ing)?)|(held[ _-]?out|val(?:id(?:ation)?)?|test|eval|dev))[ _/-]+(?=\S)", re.I)
_LOSS = re.compile(r"loss|error|\b[rn]?m[sa]e\b|perplexity|nll", re.I)  # the lower, the better
_POSITIVE = re.compile(r"learning[ _-]?rate|\blr\b|norm", re.I)
DECADES = 1.3  # a log scale helps from a ratio of 20 on
HUGE = 1e300  # nothing beyond is drawn: differences of such numbers overflow


@dataclass(frozen=True)
class Series:
    """One line. name: "train", "held out", or "" where it is alone. Values that are not finite are gaps."""

    name: str
    x: Any
    y: Any

    @property
    def label(self) -> str:
        """The name, and the last value."""
        return f"{self.name} {number(self.y[-1]) if math.isfinite(self.y[-1]) else 'not finite'}".strip()


@dataclass(frozen=True)
class Panel:
    title: str
    series: tuple[Series, ...]
    log: bool
    lowest: tuple[float, float, str] | None  # of a loss, held out where there is one: x, y, and words for it

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest finite value."""
        values = np.concatenate([s.y[np.isfinite(s.y)] for s in self.series])
        return float(values.min()), float(values.max())


@dataclass(frozen=True)
class Chart:
    clock: str  # what x counts
    span: tuple[float, float]
    panels: tuple[Panel, ...]
    notes: tuple[str, ...]  # what never changed, in words: a flat line is no picture


def chart(history: History) -> Chart:
    """Train and held-out values of one quantity share a panel; losses come first, learning rate and norms last.

    The scale is logarithmic for losses, rates and norms that are above 0 and span a ratio of 20 or more. None, or an empty cell, is "not
    measured": the line goes on across it; nan and inf are gaps. Raises DataError where nothing can be drawn, ShapeError for unequal lengths.
    """
    columns = _columns(history)
    clock = next((name for name in CLOCKS if name in columns), None)
    n = len(next(iter(columns.values())))
    time = _floats(clock, columns[clock]) if clock else np.arange(n, dtype=float)
    quantities: dict[str, list[tuple[str, Any]]] = {}
    for name, values in columns.items():
        if name != clock and name not in TIMES:
            role = _ROLE.match(name)
            title = name[role.end():] if role else name
            quantities.setdefault(title, []).append((TRAIN if role and role[1] else HELD_OUT if role else "", values))
    unit = (clock or "entry").removesuffix("s")
    panels, notes = [], []
    for title, members in quantities.items():
        shown = title.replace("_", " ")
        series = []
        for role_name, values in members:
            y = _floats(title, values)
            measured = np.array([value is not None for value in values], bool) & np.isfinite(time)
            if np.isfinite(y[measured]).any():
                series.append(Series(role_name if role_name or len(members) == 1 else TRAIN, time[measured], y[measured]))
        if not series:
            continue
        panel = _panel(shown, sorted(series, key=lambda s: s.name != TRAIN), unit)
        low, high = panel.limits
        if low == high and _POSITIVE.search(shown):
            notes.append(f"{shown} {number(low)} throughout")
        else:
            panels.append(panel)
    if not panels:
        raise DataError(f"there is no curve to draw: no finite number in {', '.join(map(repr, columns))}" if not notes else
                        f"there is no curve to draw: {'; '.join(notes)}")
    panels.sort(key=lambda panel: (bool(_POSITIVE.search(panel.title)), not _LOSS.search(panel.title)))
    xs = np.concatenate([s.x for panel in panels for s in panel.series])
    return Chart(unit, (float(xs.min()), float(xs.max())), tuple(panels), tuple(notes))


def number(value: float) -> str:
    """Four digits at most, and no zeros after them: what a person reads off."""
    return f"{value:.4g}"


def _panel(title: str, series: list[Series], unit: str) -> Panel:
    low, high = Panel(title, tuple(series), False, None).limits
    log = bool(_LOSS.search(title) or _POSITIVE.search(title)) and low > 0 and math.log10(high / low) >= DECADES
    lowest = None
    if _LOSS.search(title):
        s = series[-1]  # held out, where there is such a one
        i = int(np.nanargmin(s.y))
        lowest = float(s.x[i]), float(s.y[i]), f"lowest {s.name} {number(s.y[i])}, {unit} {number(s.x[i])}".replace("  ", " ")
    return Panel(title, tuple(series), log, lowest)


def _columns(history: History) -> dict[str, Sequence[Any]]:
    if isinstance(history, Mapping):
        columns = {str(name): list(values) for name, values in history.items()}
    elif isinstance(history, str | os.PathLike):
        with open(Path(history), encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        if not rows or any(len(row) != len(rows[0]) for row in rows):
            raise DataError(f"{os.fspath(history)} is no history: its first line names the columns, and every line has as many cells")
        columns = {name: [row[i].strip() or None for row in rows[1:]] for i, name in enumerate(rows[0])}
    else:
        raise TypeError(f"a history is a mapping of names to lists, or the path of a CSV file, not {type(history).__name__}")
    if not columns:
        raise DataError("there is no curve to draw: the history has no columns")
    lengths = {name: len(values) for name, values in columns.items()}
    first = next(iter(lengths))
    for name, length in lengths.items():
        if length != lengths[first]:
            raise ShapeError(f"{first!r} has {lengths[first]} entries, {name!r} has {length}: put None where a value was not measured")
    return columns  # type: ignore[return-value]


def _floats(name: str, values: Sequence[Any]) -> Any:
    try:
        floats = np.array([math.nan if value is None else float(value) for value in values])
        return np.where(np.abs(floats) < HUGE, floats, math.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"the history's {name!r} is to be numbers: {error}") from None
