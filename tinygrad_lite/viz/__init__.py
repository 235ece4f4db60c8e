"""What a computation is and does, made visible: its graph as numbered text, as DOT, as a rendered picture; the cost of each node; the curves,
gradients, decisions and weights of a training.
"""

from .curves import curves
from .curves_svg import curves_svg
from .diff import Change, GraphDiff, graph_diff
from .dot import render, to_dot, to_graphviz
from .graph import Card, Graph, graph
from .listing import listing
from .profile import Cost, Profile, profile
from .training import confusion, decision, gradients, weights

__all__ = ["Card", "Change", "Cost", "Graph", "GraphDiff", "Profile", "confusion", "curves", "curves_svg", "decision", "gradients", "graph",
           "graph_diff", "listing", "profile", "render", "to_dot", "to_graphviz", "weights"]
