"""What a card says: a tile's words, its numbers and its verdict, and how much room they need. Plain data, drawn by `ink` and by the page."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ..layout import shortened, width
from ..measuring import Numbers, short
from ..passes import Chip, Flow, Tile
from ..reading import Card

__all__ = ["BAR", "CHIP", "ChipFace", "EDGE", "Face", "Facts", "HEAD", "LOOKS", "ROW", "Verdict", "chip_text", "chip_width", "face", "grad_text",
           "plural", "sampled", "size_text", "value_text"]

ROW, CHIP, HEAD, EDGE, BAR = 15.0, 18.0, 24.0, 9.0, 44.0  # height of a row, of a chip's, of the head; margin at the sides; width of a histogram
WIDEST, BARS = 300.0, 16
COMMON = ("float32", "float64")

# kind of card -> what the legend calls it
LOOKS = {"product": "matrix product", "function": "function", "entry": "arithmetic", "reduce": "reduction, loss", "move": "selection, arrangement",
         "parameter": "wants a gradient", "data": "data", "module": "closed module"}
_KIND = {word: kind for kind, words in {
    "product": "matmul linear convolution convolution_by_input convolution_by_weight convolve dot outer vecdot einsum cross embedding solve inv det",
    "entry": "add subtract multiply divide power negative square abs reciprocal maximum minimum fmax fmin where clip remainder",
    "reduce": "sum mean max min prod var std norm p_norm logsumexp mse_loss cross_entropy binary_cross_entropy binary_cross_entropy_with_logits "
              "huber nll_loss all any argmax argmin cumsum cumprod",
    "move": "reshape transpose swapaxes broadcast_to expand_dims squeeze getitem concatenate stack split unstack flip roll pad tile repeat "
            "take_along_axis at_set at_add write gather copy astype cast sort",
}.items() for word in words.split()}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit found: "wrong", "victim", "changed", "unknown" or "ok"; or "failed", where a forward raised. more: for the tooltip."""

    kind: str
    text: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class ChipFace:
    label: str
    shape: str
    value: Numbers | None
    grad: Numbers | None
    verdict: Verdict | None
    tip: str


@dataclass(frozen=True, slots=True)
class Face:
    """One card as it will be drawn."""

    number: int
    look: str  # a key of LOOKS
    title: str
    shape: str
    lines: tuple[str, ...]  # small text under the title
    value: Numbers | None
    grad: Numbers | None
    no_grad: str  # in place of a gradient; "": nothing is said
    grads: tuple[float, ...]  # rms of the gradient in up to sixteen rounds of a repeat, from the first to the last
    chips: tuple[ChipFace, ...]
    verdict: Verdict | None
    heat: float | None
    badge: str  # ×100, or 12 alike
    stack: bool  # drawn as a pile: a module, or a repeat
    tip: str
    width: float
    height: float


@dataclass(frozen=True)
class Facts:
    """What is known about cards by their numbers, beside the graph itself; functions, so that only what is shown is measured."""

    value: Callable[[int], Numbers | None]
    grad: Callable[[int], Numbers | None]
    verdict: Callable[[int], Verdict | None]
    heat: Callable[[Tile], float | None]
    no_grad: str  # what to say where a gradient could be and is not
    detail: bool  # values and gradients, or words alone
    heat_text: Callable[[float], str] | None = None  # what a card says of its heat


def size_text(card: Card) -> str:
    """`16×8` or `scalar`, of the first output; the dtype where it is not a common one."""
    shapes = ", ".join("×".join(map(str, shape)) or "scalar" for shape in card.shapes[:1])
    return shapes + (f" {card.dtype}" if card.dtype and card.dtype not in COMMON else "")


def plural(n: int, word: str) -> str:
    return f"{n:,} {word}{'s' * (n != 1)}"


