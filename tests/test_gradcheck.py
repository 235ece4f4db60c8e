"""gradcheck's four verdicts, its two methods, its two modes, and what its report says."""

import numpy as np
import pytest
from cases import all_cases

import tinygrad_lite as tl
from tinygrad_lite import nn, verify
from tinygrad_lite.errors import GradcheckError, GradError, ShapeError
from tinygrad_lite.ops import table
from tinygrad_lite.verify.complex_step import SMOOTH
from tinygrad_lite.verify.differences import Line, Problem, Tolerance, entry_by_entry

rng = np.random.default_rng(5)
METHODS = {"complex step": np.sin, "differences": lambda x: np.sin(x) + tl.relu(x - 1e3)}  # relu is not analytic; it is 0 here


def verdicts(report):
    return {kind: n for kind, n in report.counts.items() if n}


# ---- four verdicts

def test_ok_is_said_of_every_entry_and_names_the_method():
    for method, f in METHODS.items():
        report = verify.gradcheck(f, rng.standard_normal((2, 3)))
        assert verdicts(report) == {"ok": 6}
        assert report.rows[0].method == method
        assert report.rows[0].verdict == "ok"
        assert "all 6 entries agree" in str(report)


def test_a_kink_is_named_with_both_slopes_and_is_no_failure():
    report = verify.gradcheck(lambda x: tl.relu(x).sum(), np.array([-1.0, 0.0, 2.0]))
    assert report.ok
    assert verdicts(report) == {"ok": 2, "kink": 1}
    (entry,) = report.rows[0].findings
    assert entry.index == (1,)
    v = abs(entry.slopes[0] - entry.slopes[1])  # the cotangent: relu's slopes are 0 and 1 times it
    assert min(map(abs, entry.slopes)) < 1e-9 < 0.5 <= v <= 1.5
    assert "1 is at a kink" in str(report)
    assert "the slopes on the two sides" in str(report)


def test_a_gradient_outside_the_slopes_of_a_kink_is_wrong():
    def relu(at_zero):
        return tl.Op("relu", lambda x: np.maximum(x, 0), lambda g, y, x: g * np.where(x == 0, at_zero, x > 0))
    for at_zero in (0.0, 0.5, 1.0):
        assert verdicts(verify.gradcheck(relu(at_zero), np.array([0.0, 3.0]))) == {"ok": 1, "kink": 1}
    for at_zero in (-0.1, 1.1, np.nan):
        assert verdicts(verify.gradcheck(relu(at_zero), np.array([0.0, 3.0]), raise_exception=False)) == {"ok": 1, "wrong": 1}


def test_a_kink_near_the_point_is_stepped_around():
    """0.000001 from the kink: the first step of 6e-6 crosses it, a smaller one does not."""
    x = np.array([1.0, 1 + 1e-6, 1 - 1e-6])
    assert verdicts(verify.gradcheck(lambda x: abs(x - 1), x)) == {"ok": 2, "kink": 1}
    bad = tl.Op("abs", np.abs, lambda g, y, x: -g * np.sign(x))
    assert verdicts(verify.gradcheck(lambda x: bad(x - 1), x, raise_exception=False)) == {"wrong": 2, "kink": 1}


def test_much_curvature_and_an_edge_of_the_domain_near_the_point_take_a_smaller_step():
    assert verify.gradcheck(lambda x: np.sin(x * 3e4) + abs(x), np.array([0.5, 1.0, 1.3])).counts["ok"] == 3
    assert verify.gradcheck(lambda x: np.log(x) + abs(x), np.array([1e-9, 1e-3, 1.0])).counts["ok"] == 3


