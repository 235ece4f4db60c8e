"""A graph as text, all of it and with nothing folded: numbered lines (`listing`), what changed between two (`diff`), and the DOT language of
Graphviz (`dot`), which also draws it where Graphviz is installed.
"""

from .diff import Change, GraphDiff, graph_diff
from .dot import quoted, render, render_text, to_dot, to_graphviz
from .listing import listing

__all__ = ["Change", "GraphDiff", "graph_diff", "listing", "quoted", "render", "render_text", "to_dot", "to_graphviz"]