def face(f: Flow, tile: Tile, facts: Facts, alone: Collection[int] = (), rounds: int = 1) -> Face:
    """All that the card of `tile` says. alone: calls that are a single op, whose card names the module. rounds: of the repeat whose box it
    stands in, and which says so itself."""
    card = f.card(tile.output)
    module = tile.kind == "module"
    leaf = tile.kind == "leaf"
    look = "module" if module else ("parameter" if card.requires_grad else "data") if leaf else _KIND.get(card.label, "function")
    name = card.name if card.name != tile.label else ""
    title = f"{tile.label.rpartition('.')[2] if leaf else tile.label}{f' → {name}' if name and not leaf and not module else ''}"
    heat = facts.heat(tile)
    lines = [*([facts.heat_text(heat)] if heat is not None and facts.heat_text is not None else []), *_lines(f, tile, alone)]
    copies = tile.copies or (tile.output,)
    grads = []
    if facts.detail and len(copies) > 1:
        grads = [g.rms for n in sampled(copies) for g in [facts.grad(n)] if g is not None]
    verdicts = [v for n in (tile.inside if module else copies) + tile.held for v in [facts.verdict(n)] if v is not None]
    order = ("failed", "wrong", "victim", "changed", "unknown", "ok")
    verdict = min(verdicts, key=lambda v: order.index(v.kind), default=None)
    value, grad = (facts.value(tile.output), facts.grad(tile.output)) if facts.detail else (None, None)
    no_grad = facts.no_grad if facts.detail and grad is None and card.requires_grad else ""
    chips = tuple([_chip(f, chip, facts) for chip in tile.chips])
    badge = _badge(f, tile, len(copies)) if len(copies) > 1 and len(copies) != rounds else ""
    shape = size_text(card)
    new = Face(tile.number, look, shortened(title, 13, 190, True), shape, tuple(lines), value, grad, no_grad, tuple(grads), chips, verdict,
               heat, badge, module or len(copies) > 1, _tip(f, tile, card, value, grad, no_grad, verdict), 0, 0)
    return _sized(new)