def test_rounding_larger_than_the_gradient_is_counted_and_never_passed():
    """1e12 + x: in float64 the sum moves in steps of 1e-4, so a slope of 1 is known to 1e-4 / h only."""
    for rule in (lambda g, y, x: g, lambda g, y, x: g * 1.001):
        op = tl.Op("far", lambda x: np.abs(x) + 1e18, rule)
        report = verify.gradcheck(op, np.array([1.0, 2.0]))
        assert report.ok
        assert verdicts(report) == {"cannot tell": 2}
        assert "0 of 2 entries agree with finite differences, 2 could not be told" in str(report)
        assert "cannot tell  input 0 at [0]: backward" in str(report)


def test_a_larger_step_is_taken_where_rounding_rules():
    right, wrong = (tl.Op("far", lambda x: np.abs(x) + 1e9, lambda g, y, x, f=f: g * f) for f in (1.0, 1.001))
    assert verify.gradcheck(right, np.array([1.0, 2.0])).counts["ok"] == 2
    assert verify.gradcheck(wrong, np.array([1.0, 2.0]), raise_exception=False).counts["wrong"] == 2


def test_rounding_inside_the_function_accuses_nobody():
    for offset in 10.0 ** np.arange(2, 16):
        assert verify.gradcheck(lambda x, c=offset: (abs(x) + c) - c, np.linspace(0.3, 2, 20))
    assert verify.gradcheck(lambda x: (x + 1e9) - 1e9, np.linspace(0.3, 2, 20))


def test_an_infinite_slope_at_the_edge_of_the_domain_cannot_be_told():
    assert verdicts(verify.gradcheck(np.sqrt, np.array([0.0, 1.0]))) == {"ok": 1, "cannot tell": 1}
    assert verdicts(verify.gradcheck(np.cbrt, np.array([0.0, 1.0]))) == {"ok": 1, "cannot tell": 1}
    assert verdicts(verify.gradcheck(np.log, np.array([-1.0, 1.0]))) == {"ok": 1, "cannot tell": 1}


def test_kinks_that_cancel_in_the_values_are_told_from_wrong_rules():
    """max(x, min(x, x / 2)) is bent at 0 in both parts; by their conventions its gradient there is 0.875, its slope 1 on both sides."""
    report = verify.gradcheck(lambda x: tl.maximum(x, tl.minimum(x, x * 0.5)), np.array([0.0, 1.0]))
    assert verdicts(report) == {"ok": 1, "kink": 1}
    odd = tl.Op("odd", np.sin, lambda g, y, x: g * np.where(x == 0, 0.5, np.cos(x)))  # wrong at the one point 0, where nothing is bent
    for x in (np.zeros(2), np.array([0.0, 1.0])):
        report = verify.gradcheck(lambda x: odd(x) + tl.relu(x - 5), x, raise_exception=False)
        assert report.counts["wrong"] == (x == 0).sum()
        assert report.causes[0].startswith("odd at")


def test_gradients_that_are_0_agree():
    assert verdicts(verify.gradcheck(lambda x, z: x * x + 0 * z, [np.zeros(2), np.ones(2)])) == {"ok": 4}
    assert verdicts(verify.gradcheck(lambda x: x.max(), np.array([1.0, 2.0, 3.0]))) == {"ok": 3}


# ---- the complex step

@pytest.mark.parametrize("name", sorted(SMOOTH))
def test_smooth_rows_are_smooth(name):
    """Each row against its own rule, to 1e-11: ten thousand times closer than a difference comes."""
    cases = [case for case in all_cases()[0] if case.op == name and max(np.size(x) for x in case.inputs) < 2000]
    assert cases
    op = table[name]
    for case in cases:
        takes = [isinstance(x, np.ndarray) and x.dtype.kind == "f" and (op.each is not None or op.rules[i] is not None)
                 for i, x in enumerate(case.inputs)]
        xs = [tl.tensor(x, requires_grad=t) if isinstance(x, np.ndarray) else x for x, t in zip(case.inputs, takes, strict=True)]
        if op.differentiable and any(takes):
            report = verify.gradcheck(lambda *xs, p=case.params: op(*xs, **p), xs, rtol=1e-11)
            # a negative number to a power that is moved, too, has no logarithm: there even the complex step is not used
            assert {row.method for row in report.rows} == {"complex step"}, case.id


