"""The table of NumPy's functions: every public one is there, in one place, and what the table says is so."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.coverage import MISSING, NATURAL, NEW, coverage, found, main, numpy_functions

FUNCTIONS = dict(numpy_functions())
NATURAL_NAMES = [name for names in NATURAL.values() for name in names.split()]
MISSING_NAMES = [name for names in MISSING.values() for name in names.split()]


def test_no_function_is_in_two_lists() -> None:
    names = NATURAL_NAMES + MISSING_NAMES
    assert sorted(names) == sorted(set(names))


def test_every_public_function_of_numpy_is_in_a_list() -> None:
    assert [entry.name for entry in coverage()] == list(FUNCTIONS)
    if np.lib.NumpyVersion(np.__version__) < "2.5.0":
        assert not [entry.name for entry in coverage() if entry.reason == NEW], "they want a list or a row"


def test_what_is_listed_as_missing_is_not_there() -> None:
    there = [name for name in MISSING_NAMES if name in FUNCTIONS and found(FUNCTIONS[name]) is not None]
    assert not there, "take these off MISSING"


def test_what_is_not_differentiable_by_nature_has_no_rule() -> None:
    ours = {name: found(FUNCTIONS[name]) for name in NATURAL_NAMES if name in FUNCTIONS}
    with_rule = [name for name, f in ours.items() if isinstance(f, tl.Op) and f.differentiable]
    assert not with_rule, "take these off NATURAL"


def test_names_are_numpys() -> None:
    if np.lib.NumpyVersion(np.__version__) >= "2.4.0":  # older ones lack some, and have others
        assert not [name for name in NATURAL_NAMES + MISSING_NAMES if name not in FUNCTIONS | {"row_stack": 0}]


@pytest.mark.parametrize("name", sorted(set(MISSING_NAMES) & FUNCTIONS.keys()))
def test_what_is_missing_is_refused_and_not_silently_detached(name: str) -> None:
    t: Any = tl.ones(2, 2, requires_grad=True)
    for args in ((t,), (t, t), (2, t), (t, t, t)):
        try:
            result = FUNCTIONS[name](*args)
        except Exception:  # whatever it is, it is said
            continue
        assert not isinstance(result, np.ndarray), f"np.{name} took a Tensor and gave an array"


def test_the_table_prints(capsys: Any) -> None:
    main()
    out = capsys.readouterr().out
    assert "| `np.tanh` | y = tanh(x)" in out
    assert "`argsort`" in out
    assert not [line for line in out.splitlines() if line.endswith("|  |")], "a function without a word"
