"""A scene as SVG: presentation attributes only, so that notebooks, GitHub and editors show the same as a browser does.

No style sheet, no DOCTYPE, no script; every word is escaped, and is squeezed into the width it was laid out with where a font is wider.
"""

import math
import re
from collections.abc import Sequence
from html import escape

from ..layout import width
from ..measuring import Numbers
from .faces import BAR, CHIP, EDGE, HEAD, ROW, ChipFace, Face, Verdict, chip_text, chip_width, grad_text, value_text
from .scene import Box, Edge, Key, Place, Scene

__all__ = ["STYLE", "heat_colour", "levels", "look_of", "path", "svg"]

INK, SOFT, LINE, PAPER = "#1F2933", "#52606D", "#7B8794", "#FFFFFF"
BLUE, ORANGE, RED = "#0077BB", "#EE7733", "#CC3311"
VALUE, GRAD = "#2F4B7C", "#7A4FA3"
# look -> (fill, border, width of the border, dashes)
STYLE = {
    "product": ("#DCEBF7", BLUE, 1.4, ""), "function": ("#EDE6F5", "#7A4FA3", 1.2, ""), "entry": ("#F1F3F5", LINE, 1.0, ""),
    "reduce": ("#E3E7EC", "#3E4C59", 1.6, ""), "move": (PAPER, LINE, 1.0, ""), "parameter": ("#FDF0E6", ORANGE, 1.6, ""),
    "data": (PAPER, SOFT, 1.0, "4 3"), "module": ("#E8EEF7", "#3D5A80", 1.2, ""),
    "failed": ("#FBE3DD", RED, 3.2, ""),
    "wrong": ("#FBE3DD", RED, 3.2, ""), "victim": ("#FDF0E6", ORANGE, 2.2, ""), "changed": ("#FDF0E6", ORANGE, 2.2, "6 3"),
    "unknown": ("#ECEEF0", LINE, 1.4, "2 2"), "ok": ("#E1F0FA", BLUE, 1.2, ""), "none": (PAPER, "#B0B8C1", 1.0, "4 3"),
}
GLYPH = {"failed": "cross", "wrong": "cross", "victim": "cross", "changed": "bang", "unknown": "query", "ok": "tick"}
SAID = {"failed": RED, "wrong": RED, "victim": "#B4500F", "changed": "#B4500F", "ok": "#005A8E"}  # a verdict's words: dark enough to read
FAINT, DEEP = (0xF7, 0xFA, 0xFD), (0x8C, 0xC3, 0xE8)  # the ends of a heat scale: both carry dark text


def svg(scene: Scene, ident: str) -> str:
    """The picture. ident: what its ids begin with, so that two pictures can stand on one page."""
    w, h = _n(scene.width), _n(scene.height)
    title = f"{scene.title}. {scene.subtitle}" if scene.subtitle else scene.title
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
             f'font-family="Helvetica, Arial, sans-serif" role="img" id="{ident}"><title>{escape_text(title)}</title>',
             f'<rect width="{w}" height="{h}" fill="{PAPER}"/>',
             _text(20, 26, scene.title, 15, SAID.get(scene.verdict, INK), bold=True)]
    if scene.subtitle:
        parts.append(_text(20, 44, scene.subtitle, 11, SOFT))
    parts += [_box(box, ident) for box in scene.boxes]
    parts += [_edge(edge, ident, scene.sideways) for edge in sorted(scene.edges, key=lambda e: (e.main, e.loop))]
    parts += [_card(place, scene, ident) for place in scene.cards]
    parts += [_edge_label(edge) for edge in scene.edges if edge.label_at is not None]
    parts.append(_legend(scene.legend, scene.height - 22))
    return "\n".join(part for part in parts if part) + "\n</svg>\n"


def _box(box: Box, ident: str) -> str:
    fill = "#F7F9FC" if box.level % 2 == 0 else "#EDF2F8"
    return (f'<g id="{ident}-b{box.number}"><title>{escape_text(box.tip)}</title>'
            f'<rect x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}" rx="8" fill="{fill}" '
            'stroke="#B8C4D8"/>' + _text(box.title_x, box.title_y, box.title, 11, "#3D5A80", bold=True) + "</g>")


# ---- edges