def test_kinks_and_detours_through_numpy_go_to_differences():
    for f in (abs, tl.relu, lambda x: x.max(), lambda x: tl.where(x > 0.1, x, x * x), lambda x: np.linalg.norm(x), tl.sigmoid):
        assert verify.gradcheck(f, rng.standard_normal(3)).rows[0].method == "differences"

    def detour(x):  # np.abs of a complex number has no slope at all, and neither has what left the graph: these must not be held to agree
        return x * tl.tensor(np.abs(x.numpy()))

    with pytest.raises(GradcheckError, match="look for a value that left the graph"):
        verify.gradcheck(detour, np.array([0.5, -2.0]))
    with pytest.raises(GradcheckError, match="input 0 goes into multiply at test_gradcheck.py"):
        verify.gradcheck(lambda x: x * x.detach(), np.array([0.5, -2.0]))
    with pytest.raises(GradcheckError):
        verify.gradcheck(lambda x: x * tl.sigmoid(tl.tensor(x.data.real.copy())), np.array([0.5, -2.0]))


def test_the_complex_step_sees_what_no_difference_can():
    """A rule that is off by 1e-12 of its value; and a gradient of 1e-9 beside a value of 1."""
    bad = tl.Op("sin", np.sin, lambda g, y, x: g * np.cos(x) * (1 + 1e-12))
    assert verify.gradcheck(bad, np.array([0.5]))
    assert not verify.gradcheck(bad, np.array([0.5]), rtol=0, raise_exception=False)
    assert verdicts(verify.gradcheck(lambda x: np.sin(x) * 1e-9 + 1, np.array([0.5, 1.0]))) == {"ok": 2}
    negative = tl.Op("sin", np.sin, lambda g, y, x: -g * np.cos(x))
    assert not verify.gradcheck(lambda x: negative(x) * 1e-9 + 1, np.array([0.5, 1.0]), raise_exception=False)


def test_a_step_of_the_callers_own_is_used_alone():
    calls = []

    def f(x):
        calls.append(x.item())
        return abs(x)

    report = verify.gradcheck(f, np.array([2.0]), eps=1e-3)
    assert report.rows[0].method == "differences"
    assert {round(abs(c - 2), 4) for c in calls} == {0.0, 0.0020, 0.0039}  # 2e-3, as a power of two below: 2^-9, and twice that
    assert verify.gradcheck(np.sin, np.array([1.0]), eps=1e-5).rows[0].method == "differences"
    assert verdicts(verify.gradcheck(tl.relu, np.array([0.0]), eps=1e-3)) == {"kink": 1}
    assert not verify.gradcheck(tl.Op("bad", np.abs, lambda g, y, x: -g * np.sign(x)), np.array([1.0]), eps=1e-5, raise_exception=False)


def test_atol_takes_the_place_of_the_bound_and_hides_nothing():
    half = tl.Op("half", np.abs, lambda g, y, x: g * np.sign(x) * 0.9999)
    assert verify.gradcheck(half, np.array([1.0]), atol=2e-4).counts["ok"] == 1
    assert not verify.gradcheck(half, np.array([1.0]), raise_exception=False)
    wrong_sign = tl.Op("tiny", lambda x: np.abs(x) * 1e-7, lambda g, y, x: g * -1e-7 * np.sign(x))
    assert verdicts(verify.gradcheck(wrong_sign, np.array([1.0]), atol=1e-5, raise_exception=False)) == {"cannot tell": 1}


