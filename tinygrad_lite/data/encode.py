"""From a table to numbers: which columns become features, what becomes of gaps, and categories as columns of 0 and 1.
Whatever is left out is named with its reason; nothing is left out silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .table import Table

__all__ = ["Design", "Missing", "constant_columns", "encode"]


@dataclass(frozen=True)
class Missing:
    """The gaps of one column: how many, and the file's lines of all of them."""

    column: str
    lines: tuple[int, ...]

    def __str__(self) -> str:
        shown = ", ".join(str(line) for line in self.lines[:3]) + (", ..." if len(self.lines) > 3 else "")
        return f"{self.column} {len(self.lines)} (line{'s' if len(self.lines) > 1 else ''} {shown})"


@dataclass(frozen=True)
class Design:
    """A table as numbers: row i of X and y is the file's line `lines[i]`.

    names:    one per column of X: a numeric column's own name, "island=Dream" for a level of a category
    bases:    the level of each category that has no column, "island=Biscoe": all of that category's columns are 0 there
    missing:  the gaps of the target and of the features, per column
    left_out: (column, reason) of each column that could have been a feature and is not"""

    X: NDArray[Any]  # float64 (rows, columns)
    y: NDArray[Any]  # float64 (rows,)
    names: tuple[str, ...]
    target: str
    bases: tuple[str, ...]
    lines: tuple[int, ...]
    missing: tuple[Missing, ...]
    rows_dropped: int
    left_out: tuple[tuple[str, str], ...]


def encode(table: Table, target: str, features: Sequence[str] | None = None, ignore: Sequence[str] = (),
           missing: Literal["drop", "refuse"] = "drop") -> Design:
    """X and y of a table: numeric columns as they are, a category of k levels as k - 1 columns of 0 and 1.

    features: column names, in this order; all but the target where None. ignore: names to do without.
    missing:  "drop" leaves out each row with a gap in a column that is used; "refuse" raises DataError that names them.

    The first level in alphabetical order gets no column: with it the columns would sum to one, and least squares
    would have no unique solution. Left out and named: a feature that is constant, that has no value at all, or whose
    levels have on average fewer than two rows (names, identifiers: each would be learned by heart).
    Raises DataError for a target that is constant or not numeric, a name that is no column, and where no rows or no
    features are left."""
    _check_target(table, target)
    candidates = _candidates(table, target, features, ignore)
    left_out: list[tuple[str, str]] = []
    used = []
    for name in candidates:
        # before the gaps: a column that is of no use must not cost rows
        reason = _useless(table[name][~table.missing(name)])
        if reason:
            left_out.append((name, reason))
        else:
            used.append(name)

    gaps = {name: np.flatnonzero(table.missing(name)) for name in (target, *used)}
    named = tuple(Missing(name, tuple(table.lines[i] for i in rows)) for name, rows in gaps.items() if rows.size)
    if named and missing == "refuse":
        raise DataError(f"{table.source}: values are missing: {'; '.join(str(gap) for gap in named)}")
    keep = np.ones(len(table), dtype=bool)
    for rows in gaps.values():
        keep[rows] = False
    if not keep.any():
        raise DataError(f"{table.source}: every row has a missing value; the most are in "
                        f"{max(named, key=lambda gap: len(gap.lines))}: ignore such columns")

    y = table.numbers(target)[keep]
    if y.min() == y.max():
        raise DataError(f"{table.source}: the target {target!r} is constant ({y[0]:g} in all {y.size} rows used)")
    columns: list[NDArray[Any]] = []
    names: list[str] = []
    bases: list[str] = []
    for name in used:
        values = table[name][keep]
        reason = _useless(values)
        if reason:
            left_out.append((name, f"{reason} once rows with missing values are dropped"))
        elif values.dtype == np.float64:
            columns.append(values)
            names.append(name)
        else:
            levels = np.unique(values)
            columns += [(values == level).astype(np.float64) for level in levels[1:]]
            names += [f"{name}={level}" for level in levels[1:]]
            bases.append(f"{name}={levels[0]}")
    if not columns:
        why = "; ".join(f"{name!r} {reason}" for name, reason in left_out)
        raise DataError(f"{table.source}: no feature is left to predict {target!r} from" + (f": {why}" if why else ""))
    lines = tuple(line for line, kept in zip(table.lines, keep, strict=True) if kept)
    return Design(np.stack(columns, axis=1), y, tuple(names), target, tuple(bases), lines, named,
                  int(np.sum(~keep)), tuple(left_out))


def constant_columns(X: NDArray[Any]) -> NDArray[Any]:
    """True for each column of X (rows, columns) that has one value only: nothing can be learned from it."""
    constant: NDArray[Any] = X.min(axis=0) == X.max(axis=0)
    return constant


def _useless(values: NDArray[Any]) -> str | None:
    """Why nothing can be learned from a column of numbers or of texts without gaps; None where something can."""
    if not values.size:
        return "has no value in any row"
    levels = np.unique(values)
    if levels.size == 1:
        return f"is constant ({levels[0]:g})" if values.dtype == np.float64 else f"is constant ({str(levels[0])!r})"
    if values.dtype != np.float64 and 2 * levels.size > values.size:
        return f"has {levels.size} different texts in {values.size} rows"
    return None


def _check_target(table: Table, target: str) -> None:
    table.require(target)
    text = table.first_text(target)
    if text is not None and table.kind(target) == "category":  # kind raises where most cells are numbers
        raise table.error(target, text[1], f"{text[0]!r} is not a number, but a target must be "
                                           "(predicting classes is not offered)")
    if table.kind(target) == "empty":
        raise DataError(f"{table.source}: the target {target!r} has no value in any row")


def _candidates(table: Table, target: str, features: Sequence[str] | None, ignore: Sequence[str]) -> list[str]:
    for name in (*(features or ()), *ignore):
        table.require(name)
    if target in (features or ()):
        raise DataError(f"{table.source}: {target!r} is the target, so it can't be a feature as well")
    both = [name for name in ignore if name == target or name in (features or ())]
    if both:
        used = "the target" if both[0] == target else "asked for as a feature"
        raise DataError(f"{table.source}: {both[0]!r} is {used}, so it can't be ignored as well")
    wanted = table.names if features is None else tuple(dict.fromkeys(features))
    return [name for name in wanted if name != target and name not in ignore]
