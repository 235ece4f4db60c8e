"""The table of ops: each row a NumPy forward and its rules (`engine.Op`). Names and meanings are NumPy's where NumPy has the function.

`table` is every row by its name; `public` is what a user calls, rows and the functions that put NumPy's arguments in a row's form.
"""

from types import ModuleType
from typing import Any

from ..engine import Op
from . import arithmetic, cumulate, elementary, indexing, linalg, losses, random, reduce, shape

__all__ = ["public", "table"]

_rooms: tuple[ModuleType, ...] = (arithmetic, elementary, reduce, cumulate, shape, indexing, linalg, losses, random)

table: dict[str, Op] = {op.name: op for room in _rooms for op in vars(room).values() if isinstance(op, Op)}
public: dict[str, Any] = {name: getattr(room, name) for room in _rooms if room is not losses for name in room.__all__}