# ---- random directions

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [-1, 1.001, 0])
def test_fast_mode_names_the_one_wrong_entry_in_a_thousand(method, factor):
    at = np.ones((10, 100))
    at[7, 77] = factor
    bad = tl.Op("bad", np.cos, lambda g, y, x: -g * np.sin(x) * at)
    x = rng.standard_normal((10, 100))
    x[7, 77] = 1.0
    report = verify.gradcheck(lambda x: METHODS[method](bad(x)).sum(), x, fast_mode=True, raise_exception=False)
    assert report.rows[0].entries == report.rows[0].wrong == 3
    assert report.rows[0].index == (7, 77)
    assert report.rows[0].method == method
    assert "3 of 3 random directions differ" in str(report)
    assert [cause.split()[0] for cause in report.causes] == ["bad"]


def test_fast_mode_passes_right_gradients_with_few_calls():
    calls = []

    def f(x, y):
        calls.append(1)
        return np.tanh(x @ y)

    inputs = [rng.standard_normal((30, 40)), rng.standard_normal((40, 20))]
    assert verdicts(verify.gradcheck(f, inputs, fast_mode=True)) == {"ok": 6}
    assert len(calls) < 30  # entry by entry it would take 2 calls for each of 2,000 entries
    assert verify.gradgradcheck(f, inputs, fast_mode=True).counts["wrong"] == 0
    assert verify.check_module(nn.Sequential(nn.Linear(30, 20), nn.Tanh(), nn.Linear(20, 10)), tl.randn(5, 30), fast_mode=True)


def test_fast_mode_accuses_no_kinks():
    x = np.concatenate([np.zeros(6), rng.standard_normal(6)])
    w = np.array([1.0, -1.0] * 6)
    report = verify.gradcheck(lambda x: (tl.relu(x) * w).sum(), x, fast_mode=True)  # bent up and down at once: the jumps of the sum cancel
    assert report.counts["kink"] == 3


# ---- what the report says

def test_the_report_says_what_was_checked_in_float64():
    report = verify.gradcheck(lambda a, b: a * b, [np.ones(2, np.float32), np.ones(2)])
    assert report.notes == ("checked in float64 copies: input 0 (float32)",)
    assert "note: checked in float64 copies" in str(report)
    assert verify.gradcheck(np.sin, np.ones(2)).notes == ()
    net = nn.Linear(3, 2)
    assert verify.check_module(net, tl.randn(4, 3)).notes == ("the model is float32; what was checked is a float64 copy of it",)
    assert verify.gradgradcheck(np.sin, np.ones(2, np.float32)).notes == report.notes


def test_the_wrong_rule_is_named_with_the_users_line():
    bad = tl.Op("bad", np.sin, lambda g, y, x: g * np.sin(x))

    def f(x):
        h = np.tanh(x)
        return np.exp(bad(h)) * 2

    report = verify.gradcheck(f, rng.standard_normal(3), raise_exception=False)
    assert len(report.causes) == 1
    assert report.causes[0].startswith("bad at test_gradcheck.py:")
    assert report.causes[0].endswith("return np.exp(bad(h)) * 2, input 0")
    with pytest.raises(GradcheckError, match=r"wrong rule   bad at test_gradcheck.py"):
        verify.gradcheck(f, rng.standard_normal(3))


def test_the_entry_is_there_for_programs():
    bad = tl.Op("bad", np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a * np.array([1, 1, 2.0]))
    report = verify.gradcheck(bad, [tl.tensor(np.ones(3), requires_grad=True, name="w"), tl.tensor(np.ones(3), requires_grad=True)],
                              raise_exception=False)
    assert [row.name for row in report.rows] == ["input 0 'w'", "input 1"]
    (entry,) = report.rows[1].findings
    assert (entry.index, entry.verdict, entry.method) == ((2,), "wrong", "complex step")
    assert entry.analytic == pytest.approx(2 * entry.numeric)
    assert entry.excess > 1e5
    assert report.rows[1].verdict == "wrong"


# ---- what is refused

