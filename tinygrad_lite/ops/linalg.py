"""Products of vectors, matrices and tables: matmul, dot, outer, einsum, and `linear`, the layer x Wᵀ + b as one row."""

from functools import lru_cache
from typing import Any

import numpy as np

from ..engine import Op, on_numpy
from .shape import broadcast_to, expand_dims

__all__ = ["dot", "einsum", "linear", "matmul", "outer"]


def _matmul_by_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return expand_dims(g, axis=-1) * b if a.ndim > 1 else g * b
    if a.ndim == 1:
        return (b @ expand_dims(g, axis=-1)).squeeze(-1)
    return g @ b.swapaxes(-1, -2)


def _matmul_by_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 1:
        return expand_dims(a, axis=-1) * expand_dims(g, axis=-2) if b.ndim > 1 else g * a
    if b.ndim == 1:
        return (a.swapaxes(-1, -2) @ expand_dims(g, axis=-1)).squeeze(-1)
    return a.swapaxes(-1, -2) @ g


matmul = Op("matmul", np.matmul, _matmul_by_a, _matmul_by_b,
            doc="y = a b, the last two axes as matrices, the others broadcast; dL/da = g bᵀ, dL/db = aᵀ g. A vector counts as row a or column b")


dot_op = Op("dot", np.dot, lambda g, y, a, b: np.dot(g, b.T),
            lambda g, y, a, b: np.dot(a.reshape(-1, b.shape[0]).T, g.reshape(-1, b.shape[1])),
            doc="y = a b with b a matrix and any number of axes in a, by one matrix product; dL/da = g bᵀ, dL/db = aᵀ g over all rows")


def dot(a: Any, b: Any) -> Any:
    """NumPy's dot: inner product of vectors, matrix product of matrices; above two axes the last of a with the second to last of b."""
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim == 2:
        return dot_op(a, b)
    if b.ndim == 1:
        return matmul(a, b)
    left, right = "abcdefghijk"[:a.ndim - 1], "mnopqrstuvw"[:b.ndim - 1]
    return einsum(f"{left}z,{right[:-1]}z{right[-1]}->{left}{right}", a, b)


def _outer(a: Any, b: Any) -> Any:
    return np.outer(a, b)


outer = Op("outer", _outer, lambda g, y, a, b: (g @ b.reshape(-1)).reshape(a.shape), lambda g, y, a, b: (a.reshape(-1) @ g).reshape(b.shape),
           doc="y_ij = a_i b_j of the flattened inputs")


def _einsum(*operands: Any, subscripts: str) -> Any:
    return np.einsum(subscripts, *operands, optimize=len(operands) > 2)


def _einsum_rule(i: int, g: Any, y: Any, *operands: Any, subscripts: str) -> Any:
    """The operand i is replaced by g, and its letters become the output. Letters that stand in it alone were summed over: g is
    repeated along them. A letter that stands twice in it is a diagonal: g is put there by a product with the identity."""
    left, out = subscripts.split("->")
    terms = left.split(",")
    mine, others = terms[i], [(t, x) for k, (t, x) in enumerate(zip(terms, operands, strict=True)) if k != i]
    x = operands[i]
    once = "".join(dict.fromkeys(mine))
    known = set(out).union(*(t for t, _ in others))
    result = "".join(c for c in once if c in known)
    gx = einsum(f"{','.join([out, *(t for t, _ in others)])}->{result}", g, *(o for _, o in others))
    size = dict(zip(mine, x.shape, strict=True))
    if result != once:
        gx = broadcast_to(gx.reshape(tuple(size[c] if c in known else 1 for c in once)), shape=tuple(size[c] for c in once))
    if once != mine:
        free = iter(c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in subscripts)
        seen: set[str] = set()
        factors, target = [], ""
        for c in mine:
            fresh = c if c not in seen else next(free)
            if fresh != c:
                factors.append((c + fresh, np.eye(size[c], like=np.empty(0)).astype(x.dtype)))
            seen.add(c)
            target += fresh
        gx = einsum(f"{','.join([once, *(t for t, _ in factors)])}->{target}", gx, *(e for _, e in factors))
    return gx


einsum_op = Op("einsum", _einsum, each=_einsum_rule,
               doc="y_out = sum over the letters that are not in out of the product of the operands; each rule is an einsum again")


def einsum(subscripts: str, *operands: Any, optimize: Any = None) -> Any:
    """Einstein's summation, as NumPy writes it: einsum("ij,jk->ik", a, b). Repeated letters, `...` and the implicit output included.

    `optimize` is accepted for NumPy's sake: three operands or more are always contracted pairwise.
    """
    return einsum_op(*operands, subscripts=_explicit(subscripts, [np.ndim(x) for x in operands]))


def _explicit(subscripts: str, ndims: list[int]) -> str:
    """The same sum with its output written out, and letters of their own for the axes under `...`."""
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum({subscripts!r}) names {len(terms)} operands, but {len(ndims)} were given")
    hidden = [n - len(t.replace("...", "")) if "..." in t else 0 for t, n in zip(terms, ndims, strict=True)]
    for t, n, h in zip(terms, ndims, hidden, strict=True):
        if h < 0 or "..." not in t and len(t) != n:
            raise ValueError(f"einsum({subscripts!r}): the term {t!r} does not fit an array of {n} axes")
    free = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba" if c not in subscripts][:max(hidden, default=0)]
    dots = "".join(free)
    terms = [t.replace("...", dots[len(dots) - h:]) for t, h in zip(terms, hidden, strict=True)]
    if arrow:
        return f"{','.join(terms)}->{out.replace('...', dots)}"
    letters = "".join(terms)
    return f"{','.join(terms)}->{dots}{''.join(sorted(c for c in set(letters) - set(dots) if letters.count(c) == 1))}"


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    y = np.dot(x, weight.T)
    if bias is None:
        return y
    if bias.dtype is not y.dtype or not y.ndim:
        return y + bias
    y += bias
    return y


def _linear_by_weight(g: Any, y: Any, x: Any, weight: Any, bias: Any) -> Any:
    if x.ndim != 2:
        g, x = g.reshape(-1, weight.shape[0]), x.reshape(-1, weight.shape[1])
    return np.dot(g.T, x)


def _linear_by_bias(g: Any, y: Any, x: Any, weight: Any, bias: Any) -> Any:
    if x.ndim == 2 and x.shape[0] <= 1024 and on_numpy(g):  # as a product with ones BLAS sums the rows two to four times sooner
        return np.dot(_ones(x.shape[0], g.dtype.char), g)
    return g


@lru_cache(maxsize=64)
def _ones(n: int, dtype: str) -> Any:
    ones = np.ones(n, dtype)
    ones.flags.writeable = False
    return ones


linear = Op("linear", _linear, lambda g, y, x, weight, bias: np.dot(g, weight), _linear_by_weight, _linear_by_bias, broadcasts=True,
            doc="y = x Wᵀ + b: (..., in) x (out, in) + (out,) -> (..., out); dL/dx = g W, dL/dW = gᵀ x, dL/db = g summed over the batch")
