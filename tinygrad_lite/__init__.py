"""tinygrad_lite: autograd for small networks on NumPy.

A `Tensor` records the computation graph; `backward()` goes through it in reverse and fills `.grad`, to any order. Layers are in `nn`,
optimizers in `optim`; `verify` holds gradients against finite differences, `viz` shows the graph. NumPy's functions take Tensors, and are
here under their own names too.
"""

# Importing the package loads nothing, not even NumPy: pytest imports it in every project of an environment, for the sake of one fixture.
# The first public name that is asked for brings all of `api`, and from then on each is an ordinary attribute.

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import autograd as autograd
    from . import coverage as coverage
    from . import data as data
    from . import func as func
    from . import linalg as linalg
    from . import train as train
    from . import utils as utils
    from . import verify as verify
    from . import viz as viz
    from .api import *  # noqa: F403
    from .compiler import compile as compile
    from .viz import profile as profile

__version__ = "0.1.0"

_ROOMS = ("autograd", "coverage", "data", "func", "linalg", "train", "utils", "verify", "viz")  # each is imported when it is asked for
_FUNCTIONS = {"compile": "compiler", "profile": "viz"}  # and so is a function of one


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name in _FUNCTIONS:
        return getattr(import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    if name == "__all__" or not name.startswith("__"):  # the import system and inspect ask for many dunder names
        gathered = import_module(f"{__name__}.api")
        public = gathered.__all__  # AttributeError while `api` itself is being imported: then `name` is one of its files
        globals().update({each: getattr(gathered, each) for each in public}, __all__=[*public, *_ROOMS, *_FUNCTIONS])
        if name in globals():
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__getattr__("__all__"), "__version__"]
