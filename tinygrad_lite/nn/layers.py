"""Layers as objects: the affine map, activations, the mean squared error, and Sequential."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..ops import losses
from ..ops.elementary import relu, sigmoid, tanh
from ..ops.linalg import linear
from ..tensors import Tensor, get_default_dtype
from . import init
from .functional import mse_loss
from .module import Module, Parameter

__all__ = ["Linear", "MSELoss", "ReLU", "Sequential", "Sigmoid", "Tanh"]


class Linear(Module):
    """y = x Wᵀ + b: (..., in_features) -> (..., out_features).

    weight (out, in) and bias (out,) are drawn from U(-k, k), k = 1 / sqrt(in_features), as PyTorch's are. `generator`: where the draws
    come from, None for the default one. Raises ShapeError where the last size of the input is not in_features.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, dtype: Any = None,
                 generator: np.random.Generator | None = None) -> None:
        if in_features < 0 or out_features < 0:
            raise ValueError(f"Linear needs sizes of 0 or more, got {in_features} and {out_features}")
        self.in_features = in_features
        self.out_features = out_features
        dtype = dtype or get_default_dtype()
        k = 1 / math.sqrt(in_features) if in_features else 0.0
        self.weight = Parameter(np.empty((out_features, in_features), dtype))
        self.bias = Parameter(np.empty(out_features, dtype)) if bias else None
        init.uniform_(self.weight, -k, k, generator=generator)
        if self.bias is not None:
            init.uniform_(self.bias, -k, k, generator=generator)

    def forward(self, input: Any) -> Tensor:
        try:
            return linear(input, self.weight, self.bias)  # type: ignore[no-any-return]
        except ValueError as error:
            if input.ndim and input.shape[-1] == self.in_features:
                raise
            raise self.misfit(input, f"in_features={self.in_features}", f"the last size must be {self.in_features}") from error

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Sequential(Module):
    """The modules one after the other, each given what the one before returned. Indexing, slicing, len and iteration as of a list."""

    def __init__(self, *modules: Module) -> None:
        for i, module in enumerate(modules):
            if not callable(module):
                raise TypeError(f"Sequential takes modules, got {type(module).__name__} at position {i}")
        self._layers = list(modules)

    def _held(self) -> dict[str, Any]:
        return {str(i): module for i, module in enumerate(self._layers)}

    def forward(self, input: Any) -> Any:
        for module in self._layers:
            input = module(input)
        return input

    def append(self, module: Module) -> Sequential:
        """Add a layer at the end; returns itself."""
        self._layers.append(module)
        return self

    def __getitem__(self, index: int | slice) -> Any:
        return Sequential(*self._layers[index]) if isinstance(index, slice) else self._layers[index]

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._layers)


class ReLU(Module):
    """max(x, 0), entry by entry."""

    def forward(self, input: Any) -> Tensor:
        return relu(input)  # type: ignore[no-any-return]


class Tanh(Module):
    """tanh(x), entry by entry."""

    def forward(self, input: Any) -> Tensor:
        return tanh(input)  # type: ignore[no-any-return]


class Sigmoid(Module):
    """1 / (1 + e^-x), entry by entry."""

    def forward(self, input: Any) -> Tensor:
        return sigmoid(input)  # type: ignore[no-any-return]


class MSELoss(Module):
    """Mean of squared differences over all entries; see `functional.mse_loss`. reduction: 'mean', 'sum' or 'none'."""

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")
        self.reduction = reduction

    def forward(self, input: Any, target: Any) -> Tensor:
        if self.reduction == "mean":
            return losses.mse_loss(input, target)  # type: ignore[no-any-return]
        return mse_loss(input, target, self.reduction)

    def extra_repr(self) -> str:
        return "" if self.reduction == "mean" else f"reduction={self.reduction!r}"
