"""Forty functions and their gradients by hand, on NumPy's functions or those of jax.numpy: what `mutations` makes wrong.

FUNCTIONS: name -> (forward(xp, *arrays), rules (xp, g, y, *arrays) -> gradient for each array, arrays). SECOND, entry by entry and to second order:
name -> (forward, rule, derivative(xp, x), rule of the derivative, array). Arrays keep away from kinks by 0.1.
"""

import numpy as np

__all__ = ["FUNCTIONS", "SECOND"]

_rng = np.random.default_rng(7)
REAL = _rng.uniform(0.2, 2.0, (3, 4)) * _rng.choice([-1.0, 1.0], (3, 4))
OTHER = _rng.uniform(0.2, 2.0, (3, 4)) * _rng.choice([-1.0, 1.0], (3, 4)) + 0.05
POSITIVE = _rng.uniform(0.3, 2.5, (3, 4))
ROW = np.array([0.7, -1.1, 1.6, -0.4])
SQUARE = _rng.standard_normal((4, 4)) + 3 * np.eye(4)
MANY = _rng.uniform(0.2, 2.0, (30, 40)) * _rng.choice([-1.0, 1.0], (30, 40))  # one wrong element in 1,200


def _sigmoid(xp, x):
    return 1 / (1 + xp.exp(-x))


def _softmax(xp, x):
    e = xp.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _one(forward, derivative, x=REAL):
    """An elementwise function of one array: derivative(xp, y, x)."""
    return forward, (lambda xp, g, y, x: g * derivative(xp, y, x),), (x,)


def _two(forward, by_a, by_b, a=REAL, b=OTHER):
    return forward, (lambda xp, g, y, a, b: g * by_a(xp, y, a, b), lambda xp, g, y, a, b: g * by_b(xp, y, a, b)), (a, b)


def _row(forward, by_a, by_b):
    """The same with a row that is broadcast: its gradient is summed over the rows."""
    return (
        forward,
        (lambda xp, g, y, a, b: g * by_a(xp, y, a, b), lambda xp, g, y, a, b: (g * by_b(xp, y, a, b)).sum(0)),
        (REAL, ROW),
    )


def _normal(xp, x):
    z = x - x.mean()
    return z / xp.sqrt((z * z).mean())


