"""The user's own names for results, read from the recorded source line: `h = net.relu(x)` names h.

Nothing is guessed: the recorded call must be the whole right side of the assignment.
"""

import linecache
import re
from types import CodeType

from ...engine import Node

__all__ = ["Assigned"]

_ASSIGNMENT = re.compile(r"\s*([^\W\d]\w*)\s*(?::[^=]+)?=(?!=)\s*")


class Assigned:
    """Names of results by the line that made them; each place in the source is read once."""

    def __init__(self) -> None:
        self._positions: dict[CodeType, list[tuple[int | None, int | None, int | None, int | None]]] = {}
        self._names: dict[tuple[CodeType, int], str] = {}

    def name(self, node: Node, after: Node | None) -> str:
        """The variable that the user's line assigns the result of `node` to, or ''. One call may record several nodes: `after` is the
        node that was recorded next, and the last one of the call gives its result."""
        if after is not None and after.lasti == node.lasti and after.code is node.code and after.scope is node.scope:
            return ""
        key = (node.code, node.lasti)
        if key not in self._names:
            self._names[key] = self._read(*key)
        return self._names[key]

    def _read(self, code: CodeType, lasti: int) -> str:
        if code not in self._positions:
            self._positions[code] = list(code.co_positions())
        line, last, start, stop = self._positions[code][lasti // 2]
        if line is None or line != last or start is None or stop is None:
            return ""
        text = linecache.getline(code.co_filename, line).rstrip().encode()  # columns count bytes
        found = _ASSIGNMENT.match(text.decode())
        rest = text[stop:].decode(errors="replace").strip()
        whole = found is not None and len(found[0].encode()) == start and (not rest or rest.startswith("#"))
        return found[1] if whole and found is not None else ""
