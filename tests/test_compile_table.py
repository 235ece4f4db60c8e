"""Every line of the table of ops, compiled: forward and backward of a replay on other numbers are eager's, to the bit."""

from typing import Any

import numpy as np
import pytest
from cases import Case, all_cases

import tinygrad_lite as tl
from tinygrad_lite.compiler import PASSES
from tinygrad_lite.engine import Variable
from tinygrad_lite.ops import table

CASES, _ = all_cases()
EXACT = set(PASSES) - {"merge"} | {"reuse"}  # "merge" sums in another order
DIFFERENTIABLE = [case for case in CASES if table[case.op].differentiable]


def is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def takes_gradient(case: Case, i: int) -> bool:
    op = table[case.op]
    return is_float(case.inputs[i]) and (op.each is not None or op.rules[i] is not None)


def tensors(case: Case, inputs: Any, dtype: Any) -> list[Any]:
    return [tl.tensor(x, dtype if is_float(x) else None, requires_grad=takes_gradient(case, i)) if isinstance(x, np.ndarray) else x
            for i, x in enumerate(inputs)]


def other(case: Case, i: int, x: Any) -> Any:
    """Other numbers from the domain: the same ones in another order, which what is not differentiated keeps."""
    return x if not (takes_gradient(case, i) and x.ndim) else x[::-1].copy()


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=lambda case: case.id)
def test_row_replays_to_eagers_numbers(case: Case, dtype: Any) -> None:
    op = table[case.op]

    def both(*xs: Any) -> Any:
        y = op(*xs, **case.params)
        ys = list(y) if isinstance(y, tuple | list) else [y]
        leaves = [x for x in xs if isinstance(x, Variable) and x.requires_grad]
        return ys, list(tl.autograd.grad(ys, leaves, [tl.ones(*y.shape, dtype=y.dtype) * 0.5 for y in ys]))

    compiled = tl.compile(both, passes=EXACT)
    # x[mask] has as many entries as the mask says: each run may be of another shape, so that it stays eager, and says so
    masks = [x for x in case.inputs if isinstance(x, np.ndarray) and x.dtype == bool]
    masked = case.op in ("gather", "scatter_add", "at_add") and np.ndim(case.inputs[1]) > 0 and bool(masks)
    if masked:
        with pytest.warns(UserWarning, match="depends on values"):
            compiled(*tensors(case, case.inputs, dtype))
    for inputs in (case.inputs, [other(case, i, x) for i, x in enumerate(case.inputs)], case.inputs):
        want, got = both(*tensors(case, inputs, dtype)), compiled(*tensors(case, inputs, dtype))
        for eager, ours in zip([*want[0], *want[1]], [*got[0], *got[1]], strict=True):
            np.testing.assert_array_equal(ours.data, eager.data)
            assert ours.dtype == eager.dtype
    assert len(compiled.programs) == (not masked)
