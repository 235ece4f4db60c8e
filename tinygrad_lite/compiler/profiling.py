"""Where the time of a program goes: each line of its text, timed on copies of what it works on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

from .entry import Bound
from .instrument import on_copies, statements
from .program import Call

__all__ = ["Line", "Profile", "profile"]

SECONDS = 0.3  # how long to measure, where the user does not say how often
MOST = 1000


@dataclass(frozen=True)
class Line:
    """One line of the program."""

    number: int  # in the program's text
    text: str
    seconds: float  # median of the runs
    share: float  # of all lines
    nbytes: int  # read and written
    op: str = ""  # the row of the table that it comes from
    path: str = ""  # of the module
    origin: str = ""  # the user's line


@dataclass(frozen=True)
class Profile:
    """lines: in the order of the program. seconds: of a run that nothing measures, the median of `repeat`."""

    name: str
    lines: tuple[Line, ...]
    seconds: float
    repeat: int

    def by(self, key: str) -> dict[str, float]:
        """Seconds for each "op", "path" or "origin", the most first; "" is what has none."""
        if key not in ("op", "path", "origin"):
            raise ValueError(f"a profile is summed by 'op', 'path' or 'origin', not by {key!r}")
        sums: dict[str, float] = {}
        for line in self.lines:
            sums[getattr(line, key)] = sums.get(getattr(line, key), 0.0) + line.seconds
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    def table(self, most: int | None = 20, order: str = "time") -> str:
        """Lines as text: the `most` that take longest, or in the order of the program (order="program")."""
        if order not in ("time", "program"):
            raise ValueError(f"lines are in the order of 'time' or of the 'program', not {order!r}")
        chosen = sorted(self.lines, key=lambda line: -line.seconds)[:most]
        if order == "program":
            chosen.sort(key=lambda line: line.number)
        width = min(60, max([len(line.text) for line in chosen] or [4]))
        rows = [f"{self.name}: {_time(self.seconds)} a run, median of {self.repeat}",
                f"  {'time':>8} share {'bytes':>8}  {'line':<{width}}  module, op"]
        for line in chosen:
            text = line.text if len(line.text) <= width else line.text[:width - 3] + "..."
            where = " ".join(filter(None, [line.path, line.op]))
            rows.append(f"  {_time(line.seconds):>8} {line.share:5.0%} {_size(line.nbytes):>8}  {text:<{width}}  {where}".rstrip())
        if len(chosen) < len(self.lines):
            rest = sum(line.seconds for line in self.lines) - sum(line.seconds for line in chosen)
            rows.append(f"  {_time(rest):>8}                 in {len(self.lines) - len(chosen)} more lines")
        return "\n".join(rows)

    def __str__(self) -> str:
        return self.table()


def profile(bound: Bound, inputs: Sequence[Any], repeat: int | None) -> Profile:
    """Run the program of `bound` on copies."""
    if repeat is not None and repeat < 1:
        raise ValueError(f"repeat is 1 or more, not {repeat}")
    step, _, _ = on_copies(bound.program, bound.source)
    given = [x.copy() for x in inputs]
    step(*given)
    start = perf_counter()
    step(*given)
    times = repeat or max(3, min(MOST, int(SECONDS / max(perf_counter() - start, 1e-6))))
    seconds = median([_timed(step, given) for _ in range(times)])
    return Profile(bound.program.name, _lines(bound, given, times), seconds, times)


def _timed(step: Callable[..., Any], given: Sequence[Any]) -> float:
    start = perf_counter()
    step(*given)
    return perf_counter() - start


def _lines(bound: Bound, given: Sequence[Any], times: int) -> tuple[Line, ...]:
    run: dict[int, float] = {}
    last = 0.0

    def observe(number: int) -> None:
        nonlocal last
        run[number] = run.get(number, 0.0) + perf_counter() - last
        last = perf_counter()

    step, _, _ = on_copies(bound.program, bound.source, observe)
    runs: list[dict[int, float]] = []
    for _ in range(times + 1):  # the first is left out
        run = {}
        last = perf_counter()
        step(*given)
        runs.append(run)
    spent = {number: median([r[number] for r in runs[1:]]) for number in runs[0]}
    empty = _overhead()
    spent = {number: max(0.0, seconds - empty) for number, seconds in spent.items()}
    total = sum(spent.values()) or 1.0
    calls = {number: call for call, number in bound.source.lines.items()}
    text = statements(bound.source)
    lines = []
    for number, seconds in spent.items():
        call = calls.get(number)
        place = (call.op, call.path, call.line) if call else ("", "", "")
        lines.append(Line(number, text[number], seconds, seconds / total, _moved(call) if call else 0, *place))
    return tuple(lines)


def _overhead() -> float:
    """What an observer alone takes."""
    times, last = [], perf_counter()
    for _ in range(200):
        now = perf_counter()
        times.append(now - last)
        last = perf_counter()
    return min(times)


def _moved(call: Call) -> int:
    values = {id(v): v for v in [*call.inputs, *call.outputs] if call.function.kind != "view"}
    return sum(v.size * v.dtype.itemsize for v in values.values())


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _size(nbytes: int) -> str:
    return f"{nbytes} B" if nbytes < 10_000 else f"{nbytes / 1e3:.0f} kB" if nbytes < 10_000_000 else f"{nbytes / 1e6:.0f} MB"
