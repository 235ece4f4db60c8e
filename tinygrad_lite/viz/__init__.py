"""Computation graphs made visible: as a picture, as numbered text, as DOT. All are made from one plain `Graph`.

A picture, from Tensors to ink: `graph` reads; `passes`, `fold` and `opening` decide what shows; `stage` knows values, gradients and verdicts of
it; `faces` words each card; `layout` (`room`, `place`) gives places; `scene` is all of that as plain data; `ink` and `export` write it.
"""

from .dot import render, to_dot, to_graphviz
from .graph import Call, Card, Graph, graph
from .listing import listing
from .model import draw_model
from .picture import Picture, draw
from .scene import Heat, Scene

__all__ = ["Call", "Card", "Graph", "Heat", "Picture", "Scene", "draw", "draw_model", "graph", "listing", "render", "to_dot", "to_graphviz"]
