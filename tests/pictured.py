"""The graphs whose pictures are tested: models closed, partly open and open, folded, random, failed; and how a picture is measured."""

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import nn, viz
from tinygrad_lite.engine import Op

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.models import MODELS, example  # noqa: E402

__all__ = ["NASTY", "PICTURES", "along", "bad_tanh", "by_hand", "example", "random_graph", "rectangles"]

NASTY = 'a"b\\c\n<script>alert(1)</script>&{|}\x00]]>'
bad_tanh = Op("tanh", np.tanh, lambda g, y, x: g * (1 - y))


def by_hand(op: Any = np.tanh) -> Any:
    """The loss of a small net whose parameters are plain Tensors, and its leaves by name."""
    rng = np.random.default_rng(0)
    leaves = {"W": tl.tensor(rng.standard_normal((4, 6)), requires_grad=True), "b": tl.tensor(rng.standard_normal(6), requires_grad=True),
              "V": tl.tensor(rng.standard_normal((6, 1)), requires_grad=True), "x": tl.tensor(rng.standard_normal((8, 4)))}
    h = op(leaves["x"] @ leaves["W"] + leaves["b"])
    loss = (h @ leaves["V"] * 0.5).mean()
    return loss, leaves


class Nested(nn.Module):
    """A random part: some ops on what it was given and on an outer value, and parts of its own."""

    def __init__(self, rng: Any, depth: int) -> None:
        self.rng, self.w = rng, nn.Parameter(np.ones((3, 3)))
        self.parts = [Nested(rng, depth - 1) for _ in range(int(rng.integers(0, 3)))] if depth else []

    def forward(self, x: Any, outer: Any) -> Any:
        pool = [x, x @ self.w]
        for part in self.parts:
            pool.append(part(pool[self.rng.integers(len(pool))], outer if self.rng.random() < 0.5 else pool[-1]))
        for _ in range(int(self.rng.integers(1, 5))):
            a, b = (pool[i] for i in self.rng.integers(0, len(pool), 2))
            pool.append([lambda: a + b, lambda: np.tanh(a), lambda: a.T * outer, lambda: a * self.w][int(self.rng.integers(4))]())  # noqa: B023
        return sum(pool[1:], pool[0])


KEPT: list[Any] = []  # the modules of random graphs: names are read from living ones


def random_graph(seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    net = Nested(rng, 3)
    KEPT.append(net)
    x = tl.tensor(rng.standard_normal((3, 3)), requires_grad=True, name="x")
    mask = tl.tensor(rng.standard_normal((3, 3)), name="mask")
    return [net(net(x, mask), mask * 2).sum()]


def pictures() -> list[Any]:
    """(name, picture) of many kinds: models closed, partly open and open, folded, side by side, shared, failed."""
    made = []
    for name in MODELS:
        _, loss_of = example(name, steps=30, depth=2)
        loss = loss_of()
        loss.backward()
        for depth in (0, 1, None, 9):
            made.append((f"{name}, depth {depth}", viz.draw(loss, depth=depth)))
    made.append(("one module open", viz.draw(loss, open=["blocks.1", "blocks.1.attn"])))
    made.append(("folded blocks", viz.draw(example("gpt", depth=9)[1](), max_nodes=8)))
    made.append(("by hand", viz.draw(by_hand()[0])))
    x = tl.tensor(np.ones((3, 3)), requires_grad=True)
    skips = [x]
    for k in range(1, 9):
        skips.append(sum(skips[max(0, k - 3):], skips[0]) * np.tanh(skips[-1]))
    made.append(("skips", viz.draw(skips[-1].sum() + (skips[2] @ skips[5].T).sum())))
    made.append(("several roots", viz.draw([skips[2], skips[3].reshape(9), x])))
    for seed in range(6):
        made.append((f"random {seed}", viz.draw(*random_graph(seed), max_nodes=40)))
    made.append(("failed", viz.draw_model(nn.Sequential(nn.Linear(5, 8), nn.Linear(9, 2)), (7, 5))))
    return made


PICTURES = pictures()


def rectangles(scene: Any) -> dict[int, tuple[float, float, float, float]]:
    """Left, top, right, bottom of each card, its pile counted."""
    return {p.face.number: (p.x, p.y - 6 * p.face.stack, p.x + p.face.width + 6 * p.face.stack, p.y + p.face.height) for p in scene.cards}


def along(edge: Any) -> list[tuple[float, float]]:
    """Points on the edge as it is drawn: on a curve that leaves and arrives vertically, 24 of them."""
    points = [edge.points[0]]
    for (x, y), (x2, y2) in itertools.pairwise(edge.points):
        for t in np.linspace(0, 1, 25)[1:]:
            if edge.loop or x == x2 or y == y2:
                points.append((x + (x2 - x) * t, y + (y2 - y) * t))
            else:  # the cubic with control points (x, middle), (x2, middle)
                m, s = (y + y2) / 2, 1 - t
                points.append((s ** 3 * x + 3 * s * s * t * x + 3 * s * t * t * x2 + t ** 3 * x2,
                               s ** 3 * y + 3 * s * s * t * m + 3 * s * t * t * m + t ** 3 * y2))
    return points