def sampled(copies: Sequence[int]) -> list[int]:
    """Up to sixteen of two or more, from the first to the last."""
    shown = min(len(copies), BARS)
    return [copies[i * (len(copies) - 1) // (shown - 1)] for i in range(shown)]


def _badge(f: Flow, tile: Tile, copies: int) -> str:
    """`×100`: the same parameters a hundred times; `12 alike`: twelve things of one form."""
    call = tile.call
    while call >= 0:
        if call in f.repeats and f.repeats[call].same:
            return f"×{copies}"
        call = f.calls[call].parent
    return f"{copies} alike"


def _lines(f: Flow, tile: Tile, alone: Collection[int]) -> list[str]:
    """Under the title: constants, the module of a card that stands for all of one, what a closed module holds."""
    if tile.kind == "module":
        held = sum(math.prod(f.card(n).shapes[0]) for n in tile.held)
        call = f.calls[-1 - tile.number]
        kind = [] if call.kind in (tile.label, "repeat", "part") else [call.kind]
        return [shortened(" · ".join([*kind, plural(len(tile.inside), "op"), *([plural(held, "parameter")] if held else [])]), 10, 220)]
    lines = [shortened("  ".join(tile.texts), 10, 200)] if tile.texts else []
    if tile.kind == "op" and tile.call in alone:
        call = f.calls[tile.call]
        lines.append(shortened(f"{call.path} · {call.kind}" if call.kind not in (call.path, "part") else call.path, 10, 200))
    return lines


def _chip(f: Flow, chip: Chip, facts: Facts) -> ChipFace:
    card = f.card(chip.number)
    value, grad = (facts.value(chip.number), facts.grad(chip.number)) if facts.detail else (None, None)
    tip = "\n".join([f"parameter {card.label}, {size_text(card)} {card.dtype}", *_stats(value, grad, facts.no_grad)])
    label = " ".join([chip.label, *chip.via])
    return ChipFace(shortened(label, 10, 110), size_text(card), value, grad, facts.verdict(chip.number), tip)


def _tip(f: Flow, tile: Tile, card: Card, value: Numbers | None, grad: Numbers | None, no_grad: str, verdict: Verdict | None) -> str:
    """All there is to say, for who points at the card."""
    words = [f"{tile.label}: {', '.join('×'.join(map(str, s)) or 'scalar' for s in card.shapes)} {card.dtype}"]
    if tile.kind == "module":
        words.append(f"module {f.calls[-1 - tile.number].kind}, {plural(len(tile.inside), 'op')}; the values are those of its result")
    words += [f"{k} = {v}" for k, v in card.params] if tile.kind == "op" else []
    words += [f"given {text}" for text in tile.texts]
    if card.path:
        words.append(f"in {card.path}")
    if len(tile.copies) > 1:
        words.append(f"{len(tile.copies)} of them, folded into one card; the values are those of the first")
    words += _stats(value, grad, no_grad)
    if verdict is not None:
        words += [verdict.text, *([verdict.more] if verdict.more else [])]
    if card.origin:
        words.append(card.origin)
    return "\n".join(words)


def _stats(value: Numbers | None, grad: Numbers | None, no_grad: str) -> list[str]:
    lines = [f"{word}: from {short(n.low)} to {short(n.high)}, rms {short(n.rms)}, {plural(n.size, 'entry').replace('entrys', 'entries')}"
             + (f", {n.nan} nan" if n.nan else "") + (f", {n.inf} inf" if n.inf else "")
             for word, n in (("value", value), ("gradient", grad)) if n is not None]
    return lines + ([no_grad] if grad is None and no_grad else [])


def value_text(n: Numbers) -> str:
    """The range of what is finite, and how much is not: `! 3 nan`, `−1 … 2, 4 inf`."""
    bad = [f"{count} {word}" for count, word in ((n.nan, "nan"), (n.inf, "inf")) if count]
    if n.nan:
        return "! " + ", ".join(bad)
    finite = [] if n.low != n.low else [short(n.low) if n.low == n.high else f"{short(n.low)} … {short(n.high)}"]
    return ", ".join(finite + bad)


def grad_text(new: Face) -> str:
    """Of the gradient's row: in a repeat the rms of the first and the last round."""
    if len(new.grads) > 1:
        return f"rms {short(new.grads[0])} → {short(new.grads[-1])}"
    g = new.grad
    if g is None:
        return new.no_grad
    if g.nan or g.inf:
        return value_text(g)
    return short(g.low) if g.size == 1 else f"rms {short(g.rms)}"


def bar(n: Numbers | None, grads: tuple[float, ...] = ()) -> float:
    return BAR + 6 if n is not None and (n.bins or len(grads) > 1) else 0.0


def chip_width(chip: ChipFace) -> float:
    """The tag alone: label and shape."""
    return width(chip.label, 10, True) + 5 + width(chip.shape, 9) + 12


def chip_text(chip: ChipFace) -> str:
    g = chip.grad
    return "" if g is None else value_text(g) if g.nan or g.inf or g.size == 1 else f"rms {short(g.rms)}"


def _sized(new: Face) -> Face:
    rows = [width(new.title, 13, True) + 14 + width(new.shape, 10) + (width(new.badge, 10, True) if new.badge else 0)]
    rows += [width(line, 10) for line in new.lines]
    if new.value is not None:
        rows.append(14 + bar(new.value) + width(value_text(new.value), 10))
    if grad_text(new):
        rows.append(14 + bar(new.grad, new.grads) + width(grad_text(new), 10))
    tags = max(map(chip_width, new.chips), default=0.0)
    rows += [tags + 8 + ((BAR + 18) if chip.value or chip.grad else 0) + width(chip_text(chip), 10) for chip in new.chips]
    if new.verdict is not None:
        rows.append(18 + width(new.verdict.text, 10, new.verdict.kind != "ok"))
    count = len(new.lines) + (new.value is not None) + bool(grad_text(new)) + (new.verdict is not None)
    high = HEAD + ROW * count + CHIP * len(new.chips) + (5 if new.chips else 0) + (4 if count or new.chips else 2)
    return Face(**{**{name: getattr(new, name) for name in Face.__slots__}, "width": min(WIDEST, math.ceil(max(92.0, max(rows) + 2 * EDGE))),
                   "height": high})
