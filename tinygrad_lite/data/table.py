"""A table of text cells read from CSV, with each column known as numbers, as categories or as empty.
A column is judged only when somebody asks for it, so that a bad cell in a column nobody uses stops nobody.

Errors are one sentence each and name the file, the column and the line. A line is counted as an editor counts it: the
column names are on line 1 (where no blank line is above them).
"""

from __future__ import annotations

import csv
import difflib
import io
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

__all__ = ["MISSING_WORDS", "Table", "parse_table", "read_table"]

MISSING_WORDS = ("", "NA", "N/A", "NaN", "null", "?")  # in upper or lower case
_MISSING = frozenset(word.lower() for word in MISSING_WORDS)
_DELIMITERS = ",;\t|"
_COMMA_NUMBER = re.compile(r"[+-]?\d+(,\d+)+")  # 3,14 or 1,234: read as text, never guessed at

Kind = Literal["number", "category", "empty"]


@dataclass(frozen=True)
class _Scan:
    """What one pass over a column found: its numbers (nan elsewhere), its gaps, its texts."""

    numbers: NDArray[Any]
    missing: NDArray[Any]
    texts: list[int]  # row indices of the cells that are neither missing nor a number

    @property
    def count(self) -> int:
        """How many cells are numbers."""
        return self.numbers.size - int(self.missing.sum()) - len(self.texts)


class Table:
    """Named columns of text cells, all of one length.

    `table["mass"]` is float64 with nan where a number is missing, or an array of str with "" where a category is.
    `names` are in the file's order; `lines[i]` is the file's line of row i; `source` is what errors call the file."""

    def __init__(self, source: str, names: Sequence[str], columns: Sequence[list[str]], lines: Sequence[int]) -> None:
        self.source = source
        self.names = tuple(names)
        self.lines = tuple(lines)
        self._cells = dict(zip(self.names, columns, strict=True))
        self._scans: dict[str, _Scan] = {}

    def __len__(self) -> int:
        return len(self.lines)

    def __repr__(self) -> str:
        return f"<Table {self.source}: {len(self)} rows, columns {', '.join(self.names)}>"

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.categories(name) if self.kind(name) == "category" else self._scan(name).numbers

    def kind(self, name: str) -> Kind:
        """Numbers, categories, or empty where every cell is missing.

        A column with numbers and texts is categories only where texts are the greater part; otherwise the texts are
        taken for mistakes. Raises DataError for that, for decimal commas, for inf, and for no such column."""
        scan = self._scan(name)
        if not scan.texts:
            if not scan.count:
                return "empty"
            self.numbers(name)  # refuses inf
            return "number"
        if scan.count >= len(scan.texts):
            self._refuse_text(name, scan)
        commas = [i for i in scan.texts if _COMMA_NUMBER.fullmatch(self._cells[name][i])]
        if 2 * len(commas) > len(scan.texts):
            raise self.error(name, commas[0], f"{_quote(self._cells[name][commas[0]])} has a comma in a number: "
                                              "write a decimal point and no thousands separator")
        return "category"

    def numbers(self, name: str) -> NDArray[Any]:
        """The column as float64, nan where it is missing. Raises DataError at the first cell that is no number."""
        scan = self._scan(name)
        if scan.texts:
            self._refuse_text(name, scan)
        infinite = np.flatnonzero(np.isinf(scan.numbers))
        if infinite.size:
            raise self.error(name, infinite[0], f"{_quote(self._cells[name][infinite[0]])} is not a finite number")
        return scan.numbers

    def categories(self, name: str) -> NDArray[Any]:
        """The column as text, whatever it holds, "" where it is missing."""
        scan = self._scan(name)
        cells = self._cells[name]
        return np.array(["" if gap else cell for cell, gap in zip(cells, scan.missing, strict=True)], dtype=np.str_)

    def missing(self, name: str) -> NDArray[Any]:
        """True where the column's cell is one of `MISSING_WORDS`."""
        return self._scan(name).missing

    def require(self, name: str) -> str:
        """`name`, where there is such a column. Raises DataError with the nearest names where there is none."""
        if name in self._cells:
            return name
        folded: dict[str, str] = {known.lower(): known for known in reversed(self.names)}
        near = [folded[word] for word in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.5)]
        near = near or [known for known in self.names if name and name.lower() in known.lower()][:3]
        if near:
            raise DataError(f"{self.source}: there is no column {name!r}; did you mean {_listed(near, 'or')}?")
        raise DataError(f"{self.source}: there is no column {name!r}; the columns are {_listed(self.names[:12], 'and')}"
                        + (f" and {len(self.names) - 12} more" if len(self.names) > 12 else ""))

    def error(self, name: str, row: int, what: str) -> DataError:
        """An error to raise about one cell."""
        return DataError(f"{self.source}: column {name!r}, line {self.lines[row]}: {what}")

    def first_text(self, name: str) -> tuple[str, int] | None:
        """The first cell that is neither a number nor missing, with its row; None where there is none."""
        texts = self._scan(name).texts
        return (self._cells[name][texts[0]], texts[0]) if texts else None

    def _refuse_text(self, name: str, scan: _Scan) -> None:
        cell, others = self._cells[name][scan.texts[0]], len(scan.texts) - 1
        more = f" ({others} more cell{'s' if others > 1 else ''} like it)" if others else ""
        raise self.error(name, scan.texts[0], f"{_quote(cell)} is not a number{more}, but {scan.count} cells of the "
                                              f"column {'is' if scan.count == 1 else 'are'}")

    def _scan(self, name: str) -> _Scan:
        self.require(name)
        if name not in self._scans:
            cells = self._cells[name]
            numbers = np.full(len(cells), np.nan)
            missing = np.zeros(len(cells), dtype=bool)
            texts = []
            for i, cell in enumerate(cells):
                if cell.lower() in _MISSING:
                    missing[i] = True
                elif (number := _number(cell)) is None:
                    texts.append(i)
                else:
                    numbers[i] = number
            self._scans[name] = _Scan(numbers, missing, texts)
        return self._scans[name]


