"""One training step of four networks, written once for each contender as its own users would write it.

All are float32, with relu between the layers, the mean of squared differences over all entries as the loss, and
plain SGD. A contender is a function `(problem) -> step`; `step()` trains once and returns the loss before the update.
Imports are inside the functions: a contender runs where its library is installed.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

__all__ = ["CONTENDERS", "CONTROL", "PROBLEMS", "Disagreement", "LeftOut", "Problem", "agreeing_steps", "jax_step", "numpy_step", "sequential"]

CONTROL = "numpy"


@dataclass(frozen=True)
class Problem:
    """A network by the sizes of its layers, a batch, a learning rate, and the ratio that tinygrad_lite has to reach."""

    name: str
    widths: tuple  # (inputs, hidden..., outputs)
    batch: int
    lr: float
    reach: float  # tinygrad_lite's step over the step by hand

    def data(self):
        """x (batch, inputs), y (batch, outputs): the same normal numbers for every contender, y around 1.

        With targets around 0 the gradients of the biases nearly cancel, and the check below would not see them."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.batch, self.widths[0]), dtype=np.float32)
        y = 1 + rng.standard_normal((self.batch, self.widths[-1]), dtype=np.float32)
        return x, y

    def weights(self):
        """[W1, b1, W2, b2, ...], W (out, in), b (out,): fresh arrays at every call, always of the same values."""
        rng = np.random.default_rng(1)
        params = []
        for n_in, n_out in pairwise(self.widths):
            bound = n_in**-0.5  # the default of torch.nn.Linear: uniform within 1/sqrt(in)
            params.append(rng.uniform(-bound, bound, (n_out, n_in)).astype(np.float32))
            params.append(rng.uniform(-bound, bound, n_out).astype(np.float32))
        return params

    def state(self):
        """The same weights under the names that Sequential(Linear, ReLU, Linear, ...) gives them."""
        names = [f"{2 * i}.{kind}" for i in range(len(self.widths) - 1) for kind in ("weight", "bias")]
        return dict(zip(names, self.weights(), strict=True))


PROBLEMS = [
    Problem("linear regression, 100x1", (1, 1), batch=100, lr=0.1, reach=2.0),
    Problem("MLP 2-16-16-1, batch 100", (2, 16, 16, 1), batch=100, lr=0.1, reach=1.8),
    Problem("MLP 64-128-64-10, batch 32", (64, 128, 64, 10), batch=32, lr=0.1, reach=1.5),
    Problem("MLP 784-512-256-10, batch 128", (784, 512, 256, 10), batch=128, lr=0.1, reach=1.08),
]


def numpy_step(problem):
    """The control: the chain rule worked out on paper, no autograd."""
    return numpy_linear(problem) if len(problem.widths) == 2 else numpy_mlp(problem)


def numpy_linear(problem):
    x, y = problem.data()
    W, b = problem.weights()
    lr = problem.lr

    def step():
        nonlocal W, b
        d = x @ W.T + b - y
        loss = (d * d).mean()
        g = (2 / d.size) * d
        W -= lr * (g.T @ x)
        b -= lr * g.sum(axis=0)
        return loss

    return step


def numpy_mlp(problem):
    x, y = problem.data()
    W1, b1, W2, b2, W3, b3 = problem.weights()
    lr = problem.lr

    def step():
        nonlocal W1, b1, W2, b2, W3, b3
        h1 = np.maximum(x @ W1.T + b1, 0)
        h2 = np.maximum(h1 @ W2.T + b2, 0)
        d = h2 @ W3.T + b3 - y
        loss = (d * d).mean()

        g3 = (2 / d.size) * d
        g2 = (g3 @ W3) * (h2 > 0)
        g1 = (g2 @ W2) * (h1 > 0)
        W3 -= lr * (g3.T @ h2)
        b3 -= lr * g3.sum(axis=0)
        W2 -= lr * (g2.T @ h1)
        b2 -= lr * g2.sum(axis=0)
        W1 -= lr * (g1.T @ x)
        b1 -= lr * g1.sum(axis=0)
        return loss

    return step


