"""How many wrong gradients each library's checker catches, and how many right ones it accuses.

The same functions, written once on NumPy's functions (or jax.numpy's), become a custom function of every library: an Op here, a
torch.autograd.Function, a jax.custom_vjp, a primitive of HIPS autograd. Their rules are then made wrong, and each library's own checker is
asked with its default settings; PyTorch's rtol is 1e-3, so that a factor of 1.001 is at its limit by design. Optional libraries that are not
installed are reported as missing.
"""

import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np

from benchmarks.formulas import FUNCTIONS, SECOND

__all__ = ["CHECKERS", "mutations"]

SCALES = (1e-7, 1.0, 1e7)


@dataclass(frozen=True)
class Trial:
    """A function times `scale` at `arrays`, with the rules that are put to the checker; order 2 asks for the second derivative, too."""

    name: str
    kind: str
    wrong: bool
    forward: object  # (xp, *arrays) -> array
    rules: tuple  # (xp, g, y, *arrays) -> gradient, for each array
    arrays: tuple
    scale: float = 1.0
    slope: tuple | None = None  # order 2, elementwise: (forward, rule) of the derivative, which the first rule is g times


def mutations(share, say=lambda text: None):
    """Every trial with every checker. share: one of how many trials is taken, 1 for all. Counts by checker and kind."""
    trials = [*right(), *wrong()][::share]
    makers, missing = {}, {}
    for name, maker in CHECKERS.items():
        try:
            makers[name] = maker()
        except ImportError as error:
            missing[name] = str(error)
    kinds = list(dict.fromkeys([(trial.wrong, trial.kind) for trial in trials]))
    found = {name: Counter() for name in makers}
    for name, accuses in makers.items():
        say(f"{len(trials)} functions: {name}")
        for trial in trials:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                found[name][trial.wrong, trial.kind] += accuses(trial)
    total = Counter([(trial.wrong, trial.kind) for trial in trials])
    return {
        "kinds": [
            {
                "wrong": is_wrong,
                "kind": kind,
                "trials": total[is_wrong, kind],
                "accused": {name: found[name][is_wrong, kind] for name in makers},
            }
            for is_wrong, kind in kinds
        ],
        "missing": missing,
    }


def right():
    for name, (forward, rules, arrays) in FUNCTIONS.items():
        for scale in SCALES:
            yield Trial(name, f"float64, times {scale:g}", False, forward, rules, arrays, scale)
        yield Trial(name, "float32", False, forward, rules, tuple([a.astype(np.float32) for a in arrays]))
    for name in ("relu", "abs", "maximum", "max"):
        forward, rules, arrays = FUNCTIONS[name]
        yield Trial(name, "on a kink", False, forward, rules, tuple([np.where(a > 0, a, 0.0) for a in arrays]))
    for name, (forward, rule, slope, curvature, array) in SECOND.items():
        yield Trial(name, "second derivative", False, forward, (rule,), (array,), slope=(slope, curvature))


def wrong():
    for kind, mistake in MISTAKES.items():
        for name, (forward, rules, arrays) in FUNCTIONS.items():
            for i in range(len(arrays)):
                bad = tuple([mistake(rules, k) if k == i else rule for k, rule in enumerate(rules)])
                if not changes(forward, rules[i], bad[i], arrays):
                    continue
                for scale in SCALES:
                    yield Trial(name, f"{kind}, times {scale:g}", True, forward, bad, arrays, scale)
                if kind == "sign":
                    yield Trial(name, "sign, float32", True, forward, bad, tuple([a.astype(np.float32) for a in arrays]))
    for name, (forward, rule, slope, curvature, array) in SECOND.items():
        off = lambda xp, g, y, x, curvature=curvature: curvature(xp, g, y, x) * 1.001  # noqa: E731
        yield Trial(name, "second derivative times 1.001", True, forward, (rule,), (array,), slope=(slope, off))


def changes(forward, rule, bad, arrays):
    """Some mistakes are none, such as a symmetric gradient transposed."""
    with np.errstate(all="ignore"):
        y = np.asarray(forward(np, *arrays))
        g = np.random.default_rng(3).standard_normal(y.shape)
        return not np.allclose(rule(np, g, y, *arrays), bad(np, g, y, *arrays), rtol=1e-6, atol=1e-9)


