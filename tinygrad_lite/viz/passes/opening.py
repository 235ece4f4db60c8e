"""Which modules of a graph stand open: by depth and by path, or as many as a reader can take in."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from .flow import Flow, depth_of, items, signatures

__all__ = ["GLANCE", "opened_by_hand", "opened_to_fit"]

FULL, GLANCE = 60, 20  # cards


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


def opened_to_fit(f: Flow, max_nodes: int | None) -> frozenset[int]:
    """Open from the outside in, look-alikes together, while at most `max_nodes` cards show.

    None: what a reader takes in at a glance. The outermost modules open up to FULL cards, since a single closed one says nothing; those in
    them open level by level, all or none of a level, up to GLANCE."""
    held = items(f)
    alike = signatures(f, held)
    feeds: dict[int, int] = {}
    for link in f.links:
        feeds[link.source] = feeds.get(link.source, 0) + 1
    leaves = sum(tile.kind == "leaf" and not (f.card(n).parameter and feeds.get(n) == 1) for n, tile in f.tiles.items())
    opened = set[int]()

    def inside(call: int) -> tuple[int, list[int], list[int]]:
        """Of a call: the cards that it opens to, modules in it, and repeats, which open with it."""
        count, modules, repeats, stack = 0, [], [], [call]
        while stack:
            for n in held[stack.pop()]:
                if n < 0 and f.calls[-1 - n].kind == "repeat":
                    repeats.append(-1 - n)
                    stack.append(-1 - n)
                else:
                    count += 1
                    modules += [-1 - n] if n < 0 else []
        return count, sorted(modules), repeats

    cards, level, repeats = inside(-1)
    cards += leaves
    opened.update(repeats)
    outermost = True
    while level:
        limit = max_nodes or (FULL if outermost else GLANCE)
        together: dict[int, list[int]] = {}
        for call in level:
            together.setdefault(alike[-1 - call] if max_nodes or outermost else 0, []).append(call)
        level, outermost = [], False
        for calls in together.values():
            found = [inside(call) for call in calls]
            more = sum(count - 1 for count, _, _ in found)
            if cards + more <= limit:
                cards += more
                opened.update(calls, *[repeats for _, _, repeats in found])
                level += [module for _, modules, _ in found for module in modules]
    return frozenset(opened)
