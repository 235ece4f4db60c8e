"""A scene as text for other tools: DOT for Graphviz, Mermaid for Markdown, JSON for anything."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from ..text import quoted
from .faces import Face
from .ink import STYLE, look_of
from .scene import Scene

__all__ = ["to_json", "to_mermaid", "to_scene_dot"]


def to_scene_dot(scene: Scene) -> str:
    """What the picture shows, with modules as clusters, for any engine of Graphviz."""
    way = "LR" if scene.sideways else "TB"
    lines = ["digraph picture {", f'  rankdir={way}; fontname="Helvetica"; nodesep=0.3; ranksep=0.35; labelloc=t; label={quoted(scene.title)};',
             '  node [fontname="Helvetica", fontsize=11, shape=box, style="filled,rounded"]; edge [color="#5F6C7B", arrowsize=0.7];']

    def within(box: int, indent: str) -> None:  # as deep as modules nest
        for place in scene.cards:
            if place.box == box:
                fill, border, wide, _ = STYLE[look_of(place.face, scene.mode)]
                lines.append(f'{indent}{_name(place.face.number)} [label={quoted(_words(place.face))}, tooltip={quoted(place.face.tip)}, '
                             f'fillcolor="{fill}", color="{border}", penwidth={wide}];')
        for inner in scene.boxes:
            if inner.parent == box:
                lines.append(f'{indent}subgraph cluster_{inner.number} {{ label={quoted(inner.title)}; color="#b8c4d8"; fontsize=10; labeljust=l;')
                within(inner.number, indent + "  ")
                lines.append(f"{indent}}}")

    within(-1, "  ")
    for edge in scene.edges:
        how = ([f"label={quoted(edge.label)}", "fontsize=9"] if edge.label else []) + (["style=dashed", "constraint=false"] if edge.loop else [])
        lines.append(f"  {_name(edge.source)} -> {_name(edge.target)}" + (f" [{', '.join(how)}];" if how else ";"))
    return "\n".join([*lines, "}"]) + "\n"


def to_mermaid(scene: Scene) -> str:
    """A flowchart for Markdown, as GitHub and Jupyter show it."""
    lines = [f"flowchart {'LR' if scene.sideways else 'TB'}"]

    def within(box: int, indent: str) -> None:
        for place in scene.cards:
            if place.box == box:
                lines.append(f'{indent}{_name(place.face.number)}["{_entities(_words(place.face))}"]')
        for inner in scene.boxes:
            if inner.parent == box:
                lines.append(f'{indent}subgraph b{inner.number}["{_entities(inner.title)}"]')
                within(inner.number, indent + "  ")
                lines.append(f"{indent}end")

    within(-1, "  ")
    for edge in scene.edges:
        arrow = "-.->" if edge.loop else "-->"
        label = f'|"{_entities(edge.label)}"|' if edge.label else ""
        lines.append(f"  {_name(edge.source)} {arrow}{label} {_name(edge.target)}")
    for look in dict.fromkeys(look_of(place.face, scene.mode) for place in scene.cards):
        fill, border, wide, _ = STYLE[look]
        members = ",".join(_name(place.face.number) for place in scene.cards if look_of(place.face, scene.mode) == look)
        lines += [f"  classDef {look} fill:{fill},stroke:{border},stroke-width:{wide}px,color:#1F2933", f"  class {members} {look}"]
    return "\n".join(lines) + "\n"


def to_json(scene: Scene) -> str:
    """All of the scene: cards, boxes and edges, with words, numbers and places. Numbers that are not finite are null."""
    return json.dumps(_finite(asdict(scene)), ensure_ascii=False, allow_nan=False)


def _finite(x: object) -> object:
    if isinstance(x, dict):
        return {key: _finite(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [_finite(value) for value in x]
    return None if isinstance(x, float) and x - x != 0 else x


def _words(face: Face) -> str:
    head = f"{face.title} {face.badge}".rstrip()
    chips: Sequence[str] = [f"{chip.label} {chip.shape}" for chip in face.chips]
    return "\n".join([head, face.shape, *face.lines, *chips, *([face.verdict.text] if face.verdict else [])])


def _name(number: int) -> str:
    return f"n{number}" if number > 0 else f"m{-1 - number}"


def _entities(text: str) -> str:
    """Mermaid's own escapes: names are data, and may hold quotes, brackets or markup."""
    return "".join("<br/>" if c == "\n" else c if c.isalnum() or c in " .,·×→−…_-" else f"#{ord(c)};" for c in text)
