"""Every function of the table that a user calls by NumPy's name, gathered from the rooms. `tinygrad_lite` hands them on as its own.

Rows for layers and losses (`nn`), and linear algebra (`tinygrad_lite.linalg`, as in NumPy), are reached through those.
"""

from . import (
    arithmetic,
    arrange,
    cumulate,
    elementary,
    indexing,
    joining,
    linalg,
    order,
    products,
    quantiles,
    reduce,
    selection,
    series,
    shape,
    special,
    statistics,
    ufuncs,
)
from .arithmetic import *  # noqa: F403
from .arrange import *  # noqa: F403
from .cumulate import *  # noqa: F403
from .elementary import *  # noqa: F403
from .indexing import *  # noqa: F403
from .joining import *  # noqa: F403
from .linalg import *  # noqa: F403
from .order import *  # noqa: F403
from .products import *  # noqa: F403
from .quantiles import *  # noqa: F403
from .reduce import *  # noqa: F403
from .selection import *  # noqa: F403
from .selection import put_along_axis
from .series import *  # noqa: F403
from .shape import *  # noqa: F403
from .special import *  # noqa: F403
from .statistics import *  # noqa: F403
from .ufuncs import *  # noqa: F403

__all__ = ["put_along_axis"]  # NumPy's own writes in place, so np.put_along_axis(t, ...) must not find it
__all__ += arithmetic.__all__
__all__ += arrange.__all__
__all__ += cumulate.__all__
__all__ += elementary.__all__
__all__ += indexing.__all__
__all__ += joining.__all__
__all__ += linalg.__all__
__all__ += order.__all__
__all__ += products.__all__
__all__ += quantiles.__all__
__all__ += reduce.__all__
__all__ += selection.__all__
__all__ += series.__all__
__all__ += shape.__all__
__all__ += special.__all__
__all__ += statistics.__all__
__all__ += ufuncs.__all__
