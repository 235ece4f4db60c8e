"""Computation graphs made visible: as numbered text, as DOT, as a rendered picture. All are made from one plain `Graph`."""

from .dot import render, to_dot, to_graphviz
from .graph import Card, Graph, graph
from .listing import listing

__all__ = ["Card", "Graph", "graph", "listing", "render", "to_dot", "to_graphviz"]
