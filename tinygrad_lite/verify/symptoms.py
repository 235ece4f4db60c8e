"""Silent mistakes that a recorded step shows by itself: what `diagnose` reads off the graph of a loss after its backward pass.

Each function looks for one kind of mistake and returns its findings, with the numbers that speak for it and the line where it was made.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import Node, Variable, describe, module_path

__all__ = ["Finding", "Recorded", "symptoms"]

DEAD = 0.5  # fraction of the units of a layer; a fresh deep relu network has up to half
SATURATED = 0.99  # |tanh| beyond; its slope is below 0.02
APART = 1e4  # gradients at two layers: beyond, one of the two hardly moves or cannot be held
ARRANGING = ("reshape", "transpose", "swapaxes", "squeeze", "expand_dims", "getitem", "astype")


@dataclass(frozen=True)
class Finding:
    """One mistake: its kind, the evidence for it, the user's line ('' where there is none), and what to do."""

    kind: str
    evidence: str
    line: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.evidence}" + (f"\n    at {self.line}" if self.line else "") + f"\n    {self.remedy}"


@dataclass(frozen=True)
class Recorded:
    """A step that was recorded: its nodes, newest first, what its model gave, and the gradients."""

    nodes: Sequence[Node]
    output: Any
    loss: Any
    gradients: Mapping[str, tuple[Any, Any]]  # path -> (parameter, dL/dparameter or None)
    signals: Mapping[Node, float]  # the norm of dL/doutput of each node


def symptoms(step: Recorded) -> list[Finding]:
    """All that can be seen in one recorded step."""
    return [finding for look in (_unreached, _no_gradient, _broadcast, _double_softmax, _start, _dead_units, _uneven) for finding in look(step)]


def at(node: Node) -> str:
    return describe(node.code, node.lasti)


def named_layer(node: Node) -> str:
    return repr(module_path(node.scope)) if node.scope is not None else f"this {node.op.name}"


def _users(step: Recorded) -> dict[int, Node]:
    """id of a leaf -> the first node that reads it."""
    return {id(x): node for node in step.nodes for x in node.inputs if isinstance(x, Variable) and x.node is None}


def _unreached(step: Recorded) -> Iterator[Finding]:
    users = _users(step)
    for path, (p, _) in step.gradients.items():
        if id(p) not in users:
            yield Finding("never reached", f"no operation between the input and the loss uses {path}, of shape {p.shape}", "",
                          "Use it in forward(), outside no_grad() and without detach() or .numpy() behind it; or remove it.")


def _no_gradient(step: Recorded) -> Iterator[Finding]:
    users = _users(step)
    for path, (p, g) in step.gradients.items():
        if id(p) in users and (g is None or not np.any(g)):
            what = "no gradient arrives at" if g is None else "every entry is 0 in the gradient of"
            yield Finding("without a gradient", f"{what} {path}, of shape {p.shape}", at(users[id(p)]),
                          "Look for a function that is level there (a dead relu, a clip, a rounding) or for a product with 0.")


def _broadcast(step: Recorded) -> Iterator[Finding]:
    """Behind the model's output: two arrays that make a table of each other."""
    start = step.output.node.birth if isinstance(step.output, Variable) and step.output.node is not None else 0
    for node in step.nodes:
        shapes = [a.shape for a in node.arrays if hasattr(a, "shape")]
        if node.birth <= start or not node.op.broadcasts or len(shapes) < 2 or type(node.output) is tuple:
            continue
        if node.output.size > max(math.prod(shape) for shape in shapes):
            evidence = f"{node.op.name} of {shapes[0]} and {shapes[1]} made a table of {node.output.shape}: every entry with every other"
            yield Finding("broadcast loss", evidence, at(node), f"Give both one shape: target.reshape({', '.join(map(str, shapes[0]))}).")


def _made_by(x: Any) -> Node | None:
    """The node that computed what `x` shows, arrangements aside."""
    while isinstance(x, Variable) and x.node is not None and x.node.op.name in ARRANGING:
        x = x.node.inputs[0]
    return x.node if isinstance(x, Variable) else None