def path(edge: Edge, sideways: bool = False) -> str:
    """The edge as SVG path data: curves leave and arrive vertically, or horizontally; a loop has rounded corners."""
    points = edge.points
    out = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    if edge.loop:
        for before, here, after in zip(points, points[1:], points[2:], strict=False):
            r = min(8.0, *(max(abs(a[0] - here[0]), abs(a[1] - here[1])) / 2 for a in (before, after)))
            out.append(f"L{_towards(here, before, r)}Q{_n(here[0])} {_n(here[1])} {_towards(here, after, r)}")
        return "".join(out) + f"L{_n(points[-1][0])} {_n(points[-1][1])}"
    for (x, y), (x2, y2) in zip(points, points[1:], strict=False):
        if abs(x - x2) < 0.05:
            out.append(f"V{_n(y2)}")
        elif abs(y - y2) < 0.05:
            out.append(f"H{_n(x2)}")
        elif sideways:
            middle = _n((x + x2) / 2)
            out.append(f"C{middle} {_n(y)} {middle} {_n(y2)} {_n(x2)} {_n(y2)}")
        else:
            middle = _n((y + y2) / 2)
            out.append(f"C{_n(x)} {middle} {_n(x2)} {middle} {_n(x2)} {_n(y2)}")
    return "".join(out)


def _towards(here: tuple[float, float], there: tuple[float, float], r: float) -> str:
    far = math.hypot(there[0] - here[0], there[1] - here[1]) or 1.0
    return f"{_n(here[0] + (there[0] - here[0]) * r / far)} {_n(here[1] + (there[1] - here[1]) * r / far)}"


def _edge(edge: Edge, ident: str, sideways: bool) -> str:
    colour, wide = (INK, 1.6) if edge.loop else (("#5F6C7B", 1.8) if edge.main else ("#94A0AD", 1.2))
    x, y = edge.points[-1]
    dashes = ' stroke-dasharray="5 3"' if edge.loop else ""
    return (f'<g id="{ident}-e{_id(edge.source)}-{_id(edge.target)}{"-loop" if edge.loop else ""}"><title>{escape_text(edge.tip)}</title>'
            f'<path d="{path(edge, sideways)}" fill="none" stroke="{colour}" stroke-width="{wide}"{dashes}/>'
            f'<path d="M{_n(x)} {_n(y)}{"l-7 -3.6v7.2z" if sideways else "l-3.6 -7h7.2z"}" fill="{colour}"/></g>')


def _edge_label(edge: Edge) -> str:
    x, y = edge.label_at or (0.0, 0.0)
    wide = width(edge.label, 10) + 8
    return (f'<rect x="{_n(x - wide / 2)}" y="{_n(y - 7.5)}" width="{_n(wide)}" height="15" rx="3" fill="{PAPER}" fill-opacity="0.92"/>'
            + _text(x - wide / 2 + 4, y + 3.5, edge.label, 10, SOFT))


def _id(number: int) -> str:
    return str(number) if number > 0 else f"m{-1 - number}"


# ---- cards

def _card(place: Place, scene: Scene, ident: str) -> str:
    f, x, y = place.face, place.x, place.y
    look = look_of(f, scene.mode)
    fill, border, wide, dashes = STYLE[look]
    if scene.mode == "heat" and f.heat is not None and scene.hot is not None:
        fill, border, wide, dashes = heat_colour(f.heat, *scene.hot, scene.log), "#3D5A80", 1.2, ""
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    round_ = 10 if f.look in ("parameter", "data") else 5
    rect = f'width="{_n(f.width)}" height="{_n(f.height)}" rx="{round_}" fill="{fill}" stroke="{border}"'
    parts = [f'<g id="{ident}-n{_id(f.number)}"><title>{escape_text(f.tip)}</title>']
    if f.stack:
        parts += [f'<rect x="{_n(x + d)}" y="{_n(y - d)}" {rect} stroke-width="1"/>' for d in (6, 3)]
    parts.append(f'<rect x="{_n(x)}" y="{_n(y)}" {rect} stroke-width="{wide}"{dash}/>')
    ink = RED if look in ("wrong", "failed") else INK
    parts.append(_text(x + EDGE, y + 17, f.title, 13, ink, bold=True))
    parts.append(_text(x + f.width - EDGE - width(f.shape, 10), y + 16, f.shape, 10, SOFT))
    if f.badge:
        parts.append(_badge(x + f.width, y, f.badge))
    row = y + HEAD + 10
    for line in f.lines:
        parts.append(_text(x + EDGE, row, line, 10, SOFT))
        row += ROW
    if f.value is not None:
        parts += _numbers(x + EDGE, row, "y", VALUE, f.value, (), value_text(f.value))
        row += ROW
    if grad_text(f):
        parts += _numbers(x + EDGE, row, "∇", GRAD, f.grad, f.grads, grad_text(f))
        row += ROW
    tags = max(map(chip_width, f.chips), default=0.0)
    row += 4 if f.chips else 0
    for chip in f.chips:
        parts.append(_chip(x + EDGE, row, chip, tags, scene.mode))
        row += CHIP
    if f.verdict is not None:
        parts.append(_verdict(x + EDGE, row + 1, f.verdict))
    return "".join(parts) + "</g>"


