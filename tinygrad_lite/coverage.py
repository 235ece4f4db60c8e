"""Which of NumPy's functions differentiate here: `python -m tinygrad_lite.coverage` prints the table, as Markdown.

What differentiates is found by asking NumPy's protocols what np.<name>(Tensor) would call; the two lists below give a
reason for each of the others. A test fails where a public function of NumPy is in none of the three, or in two: then
`NATURAL` or `MISSING` wants a word more or less.
"""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .engine import Op
from .tensors import protocols

__all__ = ["MISSING", "NATURAL", "NEW", "Entry", "coverage", "found", "main", "numpy_functions"]

NEW = "not looked at yet"
DIFFERENTIABLE, BY_NATURE, ABSENT = "differentiable", "not differentiable by nature", "missing"

NATURAL: dict[str, str] = {
    "the answer is yes or no":
        "all allclose any array_equal array_equiv equal greater greater_equal isclose isfinite isin isinf isnan "
        "isneginf isposinf less less_equal logical_and logical_not logical_or logical_xor not_equal signbit iscomplex "
        "iscomplexobj isfortran isreal isrealobj isscalar isnat iterable",
    "the answer is a position, a count or a shape: integers":
        "argmax argmin argpartition argsort argwhere count_nonzero digitize flatnonzero lexsort nanargmax nanargmin "
        "ndim nonzero searchsorted shape size linalg.matrix_rank",
    "counts of what falls into bins; a weight differentiates in bincount(x, weights)":
        "histogram histogram2d histogramdd histogram_bin_edges",
    "floor(a / b), a step: constant but for jumps": "floor_divide",
    "mantissa and exponent jump; spacing is that of the numbers, not of the function": "frexp nextafter spacing",
    "membership is a matter of exact equality; unique differentiates": "intersect1d setdiff1d setxor1d union1d",
    "of integers and their bits":
        "bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift "
        "bitwise_xor gcd invert lcm left_shift packbits right_shift unpackbits base_repr binary_repr",
    "makes indices or shapes":
        "broadcast_shapes diag_indices diag_indices_from einsum_path indices ix_ mask_indices ravel_multi_index "
        "tril_indices tril_indices_from triu_indices triu_indices_from unravel_index",
    "a constant: no array of numbers goes in, or only its shape counts":
        "arange bartlett blackman empty empty_like eye hamming hanning identity kaiser ones ones_like tri zeros "
        "zeros_like",
    "writes in place, and a Tensor is a value: t.at[i].set(v), where(mask, v, t) or put_along_axis of this package "
    "return a new one":
        "copyto fill_diagonal place put put_along_axis putmask",
    "makes an array of what is not one; the gradient would be lost. tensor(data) makes a Tensor":
        "array asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix bmat from_dlpack "
        "frombuffer fromfile fromstring fromfunction fromiter fromregex genfromtxt load loadtxt require",
    "writes to a file, prints, or speaks of types, memory and NumPy itself":
        "array2string array_repr array_str can_cast common_type format_float_positional format_float_scientific "
        "get_include get_printoptions getbufsize geterr geterrcall info isdtype issubdtype may_share_memory "
        "min_scalar_type mintypecode nested_iters printoptions promote_types result_type save savetxt savez "
        "savez_compressed set_printoptions setbufsize seterr seterrcall shares_memory show_config show_runtime test "
        "typename frompyfunc",
    "of dates": "busday_count busday_offset datetime_as_string datetime_data is_busday",
    "of complex numbers, which Tensors do not hold":
        "angle imag real real_if_close sort_complex roots linalg.eig linalg.eigvals",
}

MISSING: dict[str, str] = {
    "NumPy has given it up for vstack": "row_stack",
    "write start + (stop - start) * np.linspace(0, 1, n), and 10 ** or exp of it": "geomspace linspace logspace",
    "write np.ones_like(t) * value": "full",
    "write matmul with an axis of length 1": "matvec vecmat",
    "write it in sums and products of the coefficients; polyval and polymul are here, lstsq of vander is the fit":
        "poly polyadd polyder polydiv polyfit polyint polysub",
    "take scipy.special.i0, which has its derivative i1": "i0",
    "write reshape and solve, or inv": "linalg.tensorinv linalg.tensorsolve",
    "unique with return_index, return_inverse, return_counts": "unique_all unique_counts unique_inverse unique_values",
}


class Entry(NamedTuple):
    """A function of NumPy, its state here, and why, or the row's formula."""

    name: str
    state: str
    reason: str


def numpy_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """(name, function) of NumPy's public functions: numpy and numpy.linalg, without classes and modules."""
    for module, prefix in ((np, ""), (np.linalg, "linalg.")):
        for name in sorted(module.__all__):
            value = getattr(module, name)
            if callable(value) and not isinstance(value, type | ModuleType):
                yield prefix + name, value


def coverage() -> list[Entry]:
    """Every public function of NumPy with what it is here. One that no list has, in a newer NumPy, is missing because
    it is new."""
    entries = []
    reasons = [(_by_name(NATURAL), BY_NATURE), (_by_name(MISSING), ABSENT)]
    for name, function in numpy_functions():
        listed = next((Entry(name, state, of[name]) for of, state in reasons if name in of), None)
        ours = found(function)
        if listed is not None:
            entries.append(listed)
        elif ours is not None and getattr(ours, "differentiable", True):
            entries.append(Entry(name, DIFFERENTIABLE, _formula(ours)))
        else:
            entries.append(Entry(name, ABSENT, NEW))
    return entries


def found(function: Callable[..., Any]) -> Any:
    """What a call of NumPy's `function` with a Tensor would come to; None: an error that says it is not there."""
    return protocols.ufuncs.get(function) or protocols.functions.get(function)


def _by_name(reasons: dict[str, str]) -> dict[str, str]:
    return {name: reason for reason, names in reasons.items() for name in names.split()}


def _formula(ours: Any) -> str:
    """The row's formula, or the first sentence of what is said of a function."""
    text = " ".join((ours.__doc__ or "").split())
    return text if isinstance(ours, Op) else text.split(". ")[0].removesuffix(".")


def main() -> None:
    """Print the table: how many of each, then one line a function, in three parts."""
    entries = coverage()
    parts = {state: [e for e in entries if e.state == state] for state in (DIFFERENTIABLE, BY_NATURE, ABSENT)}
    print(f"# NumPy's functions on Tensors (NumPy {np.__version__})\n")
    print(", ".join(f"{len(part)} {state}" for state, part in parts.items()) + ".")
    for state, part in parts.items():
        print(f"\n## {state[0].upper()}{state[1:]}\n")
        if state == DIFFERENTIABLE:
            print("| function | what it is |\n|---|---|")
            for name, _, reason in part:
                print(f"| `np.{name}` | {reason.replace('|', chr(92) + '|')} |")
        else:
            print("| why | functions |\n|---|---|")
            for reason in dict.fromkeys(e.reason for e in part):
                print(f"| {reason} | {', '.join(f'`{e.name}`' for e in part if e.reason == reason)} |")


if __name__ == "__main__":
    main()
