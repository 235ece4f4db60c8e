"""Which modules of a graph stand open: by depth and by path, or as many as a reader can take in."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from .passes import Flow, depth_of, items, signatures

__all__ = ["opened_by_hand", "opened_to_fit"]


def opened_by_hand(f: Flow, depth: int, paths: Iterable[str]) -> frozenset[int]:
    """Calls less than `depth` modules deep, those whose path is in `paths` (with * and ?), and all that stand around those. A repeat opens
    with what it stands in."""
    chosen: set[int] = set()
    level: dict[int, int] = {-1: 0}
    patterns = list(paths)
    for call in sorted(range(len(f.calls)), key=lambda c: depth_of(f.calls, c)):
        this = f.calls[call]
        level[call] = level[this.parent] + (this.kind != "repeat")
        if this.kind != "repeat" and (level[call] <= depth or any(fnmatchcase(this.path, p) for p in patterns)):
            while call >= 0 and call not in chosen:
                chosen.add(call)
                call = f.calls[call].parent
    missing = [p for p in patterns if not any(fnmatchcase(call.path, p) for call in f.calls if call.kind != "repeat")]
    if missing:
        have = ", ".join(dict.fromkeys(call.path for call in f.calls if call.kind != "repeat")) or "none"
        raise ValueError(f"open={missing[0]!r}: no module of this graph has that path; it has {have[:300]}")
    return frozenset(chosen | {c for c, call in enumerate(f.calls) if call.kind == "repeat" and (call.parent < 0 or call.parent in chosen)})


def opened_to_fit(f: Flow, max_nodes: int) -> frozenset[int]:
    """Open from the outside in, look-alikes together, while at most `max_nodes` cards show."""
    held = items(f)
    alike = signatures(f, held)
    feeds: dict[int, int] = {}
    for link in f.links:
        feeds[link.source] = feeds.get(link.source, 0) + 1
    leaves = sum(tile.kind == "leaf" and not (f.card(n).parameter and feeds.get(n) == 1) for n, tile in f.tiles.items())
    cards, opened = len(held[-1]) + leaves, set[int]()
    bundles = [[call] for call in sorted(-1 - n for n in held[-1] if n < 0)]
    while bundles:
        together: dict[int, list[int]] = {}
        for bundle in bundles:
            for call in bundle:
                together.setdefault(alike[-1 - call], []).append(call)
        bundles = []
        for calls in together.values():
            more = sum(len(held[call]) - 1 for call in calls)
            if cards + more <= max_nodes:
                cards += more
                opened.update(calls)
                bundles.append([-1 - n for call in calls for n in held[call] if n < 0])
    return frozenset(opened)
