"""Blocks: runs of entry-by-entry calls on large arrays, done piece by piece, so that each piece stays in the processor's cache throughout.

The runs are only marked here; `memory` gives what is made and read inside one run a buffer of one piece.
"""

from ..memory import BLOCK, takes_out
from ..program import Call, Program, Value

__all__ = ["mark_blocks"]

LEAST = 2 * BLOCK  # entries; below, the loop costs more than the cache gives


def mark_blocks(program: Program) -> None:
    makers = program.makers()
    returned = {value.root for value in program.outputs}

    def lasts(value: Value) -> bool:
        """Will the array be the same at each run, so that its pieces can be cut once? An argument is not, nor what is returned."""
        root = value.root
        return root.kind in ("outer", "constant") or (root in makers and takes_out(makers[root]) and root not in returned)

    def fits(call: Call) -> bool:
        made = call.output
        if call.function.kind != "map" or call.errstate or made.size < LEAST or not made.contiguous or made in returned:
            return False
        return all(not v.shape or (v.shape == made.shape and v.contiguous and lasts(v)) for v in call.inputs)

    run: list[Call] = []
    for call in [*program.calls, None]:
        if run and (call is None or not fits(call) or call.output.shape != run[0].output.shape):
            if len(run) > 1:
                program.blocks.append(run)
            run = []
        if call is not None and fits(call):
            run.append(call)
