"""Arrays of another library in `.data`: everything goes through NumPy's protocols, and nothing turns them into NumPy's."""

from typing import Any

import numpy as np
import pytest
from duck import Duck

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.nn import functional as F


def ducked(model: nn.Module) -> nn.Module:
    for p in model.parameters():
        p.data = Duck(p.data)
    return model


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.Sigmoid])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_network_trains_to_numpys_numbers(activation: Any, momentum: float) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 3)).astype(np.float32), rng.standard_normal((20, 2)).astype(np.float32)
    losses = {}
    for kind in ("numpy", "duck"):
        generator = np.random.default_rng(1)
        model = nn.Sequential(nn.Linear(3, 8, generator=generator), activation(), nn.Linear(8, 2, generator=generator))
        inputs, targets = tl.from_numpy(X), tl.from_numpy(y)
        if kind == "duck":
            ducked(model)
            inputs, targets = tl.from_numpy(Duck(X)), tl.from_numpy(Duck(y))
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=momentum, weight_decay=0.01)
        losses[kind] = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
            losses[kind].append(loss.item())
        if kind == "duck":
            assert all(isinstance(p.data, Duck) and isinstance(p.grad.data, Duck) for p in model.parameters())
    # the bias gradient sums its rows in another order: a few roundings of 6e-8 over ten steps
    np.testing.assert_allclose(losses["duck"], losses["numpy"], rtol=1e-5)


def test_second_order_and_indexing_stay_ducks() -> None:
    x = tl.from_numpy(Duck(np.array([1.0, 2.0, 3.0]))).requires_grad_()
    y = (tl.exp(x) * x)[1:].sum() + tl.concatenate([x, x]).mean() + x.reshape(3, 1).std()
    (g,) = tl.autograd.grad(y, x, create_graph=True)
    (h,) = tl.autograd.grad(g.sum(), x)
    assert isinstance(g.data, Duck)
    assert isinstance(h.data, Duck)
    expected = tl.tensor([1.0, 2.0, 3.0], np.float64, requires_grad=True)
    z = (tl.exp(expected) * expected)[1:].sum() + tl.concatenate([expected, expected]).mean() + expected.reshape(3, 1).std()
    (ge,) = tl.autograd.grad(z, expected, create_graph=True)
    np.testing.assert_allclose(g.data.inside, ge.data, rtol=1e-14)
    np.testing.assert_allclose(h.data.inside, tl.autograd.grad(ge.sum(), expected)[0].data, rtol=1e-12, atol=1e-14)


def test_a_small_convolutional_network_trains_to_numpys_numbers() -> None:
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((4, 1, 12, 12)).astype(np.float32), np.array([0, 2, 1, 2])
    losses = {}
    for kind in ("numpy", "duck"):
        draws = np.random.default_rng(1)
        kernel = nn.Parameter((draws.standard_normal((3, 1, 3, 3)) * 0.3).astype(np.float32))
        bias = nn.Parameter(np.zeros(3, np.float32))
        out = nn.Linear(3 * 5 * 5, 3, generator=draws)
        inputs, target = tl.from_numpy(X), tl.from_numpy(labels)
        parameters = [kernel, bias, *out.parameters()]
        if kind == "duck":
            for p in parameters:
                p.data = Duck(p.data)
            inputs, target = tl.from_numpy(Duck(X)), tl.from_numpy(Duck(labels))
        optimizer = optim.SGD(parameters, lr=0.1, momentum=0.9)
        losses[kind] = []
        for _ in range(5):
            optimizer.zero_grad()
            h = F.max_pool2d(F.relu(F.conv2d(inputs, kernel, bias)), 2)
            loss = F.cross_entropy(out(h.reshape(4, -1)), target)
            loss.backward()
            optimizer.step()
            losses[kind].append(loss.item())
        if kind == "duck":
            assert all(isinstance(p.grad.data, Duck) for p in parameters)
    assert losses["numpy"][-1] < losses["numpy"][0]
    np.testing.assert_allclose(losses["duck"], losses["numpy"], rtol=1e-5)
