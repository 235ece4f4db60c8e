"""What a check found: a verdict for each number that was compared, rows for the inputs, and a table that says it in words.

    ok           the backward pass and the values agree, within a bound that is small beside the gradient
    wrong        they differ by more than the bound
    kink         the slopes on the two sides differ, and the gradient lies between them: named, and no failure
    cannot tell  the bound is not small beside the gradient, so that agreement would prove nothing: named, counted, and no failure
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

__all__ = ["COMPLEX", "DIFFERENCES", "KINK", "OK", "UNKNOWN", "WRONG", "Entry", "Report", "Row", "row"]

OK, WRONG, KINK, UNKNOWN = "ok", "wrong", "kink", "cannot tell"
DIFFERENCES, COMPLEX = "differences", "complex step"
SHOWN = 6  # entries of one verdict that a table names for one input


@dataclass(frozen=True)
class Entry:
    """One number of the backward pass, the same number from the values, and how far apart they may be."""

    index: tuple[int, ...] | None  # None: a random direction through the whole input, or the culprit could not be found
    analytic: float
    numeric: float
    allowed: float
    verdict: str
    method: str = DIFFERENCES
    slopes: tuple[float, float] | None = None  # where they differ, the one to the left and the one to the right

    @property
    def excess(self) -> float:
        """|analytic - numeric| in units of what is allowed; nan counts as the largest."""
        error = abs(self.analytic - self.numeric)
        return error / max(self.allowed, float(np.finfo(float).tiny)) if error == error else float("inf")

    def __str__(self) -> str:
        place = "along a random direction" if self.index is None else f"at {list(self.index)}"
        if self.slopes is not None:
            return f"{place}: backward {self.analytic:.6g}, the slopes on the two sides {self.slopes[0]:.6g} and {self.slopes[1]:.6g}"
        return f"{place}: backward {self.analytic:.6g}, {self.method} {self.numeric:.6g} +- {self.allowed:.1e}"


@dataclass(frozen=True)
class Row:
    """What was found for one input. index, analytic, numeric, allowed: of the entry that is furthest off, relative to what is allowed there."""

    name: str
    entries: int  # numbers compared: entries of the input, or random directions through it
    wrong: int
    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    allowed: float
    relative_error: float  # largest |analytic - numeric| of the input over its largest gradient, of what could be told
    kinks: int = 0
    untold: int = 0
    findings: tuple[Entry, ...] = ()  # every entry that is not ok
    method: str = DIFFERENCES
    used: tuple[str, ...] = ()  # the calls that take this input, each with the user's line, where it is wrong and no rule is

    @property
    def verdict(self) -> str:
        return WRONG if self.wrong else KINK if self.kinks else UNKNOWN if self.untold else OK


def row(name: str, entries: list[Entry], method: str) -> Row:
    """The Row of an input, from all that was compared of it."""
    if not entries:
        return Row(name, 0, 0, (), 0.0, 0.0, 0.0, 0.0, method=method)
    count = Counter([entry.verdict for entry in entries])
    rank = [(entry.verdict == WRONG, entry.verdict == OK, entry.index is not None, entry.excess) for entry in entries]
    worst = entries[max(range(len(entries)), key=rank.__getitem__)]
    told = [entry for entry in entries if entry.verdict in (OK, WRONG)]
    largest = max([abs(entry.numeric) for entry in told], default=0.0)
    error = float(np.max([abs(entry.analytic - entry.numeric) for entry in told], initial=0.0))
    return Row(name, len(entries), count[WRONG], worst.index, worst.analytic, worst.numeric, worst.allowed, error / (largest or 1.0),
               count[KINK], count[UNKNOWN], tuple([entry for entry in entries if entry.verdict != OK]), method)


@dataclass(frozen=True)
class Report:
    """The result of a check: true where nothing is wrong. `print` it for a table; `rows` has the numbers."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()  # what was done to the inputs or the function so that it could be checked
    causes: tuple[str, ...] = ()  # the wrong rules by op and line, where each op could be asked alone
    unit: str = "entries"  # or "random directions"

    @property
    def ok(self) -> bool:
        return not any(row.wrong for row in self.rows)

    @property
    def counts(self) -> dict[str, int]:
        """How many numbers got each verdict."""
        entries, wrong, kinks, untold = (sum(getattr(row, field) for row in self.rows) for field in ("entries", "wrong", "kinks", "untold"))
        return {OK: entries - wrong - kinks - untold, WRONG: wrong, KINK: kinks, UNKNOWN: untold}

    @property
    def max_relative_error(self) -> float:
        """The largest error over all inputs, relative to the largest gradient of its input; nan counts as the largest."""
        return float(np.max([row.relative_error for row in self.rows], initial=0.0))

    def __bool__(self) -> bool:
        return self.ok

    def verdict(self) -> str:
        """One line: "3 of 9 entries differ from finite differences, 1 is at a kink, 2 could not be told, largest relative error 1.2e+00"."""
        counts, total = self.counts, sum(row.entries for row in self.rows)
        if counts[WRONG]:
            said = [f"{counts[WRONG]} of {total} {self.unit} differ from finite differences"]
        elif counts[OK] == total:
            said = [f"all {total} {self.unit} agree with finite differences"]
        else:
            said = [f"{counts[OK]} of {total} {self.unit} agree with finite differences"]
        if counts[KINK]:
            said.append(f"{counts[KINK]} {'is' if counts[KINK] == 1 else 'are'} at a kink")
        if counts[UNKNOWN]:
            said.append(f"{counts[UNKNOWN]} could not be told")
        return ", ".join([*said, f"largest relative error {self.max_relative_error:.1e}"])

    def table(self) -> str:
        """The verdict; a line for each input with its worst entry and how it was found; then every entry that is not ok, and why."""
        width = max([len(row.name) for row in self.rows] + [5])
        lines = [self.verdict(), f"  {'input':{width}}  {'entries' if self.unit == 'entries' else '   ways'}  wrong  kink  untold  worst at      "
                                 "backward       numeric  allowed error  by"]
        for row in self.rows:
            place = "all" if row.index is None else str(list(row.index))
            lines.append(f"  {row.name:{width}}  {row.entries:7}  {row.wrong:5}  {row.kinks:4}  {row.untold:6}  {place:10} {row.analytic:11.4e}   "
                         f"{row.numeric:11.4e}  {row.allowed:13.1e}  {row.method}")
        for kind in (WRONG, KINK, UNKNOWN):
            for row in self.rows:
                found = list(dict.fromkeys([str(entry) for entry in row.findings if entry.verdict == kind]))
                lines += [f"  {kind:11}  {row.name} {entry}" for entry in found[:SHOWN]]
                if len(found) > SHOWN:
                    lines.append(f"  {kind:11}  {row.name}: and {len(found) - SHOWN} more")
        lines += [f"  {row.name} goes into {call}" for row in self.rows for call in row.used]
        lines += [f"  wrong rule   {cause}" for cause in self.causes]
        return "\n".join([*lines, *[f"  note: {note}" for note in self.notes]])

    __str__ = table
