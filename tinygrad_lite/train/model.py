"""The networks that the job trains: one Linear layer, or Linear layers with an activation between them.
A network is known by three things (inputs, sizes of the hidden layers, activation), so a file of weights can name it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..nn import Linear, Module, ReLU, Sequential, Sigmoid, Tanh

__all__ = ["ACTIVATIONS", "build_model", "describe"]

ACTIVATIONS: dict[str, type[Module]] = {"tanh": Tanh, "relu": ReLU, "sigmoid": Sigmoid}


def build_model(inputs: int, hidden: Sequence[int] = (), activation: str = "tanh",
                generator: np.random.Generator | None = None) -> Module:
    """(rows, inputs) -> (rows, 1): Linear without hidden layers, else Sequential(Linear, Tanh, ..., Linear).

    The first weights are drawn from `generator`."""
    if not hidden:
        return Linear(inputs, 1, generator=generator)
    widths = (inputs, *hidden, 1)
    layers: list[Module] = []
    for size_in, size_out in zip(widths, widths[1:], strict=False):
        layers += [Linear(size_in, size_out, generator=generator), ACTIVATIONS[activation]()]
    return Sequential(*layers[:-1])


def describe(inputs: int, hidden: Sequence[int] = (), activation: str = "tanh") -> str:
    """The same network in a few words: "Linear(6, 1)", or "6-32-16-1 with tanh"."""
    if not hidden:
        return f"Linear({inputs}, 1)"
    return f"{'-'.join(str(width) for width in (inputs, *hidden, 1))} with {activation}"
