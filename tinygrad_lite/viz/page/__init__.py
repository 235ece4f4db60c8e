"""One HTML file that shows a graph in a browser: `snapshot` measures all that it may be asked for, `data` is that as plain data, with the source of
the gradient rules (`rules`); `document` puts it, `style.css` and the scripts into `frame.html`. `place.js`, `layout.js`, `scene.js` and `ink.js` are
the layout, the passes and the ink once more, held to Python's by tests, so change both or neither; `panel.js`, `view.js` and `hands.js` are the
page itself.
"""

from .document import html
from .snapshot import Snapshot, snapshot

__all__ = ["Snapshot", "html", "snapshot"]
