"""`Picture.html()`: one file that shows a graph in a browser, from disk and with no network; modules open and close where the reader stands.

How: the page holds the graph as plain data (`data`) and the layout and the ink once more in JavaScript, which the tests hold to Python's in
hundreds of states. Opening k modules in any order has 2^k states, so they cannot be laid out beforehand; and placing the boxes of one layout anew
would need nearly all of the layout, since the size of a box moves ranks, bends and labels around it. A first paint that differs from the SVG by a
digit is a failed test.
"""

import json
import re
from importlib.resources import files

from .data import page_data
from .snapshot import Snapshot

__all__ = ["html"]

SCRIPTS = ("place.js", "layout.js", "scene.js", "ink.js", "panel.js", "view.js", "hands.js")


def html(snap: Snapshot) -> str:
    """The page. The same snapshot gives the same bytes."""
    scripts = "\n".join(map(_file, SCRIPTS))
    parts = {"title": _words(snap.title), "style": _file("style.css"), "data": _json(page_data(snap)), "script": f'"use strict";\n{scripts}'}
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _file("frame.html"))


def _file(name: str) -> str:
    """Its text without indentation, which is a tenth of a page; no string in these files goes over a line's end."""
    return "\n".join(map(str.lstrip, (files(__package__) / name).read_text(encoding="utf-8").splitlines()))


def _json(data: object) -> str:
    """Text that no element can be made of, nor the script's end: every < is written as an escape, which JSON reads as <."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _HALF.sub("\ufffd", text).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _words(text: str) -> str:
    return _HALF.sub("\ufffd", text).replace("&", "&amp;").replace("<", "&lt;").replace("\0", "\ufffd")


_HALF = re.compile("[\ud800-\udfff\ufffe\uffff]")  # halves of characters, which UTF-8 cannot hold
