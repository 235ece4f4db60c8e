"""The transforms of `tl.func` beside those of torch.func and JAX: gradients for each example of a batch, Jacobians, Hessians.

A function is written once for every library, on its namespace; float32. The control is what a transform stands for: `tl.func.grad` in a
Python loop, over the examples or the outputs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.measure import in_turn, summary
from benchmarks.steps import Disagreement

__all__ = ["CONTENDERS", "TASKS", "Task", "transforms"]

LOOP = "loop"


@dataclass(frozen=True)
class Task:
    """function(xp, *arrays); by(func, f): the transform of f, in the names of a library's namespace `func`; loop(f, *arrays): the same by hand."""

    name: str
    arrays: Callable
    function: Callable
    by: Callable
    loop: Callable


def _normal(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape, dtype=np.float32) * np.float32(0.5) for shape in shapes]


def mlp_loss(xp, w1, b1, w2, b2, w3, b3, x, y):
    """Of one example."""
    h = xp.tanh(w2 @ xp.tanh(w1 @ x + b1) + b2)
    return ((w3 @ h + b3 - y) ** 2).sum()


def layer(xp, w, x):
    return xp.tanh(w @ x)


def energy(xp, w, x):
    return (xp.tanh(w @ x) ** 2).sum()


def _grad_of_examples(f, *arrays):
    import tinygrad_lite as tl

    *params, xs, ys = arrays
    gradient = tl.func.grad(f, tuple(range(len(params))))
    rows = [gradient(*params, x, y) for x, y in zip(xs, ys, strict=True)]
    return tuple(np.stack(parts) for parts in zip(*rows, strict=True))


def _grad_of_outputs(f, w, x):
    import tinygrad_lite as tl

    return np.stack([tl.func.grad(lambda x, i=i: f(w, x)[i])(x) for i in range(len(x))])


def _grad_of_slopes(f, w, x):
    import tinygrad_lite as tl

    slope = tl.func.grad(lambda x: f(w, x))
    return np.stack([tl.func.grad(lambda x, i=i: slope(x)[i])(x) for i in range(len(x))])


TASKS = [
    Task(
        "a gradient for each of 100 examples, MLP 2-16-16-1",
        lambda: _normal((16, 2), (16,), (16, 16), (16,), (1, 16), (1,), (100, 2), (100, 1)),
        mlp_loss,
        lambda func, f: func.vmap(func.grad(f, (0, 1, 2, 3, 4, 5)), (None,) * 6 + (0, 0)),
        _grad_of_examples,
    ),
    Task("Jacobian of a layer 20-20", lambda: _normal((20, 20), (20,)), layer, lambda func, f: func.jacrev(f, 1), _grad_of_outputs),
    Task("Hessian in 20 variables", lambda: _normal((20, 20), (20,)), energy, lambda func, f: func.hessian(f, 1), _grad_of_slopes),
]


def loop(task):
    arrays = task.arrays()
    return lambda: task.loop(lambda *xs: task.function(np, *xs), *arrays)


def tinygrad_lite(task):
    import tinygrad_lite as tl

    arrays, transformed = task.arrays(), task.by(tl.func, lambda *xs: task.function(np, *xs))
    return lambda: transformed(*arrays)


def torch(task):
    import torch

    torch.set_num_threads(1)
    arrays = [torch.from_numpy(a) for a in task.arrays()]
    transformed = task.by(torch.func, lambda *xs: task.function(torch, *xs))
    return lambda: transformed(*arrays)


def jax(task):
    import jax

    arrays = [jax.numpy.asarray(a) for a in task.arrays()]
    transformed = jax.jit(task.by(jax, lambda *xs: task.function(jax.numpy, *xs)))
    return lambda: jax.block_until_ready(transformed(*arrays))


CONTENDERS = {LOOP: loop, "tinygrad_lite": tinygrad_lite, "torch": torch, "jax": jax}


def transforms(rounds, say=lambda text: None):
    """All tasks, all contenders: one entry per task, times over the loop's."""
    return [measured(task, rounds, say) for task in TASKS]


def measured(task, rounds, say):
    say(f"{task.name}: {rounds} rounds")
    steps, missing = agreeing_steps(task)
    times = in_turn(steps, rounds)
    return {
        "function": task.name,
        "contenders": {name: summary(turns, times[LOOP]) for name, turns in times.items()},
        "missing": missing,
    }


def agreeing_steps(task):
    """Step functions by contender, and why others are missing. Raises Disagreement unless all give the loop's numbers."""
    steps, missing = {}, {}
    expected = flat(CONTENDERS[LOOP](task)())
    for name, contender in CONTENDERS.items():
        try:
            steps[name] = contender(task)
        except ImportError as error:
            missing[name] = str(error)
            continue
        found = flat(steps[name]())
        # float32, sums of 20 products: 1e-6 of the largest entry was seen
        if found.shape != expected.shape or not np.allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max()):
            raise Disagreement(f"{name}, {task.name}: not what the loop gives")
    return steps, missing


def flat(result):
    parts = result if isinstance(result, tuple) else (result,)
    return np.concatenate([np.asarray(part).reshape(-1) for part in parts])
