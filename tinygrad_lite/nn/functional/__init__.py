"""Layers and losses as functions, with PyTorch's names, defaults and meaning: `from tinygrad_lite.nn import functional
as F`.

activations, normalization (with linear maps and distances), embeddings (with dropout), attention, losses, margins, and beside this folder
convolution and pooling; checks is what the losses ask of their arguments.
"""

from .. import convolution, pooling
from ..convolution import *  # noqa: F403
from ..pooling import *  # noqa: F403
from . import activations, attention, embeddings, losses, margins, normalization
from .activations import *  # noqa: F403
from .attention import *  # noqa: F403
from .embeddings import *  # noqa: F403
from .losses import *  # noqa: F403
from .margins import *  # noqa: F403
from .normalization import *  # noqa: F403

__all__: list[str] = []
__all__ += activations.__all__
__all__ += attention.__all__
__all__ += convolution.__all__
__all__ += embeddings.__all__
__all__ += losses.__all__
__all__ += margins.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
