"""The training steps on which compiled steps are compared, and how each contender runs one.

A task says how each library's users would build it; a contender is a function `(task) -> step`, and `step()` trains once and returns the loss
before the update. tinygrad_lite and PyTorch take the same built parts eagerly and compiled, and the batch is an argument, as in a training loop.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

import tinygrad_lite as tl
from benchmarks import compiled_models as models
from benchmarks.steps import PROBLEMS, LeftOut, jax_step, numpy_step, sequential

__all__ = ["SECTIONS", "Task", "contenders", "training"]


@dataclass(frozen=True)
class Task:
    """A training step by the functions that build it for each library, None where it is not compared.

    ours, torch: () -> (model, loss_fn, optimizer, x, y). by_hand, jax: () -> step.
    reach: by contender, the ratio to the control that it has to reach; the control is NumPy by hand, or else eager.
    agreement: how many first losses must agree how closely, so that the gradient of no parameter can be missing."""

    name: str
    ours: Callable
    torch: Callable
    by_hand: Callable | None = None
    jax: Callable | None = None
    torch_compile: bool = True
    reach: dict = field(default_factory=dict)
    agreement: dict = field(default_factory=lambda: {"count": 3, "rtol": 1e-4})


# ---- MLPs


def mlp(problem, optimizer):
    from tinygrad_lite import nn, optim

    x, y = (tl.tensor(array) for array in problem.data())
    model = sequential(nn, problem.widths)
    model.load_state_dict(problem.state())
    return model, nn.MSELoss(), getattr(optim, optimizer)(model.parameters(), lr=problem.lr), x, y


def mlp_torch(problem, optimizer):
    import torch
    from torch import nn, optim

    torch.set_num_threads(1)
    x, y = (torch.from_numpy(array) for array in problem.data())
    model = sequential(nn, problem.widths)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in problem.state().items()})
    return model, nn.MSELoss(), getattr(optim, optimizer)(model.parameters(), lr=problem.lr), x, y


def adam_numpy(problem):
    """The chain rule on paper, and Kingma and Ba's algorithm 1 line by line for each parameter, as textbooks and lectures print it."""
    x, y = problem.data()
    params = problem.weights()
    W1, b1, W2, b2, W3, b3 = params
    lr, beta1, beta2, eps = problem.lr, 0.9, 0.999, 1e-8
    m = [np.zeros_like(p) for p in params]
    v = [np.zeros_like(p) for p in params]
    t = 0

    def step():
        nonlocal t
        h1 = np.maximum(x @ W1.T + b1, 0)
        h2 = np.maximum(h1 @ W2.T + b2, 0)
        d = h2 @ W3.T + b3 - y
        loss = (d * d).mean()

        g3 = (2 / d.size) * d
        g2 = (g3 @ W3) * (h2 > 0)
        g1 = (g2 @ W2) * (h1 > 0)
        grads = [g1.T @ x, g1.sum(axis=0), g2.T @ h1, g2.sum(axis=0), g3.T @ h2, g3.sum(axis=0)]

        t += 1
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g**2
            m_hat = m[i] / (1 - beta1**t)
            v_hat = v[i] / (1 - beta2**t)
            p -= lr * m_hat / (np.sqrt(v_hat) + eps)
        return loss

    return step


def with_sgd(problem, reach):
    return Task(problem.name, partial(mlp, problem, "SGD"), partial(mlp_torch, problem, "SGD"), partial(numpy_step, problem),
                partial(jax_step, problem), reach=reach)


def with_adam(problem, reach):
    problem = replace(problem, lr=1e-3)
    return Task(problem.name, partial(mlp, problem, "Adam"), partial(mlp_torch, problem, "Adam"), partial(adam_numpy, problem),
                torch_compile=False, reach=reach)


