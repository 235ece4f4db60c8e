"""What a computation is and does, made visible: its graph as a picture, as numbered text, as DOT; what each node costs; how two graphs differ; the
curves, gradients, decisions and weights of a training.

    reading/    Tensors, or a compiled function, to a graph as plain data
    text/       that graph as lines, as DOT, and compared with another
    passes/     what shows of it: constants, movements, repeats, closed modules
    measuring/  values, gradients and costs in numbers, and as colours
    layout/     places for cards, boxes and edges
    drawing/    words, places and ink: a scene, and SVG, DOT, Mermaid, JSON of it
    page/       the same as one HTML file to walk through
    picture     `draw`, which goes through all of these; `model` runs a model for it
    training/   history, gradients, decisions and weights; stands by itself

A room imports only from those above it here, and what it gives to others is in its `__init__`.
"""

from .drawing import Scene
from .measuring import Cost, Heat, Profile, profile
from .model import draw_model
from .picture import Picture, draw
from .reading import Call, Card, Graph, graph
from .text import Change, GraphDiff, graph_diff, listing, render, to_dot, to_graphviz
from .training import confusion, curves, curves_svg, decision, gradients, weights

__all__ = ["Call", "Card", "Change", "Cost", "Graph", "GraphDiff", "Heat", "Picture", "Profile", "Scene", "confusion", "curves", "curves_svg",
           "decision", "draw", "draw_model", "gradients", "graph", "graph_diff", "listing", "profile", "render", "to_dot", "to_graphviz", "weights"]
