"""How wide text is, from the widths of Helvetica (Arial's are the same), so that a picture needs no font to be laid out."""

import unicodedata

__all__ = ["shortened", "tables", "width"]

# Adobe's Helvetica and Helvetica-Bold, in thousandths of the size, for the characters from space to tilde
_PLAIN = (278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, *[556] * 10, 278, 278, 584, 584, 584, 556,
          1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611,
          278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556,
          500, 722, 500, 500, 500, 334, 260, 334, 584)
_BOLD = (278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, *[556] * 10, 333, 333, 584, 584, 584, 611,
         975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611,
         333, 278, 333, 584, 556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556, 333, 611,
         556, 778, 556, 556, 500, 389, 280, 389, 584)
_OTHER = {"×": 584, "−": 584, "÷": 584, "·": 278, "…": 1000, "→": 1000, "∇": 713, "²": 333, "µ": 556}


def width(text: str, size: float, bold: bool = False) -> float:
    """Of one line of text, in the unit of `size`."""
    table = _BOLD if bold else _PLAIN
    return sum([table[ord(c) - 32] if " " <= c <= "~" else _wide(c) for c in text]) * size / 1000


def tables(text: str) -> dict[str, object]:
    """What it takes to measure words made of the characters in `text`: thousandths of the size, plain and bold; and beyond ASCII."""
    return {"plain": _PLAIN, "bold": _BOLD, "other": {c: _wide(c) for c in sorted(set(text)) if not " " <= c <= "~"}}


def _wide(c: str) -> int:
    if c in _OTHER:
        return _OTHER[c]
    return 0 if unicodedata.combining(c) else 1000 if unicodedata.east_asian_width(c) in "WF" else 667


def shortened(text: str, size: float, room: float, bold: bool = False) -> str:
    """The text, or as much of it as fits into `room`, with … for the rest."""
    if width(text, size, bold) <= room:
        return text
    while text and width(text + "…", size, bold) > room:
        text = text[:-1]
    return text + "…"
