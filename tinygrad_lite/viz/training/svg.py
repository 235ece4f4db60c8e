"""The curves of a training as a small SVG of our own ink: with NumPy alone, for every machine, browser, notebook and README.

Presentation attributes only, no CSS and no script; names are data and are escaped. The same history gives the same bytes.
"""

import math
from html import escape
from typing import Any

import numpy as np

from .panels import BLUE, GRID, HELD_OUT, INK, ORANGE, SOFT, Chart, History, Panel, Series, chart, number

__all__ = ["curves_svg"]

WIDTH, LEFT, RIGHT = 720, 64, 24
TALL, LOW, HEAD, FOOT = 190, 96, 44, 46  # heights: the plot of a loss, of anything else, the room above a plot, below the last
LETTER = 0.54  # width of a letter of Helvetica, about, in its size


def curves_svg(history: History, title: str | None = None) -> str:
    """The panels that `curves` draws, as the text of an SVG file.

    history: a mapping of names to lists, or a path to a CSV such as the main job's history.csv. Raises as `curves` does, but for matplotlib.
    """
    data = chart(history)
    top = 34.0 if title else 6.0
    heights = [TALL if i == 0 or panel.lowest else LOW for i, panel in enumerate(data.panels)]
    height = top + sum(heights) + HEAD * len(heights) + FOOT
    what = title or ", ".join(panel.title for panel in data.panels)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{_f(height)}" viewBox="0 0 {WIDTH} {_f(height)}" '
             f'role="img" font-family="Helvetica, Arial, sans-serif" font-size="12">',
             f"<title>{escape(f'{what} by {data.clock}')}</title>", f'<rect width="{WIDTH}" height="{_f(height)}" fill="#ffffff"/>']
    if title:
        lines.append(_text(LEFT, 26, title, INK, size=15, bold=True))
    for panel, tall in zip(data.panels, heights, strict=True):
        lines += _Axes(data, panel, top + HEAD, tall).draw()
        top += HEAD + tall
    return "\n".join([*lines, *_foot(data, top), "</svg>"]) + "\n"


class _Axes:
    """One panel, its plot's upper edge at `top`: from values to places on the page."""

    def __init__(self, data: Chart, panel: Panel, top: float, height: float) -> None:
        self.data, self.panel, self.top, self.height = data, panel, top, height
        low, high = (math.log10(v) for v in panel.limits) if panel.log else panel.limits
        spread = high - low if high - low > 1e-9 * max(abs(low), abs(high)) else 0.0  # less than that no axis can tell apart
        margin = spread * 0.06 or abs(high) * 0.1 or 1.0
        self.low, self.high = low - margin, high + margin

    def y(self, value: Any) -> Any:
        value = np.log10(value) if self.panel.log else value
        return self.top + self.height * (self.high - value) / (self.high - self.low)

    def draw(self) -> list[str]:
        bottom = self.top + self.height
        lines = []
        for value, label in _log_ticks(self.low, self.high) if self.panel.log else _ticks(self.low, self.high, self.height / 32):
            y = self.y(value)
            lines += [f'<line x1="{LEFT}" y1="{_f(y)}" x2="{WIDTH - RIGHT}" y2="{_f(y)}" stroke="{GRID}"/>',
                      _text(LEFT - 8, y + 4, label, SOFT, size=11, anchor="end")]
        for value, _ in _time_ticks(self.data):
            x = _x(self.data, value)
            lines.append(f'<line x1="{_f(x)}" y1="{_f(bottom)}" x2="{_f(x)}" y2="{_f(bottom + 4)}" stroke="{SOFT}"/>')
        lines.append(f'<line x1="{LEFT}" y1="{_f(bottom)}" x2="{WIDTH - RIGHT}" y2="{_f(bottom)}" stroke="{SOFT}"/>')
        for s in self.panel.series:
            lines += self._line(s)
        if self.panel.lowest:
            lines.append(_ring(_x(self.data, self.panel.lowest[0]), self.y(self.panel.lowest[1])))
        return lines + self._legend()

    def _line(self, s: Series) -> list[str]:
        """A path for each stretch of finite values; a lone value is a dot."""
        finite = np.isfinite(s.y)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], finite.astype(int), [0]])))
        lines = []
        for start, stop in edges.reshape(-1, 2):
            x, y = _x(self.data, s.x[start:stop]), self.y(s.y[start:stop])
            if stop - start == 1:
                lines.append(f'<circle cx="{_f(x[0])}" cy="{_f(y[0])}" r="2" fill="{_colour(s)}"/>')
            else:
                keep = _visible(x, y)
                points = " ".join(f"{_f(a)},{_f(b)}" for a, b in zip(x[keep], y[keep], strict=True))
                lines.append(f'<polyline points="{points}" {_stroke(s)}/>')
        return lines

    def _legend(self) -> list[str]:
        """The title on the left; on the right the lines' names with their last values, and the lowest."""
        y = self.top - 12
        lines = [_text(LEFT, y, self.panel.title, INK, size=13, bold=True)]
        entries: list[tuple[str, Series | None]] = [(s.label, s) for s in self.panel.series]
        if self.panel.lowest:
            entries.append((self.panel.lowest[2], None))
        x = float(WIDTH - RIGHT)
        for label, series in reversed(entries):
            x -= len(label) * 12 * LETTER
            lines.append(_text(x, y, label, INK))
            if series is None:
                lines.append(_ring(x - 9, y - 4))
            else:
                lines.append(f'<line x1="{_f(x - 30)}" y1="{_f(y - 4)}" x2="{_f(x - 6)}" y2="{_f(y - 4)}" {_stroke(series)}/>')
            x -= 30 if series is None else 48
        return lines


