"""Repeats of a graph folded into one round, and only where the rounds have the same ops, wired the same way.

A recurrent network of 100 steps becomes its cell with a loop arrow; blocks with parameters of their own are look-alikes, and get none.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..reading import Call
from .flow import Flow, Link, Repeat, Tile, items, signatures

__all__ = ["fold"]

PERIODS = 64  # the longest round that is looked for, in ops and calls
ROUNDS = 3  # the fewest worth folding


def fold(f: Flow, over: int) -> Flow:
    """Fold the repeats in each call (and outside of all) in which more than `over` ops and calls happen directly, until they are as few."""
    held = items(f)
    busy = sorted([call for call, inside in held.items() if len(inside) > over], key=lambda call: f.tiles[_flat(held, held[call][:1])[0]].number)
    if not busy:
        return f
    alike, into = signatures(f, held), _inputs(f)
    calls, tiles, repeats = list(f.calls), dict(f.tiles), dict(f.repeats)
    first: dict[int, int] = {}  # op of a later round -> the same op of the first
    turn: dict[int, tuple[int, int]] = {}  # op of a repeat -> (its repeat, its round)
    for call in busy:
        if _flat(held, held[call][:1])[0] in first:
            continue  # inside a later round of a repeat around it
        for start, period, rounds in _runs(held, held[call], alike, into, over):
            group = len(calls)
            repeats[group] = _kind(f, rounds, into)
            calls.append(Call(group, call, calls[call].path if call >= 0 else "", "repeat", -1, -1))
            for item in held[call][start:start + period]:
                if item > 0:
                    tiles[item] = tiles[item]._replace(call=group)
                else:
                    calls[-1 - item] = replace(calls[-1 - item], parent=group)
            for j, op in enumerate(rounds[0]):
                tiles[op] = tiles[op]._replace(copies=tuple([ops[j] for ops in rounds]))
            for t, ops in enumerate(rounds):
                for op, kept in zip(ops, rounds[0], strict=True):
                    turn[op] = group, t
                    if t:
                        first[op] = kept
    return _without_copies(f, tiles, tuple(calls), repeats, first, turn)


def _inputs(f: Flow) -> dict[int, list[Link]]:
    into: dict[int, list[Link]] = {n: [] for n in f.tiles}
    for link in f.links:
        into[link.target].append(link)
    return into


def _flat(held: dict[int, list[int]], inside: Sequence[int]) -> list[int]:
    """The ops of some items, those within calls too, in order."""
    if len(inside) == 1 and inside[0] > 0:
        return [inside[0]]
    ops: list[int] = []
    stack = list(reversed(inside))
    while stack:
        item = stack.pop()
        if item > 0:
            ops.append(item)
        else:
            stack += reversed(held[-1 - item])
    return ops


def _runs(held: dict[int, list[int]], inside: list[int], alike: dict[int, int], into: dict[int, list[Link]],
          over: int) -> list[tuple[int, int, list[list[int]]]]:
    """(start, period, ops of each round) of the repeats among `inside`, the one that saves most first, until at most `over` items are left
    or a repeat would save less than a hundredth."""
    code = np.array([alike[item] for item in inside])
    left, found, parts = len(inside), [], [(0, len(inside))]
    while left > over and parts:
        a, b = parts.pop(0)
        for saved, start, period in sorted(_candidates(code[a:b]), key=lambda c: (-c[0], c[2]))[:8]:
            if saved * 100 < len(inside):
                break
            times = saved // period + 1
            rounds = [_flat(held, inside[a + start + t * period:a + start + (t + 1) * period]) for t in range(times)]
            if _same_wiring(rounds, into):
                found.append((a + start, period, rounds))
                left -= saved
                parts += [(a, a + start), (a + start + times * period, b)]
                parts.sort(key=lambda part: (part[0] - part[1], part[0]))
                break
    return found


def _candidates(code: np.ndarray) -> list[tuple[int, int, int]]:
    """(items saved, start, period) of the longest repeat for each period."""
    found = []
    for period in range(1, min(PERIODS, len(code) // ROUNDS) + 1):
        breaks = np.flatnonzero(code[period:] != code[:-period])
        edges = np.concatenate([[-1], breaks, [len(code) - period]])
        lengths = np.diff(edges) - 1
        k = int(np.argmax(lengths))
        times = int(lengths[k]) // period + 1
        if times >= ROUNDS:
            found.append(((times - 1) * period, int(edges[k]) + 1, period))
    return found


def _same_wiring(rounds: list[list[int]], into: dict[int, list[Link]]) -> bool:
    """Does each input of each op come from the same place in its own or an earlier round, or from outside? The first rounds, which have no
    round before them, may get from outside what later ones carry on."""
    place = {op: (t, j) for t, ops in enumerate(rounds) for j, op in enumerate(ops)}
    for j in range(len(rounds[0])):
        pattern: list[tuple[tuple[str, ...], int, int] | None] = []
        for t in range(len(rounds) - 1, -1, -1):  # from the last round, which has all the others before it
            wires: list[tuple[tuple[str, ...], int, int] | None] = []
            for link in into[rounds[t][j]]:
                where = place.get(link.source)
                label = tuple(["[]" if word.startswith("[") else word for word in link.label])
                wires.append(None if where is None else (label, t - where[0], where[1]))
            if t == len(rounds) - 1:
                pattern = wires
            elif len(wires) != len(pattern) or any(
                    mine != last and not (mine is None and last is not None and last[1] > t) for mine, last in zip(wires, pattern, strict=True)):
                return False
    return True


def _kind(f: Flow, rounds: list[list[int]], into: dict[int, list[Link]]) -> Repeat:
    """The same parameters, modules and lines in every round, or look-alikes? Does a round get anything from an earlier one?"""
    place = {op: t for t, ops in enumerate(rounds) for op in ops}

    wanted = {n for n, tile in f.tiles.items() if tile.kind == "leaf" and f.card(n).requires_grad}

    def signs(op: int) -> tuple[object, ...]:
        card = f.card(op)
        return card.origin, f.calls[card.call].owner if card.call >= 0 else -1, [link.source for link in into[op] if link.source in wanted]

    signed = {op: signs(op) for ops in rounds for op in ops}
    same = all(signed[op] == signed[ops[0]] for ops in zip(*rounds, strict=True) for op in ops[1:])
    return Repeat(len(rounds), same, any(place.get(link.source, t) < t for t, ops in enumerate(rounds) for op in ops for link in into[op]))


def _without_copies(f: Flow, tiles: dict[int, Tile], calls: tuple[Call, ...], repeats: dict[int, Repeat], first: dict[int, int],
                    turn: dict[int, tuple[int, int]]) -> Flow:
    """Later rounds out, what they were linked to linked to the first; leaves that feed the same place in each round become one."""
    def kept(n: int) -> int:
        while n in first:
            n = first[n]
        return n

    feeds: dict[int, set[tuple[int, int]]] = {}
    for link in f.links:
        if f.tiles[link.source].kind == "leaf":
            feeds.setdefault(link.source, set()).add((kept(link.target) if link.target in turn else -link.target, link.slot))
    groups: dict[object, list[int]] = {}
    for leaf, places in feeds.items():
        if all(target > 0 for target, _ in places):
            card = f.card(leaf)
            groups.setdefault((frozenset(places), card.shapes, card.dtype, card.requires_grad, card.parameter), []).append(leaf)
    for leaves in groups.values():
        if len(leaves) > 1:
            tiles[leaves[0]] = tiles[leaves[0]]._replace(copies=tuple(leaves))
            first.update(dict.fromkeys(leaves[1:], leaves[0]))
    labels: dict[tuple[int, int, int, bool], list[tuple[str, ...]]] = {}
    for link in f.links:
        here, there = turn.get(link.source), turn.get(link.target)
        loop = here is not None and there is not None and here[0] == there[0] and here[1] != there[1]
        if not loop or repeats[here[0]].same:  # type: ignore[index]
            labels.setdefault((kept(link.source), kept(link.target), link.slot, loop), []).append(link.label)
    links = [Link(source, target, slot, _between(many), 1, loop) for (source, target, slot, loop), many in labels.items()]
    return Flow(f.graph, {n: tile for n, tile in tiles.items() if n not in first}, tuple(links), calls, tuple(dict.fromkeys(map(kept, f.roots))),
                repeats)


def _between(labels: list[tuple[str, ...]]) -> tuple[str, ...]:
    """One label for all rounds: where they differ in an index, `[0] … [99]`."""
    a, b = labels[0], labels[-1]
    return tuple([x if x == y else f"{x} … {y}" for x, y in zip(a, b, strict=True)]) if len(a) == len(b) else a
