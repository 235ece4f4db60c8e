"""What a computation is and does, made visible: its graph as a picture, as numbered text, as DOT; what each node costs; how two graphs differ; the
curves, gradients, decisions and weights of a training.

A picture, from Tensors to ink: `graph` (and `program`) reads into `cards`; `passes`, `fold` and `opening` decide what shows; `stage` knows values,
gradients, verdicts and costs (`heats`) of it; `faces` words each card; `layout` (`room`, `place`) gives places; `scene` is all of that as plain
data; `ink` and `export` write it.
"""

from .cards import Call, Card, Graph
from .curves import curves
from .curves_svg import curves_svg
from .diff import Change, GraphDiff, graph_diff
from .dot import render, to_dot, to_graphviz
from .graph import graph
from .listing import listing
from .model import draw_model
from .picture import Picture, draw
from .profile import Cost, Profile, profile
from .scene import Heat, Scene
from .training import confusion, decision, gradients, weights

__all__ = ["Call", "Card", "Change", "Cost", "Graph", "GraphDiff", "Heat", "Picture", "Profile", "Scene", "confusion", "curves", "curves_svg",
           "decision", "draw", "draw_model", "gradients", "graph", "graph_diff", "listing", "profile", "render", "to_dot", "to_graphviz", "weights"]
