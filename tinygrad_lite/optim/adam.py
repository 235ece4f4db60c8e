"""Adam and AdamW: a step as long as the gradient is steady, whatever its size, as PyTorch defines them.

The two differ in one line: Adam adds the weight decay to the gradient, AdamW to the step.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .optimizer import Optimizer

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """m = β1 m + (1 - β1) g;  v = β2 v + (1 - β2) g²;  p -= lr m̂ / (sqrt(v̂) + eps), where m̂ = m / (1 - β1^t) and v̂ = v / (1 - β2^t).

    m and v start at 0, and t counts a parameter's steps from 1. weight_decay: g += weight_decay p first. amsgrad: the largest v so far
    in place of v. maximize: g is taken with the other sign. lr: per step, 0 or more. eps: in units of the gradient.
    Sources: Kingma and Ba 2015, algorithm 1; amsgrad: Reddi et al. 2018, in PyTorch's form.
    """

    plain = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False, "maximize": False}
    entrywise = True
    decoupled = False  # is the weight decay kept apart from the gradient?

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.0, amsgrad: bool = False, *, maximize: bool = False) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        name = type(self).__name__
        for key in ("lr", "eps", "weight_decay"):
            if not settings[key] >= 0:  # nan included
                raise ValueError(f"{name}: {key} is 0 or more, not {settings[key]}")
        betas = settings["betas"]
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"{name}: betas are two numbers from 0 to below 1, not {betas}")

    def buffers(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def numbers(self, group: Mapping[str, Any], step: int) -> dict[str, Any]:
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
        # sqrt(v̂) + eps = (sqrt(v) + eps root) / root: with both corrections in two numbers, no array is divided by either
        root = (1.0 - beta2 ** (step + 1)) ** 0.5
        n: dict[str, Any] = {"beta1": beta1, "rest1": 1.0 - beta1, "beta2": beta2, "rest2": 1.0 - beta2,
                             "rate": lr * root / (1.0 - beta1 ** (step + 1)), "eps": group["eps"] * root, "maximize": group["maximize"]}
        if decay:
            n["shrink" if self.decoupled else "decay"] = lr * decay if self.decoupled else decay
        return n

    def change(self, p: Any, g: Any, buffers: tuple[Any, ...], n: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        if n["maximize"]:
            g = -g
        if "decay" in n:
            g = g + n["decay"] * p
        m = n["beta1"] * buffers[0] + n["rest1"] * g
        v = n["beta2"] * buffers[1] + n["rest2"] * (g * g)
        largest = (np.maximum(buffers[2], v),) if len(buffers) == 3 else ()
        step = n["rate"] * m / (np.sqrt(largest[0] if largest else v) + n["eps"])
        return (n["shrink"] * p + step if "shrink" in n else step), (m, v, *largest)


class AdamW(Adam):
    """Adam with the weight decay apart from the gradient, so that m and v do not see it: p -= lr weight_decay p, then Adam's step.

    Source: Loshchilov and Hutter 2019, algorithm 2, in PyTorch's form (the decay is times lr).
    """

    plain = {**Adam.plain, "weight_decay": 1e-2}
    decoupled = True

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
