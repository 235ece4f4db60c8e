"""Passes: each takes a Program and makes it better in place, keeping what it computes. They run in this order.

All but "merge" keep the order of arithmetic, and so give eager's numbers to the bit.
"""

from collections.abc import Callable

from ..program import Program
from .blocks import mark_blocks
from .common import share_equal_calls
from .dead import drop_unused_calls
from .flat import join_updates
from .fold import fold_constants
from .layout import turn_weights
from .merge import merge_batched_sums

__all__ = ["PASSES"]

PASSES: dict[str, Callable[[Program], None]] = {
    "fold": fold_constants, "common": share_equal_calls, "merge": merge_batched_sums, "dead": drop_unused_calls,
    "layout": turn_weights, "flat": join_updates, "blocks": mark_blocks}
