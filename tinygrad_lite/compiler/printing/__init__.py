"""A program as text: `numpy_source` prints it as one would write it by hand; `opaque` and `pieces` print the functions that it calls as they are,
with everything that they name; `naming` and `words` find the names and literals; `source` is the text with what it is bound to.
"""

__all__: list[str] = []
