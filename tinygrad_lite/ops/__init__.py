"""The table of ops: each row a NumPy forward and its rules (`engine.Op`). Names and meanings are NumPy's where NumPy has the function.

`table` is every row by its name; `public` is what a user calls, rows and the functions that put NumPy's arguments in a row's form.
"""

from types import ModuleType
from typing import Any

from ..engine import Op
from . import (
    activations,
    arithmetic,
    arrange,
    at,
    cumulate,
    elementary,
    factor,
    indexing,
    joining,
    linalg,
    losses,
    names,
    normalization,
    norms,
    order,
    products,
    quantiles,
    random,
    reduce,
    selection,
    series,
    shape,
    special,
    spectral,
    statistics,
    ufuncs,
    windows,
)

__all__ = ["public", "table"]

_rooms: tuple[ModuleType, ...] = (
    arithmetic, elementary, ufuncs, special, reduce, statistics, quantiles, cumulate, shape, arrange, joining, indexing, selection, at, order, series,
    linalg, products, factor, spectral, norms, activations, normalization, losses, windows, random)

table: dict[str, Op] = {op.name: op for room in _rooms for op in vars(room).values() if isinstance(op, Op)}
public: dict[str, Any] = {name: getattr(names, name) for name in names.__all__}
