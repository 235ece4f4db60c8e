"""The worked example that this project was born from: a straight line through 100 points, 1000 steps of gradient descent.

The witness is the loop that a textbook writes in plain NumPy, with the gradient X^T (X theta - y) / m worked out by hand.
"""

from typing import NamedTuple

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.nn import Linear, MSELoss
from tinygrad_lite.optim import SGD

STEPS = 1000
LEARNING_RATE = 0.01

draw = np.random.RandomState(1)  # the numbers of np.random.seed(1), and the global generator is left alone
X = draw.randn(100, 1)
y = 3 * X + draw.randn(100, 1)
THETA = draw.randn(1, 1)
m = len(y)


class History(NamedTuple):
    """One entry per step: J and dJ/dtheta before the update, theta after it."""

    losses: np.ndarray
    gradients: np.ndarray
    thetas: np.ndarray


def recorded(rows):
    return History(*(np.array(column) for column in zip(*rows, strict=True)))


@pytest.fixture(scope="module")
def by_hand():
    """Gradient descent as on paper: NumPy alone."""
    theta, rows = THETA.copy(), []
    for _ in range(STEPS):
        error = X @ theta - y
        gradient = X.T @ error / m
        theta = theta - LEARNING_RATE * gradient
        rows.append((np.sum(error**2) / (2 * m), gradient.item(), theta.item()))
    return recorded(rows)


def assert_equal_at_every_step(ours, by_hand):
    # Both do the same sums in another order: about 100 roundings of 1e-16 for the loss and the gradient. In theta they do not pile up, since
    # each step shrinks an old difference by 1 - 0.01 X^T X / m < 1. So 1e-12 leaves room, and no step may be worse; no relative part, since the
    # gradient falls to 1e-3.
    for name, mine, theirs in zip(History._fields, ours, by_hand, strict=True):
        assert mine.shape == (STEPS,), name
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12, err_msg=name)


def test_tensor_loop_equals_numpy_loop_at_every_step(by_hand):
    theta = tl.Tensor(THETA, requires_grad=True)
    rows = []
    for _ in range(STEPS):
        h = X @ theta                            # (100, 1) @ (1, 1) -> (100, 1)
        J = ((h - y) ** 2).sum() / (2 * m)
        theta.grad = None
        J.backward()
        gradient = theta.grad.item()
        with tl.no_grad():
            theta -= LEARNING_RATE * theta.grad
        rows.append((J.item(), gradient, theta.item()))
    assert theta.dtype == np.float64
    assert_equal_at_every_step(recorded(rows), by_hand)


def test_linear_mse_sgd_equals_numpy_loop_at_every_step(by_hand):
    model = Linear(1, 1, bias=False, dtype=np.float64)
    model.load_state_dict({"weight": THETA})
    mse = MSELoss()
    # MSELoss is sum (h - y)^2 / m = 2 J: its gradient is twice as large, so half the learning rate takes the same steps
    optimizer = SGD(model.parameters(), lr=LEARNING_RATE / 2)
    inputs, targets = tl.Tensor(X), tl.Tensor(y)
    rows = []
    for _ in range(STEPS):
        loss = mse(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        gradient = model.weight.grad.item()
        optimizer.step()
        rows.append((loss.item() / 2, gradient / 2, model.weight.item()))
    assert model.weight.dtype == np.float64
    assert_equal_at_every_step(recorded(rows), by_hand)


def test_trained_theta_approaches_least_squares_as_fast_as_the_theory_says():
    best = np.linalg.lstsq(X, y)[0].item()
    L = (X.T @ X).item() / m  # d^2 J / d theta^2: J is a parabola
    theta = tl.Tensor(THETA, requires_grad=True)
    distances = [theta.item() - best]
    for _ in range(STEPS):
        theta.grad = None
        (((X @ theta - y) ** 2).sum() / (2 * m)).backward()
        with tl.no_grad():
            theta -= LEARNING_RATE * theta.grad
        distances.append(theta.item() - best)
    # theta - best is multiplied by 1 - 0.01 L in each step
    expected = distances[0] * (1 - LEARNING_RATE * L) ** np.arange(STEPS + 1)
    np.testing.assert_allclose(distances, expected, rtol=0, atol=1e-12)  # rounding of theta near 3: 4e-16 a step, shrunk by later steps
    assert abs(distances[0]) > 1       # it had a way to go,
    assert abs(distances[-1]) < 2e-3   # and has gone it: (1 - 0.01 L)^1000 = 4e-4
