"""Learning-rate schedules: what `lr` is in each epoch, for every group of an optimizer.

    scheduler = CosineAnnealingLR(optimizer, T_max=100)
    for epoch in range(100):
        ...                 # steps of the optimizer
        scheduler.step()    # once per epoch, or per batch: the unit is the caller's

A schedule writes into the optimizer's own groups, so that a captured step sees it too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import StateError
from .optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "LRScheduler", "LambdaLR"]


class LRScheduler:
    """Sets each group's `lr` to what `get_lr()` says: for epoch 0 when it is made, and for the next epoch at each `step()`.

    A subclass says `get_lr()`. A group's lr at first is kept in the group as `initial_lr`, which the optimizer's state_dict saves.
    last_epoch: -1 to begin; to go on after so many epochs, the groups must have their `initial_lr`, as after load_state_dict.
    """

    _apart: tuple[str, ...] = ("optimizer",)  # attributes that are not in the state_dict

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"a schedule needs an optimizer, not {type(optimizer).__name__}")
        if last_epoch < -1:
            raise ValueError(f"last_epoch is -1 (to begin) or more, not {last_epoch}")
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch >= 0 and "initial_lr" not in group:
                raise ValueError(f"to go on after epoch {last_epoch}, group {i} needs its initial_lr: load the optimizer's state_dict first")
        self.optimizer = optimizer
        self.last_epoch = last_epoch
        self._last_lr: list[float] = []
        self.step()

    def get_lr(self) -> list[float]:
        """The learning rate of each group in epoch `last_epoch`; for subclasses."""
        raise TypeError(f"{type(self).__name__} must define get_lr()")

    @property
    def base_lrs(self) -> list[float]:
        """Each group's `initial_lr`; a group added later brings its own."""
        return [group.setdefault("initial_lr", group["lr"]) for group in self.optimizer.param_groups]

    def step(self) -> None:
        """Go on to the next epoch."""
        self.last_epoch += 1
        try:
            self._last_lr = [float(lr) for lr in self.get_lr()]
        except BaseException:
            self.last_epoch -= 1
            raise
        for group, lr in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = lr

    def get_last_lr(self) -> list[float]:
        """What the last `step()` set, for each group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """The epoch, the rates and the settings. Functions are not in it, nor is the optimizer, which has a state_dict of its own."""
        return {"base_lrs": self.base_lrs, **{key: value for key, value in vars(self).items() if key not in self._apart}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """What `state_dict()` of a schedule of the same class gave. The optimizer's `lr` is part of the optimizer's state_dict."""
        groups = self.optimizer.param_groups
        missing = sorted(self.state_dict().keys() - state_dict.keys())
        if missing:
            raise StateError(f"the state of a {type(self).__name__} needs {missing[0]!r}; this one has {', '.join(state_dict) or 'nothing'}")
        if len(state_dict["base_lrs"]) != len(groups):
            raise StateError(f"the state is of {len(state_dict['base_lrs'])} groups, the optimizer has {len(groups)}")
        for group, lr in zip(groups, state_dict["base_lrs"], strict=True):
            group["initial_lr"] = lr
        vars(self).update({key: state_dict[key] for key in vars(self).keys() - set(self._apart)})

    def __repr__(self) -> str:
        settings = "".join(f", {key}={value!r}" for key, value in vars(self).items() if key not in self._apart and not key.startswith("_"))
        return f"{type(self).__name__}({self.optimizer!r}{settings})"


class LambdaLR(LRScheduler):
    """lr = initial_lr · lr_lambda(epoch). lr_lambda: a function of the epoch (from 0), or a list of them, one for each group."""

    _apart = ("optimizer", "lr_lambdas")

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]], last_epoch: int = -1) -> None:
        groups = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"LambdaLR got {len(self.lr_lambdas)} functions for {groups} groups of parameters")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [lr * f(self.last_epoch) for lr, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (initial_lr - eta_min) (1 + cos(π epoch / T_max)) / 2: from initial_lr to eta_min in T_max epochs, and back again.

    Source: Loshchilov and Hutter 2017, eq. 5, without restarts. PyTorch computes it from the lr before: the same while nobody else sets `lr`.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if not T_max > 0:
            raise ValueError(f"CosineAnnealingLR: T_max is a number of epochs above 0, not {T_max}")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (lr - self.eta_min) * share for lr in self.base_lrs]
