"""`unchanged(model, optimizer)`: try things on a model, and leave no trace.

Not copies of the objects, since a loss may know the model too: its parameters get other arrays for a while, and their own back afterwards. The
memory of those is never written, so that a graph that was recorded before stays good.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..engine import Variable, handle
from ..nn import Module
from ..tensors import default_generator

__all__ = ["same_draws", "trial_of", "unchanged"]


@contextmanager
def unchanged(model: Module) -> Iterator[None]:
    """Parameters, buffers, gradients, modes and random generators of `model`, and the default generator, are put back at the end of the block."""
    tensors = {id(x): x for x in [*model.parameters(), *model.buffers()] if isinstance(x, Variable)}
    kept = [(x, x._data, x._grad) for x in tensors.values()]
    modes = [(module, module.training) for module in model.modules()]
    try:
        for x, array, _ in kept:
            x._data, x._grad = array.copy(), None
        with same_draws(model):
            yield
    finally:
        for x, array, g in kept:
            x._data, x._grad = array, g
        for module, mode in modes:
            if module.training is not mode:
                module.training = mode


@contextmanager
def same_draws(model: Module) -> Iterator[None]:
    """What is drawn in the block will be drawn again after it: the default generator and those that modules hold are put back."""
    own = [value for module in model.modules() for value in vars(module).values() if isinstance(value, np.random.Generator)]
    states = [(generator, copy.deepcopy(generator.bit_generator.state)) for generator in [default_generator(), *own]]
    try:
        yield
    finally:
        for generator, state in states:
            generator.bit_generator.state = state


def trial_of(optimizer: Any) -> Any:
    """An optimizer of the same parameters with settings and state of its own: its steps change no state of the first."""
    trial = copy.copy(optimizer)
    trial.param_groups = [dict(group) for group in optimizer.param_groups]
    trial.state = {p: {name: handle(value.face, value._data.copy()) if isinstance(value, Variable) else copy.copy(value)
                       for name, value in entry.items()} for p, entry in optimizer.state.items()}
    return trial
