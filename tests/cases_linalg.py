"""The lines of linear algebra: factorizations, norms, further products.

Matrices that must stay positive definite come in stacks, since the capture test reverses the first axis.
"""

from typing import Any

import numpy as np
from cases import Case, apart, positive, real


def turned(seed: int, values: Any, *shape: int) -> Any:
    """A matrix (or a stack) with these singular values in random bases."""
    rng = np.random.default_rng(seed)
    u, _, vh = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    return (u * values) @ vh


def symmetric(seed: int, values: Any, *batch: int) -> Any:
    """A symmetric matrix (or a stack) with these eigenvalues in random bases, the stack's scaled by 1, 2, ..."""
    n = len(values)
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((*batch, n, n)))[0]
    x = (q * values) @ q.swapaxes(-1, -2)
    return (x + x.swapaxes(-1, -2)) / 2


def weighed(x: Any, below: float, diagonal: float, above: float) -> Any:
    n = np.arange(max(x.shape[-2:]))
    i, j = n[:x.shape[-2], None], n[None, :x.shape[-1]]
    return x * np.where(i > j, below, np.where(i == j, diagonal, above))


def cofactor(a: Any) -> Any:
    """By the definition: the signed determinant of what is left without row i and column j."""
    y = np.zeros_like(a)
    for *batch, i, j in np.ndindex(a.shape):
        left = np.delete(np.delete(a[tuple(batch)], i, 0), j, 1)
        y[(*batch, i, j)] = (-1) ** (i + j) * np.linalg.det(left)
    return y


def second_minors(g: Any, a: Any) -> Any:
    b = np.linalg.inv(a).swapaxes(-1, -2)
    inner = np.sum(g * b, axis=(-2, -1), keepdims=True)
    return np.linalg.det(a)[..., None, None] * (inner * b - b @ g.swapaxes(-1, -2) @ b)


def p_norm(x: Any, ord: float = 2, axis: Any = None, keepdims: bool = False) -> Any:
    return np.sum(np.abs(x) ** ord, axis=axis, keepdims=keepdims) ** (1 / ord)


square = np.array([[2.0, 0.3, -0.4], [0.5, 1.5, 0.6], [-0.7, 0.8, 1.8]])
squares = turned(2, [1.8, 1.0, 0.5], 2, 3, 3)
singular = turned(3, [1.7, 0.8, 0.0], 3, 3)
spd = symmetric(4, [0.7, 1.3, 2.2], 2)
one = np.array([[0.7]])
none = np.zeros((0, 3, 3))
tall, wide = turned(7, [1.9, 1.1, 0.5], 4, 3), turned(8, [1.9, 1.1, 0.5], 3, 5)
talls, wides = turned(9, [1.9, 1.1], 2, 4, 2), turned(8, [1.9, 1.1, 0.7], 2, 3, 4)
indefinite, indefinites = symmetric(5, [-1.2, 0.3, 1.9]), symmetric(6, [-1.2, 0.3, 1.9], 2)

CASES = [
    Case("dot", (real(3, 4), real(4, 2)), empty=(np.zeros((0, 4)), np.zeros((4, 2)))), Case("dot", (real(2, 3, 4), real(4, 2))),
    Case("dot", (real(4), real(4, 2))),
    Case("solve", (square, real(3)), like=np.linalg.solve), Case("solve", (square, real(3, 2)), like=np.linalg.solve),
    Case("solve", (squares, real(2, 3, 2)), like=np.linalg.solve),
    Case("solve", (squares, real(3)), like=np.linalg.solve),
    Case("solve", (square, real(4, 3, 2)), like=np.linalg.solve, empty=(np.zeros((0, 0)), np.zeros((0, 2)))),
    Case("solve", (squares, real(4, 1, 3, 2)), like=np.linalg.solve),
    Case("solve", (square, square.T + 0.1), like=np.linalg.solve),
    Case("inv", (square,), like=np.linalg.inv, empty=(none,)), Case("inv", (squares,), like=np.linalg.inv),
    Case("inv", (one,), like=np.linalg.inv),
    Case("det", (square,), like=np.linalg.det, empty=(none,)), Case("det", (squares,), like=np.linalg.det),
    Case("det", (singular,), like=np.linalg.det), Case("det", (one,), like=np.linalg.det),
    Case("cofactor", (square,), like=cofactor, empty=(none,)), Case("cofactor", (squares,), like=cofactor),
    Case("second_minors", (real(3, 3), square), like=second_minors, empty=(none, none)),
    Case("second_minors", (real(2, 3, 3), squares), like=second_minors),
    Case("slogdet", (square,), like=np.linalg.slogdet, empty=(none,)),
    Case("slogdet", (squares,), like=np.linalg.slogdet),
    Case("cholesky", (spd,), like=np.linalg.cholesky, empty=(none,)), Case("cholesky", (one,), like=np.linalg.cholesky),
    *(Case("eigh", (a,), like=np.linalg.eigh, empty=(none,)) for a in (indefinite, indefinites)),
    *(Case("eigvalsh", (a,), like=np.linalg.eigvalsh, empty=(none,)) for a in (indefinite, indefinites)),
    *(Case("qr", (a,), like=np.linalg.qr, empty=(none,))
      for a in (square, squares, tall, talls, wide, wides, real(1, 3))),
    *(Case("svd", (a,), like=lambda a: np.linalg.svd(a, full_matrices=False), empty=(none,))
      for a in (square, squares, tall, talls, wide, wides)),
    *(Case("svdvals", (a,), like=lambda a: np.linalg.svd(a, compute_uv=False), empty=(np.zeros((0, 3, 2)),))
      for a in (square, squares, tall, talls, wide, wides)),
    *(Case("pinv", (a,), {"rcond": 1e-12}, like=np.linalg.pinv, empty=(np.zeros((0, 3, 2)),))
      for a in (square, tall, talls, wide, wides)),
    Case("weigh_triangles", (real(3, 4),), {"below": 2.0, "diagonal": 0.5, "above": 0.0}, weighed, linear=True),
    Case("weigh_triangles", (real(2, 3, 3),), {"below": 0.0, "diagonal": 1.0, "above": -1.0}, weighed, linear=True,
         empty=(none,)),
    *(Case("p_norm", (x,), params, p_norm, empty=(np.zeros((0, 4)),) if params.get("axis") == 1 else None)
      for x, params in (
          (real(3, 4), {}), (real(3, 4), {"axis": 1}), (real(2, 3, 4), {"axis": (0, 2), "keepdims": True}),
          (real(3, 4), {"ord": 3, "axis": 0}), (real(3, 4), {"ord": 4, "axis": -1, "keepdims": True}),
          (real(3, 4), {"ord": 1.5}), (real(3, 4), {"ord": 2.5, "axis": 1}), (positive(3, 4), {"ord": 0.5, "axis": 1}),
          (real(3, 4), {"ord": -1, "axis": 1}), (apart(5), {"ord": 3.0}))),
    *(Case("vecdot", (real(*a), real(*b)), empty=(np.zeros((0, 4)), np.zeros((0, 4))))
      for a, b in (((4,), (4,)), ((3, 4), (3, 4)), ((3, 4), (4,)), ((4,), (2, 3, 4)), ((2, 1, 4), (3, 4)))),
    *(Case("cross", (real(*a), real(*b)), empty=(np.zeros((0, 3)), np.zeros((0, 3))))
      for a, b in (((3,), (3,)), ((4, 3), (4, 3)), ((4, 3), (3,)), ((2, 1, 3), (4, 3)))),
]
