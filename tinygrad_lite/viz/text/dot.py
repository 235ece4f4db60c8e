"""A graph in the DOT language of Graphviz, as text, as a `graphviz.Digraph`, or rendered where Graphviz is at hand."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import MissingExtra
from ..reading import Card, Graph, graph

if TYPE_CHECKING:
    import graphviz  # type: ignore[import-untyped]

__all__ = ["quoted", "render", "render_text", "to_dot", "to_graphviz"]

# blue ops, orange leaves that want a gradient, grey data: shapes differ too, so that no reading rests on colour alone
_LOOK = {"op": 'shape=box, style="rounded,filled", fillcolor="#dce9f7", color="#0077BB"',
         "parameter": 'shape=box, style=filled, fillcolor="#fdeede", color="#EE7733", penwidth=1.6',
         "leaf": 'shape=box, style="filled,dashed", fillcolor="#ffffff", color="#667788"',
         "constant": 'shape=plaintext, fontcolor="#667788"'}


def to_dot(root: Any, names: Mapping[str, Any] | None = None, title: str | None = None) -> str:
    """The graph of `root` (a Tensor, or a sequence of them) as DOT text. Plain labels, modules as nested clusters, a node each once."""
    return "\n".join(["digraph computation {", *_body(root, names, title), "}"]) + "\n"


def to_graphviz(root: Any, names: Mapping[str, Any] | None = None, title: str | None = None) -> "graphviz.Digraph":
    """The same as an object of the `graphviz` package, to be shown in a notebook, added to, rendered or saved by it."""
    return _graphviz().Digraph("computation", body=[f"{line}\n" for line in _body(root, names, title)])


def _body(root: Any, names: Mapping[str, Any] | None, title: str | None) -> list[str]:
    g = graph(root, names)
    lines = ['  rankdir=TB; fontname="Helvetica"; nodesep=0.3; ranksep=0.35;',
             '  node [fontname="Helvetica", fontsize=11]; edge [color="#778899", arrowsize=0.7];']
    if title:
        lines.append(f"  labelloc=t; label={quoted(title)};")
    return lines + _clusters(g) + [f"  n{source} -> n{card.number};" for card in g.cards for source in card.inputs]


def render(root: Any, path: str | Path, names: Mapping[str, Any] | None = None, title: str | None = None) -> Path:
    """Draw the graph into `path`, whose ending says the format: .svg, .png, .pdf.

    Uses the program `dot` where it is installed, else the extra [dot] (pygraphviz, whose wheel brings Graphviz along). Raises MissingExtra
    where neither is there.
    """
    path = Path(path)
    path.write_bytes(render_text(to_dot(root, names, title), path.suffix.lstrip(".")))
    return path


def render_text(text: str, format: str) -> bytes:
    """DOT text drawn by Graphviz. Raises MissingExtra where it is missing."""
    if shutil.which("dot"):
        drawn: bytes = _graphviz().Source(text).pipe(format=format)
        return drawn
    try:
        import pygraphviz  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtra("a rendered picture needs Graphviz: pip install 'tinygrad_lite[dot]', or the program `dot`") from None
    return pygraphviz.AGraph(string=text).draw(prog="dot", format=format)  # type: ignore[no-any-return]


def _graphviz() -> Any:
    try:
        import graphviz
    except ImportError:
        raise MissingExtra("this needs the package graphviz: pip install graphviz") from None
    return graphviz


def _clusters(g: Graph) -> list[str]:
    """Node lines, grouped by outermost module and path; a cluster opens and closes as the tree of paths is walked."""
    model = {card.number: g.calls[card.call].model if card.call >= 0 else -1 for card in g.cards}
    for card in g.cards:
        for source in card.inputs:
            if g.cards[source - 1].parameter and model[source] < 0:
                model[source] = model[card.number]  # a parameter stands where it was first used
    members: dict[tuple[int, tuple[str, ...]], list[Card]] = {}
    for card in g.cards:
        members.setdefault((model[card.number], tuple(card.path.split("."))) if card.path else (-1, ()), []).append(card)
    lines: list[str] = [f"  {_node(card)}" for card in members.pop((-1, ()), [])]
    inside, opened, clusters = -1, list[str](), 0
    for owner, parts in sorted(members):
        while opened and (owner != inside or tuple(opened) != parts[:len(opened)]):
            opened.pop()
            lines.append("  " * (len(opened) + 1) + "}")
        inside = owner
        while len(opened) < len(parts):
            opened.append(parts[len(opened)])
            indent = "  " * len(opened)
            clusters += 1
            lines.append(f'{indent}subgraph cluster_{clusters} {{ label={quoted(".".join(opened))}; color="#b8c4d8"; fontsize=10; labeljust=l;')
        lines += ["  " * (len(opened) + 1) + _node(card) for card in members[owner, parts]]
    while opened:
        opened.pop()
        lines.append("  " * (len(opened) + 1) + "}")
    return lines


def _node(card: Card) -> str:
    shape = " ".join("×".join(map(str, s)) or "scalar" for s in card.shapes)
    label = card.label if card.kind == "constant" and not any(card.shapes) else f"{card.label}\n{shape}"
    kind = "parameter" if card.kind == "leaf" and card.requires_grad else card.kind
    return f"n{card.number} [label={quoted(label)}, tooltip={quoted(card.origin or card.kind)}, {_LOOK[kind]}];"


def quoted(text: str) -> str:
    """A DOT string: names are data, and may hold quotes, backslashes and newlines."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