def test_functions_that_draw_anew_are_refused():
    x = tl.tensor(np.ones(50), requires_grad=True)
    with pytest.raises(GradError, match="different values for the same inputs.*\n.*eval"):
        verify.gradcheck(lambda x: nn.functional.dropout(x, 0.5), x)
    generator = np.random.default_rng(0)
    assert verify.gradcheck(lambda x: x * (1 + 1e-12 * generator.random()), x, nondet_tol=1e-9, eps=1e-3)
    sizes = iter([2, 3, 4])
    with pytest.raises(GradError, match=r"shapes \[\(2,\)\] and then \[\(3,\)\]"):
        verify.gradcheck(lambda x: x[:next(sizes)], x)


def test_grad_outputs_are_taken_and_checked():
    x = rng.standard_normal((2, 3))
    assert verify.gradgradcheck(np.sin, x, np.full((2, 3), 0.5))
    with pytest.raises(ShapeError, match=r"grad_outputs have the shapes \[\(3,\)\], the outputs \[\(2, 3\)\]"):
        verify.gradgradcheck(np.sin, x, np.ones(3))


def test_empty_0d_non_contiguous_and_nan():
    assert verify.gradcheck(np.sin, np.zeros((0, 3))).rows[0].entries == 0
    assert verify.gradcheck(np.sin, np.zeros((0, 3)), fast_mode=True).rows[0].entries == 0
    assert verify.gradcheck(np.sin, np.array(0.3)).rows[0].index == ()
    assert verify.gradcheck(abs, 0.3, fast_mode=True)
    assert verify.gradcheck(np.sin, rng.standard_normal((4, 6))[::2, ::-3].T)
    assert verdicts(verify.gradcheck(np.sin, np.array([np.nan, 1.0]))) == {"ok": 1, "cannot tell": 1}
    assert verdicts(verify.gradcheck(lambda x: abs(x).sum(), np.array([np.nan, 1.0]))) == {"cannot tell": 2}


def test_an_interrupted_check_leaves_the_arrays_as_they_were():
    x = tl.tensor(np.array([1.0, 2.0]), requires_grad=True)
    seen = []

    def interrupted(when):
        seen.clear()

        def f():
            seen.append(1)
            if len(seen) == when:
                raise KeyboardInterrupt
            return np.sin(x)
        return f

    for when in range(2, 9):  # in the probe, in the complex steps, everywhere
        with pytest.raises(KeyboardInterrupt):
            verify.compare(interrupted(when), {"x": x})
        assert x.data.dtype == np.float64
        assert x.data.tolist() == [1.0, 2.0]


def test_claims_have_the_same_verdicts():
    report = verify.check(lambda x: np.maximum(x, 0).sum(), lambda x: (x > 0) * 1.0, np.array([-1.0, 0.0, 2.0]))
    assert verdicts(report) == {"ok": 2, "kink": 1}
    x = rng.standard_normal(1000)
    wrong = np.cos(x)
    wrong[321] *= 1.01
    report = verify.check(lambda x: np.sin(x).sum(), lambda x: wrong, x, fast_mode=True, raise_exception=False)
    assert report.rows[0].index == (321,)


def test_a_difference_knows_its_own_error():
    """The bound holds the true error of the difference for functions of any curvature at any scale."""
    for f, slope in ((np.sin, np.cos), (np.exp, np.exp), (lambda x: x ** 5, lambda x: 5 * x ** 4), (np.tanh, lambda x: 1 - np.tanh(x) ** 2)):
        for scale in (1e-8, 1.0, 1e8):
            x = rng.standard_normal(50)
            problem = Problem(lambda x=x, f=f, s=scale: s * f(x), x, np.zeros(50))
            line = [Line(problem, (i,)) for i in range(50)]
            for i, one in enumerate(line):
                found = one.slope(6e-6, one.at(0.0))
                assert abs(found.numeric - scale * slope(x[i])) <= found.bound(Tolerance())
    x = np.array([0.5])
    assert entry_by_entry(Problem(lambda: np.sin(x), x, np.cos(x)), Tolerance())[0].verdict == "ok"