FUNCTIONS = {
    "sin": _one(lambda xp, x: xp.sin(x), lambda xp, y, x: xp.cos(x)),
    "sin of 1,200": _one(lambda xp, x: xp.sin(x), lambda xp, y, x: xp.cos(x), MANY),
    "cos": _one(lambda xp, x: xp.cos(x), lambda xp, y, x: -xp.sin(x)),
    "exp": _one(lambda xp, x: xp.exp(x), lambda xp, y, x: y),
    "expm1": _one(lambda xp, x: xp.expm1(x), lambda xp, y, x: y + 1),
    "log": _one(lambda xp, x: xp.log(x), lambda xp, y, x: 1 / x, POSITIVE),
    "log1p": _one(lambda xp, x: xp.log1p(x), lambda xp, y, x: 1 / (1 + x), POSITIVE),
    "sqrt": _one(lambda xp, x: xp.sqrt(x), lambda xp, y, x: 0.5 / y, POSITIVE),
    "square": _one(lambda xp, x: x * x, lambda xp, y, x: 2 * x),
    "reciprocal": _one(lambda xp, x: 1 / x, lambda xp, y, x: -y * y),
    "tanh": _one(lambda xp, x: xp.tanh(x), lambda xp, y, x: 1 - y * y),
    "sinh": _one(lambda xp, x: xp.sinh(x), lambda xp, y, x: xp.cosh(x)),
    "cosh": _one(lambda xp, x: xp.cosh(x), lambda xp, y, x: xp.sinh(x)),
    "arctan": _one(lambda xp, x: xp.arctan(x), lambda xp, y, x: 1 / (1 + x * x)),
    "sigmoid": _one(_sigmoid, lambda xp, y, x: y * (1 - y)),
    "softplus": _one(lambda xp, x: xp.logaddexp(x, 0 * x), lambda xp, y, x: _sigmoid(xp, x)),
    "relu": _one(lambda xp, x: xp.maximum(x, 0), lambda xp, y, x: x > 0),
    "abs": _one(lambda xp, x: xp.abs(x), lambda xp, y, x: xp.sign(x)),
    "add": _two(lambda xp, a, b: a + b, lambda xp, y, a, b: 1 + 0 * a, lambda xp, y, a, b: 1 + 0 * b),
    "subtract": _two(lambda xp, a, b: a - b, lambda xp, y, a, b: 1 + 0 * a, lambda xp, y, a, b: -1 + 0 * b),
    "multiply": _two(lambda xp, a, b: a * b, lambda xp, y, a, b: b, lambda xp, y, a, b: a),
    "divide": _two(lambda xp, a, b: a / b, lambda xp, y, a, b: 1 / b, lambda xp, y, a, b: -y / b),
    "power": _two(lambda xp, a, b: a**b, lambda xp, y, a, b: b * y / a, lambda xp, y, a, b: y * xp.log(a), POSITIVE),
    "maximum": _two(
        lambda xp, a, b: xp.maximum(a, b),
        lambda xp, y, a, b: (a > b) + 0.5 * (a == b).astype(a.dtype),
        lambda xp, y, a, b: (b > a) + 0.5 * (a == b).astype(a.dtype),
    ),
    "hypot": _two(lambda xp, a, b: xp.hypot(a, b), lambda xp, y, a, b: a / y, lambda xp, y, a, b: b / y),
    "arctan2": _two(
        lambda xp, a, b: xp.arctan2(a, b),
        lambda xp, y, a, b: b / (a * a + b * b),
        lambda xp, y, a, b: -a / (a * a + b * b),
    ),
    "logaddexp": _two(
        lambda xp, a, b: xp.logaddexp(a, b),
        lambda xp, y, a, b: xp.exp(a - y),
        lambda xp, y, a, b: xp.exp(b - y),
    ),
    "add a row": _row(lambda xp, a, b: a + b, lambda xp, y, a, b: 1 + 0 * a, lambda xp, y, a, b: 1 + 0 * a),
    "multiply by a row": _row(lambda xp, a, b: a * b, lambda xp, y, a, b: b, lambda xp, y, a, b: a),
    "divide by a row": _row(lambda xp, a, b: a / b, lambda xp, y, a, b: 1 / b, lambda xp, y, a, b: -y / b),
    "sum": (lambda xp, x: x.sum(1), (lambda xp, g, y, x: g[:, None] + 0 * x,), (REAL,)),
    "mean": (lambda xp, x: x.mean(1), (lambda xp, g, y, x: g[:, None] / 4 + 0 * x,), (REAL,)),
    "prod": (lambda xp, x: x.prod(1), (lambda xp, g, y, x: (g * y)[:, None] / x,), (REAL,)),
    "max": (
        lambda xp, x: x.max(1),
        (lambda xp, g, y, x: g[:, None] * (x == y[:, None]) / (x == y[:, None]).sum(1, keepdims=True).astype(x.dtype),),
        (REAL,),
    ),
    "logsumexp": (
        lambda xp, x: xp.log(xp.exp(x).sum(1)),
        (lambda xp, g, y, x: g[:, None] * xp.exp(x - y[:, None]),),
        (REAL,),
    ),
    "var": (lambda xp, x: x.var(1), (lambda xp, g, y, x: g[:, None] * (x - x.mean(1, keepdims=True)) / 2,), (REAL,)),
    "cumsum": (lambda xp, x: xp.cumsum(x, 1), (lambda xp, g, y, x: xp.flip(xp.cumsum(xp.flip(g, 1), 1), 1),), (REAL,)),
    "transpose": (lambda xp, x: x.T * 1.0, (lambda xp, g, y, x: g.T * 1.0,), (SQUARE,)),
    "matmul": (
        lambda xp, a, b: a @ b,
        (lambda xp, g, y, a, b: g @ b.T, lambda xp, g, y, a, b: a.T @ g),
        (REAL, SQUARE),
    ),
    "outer": (
        lambda xp, a, b: xp.outer(a, b),
        (lambda xp, g, y, a, b: g @ b, lambda xp, g, y, a, b: g.T @ a),
        (ROW, ROW + 0.3),
    ),
    "inverse": (lambda xp, x: xp.linalg.inv(x), (lambda xp, g, y, x: -(y.T @ g @ y.T),), (SQUARE,)),
    "softmax": (_softmax, (lambda xp, g, y, x: y * (g - (g * y).sum(-1, keepdims=True)),), (REAL,)),
    "log_softmax": (
        lambda xp, x: xp.log(_softmax(xp, x)),
        (lambda xp, g, y, x: g - xp.exp(y) * g.sum(-1, keepdims=True),),
        (REAL,),
    ),
    "squared error": (
        lambda xp, a, b: ((a - b) ** 2).sum(1) / 4,
        (lambda xp, g, y, a, b: g[:, None] * (a - b) / 2, lambda xp, g, y, a, b: g[:, None] * (b - a) / 2),
        (REAL, OTHER),
    ),
    "standardize": (
        _normal,
        (lambda xp, g, y, x: (g - g.mean() - y * (g * y).mean()) / xp.sqrt(x.var()),),
        (REAL,),
    ),
}


def _second(forward, slope, curvature, x=REAL):
    return (
        forward,
        lambda xp, g, y, x: g * slope(xp, x),
        slope,
        lambda xp, g, y, x: g * curvature(xp, x),
        x,
    )


SECOND = {
    "sin": _second(lambda xp, x: xp.sin(x), lambda xp, x: xp.cos(x), lambda xp, x: -xp.sin(x)),
    "exp": _second(lambda xp, x: xp.exp(x), lambda xp, x: xp.exp(x), lambda xp, x: xp.exp(x)),
    "cube": _second(lambda xp, x: x**3, lambda xp, x: 3 * x**2, lambda xp, x: 6 * x),
    "log": _second(lambda xp, x: xp.log(x), lambda xp, x: 1 / x, lambda xp, x: -1 / (x * x), POSITIVE),
    "tanh": _second(
        lambda xp, x: xp.tanh(x),
        lambda xp, x: 1 - xp.tanh(x) ** 2,
        lambda xp, x: -2 * xp.tanh(x) * (1 - xp.tanh(x) ** 2),
    ),
}
