"""The table of NumPy's functions: every public one is there, in one place, and what the table says is so."""

import inspect
import subprocess
import sys
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


def test_the_command_prints_the_same_page(capsys: Any) -> None:
    main()
    page = capsys.readouterr().out
    for module in ("tinygrad_lite.ops", "tinygrad_lite.coverage"):
        assert subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, check=True).stdout == page


SQUARE = np.array([[2.0, 0.5], [0.25, 1.0]])
# what NumPy demands beside one square matrix, by its own names
ALSO = {"indices_or_sections": 2, "shape": (2, 2, 2), "axis": 0, "source": 0, "destination": 1, "q": 0.3, "pad_width": 1, "kth": 1, "shift": 1,
        "repeats": 2, "reps": 2, "axis1": 0, "axis2": 1, "n": 2, "new_shape": (3, 2), "obj": 0, "indices": np.array([[0, 1], [1, 0]]),
        "condition": np.array([True, False]), "values": 0.5}
ELSEWHERE = {"apply_along_axis", "apply_over_axes", "choose", "piecewise", "select"}  # they take functions and lists
VECTORS = {"convolve", "correlate", "digitize", "interp", "polymul", "searchsorted", "vander"}
LISTS = {"arrays", "tup"}
NAMED = [name for name, f in FUNCTIONS.items()
         if found(f) is not None and not isinstance(f, np.ufunc) and name not in ELSEWHERE and not name.startswith("is")
         and not {p.kind for p in inspect.signature(f).parameters.values() if p.default is p.empty} & {inspect.Parameter.POSITIONAL_ONLY}]


def demanded(function: Any) -> list[str]:
    return [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize("name", [name for name in NAMED if demanded(FUNCTIONS[name])])
def test_arguments_may_be_given_by_numpys_names_for_them(name: str) -> None:
    function = FUNCTIONS[name]
    others = {"dsplit": np.stack([SQUARE, SQUARE]), "cross": np.eye(2, 3)} | dict.fromkeys(VECTORS, np.array([0.5, 2.0]))
    t = tl.tensor(others.get(name, SQUARE))
    more: dict[str, Any] = {"a_min": 0.0, "a_max": 1.0} if name == "clip" else {}
    given = {arg: [t, t] if arg in LISTS else ALSO.get(arg, t) for arg in demanded(function)}
    by_name = function(**given, **more)
    by_place = function(*given.values(), **more)
    for a, b in zip(*[y if isinstance(y, tuple | list) else [y] for y in (by_name, by_place)], strict=True):
        assert type(a) is type(b)
        np.testing.assert_array_equal(np.asarray(getattr(a, "data", a)), np.asarray(getattr(b, "data", b)))


def test_where_with_one_argument_gives_the_places() -> None:
    t: Any = tl.tensor([[0.0, 2.0], [3.0, 0.0]], requires_grad=True)
    for places in (np.where(t), np.where(t > 0)):
        assert [p.data.tolist() for p in places] == [[0, 1], [1, 0]]
