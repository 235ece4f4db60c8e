"""Computation graphs made visible: as numbered text, as DOT, as a rendered picture. All are made from one plain `Graph`."""

from .dot import render, to_dot, to_graphviz
from .graph import Card, Graph, graph
from .listing import listing
from .profile import Cost, Profile, profile

__all__ = ["Card", "Cost", "Graph", "Profile", "graph", "listing", "profile", "render", "to_dot", "to_graphviz"]
