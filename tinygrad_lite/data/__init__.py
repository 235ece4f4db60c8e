"""Data sets: a table read from CSV text, its encoding as numbers, the split and the scaling, and the penguins.

Nothing here knows a Tensor: a table goes in, float64 arrays come out, and whoever trains decides what to do with them.
The way through: `read_table` (text) -> `encode` (`Design`: X, y and names) -> `split_rows` -> `StandardScaler`.
"""

from .encode import Design, Missing, constant_columns, encode
from .penguins import PENGUINS_CITATION, PENGUINS_LICENCE, load_penguins
from .split import StandardScaler, split_rows
from .table import MISSING_WORDS, Table, parse_table, read_table

__all__ = [
    "MISSING_WORDS",
    "PENGUINS_CITATION",
    "PENGUINS_LICENCE",
    "Design",
    "Missing",
    "StandardScaler",
    "Table",
    "constant_columns",
    "encode",
    "load_penguins",
    "parse_table",
    "read_table",
    "split_rows",
]