def sequential(nn, widths):
    """Linear, ReLU, Linear, ...: PyTorch and tinygrad_lite spell it alike."""
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def tinygrad_lite_step(problem):
    import tinygrad_lite as tl
    from tinygrad_lite import nn, optim

    x, y = (tl.tensor(array) for array in problem.data())
    model = sequential(nn, problem.widths)
    model.load_state_dict(problem.state())
    loss_fn = nn.MSELoss()
    opt = optim.SGD(model.parameters(), lr=problem.lr)

    def step():
        opt.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        opt.step()
        return loss

    return step


def torch_step(problem):
    import torch
    from torch import nn, optim

    torch.set_num_threads(1)
    x, y = (torch.from_numpy(array) for array in problem.data())
    model = sequential(nn, problem.widths)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in problem.state().items()})
    loss_fn = nn.MSELoss()
    opt = optim.SGD(model.parameters(), lr=problem.lr)

    def step():
        opt.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        opt.step()
        return loss.detach()

    return step


def jax_step(problem):
    import jax
    import jax.numpy as jnp

    # each step is waited for, so handing it to another thread is pure loss: 57 us against 14 for the linear regression
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    x, y = (jnp.asarray(array) for array in problem.data())
    params = [jnp.asarray(array) for array in problem.weights()]
    lr = problem.lr

    def loss_of(params, x, y):
        h = x
        for W, b in zip(params[:-2:2], params[1:-2:2], strict=True):
            h = jax.nn.relu(h @ W.T + b)
        return jnp.mean((h @ params[-2].T + params[-1] - y) ** 2)

    @jax.jit
    def update(params, x, y):
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        return loss, [p - lr * g for p, g in zip(params, grads, strict=True)]

    def step():
        nonlocal params
        loss, params = jax.block_until_ready(update(params, x, y))
        return loss

    return step


def autograd_step(problem):
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, y = problem.data()
    params = problem.weights()
    lr = problem.lr

    def loss_of(params):
        h = x
        for W, b in zip(params[:-2:2], params[1:-2:2], strict=True):
            h = anp.dot(h, W.T) + b
            h = h * (h > 0)  # the rule of anp.maximum would widen every gradient below it to float64
        return anp.mean((anp.dot(h, params[-2].T) + params[-1] - y) ** 2)

    loss_and_grads = value_and_grad(loss_of)

    def step():
        loss, grads = loss_and_grads(params)
        for p, g in zip(params, grads, strict=True):
            p -= lr * g
        return loss

    return step


def mygrad_step(problem):
    import mygrad as mg
    from mygrad.nnet.activations import relu

    x, y = problem.data()
    params = [mg.tensor(array) for array in problem.weights()]
    lr = problem.lr

    def step():
        h = x
        for W, b in zip(params[:-2:2], params[1:-2:2], strict=True):
            h = relu(mg.matmul(h, W.T) + b)
        loss = mg.mean((mg.matmul(h, params[-2].T) + params[-1] - y) ** 2)
        loss.backward()
        for p in params:
            p.data -= lr * p.grad
        return loss.data

    return step


CONTENDERS = {
    CONTROL: numpy_step,
    "tinygrad_lite": tinygrad_lite_step,
    "torch": torch_step,
    "jax": jax_step,
    "autograd": autograd_step,
    "mygrad": mygrad_step,
}


class Disagreement(Exception):
    """A contender computes another loss than the control, so its time means nothing."""


class LeftOut(Exception):
    """A contender can't run here although its library imports; the message is the reason."""


def agreeing_steps(problem, contenders=CONTENDERS, count=3, rtol=1e-4):
    """Build every contender and let it train `count` steps beside the control, which is the first of them.

    Returns (steps, missing): step functions by contender, and the reason for each that can't run here.
    Raises Disagreement when a loss is not the control's. All but the first depend on every gradient."""
    control, *others = contenders
    control_step = contenders[control](problem)
    expected = [float(control_step()) for _ in range(count)]
    steps, missing = {control: control_step}, {}
    for name in others:
        try:
            steps[name] = contenders[name](problem)
        except (ImportError, LeftOut) as error:
            missing[name] = str(error)
            continue
        losses = [float(steps[name]()) for _ in range(count)]
        # of the MLPs: float32 rounding moves them by 3e-7; leaving out the gradient of any one weight or bias, by at least 3e-4
        if not np.allclose(losses, expected, rtol=rtol, atol=0):
            raise Disagreement(f"{name}, {problem.name}: the first losses are {losses}, those of {control} {expected}")
    return steps, missing
