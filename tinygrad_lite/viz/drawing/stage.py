"""All that a picture is made from, between the Tensors and the plain data: the folded graph, and what is known of each card.

A Stage still holds the arrays, so that only what is shown is measured; pictures and pages are made from it, and then it is let go.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from ...engine import Node, Step, Tape, Variable
from ...errors import GradError
from ..measuring import Heat, Numbers, Profile, gathered, gradients, heat_of_memory, heat_of_time, measure, profile, short, value_of
from ..passes import GLANCE, Flow, flow, fold, label_movements
from ..reading import Reading, as_roots, is_program, read
from .faces import Facts, Verdict, plural

__all__ = ["GRADIENT", "Stage", "stage"]

NOT_YET = "no gradient yet"
GRADIENT = "rms of the gradient"


@dataclass(frozen=True)
class Stage:
    """flow: the graph after the passes that do not depend on what is open. facts: asked for each card that shows."""

    flow: Flow
    facts: Facts
    title: str
    notes: tuple[str, ...]
    mode: str  # "op", "audit" or "heat"
    heat: Heat | None
    things: list[Any]  # by the number of a card, the Node, Tensor or constant it was read from
    gradient: Callable[[int], Any]  # number of a card -> its gradient, or None
    steps: list[Step]  # of the backward pass, where one was run
    more: tuple[Heat, ...] = ()  # other colours that a page can change to

    def subtitle(self, cards: int) -> str:
        """What was asked for and how much of it shows."""
        nodes = len(self.flow.graph.cards)
        return " · ".join([*self.notes, plural(nodes, "node") + (f" shown as {plural(cards, 'card')}" if cards != nodes else "")])


def stage(root: Any, color: Any = "op", max_nodes: int | None = None, detail: str = "stats", names: Mapping[str, Any] | None = None,
          title: str | None = None, reading: Reading | None = None, verdicts: Mapping[int, Verdict] | None = None,
          notes: Sequence[str] = ()) -> Stage:
    """Read `root`, fold its repeats, and get ready to measure. See `draw`. reading, verdicts, notes: what is known already."""
    audited = all(hasattr(color, name) for name in ("edges", "leaves", "changed", "verdict"))
    if not (audited or isinstance(color, Heat | Profile) or color in ("op", "grad", "time", "memory")):
        remedy = ": pass color=verify.audit(root), what was found" if color == "audit" else ""
        raise ValueError(f"color is 'op', 'grad', 'time', 'memory', an audit, a Profile or a Heat, not {color!r}{remedy}")
    if detail not in ("stats", "names"):
        raise ValueError(f"detail is 'stats' or 'names', not {detail!r}")
    recorded = not (isinstance(root, Tape) or is_program(root))
    if recorded:
        root = as_roots(root)
    elif color == "time":
        raise ValueError("color='time' runs each op again, and those of a capture or a program may write: draw the Tensor that it computed")
    if color in ("grad", "memory") and is_program(root):
        raise ValueError(f"color={color!r} is of recorded Tensors; a program keeps no results: pass a Heat, or color='op'")
    with _no_collection():
        return _stage(root, color, audited, max_nodes, detail, title, read(root, names) if reading is None else reading, verdicts or {}, notes)


@contextmanager
def _no_collection() -> Iterator[None]:
    """A graph of 1e5 nodes is a million young objects and no garbage: going through them again and again took 0.9 of 2.2 seconds."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _stage(root: Any, color: Any, audited: bool, max_nodes: int | None, detail: str, title: str | None, reading: Reading,
           verdicts: Mapping[int, Verdict], known: Sequence[str]) -> Stage:
    graph, things = reading
    roots = root if isinstance(root, list) else []
    verdicts = _verdicts(color, things) if audited else verdicts
    asked = {n for n, verdict in verdicts.items() if verdict.kind != "ok"}
    f = fold(label_movements(flow(graph), asked), max_nodes or GLANCE)
    steps: list[Step] = []
    flown, amiss = _flown(roots, things, color == "grad", steps)
    heat, cost = color if isinstance(color, Heat) else None, ""
    more: tuple[Heat, ...] = ()
    if color == "grad":
        heat = Heat(GRADIENT, "", {n: rms for n in f.tiles for rms in [_rms(things[n], flown, True)] if rms is not None}, whole=False)
    elif color == "memory":
        heat, cost = heat_of_memory(graph, things)
    elif color == "time" or isinstance(color, Profile):
        heat, cost = heat_of_time(color if isinstance(color, Profile) else profile(root), graph)
        more = (gathered(heat_of_memory(graph, things)[0], f),)
    if heat is not None:
        heat = gathered(heat, f)

    @cache
    def value(n: int) -> Numbers | None:
        return measure(value_of(things[n]))

    @cache
    def grad(n: int) -> Numbers | None:
        g = gradient(n)
        return None if g is None else measure(g)

    def gradient(n: int) -> Any:
        return _gradient(things[n], flown, color == "grad")

    facts = Facts(value, grad, verdicts.get, (lambda tile: None) if heat is None else heat.of,
                  "gradient not known" if amiss else NOT_YET if roots else "", detail == "stats",
                  None if heat is None or color == "grad" else partial(_heat_text, heat, sum(heat.cards.values())))
    first = f.card(graph.roots[0]) if graph.roots else None
    called = (first.name or first.label) if first is not None else "nothing"
    notes = [*known]
    result = value(graph.roots[0]) if roots else None
    if result is not None and result.size == 1:
        notes.append(f"{called} = {short(result.low)}")
    notes += [note for note in (cost, amiss) if note]
    if audited:
        words = color.verdict().split("; ")
        notes = [*([words[0]] if title else []), *words[1:], *notes]
        title = title or words[0]
    if is_program(root):
        title = title or f"Program of {getattr(root, '__name__', 'a compiled function')}"
    return Stage(f, facts, title or f"Graph of {called}", tuple(notes), "audit" if audited else "heat" if heat is not None else "op", heat,
                 things, gradient, steps, more)


