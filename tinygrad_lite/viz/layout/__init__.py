"""Where everything stands, from sizes alone: `nested` lays out boxes in boxes, `room` one box with its ranks and edges, `place` the order in a rank
and the places across. `metrics` says how wide words are without a font, so that the same graph looks the same on every machine.
"""

from .metrics import shortened, tables, width
from .nested import Wire, layout

__all__ = ["Wire", "layout", "shortened", "tables", "width"]
