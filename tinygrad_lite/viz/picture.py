"""`draw`: the picture of a computation graph, on a machine with nothing but NumPy. A Picture is a snapshot and keeps no Tensor alive."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import MissingExtra
from .drawing import LIMIT, Scene, Stage, scene, stage, svg, to_json, to_mermaid, to_scene_dot
from .measuring import Heat
from .page import Snapshot, html, snapshot
from .passes import collapse, inline_parameters, opened_by_hand, opened_to_fit
from .text import render_text

__all__ = ["Picture", "draw"]


@dataclass(frozen=True)
class Picture:
    """What `draw` returns. It shows itself in a notebook; `save` writes it, `.svg` and `.dot` are its text."""

    scene: Scene
    page: Snapshot = field(repr=False, compare=False)  # all that the page may show
    engine: str = "auto"

    @cached_property
    def svg(self) -> str:
        """The picture as SVG, with no style sheet and no script. Names in it are unique to its content."""
        if self.engine == "dot":
            return render_text(self.dot, "svg").decode()
        return svg(self.scene, f"p{zlib.crc32(repr(self.scene).encode('utf-8', 'replace')):08x}")

    @cached_property
    def dot(self) -> str:
        """What it shows, in the DOT language of Graphviz."""
        return to_scene_dot(self.scene)

    def html(self) -> str:
        """The picture as one page that needs nothing but itself: modules open and close, cards show their numbers, the backward pass is played.

        Always in our own layout, whatever `engine` draws the SVG. Up to 256 numbers of a tensor are in it.
        """
        return html(self.page)

    def save(self, path: str | Path) -> Path:
        """Write it; the ending says the format: .svg, .html, .dot, .json, .mmd (Mermaid) anywhere, .png and .pdf where Graphviz is (extra [dot]).

        Raises ValueError for another ending, MissingExtra where Graphviz is needed and missing.
        """
        path = Path(path)
        ending = path.suffix.lower()
        texts = {".svg": lambda: self.svg, ".html": lambda: self.html(), ".dot": lambda: self.dot, ".json": lambda: to_json(self.scene),
                 ".mmd": lambda: to_mermaid(self.scene)}
        if ending in texts:
            path.write_text(texts[ending](), encoding="utf-8", newline="\n")
        elif ending in (".png", ".pdf"):
            try:
                path.write_bytes(render_text(self.dot, ending[1:]))
            except MissingExtra as error:
                raise MissingExtra(f"{error}. Without it there are .svg, .html, .dot, .json and .mmd") from None
        else:
            raise ValueError(f"a picture is saved as .svg, .html, .dot, .json, .mmd, .png or .pdf, not as {ending or 'a name without ending'!r}")
        return path

    def show(self) -> None:
        """In a notebook as output of the cell; elsewhere in the browser, from a temporary file."""
        try:
            from IPython import get_ipython
            from IPython.display import display
        except ImportError:
            get_ipython = None
        if get_ipython is not None and get_ipython() is not None:
            display(self)  # type: ignore[no-untyped-call]
            return
        import tempfile
        import webbrowser  # both are needed here alone, and take longer to import than a picture to draw

        with tempfile.NamedTemporaryFile("w", suffix=".svg", delete=False, encoding="utf-8") as file:
            file.write(self.svg)
        webbrowser.open(Path(file.name).as_uri())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<Picture {self.scene.title!r}: {self.scene.subtitle}>"


def draw(root: Any, *, color: Any = "op", depth: int | None = None, open: str | Sequence[str] = (), max_nodes: int | None = None,
         detail: str = "stats", direction: str = "auto", engine: str = "auto", names: Mapping[str, Any] | None = None,
         title: str | None = None) -> Picture:
    """The picture of the graph that `root` was made by: a Tensor, a sequence of them, the Tape of a capture, or a compiled
    function, whose newest program is drawn.

    color      "op": by kind of op. "grad": by the gradient's rms, on a log scale, recomputed where it is not there; `.grad` is not touched.
               "time": by what each op takes, forward and backward, as `viz.profile` measures it; a Profile does as well. "memory": by
               what its results hold. What `verify.audit(root)` returned: the wrong rule red, its victims orange. A `Heat`: any number
               for each card. A card that stands for several has their sum
    depth      open modules less than so many deep; None: what is taken in at a glance, the outermost modules and, level by level, what is in
               them while at most 20 cards show
    open       paths of modules to open, with * and ?: "blocks.1", ["blocks.1", "blocks.1.attn"]; what is around them opens too
    max_nodes  open from the outside in while at most so many cards show, and not only 20; what is repeated within one module (or outside of
               all) is folded where more than so many ops and modules are there (None: 20) and the rounds are alike
    detail     "stats": histograms, range and rms of values and gradients; "names": words alone
    direction  "TB": from the top down, as "auto" is; "LR": from left to right
    engine     "auto": our own layout, the same on every machine. "dot": Graphviz's, where it is installed
    names      {name: Tensor}, such as locals(); else results are named by the line that made them, where that is an assignment

    Gradients: a leaf shows its `.grad`. Results do not keep theirs; they are recomputed if `root` is a scalar whose leaves have a `.grad`.
    Raises ValueError for an option that does not exist and for a graph of more than 3,000 cards with no module to close.
    """
    if engine not in ("auto", "dot"):
        raise ValueError(f"engine is 'auto' or 'dot', not {engine!r}")
    if direction not in ("auto", "TB", "LR"):
        raise ValueError(f"direction is 'auto', 'TB' or 'LR', not {direction!r}")
    if (max_nodes is not None and max_nodes < 1) or (depth is not None and depth < 0):
        raise ValueError(f"max_nodes is 1 or more and depth 0 or more, not {max_nodes} and {depth}")
    return picture(stage(root, color, max_nodes, detail, names, title), depth, open, max_nodes, engine, direction == "LR")


def picture(set_: Stage, depth: int | None = None, open: str | Sequence[str] = (), max_nodes: int | None = None, engine: str = "auto",
            sideways: bool = False) -> Picture:
    """The picture of what `stage` prepared, in one state of opened modules."""
    paths = [open] if isinstance(open, str) else list(open)
    f = set_.flow
    opened = opened_to_fit(f, max_nodes) if depth is None and not paths else opened_by_hand(f, 1 if depth is None else depth, paths)
    view = inline_parameters(collapse(f, opened))
    if len(view.tiles) > LIMIT:
        raise ValueError(f"this picture would have {len(view.tiles):,} cards, more than anybody can look at ({LIMIT:,}).\n"
                         "  Close modules with depth=, draw a smaller part of the graph, or read it as text: viz.listing(root)")
    heat = set_.heat if isinstance(set_.heat, Heat) else None
    drawn = scene(view, set_.facts, set_.title, set_.subtitle(len(view.tiles)), set_.mode, heat, sideways)
    return Picture(drawn, snapshot(set_, opened, sideways), engine)
