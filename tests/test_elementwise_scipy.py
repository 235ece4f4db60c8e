"""The ufuncs of scipy.special on Tensors: SciPy's values, gradients against differences, to second order."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.engine import capture
from tinygrad_lite.errors import GradError
from tinygrad_lite.ops import scipy_ufuncs
from tinygrad_lite.verify import gradcheck, gradgradcheck

special = pytest.importorskip("scipy.special")
rng = np.random.default_rng(11)


def within(low: float, high: float) -> Any:
    return rng.uniform(low, high, (3, 4))


REAL, POSITIVE, UNIT = (-2.5, 2.5), (0.4, 3.0), (0.1, 0.9)
INPUTS: dict[str, list[tuple[float, float]]] = {
    **dict.fromkeys(("erf", "erfc", "erfcx", "erfi", "dawsn", "ndtr", "log_ndtr", "expit", "log_expit", "expm1", "exp2",
                     "exp10", "cosm1", "i0", "i1", "i0e", "i1e", "j0", "j1"), [REAL]),
    **dict.fromkeys(("log1p", "cbrt", "entr", "gammaln", "loggamma", "gamma", "psi", "exp1", "expi", "sici", "y0", "y1",
                     "k0", "k1"), [POSITIVE]),
    **dict.fromkeys(("rel_entr", "kl_div", "beta", "betaln"), [POSITIVE, POSITIVE]),
    **dict.fromkeys(("xlogy", "xlog1py"), [REAL, POSITIVE]),
    "erfinv": [(-0.9, 0.9)], "erfcinv": [(0.1, 1.9)], "ndtri": [UNIT], "logit": [UNIT],
    "huber": [(0.9, 1.1), (1.3, 3.0)], "pseudo_huber": [POSITIVE, REAL],
}
FIXED: dict[str, tuple[tuple[Any, ...], tuple[float, float]]] = {  # parameters without a rule, then x
    "gammainc": ((within(0.5, 3),), POSITIVE), "gammaincc": ((within(0.5, 3)[0],), POSITIVE),
    "betainc": ((within(0.5, 3), 2.0), UNIT), "jv": ((0.5,), POSITIVE), "yv": ((np.array([0, 1, 2, 3.5]),), POSITIVE),
    "iv": ((1.5,), POSITIVE), "ive": ((2,), REAL), "kv": ((0.3,), POSITIVE),
}


def test_every_rule_has_a_case() -> None:
    assert set(scipy_ufuncs._rules) == set(INPUTS) | set(FIXED)


def call(name: str) -> tuple[Any, list[Any]]:
    """The function of the inputs that have rules, and these inputs."""
    ufunc = getattr(special, name)
    if name in FIXED:
        fixed, domain = FIXED[name]
        return lambda x: ufunc(*fixed, x), [within(*domain)]
    return ufunc, [within(*domain) for domain in INPUTS[name]]


every = pytest.mark.parametrize("name", [*INPUTS, *FIXED])


@every
def test_value_and_both_derivatives(name: str) -> None:
    fn, xs = call(name)
    ys = fn(*[tl.tensor(x) for x in xs])
    expected = fn(*xs)
    for y, e in zip(ys, expected, strict=True) if isinstance(ys, tuple) else [(ys, expected)]:
        assert isinstance(y, tl.Tensor)
        np.testing.assert_array_equal(y.numpy(), e)
    gradcheck(fn, xs)
    # SciPy's kv, yv and zeta are exact to about 1e-13, and a difference divides that by 6e-6
    gradgradcheck(fn, xs, rtol=1e-5)


@every
def test_float32_stays_float32(name: str) -> None:
    fn, xs = call(name)
    if name in FIXED:
        fixed = tuple(p.astype(np.float32) if isinstance(p, np.ndarray) else p for p in FIXED[name][0])
        fn = lambda x: getattr(special, name)(*fixed, x)  # noqa: E731
    leaves = [tl.tensor(x.astype(np.float32), requires_grad=True) for x in xs]
    seen: list[Any] = []
    inner = [x * 1 for x in leaves]
    for x in inner:
        x.register_hook(seen.append)
    ys = fn(*inner)
    ys = ys if isinstance(ys, tuple) else (ys,)
    tl.autograd.grad(list(ys), leaves, [tl.ones(3, 4)] * len(ys), create_graph=True)
    assert {x.dtype for x in [*ys, *seen]} == {np.dtype(np.float32)}


@every
def test_captured_and_replayed(name: str) -> None:
    fn, xs = call(name)
    leaves = [tl.tensor(x, requires_grad=True) for x in xs]

    def total(inputs: Any) -> Any:
        y = fn(*inputs)
        return sum(part.sum() for part in y) if isinstance(y, tuple) else y.sum()

    with capture() as tape:
        gs = tl.autograd.grad(total(leaves), leaves)
    new = [x[::-1].copy() for x in xs]
    fresh = [tl.tensor(x, requires_grad=True) for x in new]
    replayed = tape.replay(dict(zip(leaves, new, strict=True)))
    for g, e in zip(gs, tl.autograd.grad(total(fresh), fresh), strict=True):
        np.testing.assert_array_equal(replayed(g), e.numpy())


def test_third_derivative_of_gammaln() -> None:
    x = tl.tensor(np.array([0.7, 2.0]), requires_grad=True)
    y = special.gammaln(x)
    for n in range(1, 4):
        (y,) = tl.autograd.grad(y.sum(), x, create_graph=True)
        np.testing.assert_allclose(y.numpy(), special.polygamma(n - 1, x.numpy()), rtol=1e-13)


def test_zeros_and_kinks() -> None:
    x = tl.tensor(np.array([0.0, 0.0]), requires_grad=True)
    b = tl.tensor(np.array([-1.0, 3.0]), requires_grad=True)
    special.xlog1py(x, b).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, np.log(4)], rtol=1e-15)
    np.testing.assert_array_equal(b.grad.numpy(), [0, 0])
    for fn in (special.i1, special.j1):
        z = tl.tensor(0.0, requires_grad=True)
        fn(z).backward()
        assert z.grad.item() == 0.5
    d, r = tl.tensor(np.array([1.0, 1.0]), requires_grad=True), tl.tensor(np.array([0.5, -3.0]), requires_grad=True)
    special.huber(d, r).sum().backward()
    np.testing.assert_array_equal(d.grad.numpy(), [0, 2])
    np.testing.assert_array_equal(r.grad.numpy(), [0.5, -1])


@pytest.mark.parametrize("name", [*FIXED])
def test_a_parameter_without_a_rule_says_so(name: str) -> None:
    fixed, domain = FIXED[name]
    order = tl.tensor(1.5, dtype=float, requires_grad=True)
    y = getattr(special, name)(order, *fixed[1:], tl.tensor(within(*domain)))
    with pytest.raises(GradError, match=f"scipy.special.{name} has no rule for the derivative by "):
        y.sum().backward()


def test_a_ufunc_without_a_rule_says_so() -> None:
    with pytest.raises(TypeError, match="spence has no gradient rule here"):
        special.spence(tl.tensor([1.0]))
    with pytest.raises(TypeError, match="out="):
        special.psi(tl.tensor([1.0]), out=np.zeros(1))


def test_scipy_is_not_imported_by_us() -> None:
    code = ("import sys, numpy as np, tinygrad_lite as tl; np.exp(tl.tensor([1.0])); "
            "assert not [m for m in sys.modules if m.startswith('scipy')]")
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["erf", "erfc", "xlogy"])
def test_our_own_rows_agree_with_scipy(name: str) -> None:
    xs = [np.linspace(-3, 3, 1000)] if name != "xlogy" else [np.linspace(0, 3, 1000), np.linspace(0, 2, 1000)]
    # SciPy rounds x^2 before e^(-x^2)
    np.testing.assert_allclose(getattr(tl, name)(*xs), getattr(special, name)(*xs), rtol=1e-14)