# The large MLPs come before the LeNet: once arrays of a megabyte were freed, glibc keeps freed memory, without which the LeNet by hand,
# alone in a process, gives it back at every step and spends half its time on page faults.
SECTIONS = {
    "SGD": [
        with_sgd(PROBLEMS[0], {"compile": 0.75}),
        with_sgd(PROBLEMS[1], {"compile": 0.88, "native": 0.25}),
        with_sgd(PROBLEMS[2], {"compile": 0.92, "native": 0.55}),
        with_sgd(PROBLEMS[3], {"compile": 0.97}),
    ],
    "Adam": [
        with_adam(PROBLEMS[1], {"compile": 0.65}),
        with_adam(PROBLEMS[2], {"compile": 0.68}),
        with_adam(PROBLEMS[3], {"compile": 0.78}),
    ],
    # float32 rounding moves the first 20 losses by 3e-6; leaving out one parameter, by at least 3e-2 in the LeNet and 7e-5 in the GPT
    "LeNet": [Task("LeNet, 28x28, batch 16", models.lenet, models.lenet_torch, models.lenet_numpy, models.lenet_jax,
                   agreement={"count": 20, "rtol": 2e-5})],
    "GPT": [Task("GPT, 4 blocks of 16, 4x8 tokens", partial(models.gpt, models.SMALL), partial(models.gpt_torch, models.SMALL),
                 jax=partial(models.gpt_jax, models.SMALL), agreement={"count": 20, "rtol": 2e-5})],
}


# ---- contenders


def contenders(task, torch_compile):
    """By name, the control first. torch_compile: with torch.compile, which compiles for up to a minute."""
    found = {"numpy": lambda task: task.by_hand()} if task.by_hand else {}
    found |= {"tinygrad_lite": eager, "compile": compiled, "native": native, "torch": torch_eager}
    if task.jax:
        found["jax"] = lambda task: task.jax()
    if task.torch_compile and torch_compile:
        found["torch_compile"] = torch_compiled
    return found


def training(model, loss_fn, optimizer):
    def train(x, y):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return train


def eager(task):
    *parts, x, y = task.ours()
    train = training(*parts)
    return lambda: train(x, y)


def compiled(task):
    return through(tl.compile, task)


def native(task):
    import numba  # noqa: F401  without it the program would run as NumPy calls

    return through(partial(tl.compile, backend="native"), task)


def through(compile, task):
    """The step through `compile`. Left out where that says that it goes another way, such as running eagerly: it is asked on a model of its own."""
    def step():
        *parts, x, y = task.ours()
        train = compile(training(*parts))
        return lambda: train(x, y)

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            step()()
        except UserWarning as warning:
            raise LeftOut(str(warning)) from None
    return step()


def torch_eager(task):
    *parts, x, y = task.torch()
    train = training(*parts)
    return lambda: train(x, y).detach()


def torch_compiled(task):
    """Forward with loss, and the optimizer's step, each compiled: PyTorch's own recipe, and faster than compiling both with a break at backward."""
    import torch

    torch.compiler.reset()  # it compiles one line for a few models only, and runs further ones eagerly

    def step():
        model, loss_fn, optimizer, x, y = task.torch()
        loss_of = torch.compile(lambda x, y: loss_fn(model(x), y))
        update = torch.compile(optimizer.step)

        def train():
            optimizer.zero_grad()
            loss = loss_of(x, y)
            loss.backward()
            update()
            return loss.detach()

        return train

    count, rtol = task.agreement["count"], task.agreement["rtol"]
    try:
        losses = losses_of(step(), count)
    except RuntimeError as error:  # no C++ compiler, for one; what dynamo and inductor raise derives from it
        raise LeftOut(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from None
    # inductor of PyTorch 2.13 gives the convolutions of a LeNet no gradient at batch 8, and the right one at batch 16
    if not np.allclose(losses, losses_of(torch_eager(task), count), rtol=rtol, atol=0):
        raise LeftOut("the losses are not those of PyTorch run eagerly")
    return step()


def losses_of(step, count):
    return [float(step()) for _ in range(count)]