def look_of(f: Face, mode: str) -> str:
    """Which style a card has in a colour mode: a key of STYLE."""
    if mode == "audit" or (f.verdict is not None and f.verdict.kind == "failed"):
        return f.verdict.kind if f.verdict is not None else "none"
    return f.look if mode == "op" else "none"


def _badge(right: float, y: float, text: str) -> str:
    wide = width(text, 10, True) + 12
    return (f'<rect x="{_n(right - wide + 10)}" y="{_n(y - 10)}" width="{_n(wide)}" height="15" rx="7.5" fill="{INK}"/>'
            + _text(right - wide + 16, y + 1, text, 10, PAPER, bold=True))


def _numbers(x: float, y: float, sign: str, colour: str, n: Numbers | None, grads: Sequence[float], text: str) -> list[str]:
    """A row: sign, histogram or the gradient over the rounds of a repeat, words."""
    parts = [_nabla(x, y, colour) if sign == "∇" else _text(x, y, sign, 10, colour, bold=True)]
    left = x + 14
    shown = levels(n, grads)
    if shown:
        parts.append(_bars(left, y, shown, colour))
        left += BAR + 6
    alarm = n is not None and n.nan and text.startswith("!")
    parts.append(_text(left, y, text, 10, RED if alarm else INK if left == x + 14 and n is not None else SOFT, bold=bool(alarm)))
    return parts


def levels(n: Numbers | None, grads: Sequence[float] = ()) -> list[float]:
    """What the bars of a row show, from 0 to 1: rms in the rounds of a repeat, or a histogram; [] where there is nothing to show."""
    if len(grads) > 1:
        return [_level(g, grads) for g in grads]
    return [count / max(n.bins) for count in n.bins] if n is not None else []


def _bars(x: float, y: float, levels: Sequence[float], colour: str, wide: float = BAR, high: float = 10.0) -> str:
    """A histogram as one path: a bar for each level from 0 to 1, on a line that also shows the empty ones."""
    step = wide / len(levels)
    bars = "".join(f"M{_n(x + i * step)} {_n(y)}v{_n(-max(1.2, level * high))}h{_n(step - 0.6)}V{_n(y)}z" if level else
                   f"M{_n(x + i * step)} {_n(y)}v-0.6h{_n(step - 0.6)}V{_n(y)}z" for i, level in enumerate(levels))
    return f'<path d="{bars}" fill="{colour}"/>'


def _level(x: float, among: Sequence[float]) -> float:
    """On a logarithmic scale of all rounds: vanishing gradients are seen at a glance."""
    known = [math.log10(v) for v in among if v > 0 and math.isfinite(v)]
    if not known or not (x > 0 and math.isfinite(x)):
        return 0.0
    low, high = min(known), max(known)
    return 0.08 + 0.92 * ((math.log10(x) - low) / (high - low) if high > low else 1.0)


def _chip(x: float, y: float, chip: ChipFace, tags: float, mode: str) -> str:
    fill, border, *_ = STYLE["parameter" if mode == "op" else chip.verdict.kind if mode == "audit" and chip.verdict else "none"]
    wide = chip_width(chip)
    parts = [f"<g><title>{escape_text(chip.tip)}</title>"
             f'<rect x="{_n(x)}" y="{_n(y - 11)}" width="{_n(wide)}" height="15" rx="7.5" fill="{fill}" stroke="{border}"/>',
             _text(x + 6, y, chip.label, 10, INK, bold=True), _text(x + wide - 6 - width(chip.shape, 9), y, chip.shape, 9, SOFT)]
    left = x + tags + 8
    for n, colour in ((chip.value, VALUE), (chip.grad, GRAD)):
        if shown := levels(n):
            parts.append(_bars(left, y, shown, colour, BAR / 2 + 4))
        left += BAR / 2 + 7
    if chip.verdict is not None and chip.verdict.kind != "ok" and mode == "audit":
        parts.append(_glyph(x + wide - 2, y - 10, chip.verdict.kind, 4.5))
    return "".join(parts) + _text(left + 1, y, chip_text(chip), 10, SOFT) + "</g>"


