"""Python text for values that a program uses as they are and for its buffers, and text broken into lines of 120 characters."""

import builtins
import math
from typing import Any

import numpy as np

from ..memory import Buffer

__all__ = ["allocation", "dtype_word", "literal", "scalar_word", "wrapped"]

WIDTH = 120
LIMIT = 4096  # entries of an array that is written out


def literal(x: Any) -> str | None:
    """An expression that gives `x` again where `np` is NumPy; None where there is none."""
    if x is None or x is Ellipsis or isinstance(x, bool) or type(x) in (int, str, bytes, range):
        return "..." if x is Ellipsis else repr(x)
    if type(x) is float:
        return repr(x) if x - x == 0 else "np.nan" if x != x else "np.inf" if x > 0 else "-np.inf"
    if type(x) in (tuple, list, dict, slice):
        return _nested(x)
    if isinstance(x, np.generic):
        item = literal(x.item())
        return f"np.{x.dtype.name}({item})" if item is not None and x.dtype.kind in "biuf" else None
    if isinstance(x, np.dtype):
        return f"np.dtype({x.str!r})" if x.kind in "biufc" else None
    if isinstance(x, np.ndarray):
        if x.dtype.kind not in "biuf" or x.size > LIMIT:
            return None
        return f"np.array({literal(x.tolist())}, {dtype_word(x.dtype)})" if x.size else f"np.zeros({x.shape}, {dtype_word(x.dtype)})"
    return _of_numpy(x)


def _nested(x: Any) -> str | None:
    if type(x) is dict:
        pairs = [(literal(key), literal(value)) for key, value in x.items()]
        return None if any(None in pair for pair in pairs) else "{" + ", ".join([f"{key}: {value}" for key, value in pairs]) + "}"
    words = [literal(part) for part in ((x.start, x.stop, x.step) if type(x) is slice else x)]
    if None in words:
        return None
    inside = ", ".join([str(word) for word in words])
    return f"slice({inside})" if type(x) is slice else f"[{inside}]" if type(x) is list else f"({inside}{',' * (len(words) == 1)})"


def _of_numpy(x: Any) -> str | None:
    """np.exp, np.add.reduce, np.linalg.qr, np.float32; and what Python has without an import."""
    name = getattr(x, "__name__", None)
    if name is None:
        return None
    if isinstance(owner := getattr(x, "__self__", None), np.ufunc):
        word = _of_numpy(owner)
        return None if word is None else f"{word}.{name}"
    name = str(name)
    for place, module in (("", builtins), ("np.", np), ("np.linalg.", np.linalg), ("np.fft.", np.fft)):
        if getattr(module, name, None) is x:
            return place + name
    return None


def dtype_word(dtype: Any) -> str:
    return f"np.{dtype.name}" if dtype.kind in "biufc" and dtype.isnative else f"np.dtype({dtype.str!r})"


def scalar_word(x: Any) -> str:
    """The shortest number that is `x`, a NumPy scalar or 0-d array, in its dtype: 0.02, where float() would say 0.019999999552965164."""
    item = x.item()
    if x.dtype.kind == "f" and item - item == 0:
        short = str(x.dtype.type(item))
        if x.dtype.type(float(short)) == item:
            return short
    word = literal(item)
    assert word is not None
    return word


def allocation(buffer: Buffer) -> str:
    """The line that makes a buffer, or shows it in the memory of another."""
    if buffer.whole is not buffer:
        flat = buffer.whole.name if len(buffer.whole.shape) == 1 else f"{buffer.whole.name}.reshape(-1)"
        part = flat if buffer.whole.size == buffer.size else f"{flat}[:{buffer.size}]"
        return f"{buffer.name} = {part}" + (f".reshape{buffer.shape}" if len(buffer.shape) != 1 else "")
    if buffer.usual:
        return f"{buffer.name} = np.empty({buffer.shape}, {dtype_word(buffer.dtype)})"
    inverse = tuple(int(i) for i in np.argsort(buffer.axes))
    return f"{buffer.name} = np.empty({tuple(buffer.shape[i] for i in buffer.axes)}, {dtype_word(buffer.dtype)}).transpose({inverse})"


def wrapped(code: str, indent: int = 0, width: int = WIDTH) -> list[str]:
    """`code` with `indent` spaces before it, in lines of at most `width` where its brackets allow."""
    lines, start = [], " " * indent
    while len(start) + len(code) > width:
        cut = _last_break(code, width - len(start))
        if cut is None:
            break
        lines.append(start + code[:cut].rstrip())
        code = code[cut:].lstrip()
        start = " " * (indent + 4)
    return [*lines, start + code]


def _last_break(code: str, room: int) -> int | None:
    """Where a line of at most `room` may end: after a comma or an operator, in as few brackets as the second half of the line allows.

    `code` may begin inside brackets: those that it closes more than it opens. Strings are left whole.
    """
    depths = _depths(code)
    outside = min(0, *[d for d in depths if d > -math.inf])
    places = [i for i in range(1, len(code)) if code[i] == " " and code[i - 1] in ",+-*/" and depths[i] > outside]
    fits = [i for i in places if i < room]
    if not fits:
        return places[0] if places else None
    late = [i for i in fits if i > room // 2] or fits
    shallow = min(depths[i] for i in late)
    return max(i for i in late if depths[i] == shallow)


def _depths(code: str) -> list[float]:
    """How many brackets are open around each character, counted from the first; inside strings, as if there were none."""
    depth, quote, skip = 0, "", False
    depths: list[float] = []
    for c in code:
        if skip:
            skip = False
        elif quote:
            skip = c == "\\"
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        depths.append(-math.inf if quote else depth)
    return depths
