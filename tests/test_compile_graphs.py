"""Random programs, compiled: whatever is put together, a replay on other numbers is what eager computes."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.nn import functional as F

UNARY = [tl.tanh, tl.exp, tl.sin, tl.sqrt, tl.abs, tl.square, lambda x: -x, lambda x: x * 2.0, lambda x: 1 / (x * x + 1),
         lambda x: tl.maximum(x, 0),
         lambda x: x.T, lambda x: x[::-1], lambda x: x.sum(axis=0, keepdims=True), lambda x: x.mean(axis=1, keepdims=True),
         lambda x: x.reshape(-1, 1),
         lambda x: tl.where(x > 0, x, 0.1), lambda x: x[..., :2], lambda x: x.max(axis=0, keepdims=True), lambda x: tl.sort(x, axis=0),
         lambda x: x.detach() * x, lambda x: tl.cumsum(x, axis=1), lambda x: (x > 0.5) * x, lambda x: x.copy(), lambda x: F.softmax(x, -1)]
BINARY = [tl.add, tl.subtract, tl.multiply, tl.maximum, lambda a, b: a / (b * b + 1), lambda a, b: tl.hypot(a, b + 2), tl.logaddexp,
          lambda a, b: tl.where(a > b, a, b), lambda a, b: tl.concatenate([a, a * b], axis=0)]


class Graph:
    """A function of arrays and leaves, drawn from a seed: the same one each time it is called."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.leaves = [tl.tensor(rng.standard_normal((3, 4)) * 0.5, requires_grad=True) for _ in range(2)]
        self.plan = [(int(rng.integers(3)), int(rng.integers(len(UNARY))), int(rng.integers(len(BINARY))), rng.random(2)) for _ in range(14)]
        self.rate = float(rng.random())

    def __call__(self, x):
        values = [x, *self.leaves, x @ self.leaves[0].T]
        with np.errstate(all="ignore"):
            for kind, one, two, (p, q) in self.plan:
                a, b = values[int(p * len(values))], values[int(q * len(values))]
                if kind == 0:
                    values.append(UNARY[one](a) if a.ndim == 2 and min(a.shape) > 0 else tl.tanh(a))
                elif kind == 1 and len(a.shape) == len(b.shape) == 2 and a.shape[1] == b.shape[0]:
                    values.append(a @ b)
                elif a.shape == b.shape or 1 in a.shape[-1:]:
                    try:
                        values.append(BINARY[two](a, b))
                    except ValueError:  # shapes that do not broadcast
                        values.append(a * 0.5)
                else:
                    values.append(tl.tanh(a) + 0.5)
            loss = sum([tl.tanh(v).sum() for v in values[1:]])
            for leaf in self.leaves:
                leaf.grad = None
            loss.backward()
            gradients = [leaf.grad * 1.0 for leaf in self.leaves]
            with tl.no_grad():
                for leaf in self.leaves:
                    leaf -= self.rate * leaf.grad
        return loss, values[-1], values[-2], gradients


@pytest.mark.parametrize("seed", range(150))
def test_random_graph_replays_to_eagers_numbers(seed):
    eager, ours = Graph(seed), Graph(seed)
    compiled = tl.compile(ours)
    rng = np.random.default_rng(seed + 1000)
    with np.errstate(all="ignore"):
        for _ in range(3):
            x = rng.standard_normal((3, 4))
            want, got = eager(tl.tensor(x)), compiled(tl.tensor(x))
            for a, b in zip([*want[:3], *want[3], *eager.leaves], [*got[:3], *got[3], *ours.leaves], strict=True):
                np.testing.assert_array_equal(a.data, b.data)
    assert len(compiled.programs) == 1
