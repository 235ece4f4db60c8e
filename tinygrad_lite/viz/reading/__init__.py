"""From what was recorded to a graph as plain data: `graph` reads Tensors and the tape of a capture, `program` anything that lists its calls by a
method `graph()`, such as a compiled function. Both write `cards`, which keep no Tensor alive and which all other rooms work on; `origin` finds the
user's own names of results in the lines that made them.
"""

from .cards import Call, Card, Graph
from .graph import Reading, as_roots, graph, read, read_nodes
from .program import is_program

__all__ = ["Call", "Card", "Graph", "Reading", "as_roots", "graph", "is_program", "read", "read_nodes"]