def _foot(data: Chart, bottom: float) -> list[str]:
    lines = [_text(_x(data, value), bottom + 18, label, SOFT, size=11, anchor="middle") for value, label in _time_ticks(data)]
    lines.append(_text((LEFT + WIDTH - RIGHT) / 2, bottom + 34, data.clock, SOFT, anchor="middle"))
    if data.notes:
        lines.append(_text(WIDTH - RIGHT, bottom + 34, "; ".join(data.notes), SOFT, anchor="end"))
    return lines


def _x(data: Chart, value: Any) -> Any:
    low, high = data.span
    return LEFT + (WIDTH - RIGHT - LEFT) * ((value - low) / (high - low) if high > low else value * 0 + 0.5)


def _visible(x: Any, y: Any) -> Any:
    """Which points can be told apart: of those in one pixel's column the first, the highest, the lowest and the last."""
    if len(x) <= 2 * WIDTH:
        return np.arange(len(x))
    starts = np.flatnonzero(np.diff(np.floor(x), prepend=-1.0))
    keep: set[int] = set()
    for start, stop in zip(starts, [*starts[1:], len(x)], strict=True):
        keep |= {int(start), int(start + np.argmin(y[start:stop])), int(start + np.argmax(y[start:stop])), int(stop) - 1}
    return np.array(sorted(keep))


def _ticks(low: float, high: float, count: float) -> list[tuple[float, str]]:
    """About `count` multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max(count, 2)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    return [(i * step, f"{i * step:.10g}") for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Powers of ten, every second or third where there are many; 2 and 5 times them where there are few."""
    every = math.ceil((high - low) / 6)
    factors = (1, 2, 5) if high - low < 2.5 else (1,)
    found = [(power, m) for power in range(math.floor(low), math.ceil(high) + 1) for m in factors if not power % every]
    return [(m * 10.0 ** power, f"{m * 10.0 ** power:.10g}" if -4 <= power <= 4 else f"{m}e{power}") for power, m in found
            if low <= power + math.log10(m) <= high]


def _time_ticks(data: Chart) -> list[tuple[float, str]]:
    low, high = data.span
    whole = all(float(s.x[0]).is_integer() for panel in data.panels for s in panel.series)
    if low == high:
        return [(low, number(low))]
    return [(value, label) for value, label in _ticks(low, high, 8) if not whole or float(value).is_integer()]


def _colour(s: Series) -> str:
    return ORANGE if s.name == HELD_OUT else BLUE


def _stroke(s: Series) -> str:
    dash = ' stroke-dasharray="7 3"' if s.name == HELD_OUT else ""
    return f'fill="none" stroke="{_colour(s)}" stroke-width="1.8" stroke-linejoin="round"{dash}'


def _ring(x: float, y: float) -> str:
    return f'<circle cx="{_f(x)}" cy="{_f(y)}" r="4" fill="none" stroke="{INK}" stroke-width="1.3"/>'


def _text(x: float, y: float, text: str, colour: str, *, size: int = 12, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{_f(x)}" y="{_f(y)}" fill="{colour}" font-size="{size}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _f(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