def _double_softmax(step: Recorded) -> Iterator[Finding]:
    for node in step.nodes:
        if node.op.name not in ("cross_entropy", "log_softmax", "binary_cross_entropy_with_logits"):
            continue
        maker = _made_by(node.inputs[0])
        first = "sigmoid" if node.op.name.startswith("binary") else "softmax"
        if maker is not None and maker.op.name == first:
            evidence = f"{node.op.name} takes logits and has a {first} in it; it gets what a {first} made at {at(maker)}"
            yield Finding(f"double {first}", evidence, at(node), f"Give it the logits: leave out the {first} before it.")


def _start(step: Recorded) -> Iterator[Finding]:
    """The loss against what chance gives: ln C for C classes, the variance of the target for squared errors."""
    for node in step.nodes:
        if node.op.name == "cross_entropy" and node.params.get("reduction") == "mean":
            classes = node.arrays[0].shape[1]
            chance, says = math.log(classes), f"guessing among {classes} classes gives ln {classes}"
            loss = value = float(node.output[0])  # the softmax is its second output
            remedy = "Start with smaller weights in the last layer: logits near 0 guess; large ones are sure, and wrong."
        elif node.op.name == "mse_loss":
            chance, says = float(np.var(node.arrays[1])), "always answering the mean of the target gives its variance,"
            loss, value = float(node.output), 0.1 * float(node.output)
            remedy = "Scale the target (and the inputs) to mean 0 and deviation 1, or start the last bias at the mean of the target."
        else:
            continue
        if value > 1.5 * chance > 0:
            yield Finding("loss at the start", f"the loss is {loss:.4g}; {says} {chance:.4g}", at(node), remedy)


def _dead_units(step: Recorded) -> Iterator[Finding]:
    for node in reversed(step.nodes):
        y = node.output
        if node.op.name not in ("relu", "tanh", "sigmoid") or y.ndim < 2 or not y.size:
            continue
        units = 1 if y.ndim > 2 and y.ndim != 3 else y.ndim - 1  # (n, channels, height, width), else the last axis
        others = tuple(i for i in range(y.ndim) if i != units)
        if node.op.name == "relu":
            idle, word = ~np.any(y, axis=others), "are 0"
            remedy = "A unit that is always 0 gets no gradient: start with smaller weights and the bias at 0, a smaller lr, or leaky_relu."
        else:
            far = np.abs(y) if node.op.name == "tanh" else np.abs(2 * y - 1)
            idle, word = np.all(far > SATURATED, axis=others), "stand at the end of their range"
            remedy = "Start with smaller weights, or standardize the inputs: at the ends the slope is almost 0."
        count = int(idle.sum())
        if count > DEAD * y.shape[units]:
            kind = "dead units" if node.op.name == "relu" else "saturated units"
            evidence = f"{count} of {y.shape[units]} units of {named_layer(node)} {word} for all {y.size // y.shape[units]} rows"
            yield Finding(kind, evidence, at(node), remedy)


def _uneven(step: Recorded) -> Iterator[Finding]:
    """The norm of dL/d(what a layer gives), each layer against the last one: Glorot and Bengio 2010."""
    users = _users(step)
    makers = {users[id(p)]: path for path, (p, _) in step.gradients.items() if p.ndim > 1 and id(p) in users}
    layers = sorted([(node.birth, node, path) for node, path in makers.items() if step.signals.get(node)])
    if len(layers) < 2:
        return
    _, last, last_path = layers[-1]
    level = step.signals[last]
    for kind, far, remedy in (("vanishing gradient", [entry for entry in layers if step.signals[entry[1]] * APART < level],
                               "Start with larger weights (nn.init), use relu in place of sigmoid, or normalization or skip connections."),
                              ("exploding gradient", [entry for entry in layers if step.signals[entry[1]] > level * APART],
                               "Start with smaller weights (nn.init), use normalization, or clip the norm of the gradient.")):
        if far:
            _, node, path = far[0]
            evidence = (f"the gradient that arrives at the output of {path} has the norm {step.signals[node]:.1e}, "
                        f"at that of {last_path} {level:.1e} ({len(far)} of {len(layers)} layers so far apart)")
            yield Finding(kind, evidence, at(node), remedy)
