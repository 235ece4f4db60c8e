"""Functions of sequences and polynomials: NumPy's values, gradients to second order, and what is refused."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.errors import ShapeError
from tinygrad_lite.verify import gradcheck, gradgradcheck

rng = np.random.default_rng(13)
X, F = np.array([-1.0, 0.2, 1.1, 2.0]), rng.standard_normal(4)
AT = np.array([[-1.7, -0.6, 0.5], [1.4, 1.9, 3.0]])

CALLS: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("interp", lambda x, xp, fp: np.interp(x, xp, fp), (AT, X, F)),
    ("interp left right", lambda x, xp, fp: np.interp(x, xp, fp, left=-5.0, right=7.0), (AT, X, F)),
    ("interp lists", lambda x: np.interp(x, [-1.0, 0.0, 2.0], [1.0, 3.0, -1.0]), (AT,)),
    ("vander", np.vander, (F,)), ("vander N", lambda x: np.vander(x, 6, increasing=True), (F,)),
    ("vander 1", lambda x: np.vander(x, 1) * x[:, None], (F,)),
    ("polyval", np.polyval, (F, AT)), ("polyval number", lambda p: np.polyval(p, 0.7), (F,)), ("polymul", np.polymul,
                                                                                               (F, X)),
    ("full_like", lambda x: np.full_like(x, 2.5) * x, (F,)),
    *((f"{f.__name__} {mode} {n} {m}", lambda a, v, f=f, mode=mode: f(a, v, mode),
       (rng.standard_normal(n), rng.standard_normal(m)))
      for f in (np.convolve, np.correlate) for mode in ("full", "same", "valid") for n, m in ((5, 2), (2, 5), (4, 4),
                                                                                              (1, 3))),
]


@pytest.mark.parametrize(("f", "xs"), [(f, xs) for _, f, xs in CALLS], ids=[name for name, _, _ in CALLS])
def test_numpys_value_and_gradients_to_second_order(f: Any, xs: Any) -> None:
    y = f(*[tl.tensor(x, requires_grad=True) for x in xs])
    assert isinstance(y, tl.Tensor)
    assert y.requires_grad
    # 1e-14: another order of sums
    np.testing.assert_allclose(y.data, f(*xs), rtol=1e-13, atol=1e-14)
    gradcheck(f, list(xs), rtol=1e-7)
    gradgradcheck(f, list(xs), rtol=1e-6)


def test_float32_stays_float32() -> None:
    x, xp, fp = tl.tensor(AT, np.float32), tl.tensor(X, np.float32), tl.tensor(F, np.float32)
    for y in (np.interp(x, xp, fp, left=0.5), np.interp(x, [-1.0, 0.0, 2.0], [1.0, 3.0, -1.0]), np.vander(fp),
              np.polyval(fp, x),
              np.polyval([1.0, 2.0], x), np.convolve(fp, [1.0, 2.0]), np.unwrap(fp), np.full_like(x, 0.1)):
        assert y.dtype == np.float32


def test_the_slope_at_a_point_of_the_line_is_that_on_its_right() -> None:
    x = tl.tensor(np.array([0.0, 1.0, 2.0]), requires_grad=True)
    np.interp(x, [0.0, 1.0, 2.0], [0.0, 10.0, 30.0]).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [10, 20, 20])  # the last belongs to the last piece


def test_a_full_likes_value_may_be_learned() -> None:
    v = tl.tensor(np.array(2.0), requires_grad=True)
    tl.full_like(tl.tensor(AT), v).sum().backward()
    assert v.grad.item() == 6


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda: tl.convolve(tl.ones(2, 2), tl.ones(2)), ShapeError, r"\(2, 2\) and \(2,\)"),
    (lambda: tl.convolve(tl.zeros(0), tl.ones(2)), ShapeError, r"\(0,\)"),
    (lambda: tl.convolve(tl.ones(2), tl.ones(2), "all"), ValueError, "'all'"),
    (lambda: tl.interp(tl.ones(2), [0.0, 1.0], [1.0]), ShapeError, r"\(2,\).*\(1,\)"),
    (lambda: tl.vander(tl.ones(2, 2)), ShapeError, r"\(2, 2\)"),
])
def test_what_cannot_be_is_refused(call: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call()
