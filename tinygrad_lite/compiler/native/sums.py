"""Reductions and products of a native kernel: what is summed, in which order, and from where."""

import math
from typing import TYPE_CHECKING

from ..program import Call
from .entries import number, reduction
from .places import Place

if TYPE_CHECKING:
    from .loops import Kernel

__all__ = ["indented", "product", "reduce"]

LEAST = 16  # neighbours from which on a row is summed in interleaved parts


def reduce(kernel: "Kernel", call: Call) -> None:
    """Along the last kept axis in vectors where that is the one of neighbours; of neighbours in parts; else one by one.

    A sum that is not one of vectors is kept in float64, so that it is at least as accurate as NumPy's pairwise one.
    """
    x, made = call.args[0], call.output
    source, goal = kernel.places.of[x], kernel.places.of[made]
    form, first, reduced, mean = reduction(call)
    ndim = len(x.shape)
    kept = [a for a in range(ndim) if a not in reduced]
    inner = sorted(reduced, key=lambda a: -abs(source.strides[a]))
    strides = [goal.strides[a] for a in kept] if len(made.shape) == ndim else goal.strides
    begin = f"np.{made.dtype}({number(first)})"
    sizes = [(f"i{a}", n) for a, n in enumerate(x.shape)]
    over = [sizes[a] for a in kept]
    target = kernel.entry(goal, [(f"i{a}", stride) for a, stride in zip(kept, strides, strict=True)])
    steps = [(f"i{a}", stride) for a, stride in enumerate(source.strides)]
    one = kernel.entry(source, steps)
    count = math.prod([x.shape[a] for a in reduced])
    last = f"{target} = np.{made.dtype}(s{f' / {count}' if mean else ''})"
    span, together = _neighbours(source, x.shape, inner)
    if first == 0 and span >= LEAST:
        rest = [a for a in inner if a not in together]
        begins = kernel.start(source, [steps[a] for a in [*kept, *rest]])
        kernel.nest(over, "s = 0.0", *indented([sizes[a] for a in rest], f"s += total({begins}, {span})"), last)
    elif kept and source.strides[kept[-1]] == 1 and inner:
        kernel.nest(over, f"{target} = {begin}")
        kernel.nest([*over[:-1], *[sizes[a] for a in inner], over[-1]], f"a = {target}", f"b = {one}", f"{target} = {form.format('a', 'b')}")
        if mean:
            kernel.nest(over, f"{target} = {target} / np.{made.dtype}({count})")
    else:
        kernel.nest(over, f"s = {'0.0' if first == 0 else begin}", *indented([sizes[a] for a in inner], f"b = {one}", f"s = {form.format('s', 'b')}"),
                    last)


def _neighbours(place: Place, shape: tuple[int, ...], axes: list[int]) -> tuple[int, list[int]]:
    """How many entries these axes cover without a gap, and which of the axes do."""
    span, together = 1, []
    for axis in sorted(axes, key=lambda a: abs(place.strides[a])):
        if shape[axis] != 1 and place.strides[axis] != span:
            break
        span *= shape[axis]
        together.append(axis)
    return span, together


def product(kernel: "Kernel", call: Call) -> None:
    """c[..., m, n] = sum over k of a[..., m, k] b[..., k, n], matrix by matrix.

    The rows of b have to be neighbours in memory. Where they are not, but its columns are, as in x @ W.T, they are copied first.
    """
    a, b = call.args
    c = call.output
    at_a, at_b, at_c = [kernel.places.of[v] for v in (a, b, c)]
    k = a.shape[-1]
    rows, columns = (False, False) if call.function.text == "np.vecdot" else (len(a.shape) > 1, len(b.shape) > 1)
    batch = c.shape[:len(c.shape) - rows - columns]
    m, a_m, c_m = (a.shape[-2], at_a.strides[-2], at_c.strides[len(batch)]) if rows else (1, 0, 0)
    n, b_n, c_n = (b.shape[-1], at_b.strides[-1], at_c.strides[-1]) if columns else (1, 0, 0)
    a_k, b_k = at_a.strides[-1], at_b.strides[-2 if columns else -1]
    to_a, to_b = _batch(at_a, a.shape, 1 + rows, batch), _batch(at_b, b.shape, 1 + columns, batch)
    to_c = list(at_c.strides[:len(batch)])
    over = [(f"i{d}", size) for d, size in enumerate(batch)]
    while over and to_b[-1] == 0 and (m == 1 or (to_a[-1], to_c[-1]) == (a_m * m, c_m * m)):  # one product of all rows
        a_m, c_m = (a_m, c_m) if m > 1 else (to_a[-1], to_c[-1])
        m *= over.pop()[1]
        for strides in (to_a, to_b, to_c):
            strides.pop()
    if m == 1 and n > 1 and b_n != 1:  # the transposed product, whose rows are the columns of b
        at_a, at_b, to_a, to_b = at_b, at_a, to_b, to_a
        m, n, a_m, a_k, b_k, b_n, c_m = n, m, b_n, b_k, a_k, a_m, c_n
    index_a, index_b, index_c = [list(zip([name for name, _ in over], strides, strict=True)) for strides in (to_a, to_b, to_c)]
    lines = []
    if n == 1 and a_k == 1 and b_k == 1 and (m < 8 or k >= 256):
        down = [("m", m)] if m > 1 else []
        lines = indented(down, f"{kernel.entry(at_c, [*index_c, *[('m', c_m)][:len(down)]])} = np.{c.dtype}("
                                f"dot({kernel.start(at_a, [*index_a, *[('m', a_m)][:len(down)]])}, {kernel.start(at_b, index_b)}, {k}))")
    else:
        right = kernel.start(at_b, index_b)
        if n > 1 and b_n != 1:
            packed = Place(kernel.scratch(k * n, c.dtype), 0, ())
            inner = sorted([("k", k, b_k), ("n", n, b_n)], key=lambda row: -abs(row[2]))
            lines = indented([row[:2] for row in inner], f"{kernel.entry(packed, [('k', n), ('n', 1)])} = "
                                                          f"{kernel.entry(at_b, [*index_b, ('k', b_k), ('n', b_n)])}")
            right, b_k = kernel.start(packed, []), n
        lines.append(f"product({kernel.start(at_c, index_c)}, {kernel.start(at_a, index_a)}, {right}, ({m}, {k}, {n}, {a_m}, {a_k}, {b_k}, {c_m}))")
    kernel.nest(over, *lines)


def _batch(place: Place, shape: tuple[int, ...], own: int, batch: tuple[int, ...]) -> list[int]:
    """Strides along the axes of a batch, of an operand whose last `own` axes are those of its matrix or vector."""
    outer = Place(place.memory, place.offset, place.strides[:len(shape) - own])
    return list(outer.spread(shape[:len(shape) - own], batch).strides)



def indented(loops: list[tuple[str, int]], *lines: str) -> list[str]:
    """Lines inside loops over ranges."""
    head = [f"{'    ' * depth}for {name} in range({size}):" for depth, (name, size) in enumerate(loops)]
    return [*head, *["    " * len(loops) + line for line in lines]]
