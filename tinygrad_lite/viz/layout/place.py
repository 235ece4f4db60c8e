"""Within one box of a layout: the order of items in each rank, by barycenters, and their places, by least squares."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .room import Item

__all__ = ["across", "isotonic", "order", "straighten"]

Links = Sequence[tuple[Any, Any, float, int]]  # (upper, lower, weight, source of the edge), between neighbouring ranks
SWEEPS = 6  # over the order
SETTLE = 6  # pairs of sweeps over the places, down and up: a spine of ten is straight by then
APART = {"card": 26.0, "box": 26.0}  # half of it to each side; for edges less


def order(items: Mapping[Any, "Item"], links: Links) -> list[list[Any]]:
    """Names of items by rank, each rank from left to right: the order with the fewest crossings that the sweeps came by."""
    rows: list[list[Any]] = [[] for _ in range(max(item.rank for item in items.values()) + 1)]
    for name, item in items.items():
        rows[item.rank].append(name)
    if max(map(len, rows)) < 2:
        return rows
    above, below = _neighbours(items, links)
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for r in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            place = {name: i for i, name in enumerate(rows[r - 1 if down else r + 1])}
            now = {name: i for i, name in enumerate(rows[r])}

            def middle(name: Any, place: dict[Any, int] = place, now: dict[Any, int] = now, near: Any = near) -> tuple[float, int]:
                ends = [place[other] for other, _, _ in near[name] if other in place]
                return (sum(ends) / len(ends) if ends else float(now[name])), now[name]

            rows[r].sort(key=middle)
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
        if not fewest and sweep:
            break
    return best


def _neighbours(items: Mapping[Any, "Item"], links: Links) -> tuple[dict[Any, list[Any]], dict[Any, list[Any]]]:
    above: dict[Any, list[Any]] = {name: [] for name in items}
    below: dict[Any, list[Any]] = {name: [] for name in items}
    for a, b, weight, key in links:
        above[b].append((a, weight, key))
        below[a].append((b, weight, key))
    return above, below


def _crossings(rows: list[list[Any]], below: dict[Any, list[Any]]) -> int:
    total = 0
    for upper, lower in zip(rows, rows[1:], strict=False):
        if len(upper) < 2 or len(lower) < 2:
            continue
        place = {name: i for i, name in enumerate(lower)}
        ends: list[int] = []  # lower ends so far, from left to right of their upper ends
        for name in upper:
            mine = [place[b] for b, _, _ in below[name] if b in place]
            total += sum(end > m for m in mine for end in ends)
            ends += mine
    return total


def across(items: Mapping[Any, "Item"], rows: list[list[Any]], links: Links) -> None:
    """Set each item's x, the middle: near what it is linked to, heavier links first, in the order of `rows` and apart."""
    above, below = _neighbours(items, links)
    gaps = _gaps(items, rows)
    for row in rows:
        x = 0.0
        for name in row:
            items[name].x = x
            x += gaps.get(name, 0.0)
        middle = items[row[-1]].x / 2 if row else 0.0
        for name in row:
            items[name].x -= middle

    def wanted(name: Any, sides: Sequence[bool]) -> tuple[float, float]:
        """Where the links would have it, and how strongly."""
        item, total, weight = items[name], 0.0, 0.0
        ends = [(up, end) for up in sides for end in (above if up else below)[name]]
        heaviest = max([w for _, (_, w, _) in ends], default=0.0)
        for up, (other, w, key) in ends:
            if w * 20 > heaviest:  # a leaf does not pull at the spine
                far = items[other]
                mine, its = (item.entry, far.leave) if up else (item.leave, far.entry)
                total += w * (far.x + its.get(key, 0.0) - mine.get(key, 0.0))
                weight += w
        return (total / weight, weight) if weight else (item.x, 1e-3)

    def settled(name: Any) -> tuple[float, float]:
        """What nothing flows into goes to where it is used; all else stays."""
        return wanted(name, (False,)) if not above[name] else (items[name].x, 1e6)

    ways: list[tuple[bool, ...]] = [(True,), (False,)] * 2 + [(True, False), (False, True)] * SETTLE + [(True,), ()]  # the last straighten the spine
    for sides in ways:
        for row in rows if sides and sides[0] else reversed(rows):
            if row:
                shift, at = 0.0, []
                for name in row:
                    at.append(shift)
                    shift += gaps.get(name, 0.0)
                wishes = [wanted(name, sides) if sides else settled(name) for name in row]
                fitted = isotonic([x - s for (x, _), s in zip(wishes, at, strict=True)], [w for _, w in wishes])
                for name, x, s in zip(row, fitted, at, strict=True):
                    items[name].x = x + s


def _gaps(items: Mapping[Any, "Item"], rows: list[list[Any]]) -> dict[Any, float]:
    """How far apart the middles of an item and the next to its right must be."""
    gaps = {}
    for row in rows:
        for a, b in zip(row, row[1:], strict=False):
            one, other = items[a], items[b]
            gaps[a] = (one.w + other.w) / 2 + max(APART.get(one.kind, 8.0) + APART.get(other.kind, 8.0), 12.0) / 2
    return gaps


def straighten(items: Mapping[Any, "Item"], rows: list[list[Any]], chains: Sequence[Sequence[Any]]) -> None:
    """Give all bends of an edge the same x, where the items beside them leave room: the leftmost or the rightmost they have."""
    gaps = _gaps(items, rows)
    left = {b: a for row in rows for a, b in zip(row, row[1:], strict=False)}
    right = {a: b for b, a in left.items()}
    for _ in range(2):
        for chain in chains:
            for x in (min(items[name].x for name in chain), max(items[name].x for name in chain)):
                if all((name not in left or items[left[name]].x + gaps[left[name]] <= x + 1e-6)
                       and (name not in right or x + gaps[name] <= items[right[name]].x + 1e-6) for name in chain):
                    for name in chain:
                        items[name].x = x
                    break


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The nearest values, in weighted squares, that never fall. Pool adjacent violators: Ayer et al. 1955."""
    pools: list[tuple[float, float, int]] = []  # (mean, weight, how many)
    for value, weight in zip(values, weights, strict=True):
        count = 1
        while pools and pools[-1][0] > value:
            mean, w, n = pools.pop()
            value, weight, count = (mean * w + value * weight) / (w + weight), w + weight, n + count
        pools.append((value, weight, count))
    return [mean for mean, _, n in pools for _ in range(n)]
