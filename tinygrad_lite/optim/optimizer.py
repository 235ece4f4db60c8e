"""What all optimizers share: groups of parameters, their state, and one update text for eager steps and for capture.

An optimizer writes the mathematics once, as `change(p, g, buffers, n)`, what to subtract from p. On arrays it is NumPy; under
capture the same text is read on Tensors, and the numbers that may change between steps (`live`) are asked for anew in each replay.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, cast

import numpy as np

from ..engine import (
    CAPTURE,
    Live,
    Settings,
    Variable,
    condition,
    enable_grad,
    guarded,
    handle,
    here,
    lifted,
    live,
    mixed,
    no_grad,
    stamp,
    warn_if_mixed,
    write,
)
from ..errors import ShapeError, StateError

__all__ = ["Optimizer"]

BLOCK = 1 << 15  # entries: what `change` computes on the way stays in the cache


class Optimizer:
    """params: Tensors that require a gradient, or dicts {"params": [...], "lr": ...} that override `defaults` for their group.

    `param_groups` may be changed at any time: a step reads it as it is then.
    """

    plain: Mapping[str, Any] = {}  # settings that repr leaves out
    entrywise = False  # does `change` treat each entry by itself, with no norm or sum? Then large arrays are updated in parts

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Any, dict[str, Any]] = {}
        self._lifted = False  # is a step under way for which write protection is lifted?
        if isinstance(params, Variable):
            raise TypeError("params must be a list of Tensors, such as model.parameters() or [w], not one Tensor")
        groups = list(params)
        if not groups:
            raise ValueError("the optimizer got no parameters")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Train more parameters, with settings of their own; what `group` leaves out comes from the defaults."""
        members = [group["params"]] if isinstance(group["params"], Variable) else list(group["params"])
        unknown = group.keys() - self.defaults.keys() - {"params"}
        if unknown:
            raise ValueError(f"{type(self).__name__} has no setting {sorted(unknown)[0]!r}; it has {', '.join(self.defaults)}")
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for p in members:
            if not isinstance(p, Variable):
                raise TypeError(f"an optimizer trains Tensors, not {type(p).__name__}")
            if p.node is not None:
                raise ValueError(f"an optimizer trains leaves; this Tensor was made by {p.node.op.name}")
            if id(p) in known:
                raise ValueError(f"a parameter of shape {p._data.shape} is given twice")
            known.add(id(p))
        settings = {**self.defaults, **group, "params": members}
        self.check(settings)
        self.param_groups.append(settings)

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raise ValueError for settings that make no sense; for subclasses."""

    def zero_grad(self) -> None:
        """Set every parameter's `.grad` to None."""
        for group in self.param_groups:
            for p in group["params"]:
                p._grad = None
        if here.thread.mode & CAPTURE:
            for group in self.param_groups:
                for p in group["params"]:
                    here.thread.tape.sets_grad(p)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, in its own array. closure: computes the loss again first; its value is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if guarded and not self._lifted:
            with lifted([p._data for group in self.param_groups for p in group["params"]]):
                self._lifted = True
                try:
                    self.step()
                finally:
                    self._lifted = False
            return loss
        capturing = here.thread.mode & CAPTURE
        written: list[Variable] = []
        for group in self.param_groups:
            buffers = self.buffers(group)
            if capturing:
                self._capture(group, buffers)
            elif buffers:
                self._with_state(group, buffers, written)
            else:
                n = self.numbers(group, 0)
                for p in group["params"]:
                    if p._grad is not None:
                        array, g = p._data, p._grad._data
                        if self.entrywise and array.size > BLOCK:
                            array, g = _in_one_order(array, g)
                        change = self.change(array, g, (), n)[0]
                        if array.size == 1:  # NumPy looks long for an overlap where there is one entry: a copy is made sooner
                            array[...] = array - change
                        else:
                            array -= change
                        written.append(p)
        if written:
            stamp(*written)
            if mixed:
                for p in written:
                    warn_if_mixed(p)
        return loss

    def _with_state(self, group: dict[str, Any], buffers: tuple[str, ...], written: list[Variable]) -> None:
        at_step, n = -1, {}  # the numbers hold for one step count; all parameters of a group are usually at the same one
        for p in group["params"]:
            if p._grad is None:
                continue
            state = self._state_of(p, buffers)
            if state["step"] != at_step:
                at_step = state["step"]
                n = self.numbers(group, at_step)
            arrays = [p._data, p._grad._data, *[state[name]._data for name in buffers]]
            if self.entrywise and p._data.size > BLOCK:
                arrays = _in_one_order(*arrays)
                rows = max(1, BLOCK * len(arrays[0]) // p._data.size)
                for begin in range(0, len(arrays[0]), rows):
                    self._update(n, *[array[begin:begin + rows] for array in arrays])
            else:
                self._update(n, *arrays)
            state["step"] += 1
            written.append(p)

    def _update(self, n: dict[str, Any], array: Any, gradient: Any, *buffers: Any) -> None:
        """The change, written into a parameter's array and its buffers, or into a part of them."""
        change, new = self.change(array, gradient, buffers, n)
        array -= change
        for buffer, value in zip(buffers, new, strict=True):
            buffer[...] = value

    def _state_of(self, p: Variable, buffers: tuple[str, ...]) -> dict[str, Any]:
        state = self.state.get(p)
        if state is None:
            state = self.state[p] = {"step": 0}
        for name in buffers:
            if name not in state:
                state[name] = handle(p.face, np.zeros_like(p._data))
                state[name].name = name
        return state

    def _capture(self, group: dict[str, Any], buffers: tuple[str, ...]) -> None:
        """The same update on Tensors: each number is asked for again in each replay, and the step count goes on.

        Parameters of one dtype at the same step share their numbers: few to ask for, and one program for all of them.
        """
        tape = here.thread.tape
        condition(Live("len", Live("attribute", self, "param_groups")), "==", len(self.param_groups))
        condition(Live("len", Live("item", group, "params")), "==", len(group["params"]))
        shared: dict[Any, tuple[Live, dict[str, Any]]] = {}
        for p in group["params"]:
            tape.reads_grad(p)
            if p._grad is None:
                continue
            state = self._state_of(p, buffers) if buffers else {"step": 0}
            if buffers:
                condition(Live("item", Live("attribute", self, "state"), p), "is", state)
            key = state["step"], p._data.dtype
            step = Live("item", state, "step")
            if key in shared:
                condition(step, "==", shared[key][0])
            else:
                shared[key] = step, {name: live(value, p, name) for name, value in self._live_numbers(group, step).items()}
            with no_grad():
                change, new = self.change(p, p._grad, tuple([state[name] for name in buffers]), shared[key][1])
                write(p, p - change)
                for name, tensor in zip(buffers, new, strict=True):
                    write(cast(Variable, state[name]), tensor)
            if buffers:
                state["step"] += 1
                tape.counts.append(state)

    def _live_numbers(self, group: dict[str, Any], step: Live) -> dict[str, Any]:
        """`numbers` as expressions; where a subclass does more than arithmetic with them, each is a call of its own."""
        try:
            return self.numbers(Settings(group), cast(int, step))
        except TypeError:
            return {name: Live("call", partial(self._number, group, step, name)) if type(value) is float else value
                    for name, value in self.numbers(group, step()).items()}

    def _number(self, group: dict[str, Any], step: Live, name: str) -> float:
        return float(self.numbers(group, step())[name])

    # ---- what a subclass says

    def buffers(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the arrays that each parameter of this group keeps between steps, of its shape, at first 0."""
        return ()

    def numbers(self, group: Mapping[str, Any], step: int) -> dict[str, Any]:
        """What `change` needs besides arrays, at this step (from 0): floats, live in a replay; None or a bool where a part is left out."""
        raise TypeError(f"{type(self).__name__} must define numbers() and change()")

    def change(self, p: Any, g: Any, buffers: tuple[Any, ...], n: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        """(what to subtract from p, the new value of each buffer): pure, on arrays and on Tensors alike."""
        raise TypeError(f"{type(self).__name__} must define numbers() and change()")

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """{"state": {i: {"step": ..., buffer: array}}, "param_groups": [...]}: parameters are named by their position; arrays are copies."""
        order = [p for group in self.param_groups for p in group["params"]]
        state = {i: {name: value._data.copy() if isinstance(value, Variable) else value for name, value in self.state[p].items()}
                 for i, p in enumerate(order) if p in self.state}
        groups, start = [], 0
        for group in self.param_groups:
            groups.append({**group, "params": list(range(start, start + len(group["params"])))})
            start += len(group["params"])
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Settings and state of an optimizer of the same class over parameters of the same shapes. On an error nothing has changed."""
        groups = state_dict["param_groups"]
        sizes, own = [len(group["params"]) for group in groups], [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise StateError(f"the state has groups of {sizes} parameters, this {type(self).__name__} has {own}")
        order = [p for group in self.param_groups for p in group["params"]]
        state: dict[Any, dict[str, Any]] = {}
        for i, entry in state_dict["state"].items():
            p = order[int(i)]
            if "step" not in entry:
                raise StateError(f"the state of parameter {i} has no step count")
            state[p] = {"step": int(entry["step"])}
            for name in entry.keys() - {"step"}:
                if entry[name].shape != p._data.shape:
                    raise ShapeError(f"the {name} of parameter {i} has shape {entry[name].shape}, the parameter has {p._data.shape}")
                state[p][name] = handle(p.face, entry[name].astype(p._data.dtype))
        for group, new in zip(self.param_groups, groups, strict=True):
            group.update({key: value for key, value in new.items() if key != "params"})
        for p, kept in self.state.items():  # a captured step goes on with these very Tensors: they are filled, not replaced
            loaded = state.get(p, {"step": 0})
            for name in kept.keys() - {"step"}:
                kept[name]._data = loaded[name]._data if name in loaded else np.zeros_like(p._data)
            kept.update({name: value for name, value in loaded.items() if name == "step" or name not in kept})
            state[p] = kept
        self.state = state

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.param_groups[0].items()
                             if key in self.defaults and (key == "lr" or value != self.plain.get(key)))
        return f"{type(self).__name__}({settings})" + (f" of {len(self.param_groups)} groups" if len(self.param_groups) > 1 else "")


def _in_one_order(array: Any, g: Any, *buffers: Any) -> list[Any]:
    """A parameter's array, its gradient and its buffers; as transposes, and the gradient copied, where the array lies transposed.

    A compiled step may leave a weight so. NumPy takes ten times as long where two arrays lie in different orders.
    """
    if type(array) is not np.ndarray or array.ndim != 2 or array.flags.c_contiguous or not array.flags.f_contiguous:
        return [array, g, *buffers]
    return [array.T, np.ascontiguousarray(g.T), *[b.T for b in buffers]]
