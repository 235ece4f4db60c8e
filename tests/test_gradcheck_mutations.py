"""Every way in which rules go wrong, put into the ops of the table: gradcheck has to catch all of it, and to accuse no right function."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from cases import Case
from mutants import KINDS, cases, inputs, mutants
from random_programs import program

import tinygrad_lite as tl
from tinygrad_lite.ops import table
from tinygrad_lite.verify import gradcheck, gradgradcheck

SCALES = [1e-8, 1e-3, 1.0, 1e3, 1e8]
NAMES = """add subtract multiply divide power sqrt exp log sin tanh arctan2 sigmoid relu softplus abs maximum clip where hypot logaddexp sum mean
    var std max prod logsumexp cumsum cumprod reshape transpose concatenate stack getitem gather scatter_add take_along_axis matmul outer einsum
    linear solve inv mse_loss softmax log_softmax cross_entropy convolution"""
COMMON = NAMES.split()
QUICK = [case for case in cases(smallest=True) if case.op in COMMON]


def scaled(op: Any, case: Case, scale: float) -> Callable[..., Any]:
    """The float outputs of the op times scale."""
    def function(*xs: Any) -> Any:
        ys = op(*xs, **case.params)
        return tuple([y * scale for y in ys if y.dtype.kind in "fc"]) if isinstance(ys, tuple) else ys * scale
    return function


def missed(kind: str, chosen: list[Case], ways: Callable[[int], list[tuple[float, bool]]]) -> tuple[int, list[str]]:
    """How many mutants there are, and the names of those that pass. ways: which (scale, fast_mode) the k-th case is tried with."""
    check = gradgradcheck if kind == "second derivative" else gradcheck
    passed, n = [], 0
    for k, case in enumerate(chosen):
        for bad, xs in mutants(case, kind):
            for scale, fast in ways(k):
                n += 1
                if check(scaled(bad, case, scale), xs, raise_exception=False, fast_mode=fast):
                    passed.append(f"{case.id} times {scale:g}{', fast' * fast}")
    return n, passed


def test_at_least_forty_ops_are_tried() -> None:
    assert len({case.op for case in QUICK}) == len(COMMON) >= 40


@pytest.mark.parametrize("kind", KINDS)
def test_every_wrong_rule_is_caught(kind: str) -> None:
    """The scales and the two modes in turn; all of them with every op: the sweep below."""
    n, passed = missed(kind, QUICK, lambda k: [(SCALES[k % 5], k % 2 == 1)])
    assert n >= {"broadcast sum missing": 8, "wrong input": 9}.get(kind, 35)
    assert passed == []


@pytest.mark.sweep
@pytest.mark.parametrize("kind", KINDS)
def test_every_wrong_rule_of_every_op_is_caught_at_every_scale(kind: str) -> None:
    n, passed = missed(kind, cases(smallest=True), lambda k: [(scale, fast) for scale in SCALES for fast in (False, True)])
    assert n >= 100
    assert passed == []


@pytest.mark.sweep
@pytest.mark.parametrize("kind", KINDS)
def test_every_wrong_rule_of_every_line_is_caught(kind: str) -> None:
    assert missed(kind, cases(), lambda k: [(SCALES[k % 5], k % 2 == 0)])[1] == []


def thousand(names: str) -> Iterator[tuple[str, list[Any]]]:
    """Elementwise lines with their inputs tiled to 1,200 entries."""
    for case in cases():
        if case.elementwise and case.op in names.split() and all(np.shape(x) == (3, 4) for x in case.inputs):
            yield case.op, [tl.tensor(np.tile(x, (10, 10)), requires_grad=True) if x.dtype.kind == "f" else np.tile(x, (10, 10)) for x in case.inputs]


@pytest.mark.parametrize("fast", [True, False])
def test_one_wrong_element_in_a_thousand_is_caught_and_named(fast: bool) -> None:
    at = np.ones((30, 40))
    at[17, 23] = 1.01
    for name, xs in thousand("sin tanh multiply divide sigmoid" if fast else "sin abs"):
        op = table[name]
        bad = tl.Op(name, op.forward, lambda g, y, *args, op=op: op.rules[0](g, y, *args) * at, *op.rules[1:], broadcasts=op.broadcasts)
        report = gradcheck(lambda *xs, bad=bad: bad(*xs).sum() * 1e-7, xs, fast_mode=fast, raise_exception=False)
        assert [row.wrong for row in report.rows] == [3 if fast else 1, *[0] * (len(xs) - 1)], name
        assert report.rows[0].index == (17, 23)


def accused(seeds: range) -> list[int]:
    """Of the right programs with these seeds those that a check calls wrong."""
    return [seed for seed in seeds for fast in (False, True) if not gradcheck(*program(seed), fast_mode=fast, raise_exception=False)]


def test_right_programs_are_not_accused() -> None:
    assert accused(range(0, 1000, 40)) == []


@pytest.mark.sweep
@pytest.mark.parametrize("start", range(0, 1000, 100))
def test_a_thousand_right_programs_are_not_accused(start: int) -> None:
    assert accused(range(start, start + 100)) == []


def test_the_programs_have_all_that_is_promised() -> None:
    """Kinks that are hit, complex steps, entries that cannot be told: else the test above would be an easy one."""
    reports = [gradcheck(*program(seed)) for seed in range(8, 18)]
    assert {row.method for report in reports for row in report.rows} == {"complex step", "differences"}
    counts = [report.counts for report in reports]
    assert all(sum(count[kind] for count in counts) > 0 for kind in ("ok", "kink", "cannot tell"))
    assert sum(count["ok"] for count in counts) > 0.7 * 27 * 10


@pytest.mark.sweep
def test_right_rules_of_every_line_are_not_accused_twice_differentiated_and_scaled() -> None:
    for k, case in enumerate(cases()):
        f, xs = scaled(table[case.op], case, SCALES[k % 5]), inputs(table[case.op], case)
        for fast in (False, True):
            assert gradcheck(f, xs, fast_mode=fast)
            assert gradgradcheck(f, xs, fast_mode=fast)
