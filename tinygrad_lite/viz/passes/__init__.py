"""From a graph to what a picture of it shows: pure functions over plain data, each making the picture smaller and none making it untrue. `flow`
takes out constants and movements, `fold` repeats, only where every round is wired alike; `opening` chooses which modules stand open, and
`collapse` closes the others.
"""

from .collapse import collapse, inline_parameters
from .flow import Chip, Flow, Link, Tile, View, depth_of, flow, label_movements
from .fold import fold
from .opening import GLANCE, opened_by_hand, opened_to_fit

__all__ = ["Chip", "Flow", "GLANCE", "Link", "Tile", "View", "collapse", "depth_of", "flow", "fold", "inline_parameters", "label_movements",
           "opened_by_hand", "opened_to_fit"]
