"""Stochastic gradient descent, with momentum, Nesterov momentum, dampening and weight decay, as PyTorch defines them."""

from collections.abc import Iterable, Mapping
from typing import Any

from .optimizer import Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """g += weight_decay p;  v = momentum v + (1 - dampening) g;  p -= lr v  (Nesterov: p -= lr (g + momentum v)).

    At a parameter's first step v = g, undampened. maximize: g is taken with the other sign. Without momentum there is no v.
    lr: per step, 0 or more. Source: Sutskever et al. 2013, in PyTorch's form (lr outside the velocity).
    """

    plain = {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False}
    entrywise = True

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0, weight_decay: float = 0.0,
                 nesterov: bool = False, *, maximize: bool = False) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
                                  "nesterov": nesterov, "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            if not settings[name] >= 0:  # nan included
                raise ValueError(f"SGD: {name} is 0 or more, not {settings[name]}")
        if settings["nesterov"] and not (settings["momentum"] > 0 and settings["dampening"] == 0):
            raise ValueError("SGD: nesterov needs a momentum above 0 and a dampening of 0")

    def buffers(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def numbers(self, group: Mapping[str, Any], step: int) -> dict[str, Any]:
        n = {"lr": group["lr"], "weight_decay": group["weight_decay"] or None, "maximize": group["maximize"]}
        if group["momentum"]:
            n |= {"momentum": group["momentum"], "nesterov": group["nesterov"],
                  "fresh": 1.0 - group["dampening"] * (step > 0) if group["dampening"] else None}
        return n

    def change(self, p: Any, g: Any, buffers: tuple[Any, ...], n: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        if n["maximize"]:
            g = -g
        if n["weight_decay"] is not None:
            g = g + n["weight_decay"] * p
        if not buffers:
            return n["lr"] * g, ()
        v = n["momentum"] * buffers[0] + (g if n["fresh"] is None else n["fresh"] * g)
        return n["lr"] * (g + n["momentum"] * v if n["nesterov"] else v), (v,)
