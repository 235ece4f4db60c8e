"""Right functions at random: graphs of right ops with huge masks, kinks that are hit exactly, constants, shared nodes, unused inputs."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lite as tl

__all__ = ["program"]

_SMOOTH: list[Callable[[Any], Any]] = [
    np.tanh, np.sin, lambda a: a.T, lambda a: a.sum(axis=0, keepdims=True) + a, lambda a: tl.logsumexp(a, axis=0, keepdims=True) - a,
    lambda a: a[::-1], lambda a: a ** 2, lambda a: a * 0.1, lambda a: np.exp(np.sin(a)), lambda a: tl.where(np.tri(3) > 0, a, 0.0),
    lambda a: a - a.mean(), lambda a: np.cumsum(a, axis=1), lambda a: np.sqrt(a * a + 1), lambda a: tl.nn.functional.softmax(a, -1)]
_BENT: list[Callable[[Any], Any]] = [
    tl.sigmoid, tl.softplus, tl.relu, abs, lambda a: a.max(axis=1, keepdims=True) + a, lambda a: tl.clip(a, -0.5, 0.5), lambda a: np.sort(a, axis=-1)]
_SMOOTH_PAIRS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - b, lambda a, b: a / (1 + b * b), lambda a, b: a @ b * 0.1,
    lambda a, b: tl.concatenate([a[:2], b[:1]])]
_BENT_PAIRS: list[Callable[[Any, Any], Any]] = [tl.maximum, tl.minimum, lambda a, b: tl.where(a > b, a, b), np.hypot]


def program(seed: int) -> tuple[Callable[..., Any], list[Any]]:
    """(function, inputs): 12 ops of what is there so far. Of every three programs one is smooth, one has inputs on its kinks, one huge masks."""
    rng = np.random.default_rng(seed)
    kind, scale = seed % 3, 10.0 ** int(rng.integers(-8, 9))
    arrays = [rng.standard_normal((3, 3)) * 10.0 ** rng.integers(-2, 3) for _ in range(3)]
    if kind == 1:
        arrays[0][rng.random((3, 3)) < 0.3] = 0.0  # where relu, abs and maximum are bent
    single, pairs = (_SMOOTH, _SMOOTH_PAIRS) if kind == 0 else (_SMOOTH + _BENT, _SMOOTH_PAIRS + _BENT_PAIRS)
    plan = []
    for size in range(4, 16):
        functions: list[Callable[..., Any]] = list(single if rng.random() < 0.5 else pairs)
        plan.append((functions[rng.integers(len(functions))], len(functions) in (len(pairs),), *rng.integers(size, size=2)))
    mask = np.where(np.tri(3) > 0, 0.0, -1e9 if kind == 2 else 0.0)

    def function(*inputs: Any) -> Any:
        pool = [*inputs, tl.tensor(np.full((3, 3), 0.7))]
        for f, takes_two, i, j in plan:
            pool.append(f(pool[i], pool[j]) if takes_two else f(pool[i]))
        attention = tl.nn.functional.softmax(inputs[1] @ pool[-1] + mask, -1)
        return np.tanh(pool[-2] * 0.01 + inputs[0]), (attention @ pool[-3]).sum() * scale

    return function, arrays