def read_table(path: str | os.PathLike[str]) -> Table:
    """The table in a CSV file: UTF-8 (with or without a byte order mark), column names first, delimiter found out.

    Raises DataError, in one sentence, where it can't be read as one."""
    source = os.fspath(path)
    try:
        with open(source, "rb") as file:
            raw = file.read()
    except OSError as error:
        raise DataError(f"cannot read {source}: {error.strerror or error}") from error
    if raw.startswith(b"PK\x03\x04"):
        raise DataError(f"{source} is a zip archive or an Excel workbook: save the sheet as CSV")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # the decoder counts from after a byte order mark
        at = error.start + (3 if raw.startswith(b"\xef\xbb\xbf") else 0)
        line = raw.count(b"\n", 0, at) + 1
        raise DataError(f"{source}, line {line}: byte 0x{raw[at]:02x} is not UTF-8: save the file as UTF-8") from None
    return parse_table(text, source)


def parse_table(text: str, source: str = "table") -> Table:
    """The table in CSV text; `source` is its name in errors. Blanks around cells and blank lines are dropped.

    Raises DataError for no text, no rows, no or doubled column names, and rows longer or shorter than the first."""
    delimiter = _find_delimiter(text)
    try:
        records = list(_records(text, delimiter))
    except csv.Error as error:
        raise DataError(f"{source} is not a readable CSV file: {error}") from None
    if not records:
        raise DataError(f"{source} is empty: its first line must hold the column names")
    (_, header), rows = records[0], records[1:]
    if all(name and _number(name) is not None for name in header):
        raise DataError(f"{source}: the first line holds only numbers ({_quote(delimiter.join(header))}): it must hold "
                        "the column names")
    names = [name or f"column {i}" for i, name in enumerate(header, 1)]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise DataError(f"{source}: two columns are named {name!r} (columns {names.index(name) + 1} and {i + 1})")
    for line, row in rows:
        if len(row) != len(names):
            has, wants = _plural(len(row), "cell"), _plural(len(names), "column")
            raise DataError(f"{source}, line {line}: {has}, but the first line names {wants}")
    if not rows:
        raise DataError(f"{source} has column names but no rows")
    columns = [list(column) for column in zip(*(row for _, row in rows), strict=True)]
    unnamed = [i for i, name in enumerate(header) if not name and _counts_rows(columns[i])]
    keep = [i for i in range(len(names)) if i not in unnamed]  # the row numbers that R and pandas write
    return Table(source, [names[i] for i in keep], [columns[i] for i in keep], [line for line, _ in rows])


def _records(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """(line, stripped cells) of each record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    found, line = [], 1
    for record in reader:
        cells = [cell.strip() for cell in record]
        if len(cells) > 1 or any(cells):
            found.append((line, cells))
        line = reader.line_num + 1  # a quoted cell may span lines: the next record begins after the last of them
    return found


def _find_delimiter(text: str, sample: int = 20) -> str:
    """Of comma, semicolon, tab and bar, the one that cuts the most of the first lines like the first one.

    On a tie the one that makes more columns; a comma where none makes two."""
    head = "".join(text.splitlines(keepends=True)[: sample + 1])
    best, best_score = ",", (0.0, 1)
    for delimiter in _DELIMITERS:
        try:
            widths = [len(cells) for _, cells in _records(head, delimiter)]
        except csv.Error:
            continue
        if widths and widths[0] > 1:
            score = (widths.count(widths[0]) / len(widths), widths[0])
            best, best_score = (delimiter, score) if score > best_score else (best, best_score)
    return best


def _number(cell: str) -> float | None:
    """The number a cell spells, or None. 1_000 is a number to Python only; nan is a missing value, not a number."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return None if "_" in cell or math.isnan(number) else number


def _counts_rows(column: list[str]) -> bool:
    """Whether the cells read 0, 1, 2... or 1, 2, 3..."""
    return any(all(cell == str(i) for i, cell in enumerate(column, start)) for start in (0, 1))


def _quote(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")


def _listed(names: Sequence[str], word: str) -> str:
    quoted = [repr(name) for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {word} {quoted[-1]}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