def _verdict(x: float, y: float, verdict: Verdict) -> str:
    colour = SAID.get(verdict.kind, SOFT)
    return _glyph(x + 6, y - 4, verdict.kind, 6) + _text(x + 17, y, verdict.text, 10, colour, bold=verdict.kind != "ok")


def _glyph(x: float, y: float, kind: str, r: float) -> str:
    """A sign on a disc, drawn and not written: no font is needed, and it is read without colour."""
    shape = {"tick": "M-3 0.2l2.2 2.4l4 -4.6", "cross": "M-2.4 -2.4l4.8 4.8M2.4 -2.4l-4.8 4.8", "bang": "M0 -3.4v4M0 2.6v0.9",
             "query": "M-1.8 -1.6a1.9 1.9 0 1 1 2.6 1.8q-0.8 0.5 -0.8 1.2M0 3v0.6"}[GLYPH[kind]]
    fill = {"failed": RED, "wrong": RED, "victim": ORANGE, "changed": ORANGE, "ok": BLUE}.get(kind, LINE)
    return (f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(r)}" fill="{fill}"/><path transform="translate({_n(x)} {_n(y)}) scale({_n(r / 6)})" '
            f'd="{shape}" fill="none" stroke="{PAPER}" stroke-width="1.5"/>')


def _nabla(x: float, y: float, colour: str) -> str:
    return f'<path d="M{_n(x)} {_n(y - 7)}h7l-3.5 7z" fill="none" stroke="{colour}" stroke-width="1.3"/>'


# ---- small things

def heat_colour(heat: float, low: float, high: float, log: bool = False) -> str:
    """From pale to blue; one hue, so that it reads in grey. On a logarithmic scale, 0 is as pale as can be."""
    if log:
        heat, low, high = [math.log10(x) if x > 0 else -math.inf for x in (heat, low, high)]
    if heat == -math.inf:
        return "#FFFFFF"
    t = min(max((heat - low) / (high - low), 0.0), 1.0) if high > low else 1.0
    return "#" + "".join(f"{round(a + (b - a) * t):02X}" for a, b in zip(FAINT, DEEP, strict=True))


def _legend(keys: Sequence[Key], y: float) -> str:
    parts, x = [], 20.0
    for key in keys:
        if key.look in ("cold", "hot"):
            fill, border, wide, dashes = heat_colour(key.look == "hot", 0, 1), "#3D5A80", 1.0, ""
        else:
            fill, border, wide, dashes = STYLE[key.look]
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        parts.append(f'<rect x="{_n(x)}" y="{_n(y - 10)}" width="14" height="11" rx="2.5" fill="{fill}" stroke="{border}" '
                     f'stroke-width="{min(wide, 2.2)}"{dash}/>')
        if key.look in GLYPH:
            parts.append(_glyph(x + 7, y - 4.5, key.look, 4.5))
        parts.append(_text(x + 19, y, key.text, 11, SOFT))
        x += 34 + width(key.text, 11)
    return "".join(parts)


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # what XML cannot hold, even escaped


def escape_text(text: str) -> str:
    """As the text of an element."""
    return escape(_CONTROL.sub("\ufffd", text), quote=False)


def _text(x: float, y: float, text: str, size: float, colour: str, bold: bool = False) -> str:
    if not text:
        return ""
    wide = width(text, size, bold)
    weight = ' font-weight="bold"' if bold else ""
    return (f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill="{colour}"{weight} textLength="{_n(wide)}" '
            f'lengthAdjust="spacingAndGlyphs">{escape_text(text)}</text>')


def _n(x: float) -> str:
    """A coordinate in as few characters as it takes."""
    text = f"{x:.1f}"
    return text[:-2] if text.endswith(".0") else text