def _heat_text(heat: Heat, total: float, x: float) -> str:
    share = x / total if heat.whole and total > 0 else None
    return heat.text(x) + ("" if share is None else " · <1%" if 0 < share < 0.005 else f" · {share:.0%}")


def _flown(roots: list[Any], things: list[Any], wanted: bool, steps: list[Step]) -> tuple[dict[int, Any], str]:
    """id of a node or leaf -> its gradient, and why there is none where there should be. steps: gets those of the pass."""
    if wanted and not any(root._requires_grad for root in roots):
        raise GradError("color='grad': nothing here requires a gradient. Make a leaf with requires_grad=True before it is used")
    ran = any(x.output is None if isinstance(x, Node) else isinstance(x, Variable) and x._grad is not None for x in things)
    if not (wanted or (ran and len(roots) == 1 and roots[0]._data.size == 1 and roots[0]._requires_grad)):
        return {}, ""
    try:
        return gradients(roots, steps), ""
    except GradError as error:
        if wanted:
            raise
        why = "the graph was dropped" if "dropped" in str(error) else "arrays were changed since the forward pass"
        return {}, f"gradients of results are not known: {why}"


def _gradient(thing: Any, flown: dict[int, Any], recomputed: bool) -> Any:
    if isinstance(thing, Variable):
        return thing._grad._data if thing._grad is not None else flown.get(id(thing)) if recomputed else None
    return flown.get(id(thing)) if isinstance(thing, Node) else None


def _rms(thing: Any, flown: dict[int, Any], recomputed: bool) -> float | None:
    g = _gradient(thing, flown, recomputed)
    numbers = None if g is None else measure(g)
    return None if numbers is None else numbers.rms


def _verdicts(audit: Any, things: list[Any]) -> dict[int, Verdict]:
    """Number of a card -> what an audit says of its rule, or of its gradient."""
    number = {id(x): n for n, x in enumerate(things) if isinstance(x, Node | Variable)}
    found: dict[int, Verdict] = {}
    worst = {"wrong": 0, "kink": 1, "cannot tell": 1, "ok": 2}
    for edge in sorted(audit.edges, key=lambda edge: (worst[edge.verdict], -edge.error)):
        n = number.get(id(edge.node))
        if n is None:
            raise ValueError(f"color: this audit is of another graph: its {edge.node.op.name} is not in this one")
        off = short(edge.error) if edge.error < 1e-2 else f"{edge.error:.0%}"
        found.setdefault(n, Verdict("wrong", f"WRONG RULE, off by {off}") if edge.verdict == "wrong" else
                         Verdict("ok", "rule checked") if edge.verdict == "ok" else
                         Verdict("unknown", "at a kink" if edge.verdict == "kink" else "cannot tell"))
    for node in audit.changed:
        if (n := number.get(id(node))) is not None and found.get(n, Verdict("ok", "")).kind != "wrong":
            found[n] = Verdict("changed", "changed in place")
    for leaf in audit.leaves:
        if (n := number.get(id(leaf.tensor))) is not None:
            off = short(leaf.error) if leaf.error < 1e-2 else f"{leaf.error:.0%}"
            found[n] = Verdict("victim", f"gradient off by {off}") if leaf.verdict == "wrong" else Verdict(
                "ok", "gradient checked") if leaf.verdict == "ok" else Verdict("unknown", "cannot tell")
    return found