def one_entry(xp, gx):
    factor = np.ones(gx.shape)
    factor[tuple(n // 2 for n in gx.shape)] = 1.01
    return gx * factor.astype(gx.dtype)


MISTAKES = {
    "sign": lambda rules, i: lambda xp, *call: -rules[i](xp, *call),
    "factor 1.001": lambda rules, i: lambda xp, *call: rules[i](xp, *call) * 1.001,
    "one entry": lambda rules, i: lambda xp, *call: one_entry(xp, rules[i](xp, *call)),
    "reversed": lambda rules, i: lambda xp, *call: xp.flip(rules[i](xp, *call)),
    "negative inputs": lambda rules, i: lambda xp, g, y, *a: rules[i](xp, g, y, *a) * (1 + 0.5 * (a[i] < 0)),
    "wrong input": lambda rules, i: lambda xp, g, y, *a: same_shape(rules, i, a)(xp, g, y, *a),
}


def same_shape(rules, i, arrays):
    others = [k for k in range(len(arrays)) if k != i and arrays[k].shape == arrays[i].shape]
    return rules[others[0]] if others else rules[i]


# ---- the checkers: each gives accuses(trial) -> is it called wrong?


def ours(audited=False):
    import tinygrad_lite as tl
    from tinygrad_lite import verify

    def op(name, forward, rules):
        return tl.Op(name, lambda *a: forward(np, *a), *[lambda g, y, *a, r=rule: r(np, g, y, *a) for rule in rules], broadcasts=False)

    def accuses(trial):
        rules = trial.rules
        if trial.slope is not None:
            slope = op("slope", trial.slope[0], [trial.slope[1]])
            f = tl.Op(trial.name, lambda x: trial.forward(np, x), lambda g, y, x: g * slope(x))
        else:
            f = op(trial.name, trial.forward, rules)
        if audited:
            loss = (f(*[tl.tensor(a, requires_grad=True) for a in trial.arrays]) * trial.scale).sum()
            return not verify.audit(loss, order=1 if trial.slope is None else 2)
        check = verify.gradcheck if trial.slope is None else verify.gradgradcheck
        return not check(lambda *xs: f(*xs) * trial.scale, list(trial.arrays), raise_exception=False)

    return accuses


def pytorch():
    import torch
    from torch.autograd import Function, gradcheck, gradgradcheck

    def function(forward, rules):
        class F(Function):
            @staticmethod
            def forward(ctx, *xs):
                y = torch.as_tensor(np.asarray(forward(np, *[x.detach().numpy() for x in xs])))
                ctx.save_for_backward(y, *xs)
                return y

            @staticmethod
            def backward(ctx, g):
                y, *xs = ctx.saved_tensors
                a = [t.detach().numpy() for t in (g, y, *xs)]
                found = [torch.as_tensor(np.ascontiguousarray(rule(np, *a))) for rule in rules]
                return found[0] if len(found) == 1 else tuple(found)

        return F.apply

    def once_more(forward, slope):
        class F(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return torch.as_tensor(forward(np, x.detach().numpy()))

            @staticmethod
            def backward(ctx, g):
                return g * slope(ctx.saved_tensors[0])

        return F.apply

    def accuses(trial):
        xs = [torch.tensor(a, requires_grad=True) for a in trial.arrays]
        if trial.slope is not None:
            f = once_more(trial.forward, function(trial.slope[0], [trial.slope[1]]))
            return not gradgradcheck(f, xs, raise_exception=False)
        f = function(trial.forward, trial.rules)
        return not gradcheck(lambda *xs: f(*xs) * trial.scale, xs, raise_exception=False)

    return accuses


def jax_check():
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)

    def function(forward, backward):
        f = jax.custom_vjp(lambda *xs: forward(jnp, *xs))

        def keeping(*xs):
            y = forward(jnp, *xs)
            return y, (y, xs)

        f.defvjp(keeping, lambda kept, g: backward(g, kept[0], *kept[1]))
        return f

    def accuses(trial):
        xs = tuple([jnp.asarray(a) for a in trial.arrays])
        if trial.slope is not None:
            slope = function(trial.slope[0], lambda g, y, x: (trial.slope[1](jnp, g, y, x),))
            f = function(trial.forward, lambda g, y, x: (g * slope(x),))
        else:
            f = function(trial.forward, lambda g, y, *a: tuple([rule(jnp, g, y, *a) for rule in trial.rules]))
        return fails(lambda: check_grads(lambda *xs: f(*xs) * trial.scale, xs, order=1 if trial.slope is None else 2, modes=["rev"]))

    return accuses


def hips_autograd():
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    def function(forward, rules):
        f = primitive(lambda *a: forward(np, *a))
        defvjp(f, *[lambda y, *a, r=rule: lambda g: r(np, g, y, *a) for rule in rules])
        return f

    def accuses(trial):
        if trial.slope is not None:
            slope = function(trial.slope[0], [trial.slope[1]])
            f = primitive(lambda x: trial.forward(np, x))
            defvjp(f, lambda y, x: lambda g: g * slope(x))
        else:
            f = function(trial.forward, trial.rules)
        np.random.seed(0)  # its checker draws from NumPy's global generator
        order = 1 if trial.slope is None else 2
        arguments = tuple(range(len(trial.arrays))) if len(trial.arrays) > 1 else 0  # left out, it checks the first alone
        check = check_grads(lambda *xs: f(*xs) * trial.scale, arguments, modes=["rev"], order=order)
        return fails(lambda: check(*trial.arrays))

    return accuses


def fails(check):
    """These checkers say no by AssertionError, or by whatever goes wrong inside them: a user sees a failure either way."""
    try:
        check()
    except Exception:
        return True
    return False


CHECKERS = {
    "gradcheck": ours,
    "audit": lambda: ours(audited=True),
    "torch": pytorch,
    "jax": jax_check,
    "autograd": hips_autograd,
}
