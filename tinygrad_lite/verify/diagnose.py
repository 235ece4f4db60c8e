"""diagnose: the mistakes that raise nothing. A step is tried on the model, and the model is left as it was.

What one recorded step shows is in `symptoms`; here the step is made, the modes are compared, the optimizer is asked for its parameters and its
learning rate, and one batch is learned by heart.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import Step, Variable, newest_first, no_grad, quiet
from ..errors import AnomalyError, ShapeError
from ..nn import Module
from ..tensors.gradients import backward
from .anomaly import detect_anomaly
from .symptoms import Finding, Recorded, at, symptoms
from .unchanged import same_draws, trial_of, unchanged

__all__ = ["Diagnosis", "Finding", "diagnose"]

FAR = 1e3  # a step that is so much shorter than the best one hardly moves


@dataclass(frozen=True)
class Diagnosis:
    """What was found, and the layers: `print` it for a table, read `.findings` in a program. True where nothing was found."""

    findings: tuple[Finding, ...]
    loss: float  # of the batch, before any step
    learned: tuple[float, ...]  # the loss of the batch at each step of learning it by heart; empty without an optimizer
    layers: tuple[tuple[str, tuple[int, ...], float, float], ...]  # (path, shape, size of the values, size of the gradient); root mean squares

    @property
    def ok(self) -> bool:
        return not self.findings

    def __bool__(self) -> bool:
        return self.ok

    @property
    def kinds(self) -> list[str]:
        """The kinds of the findings, each once, in their order."""
        return list(dict.fromkeys(finding.kind for finding in self.findings))

    def __str__(self) -> str:
        n = len(self.findings)
        lines = [f"{n} finding{'s' * (n != 1)}; loss {self.loss:.4g}" +
                 (f", and {self.learned[-1]:.4g} after {len(self.learned) - 1} steps on this batch" if self.learned else "")]
        lines += [f"- {finding}" for finding in self.findings]
        width = max([len(path) for path, *_ in self.layers] + [9])
        lines.append(f"  {'parameter':{width}}  {'shape':14}     values   gradient   gradient / values")
        lines += [f"  {path:{width}}  {str(shape):14}  {value:9.2e}  {g:9.2e}  {g / value if value else math.nan:9.1e}"
                  for path, shape, value, g in self.layers]
        return "\n".join(lines)


def diagnose(model: Module, loss_fn: Callable[[Any, Any], Any], batch: Sequence[Any], optimizer: Any = None, *, steps: int = 100) -> Diagnosis:
    """Look for silent mistakes in a model and how it is trained.

    loss_fn(model(*inputs), target) is the loss, a single number; batch is (*inputs, target). Looked for: parameters that are never reached, get no
    gradient, or are not the optimizer's; dead and saturated units; gradients that vanish or explode from layer to layer; a loss that begins
    far above chance; a softmax before a cross entropy; a loss that broadcasts (n, 1) against (n,); dropout and batch statistics
    in the wrong mode; a learning rate that does not suit the curvature along the step; and whether `steps` steps learn this one batch by heart.

    Parameters, buffers, gradients, modes, optimizer state and random generators are afterwards what they were. Costs `steps` + 10 training steps.
    Raises ShapeError for a loss of several numbers.
    """
    *inputs, target = batch
    with unchanged(model), quiet():  # the findings say it
        findings: list[Finding] = []
        step = _record(model, loss_fn, inputs, target, findings)
        layers = tuple([(path, p.shape, _size(p._data), 0.0 if g is None else _size(g)) for path, (p, g) in step.gradients.items()])
        findings += symptoms(step)
        findings += _modes(model, inputs)
        learned: list[float] = []
        if optimizer is not None:
            findings += _membership(step, optimizer)
            if math.isfinite(step.loss.item()):
                more, slope = _step_length(model, loss_fn, inputs, target, optimizer, step)
                learned = _learn(model, loss_fn, inputs, target, optimizer, steps)
                findings += [*more, *_learned(learned, slope)]
        return Diagnosis(tuple(findings), step.loss.item(), tuple(learned), layers)


def _record(model: Module, loss_fn: Callable[[Any, Any], Any], inputs: Sequence[Any], target: Any, findings: list[Finding]) -> Recorded:
    """One forward and backward pass."""
    output = model(*inputs)
    loss = loss_fn(output, target)
    if not isinstance(loss, Variable) or loss._data.size != 1:
        raise ShapeError(f"diagnose: loss_fn must return a Tensor with one entry, it returned {getattr(loss, 'shape', type(loss).__name__)}. "
                         "Reduce it, with .mean() or .sum()")
    nodes = newest_first([loss])
    if not np.isfinite(loss._data).all():
        try:
            with detect_anomaly(), np.errstate(all="ignore"):
                loss_fn(model(*inputs), target)
            text = "the loss is not finite, and no operation made it so: look at the data and the parameters"
        except AnomalyError as error:
            text = str(error)
        findings.append(Finding("not finite", text, at(nodes[0]) if nodes else "", "Mend the first operation that makes nan or inf."))
    steps: list[Step] = []
    if loss._requires_grad:
        backward(loss, steps=steps)
    signals = {step.node: _norm(step.incoming if type(step.incoming) is tuple else [step.incoming]) for step in steps}
    gradients = {path: (p, None if p._grad is None else p._grad._data) for path, p in model.named_parameters() if p._requires_grad}
    for p in model.parameters():
        p._grad = None
    return Recorded(nodes, output, loss, gradients, signals)


def _membership(step: Recorded, optimizer: Any) -> list[Finding]:
    """Who is trained: the model's parameters and the optimizer's should be the same."""
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    users = {id(x): node for node in step.nodes for x in node.inputs if isinstance(x, Variable) and x.node is None}
    missing = [(path, p) for path, (p, _) in step.gradients.items() if id(p) not in trained]
    own = {id(p) for p, _ in step.gradients.values()}
    found = [Finding("not in the optimizer", f"{path}, of shape {p.shape}, requires a gradient and is not among the optimizer's parameters",
                     at(users[id(p)]) if id(p) in users else "",
                     "Make the optimizer from model.parameters() when the model is complete; or requires_grad_(False) to freeze it.")
             for path, p in missing]
    if trained and not trained & own:
        found.append(Finding("another model's optimizer", f"none of the {len(trained)} parameters of the optimizer is one of this model", "",
                             "Make the optimizer after the model: copying or rebuilding a model makes new parameters."))
    return found


def _modes(model: Module, inputs: Sequence[Any]) -> list[Finding]:
    """Is it evaluated without dropout, sample by sample, and trained in training mode?"""
    found: list[Finding] = []
    training = [module.training for module in model.modules()]
    model.eval()
    once, again = model(*inputs), model(*inputs)
    with no_grad():
        if not _alike(once, again):
            nodes = newest_first([once]) if isinstance(once, Variable) else []
            line = next((at(node) for node in nodes if node.op.name == "dropout"), "")
            evidence = f"after model.eval() the same input gives outputs that differ by up to {_apart(once, again):.2g}"
            found.append(Finding("random in evaluation", evidence, line, "Pass training=self.training to F.dropout, which is on otherwise."))
        elif _rows(inputs, once) > 3:
            alone = _half_alone(model, inputs)
            if alone is not None and not _alike(alone, once[:len(alone)]):
                evidence = f"after model.eval() half of the batch alone and in its batch differ by up to {_apart(alone, once[:len(alone)]):.2g}"
                found.append(Finding("batch statistics in evaluation", evidence, "", "Pass training=self.training to F.batch_norm, with running "
                                     "means: a sample should not depend on its neighbours."))
        model.train()
        if not all(training) and not _alike(once, model(*inputs)):
            evidence = "model.eval() was called before, and the model computes something else in training mode"
            found.append(Finding("trained in evaluation mode", evidence, "",
                                 "Call model.train() before training: without it dropout is off and batch statistics are not learned."))
    for module, mode in zip(model.modules(), training, strict=True):
        module.training = mode
    return found


def _half_alone(model: Module, inputs: Sequence[Any]) -> Any:
    """The model of the first half of the batch; None where the model does not take it alone."""
    try:
        return model(*[x[:len(x) // 2] for x in inputs])
    except (TypeError, ValueError, IndexError):
        return None


def _step_length(model: Module, loss_fn: Callable[[Any, Any], Any], inputs: Sequence[Any], target: Any, optimizer: Any,
                 step: Recorded) -> tuple[list[Finding], float]:
    """(What is amiss, L') of the optimizer's own first step d against the parabola of the loss along it: L(p + s d) is least at s = -L' / L''.

    L' = <gradient, d>; L'' from two evaluations, at small +s and -s. A step of s = 1 makes the parabola worse where s* < 1/2.
    """
    trial = trial_of(optimizer)
    members = [p for group in trial.param_groups for p in group["params"]]
    before = [p._data.copy() for p in members]
    gradients = {id(p): g for p, g in step.gradients.values()}
    for p in members:
        g = gradients.get(id(p))
        p.grad = None if g is None else g
    trial.step()
    moves = [p._data - a for p, a in zip(members, before, strict=True)]
    slope = sum(float(np.sum(np.asarray(gradients[id(p)], np.float64) * d)) for p, d in zip(members, moves, strict=True)
                if gradients.get(id(p)) is not None)
    length, size = _norm(moves), _norm(before)

    def along(s: float) -> float:
        for p, a, d in zip(members, before, moves, strict=True):
            p._data[...] = a + s * d
            p._grad = None
        with no_grad():
            return float(loss_fn(model(*inputs), target).item())

    try:
        if not (slope < 0 and math.isfinite(length) and length):
            return [], slope
        s = 0.01 * (size or 1.0) / length
        values = []
        for t in (0.0, s, -s):
            with same_draws(model):  # the same dropout in all three
                values.append(along(t))
        bend = (values[1] - 2 * values[0] + values[2]) / s ** 2
        if not (bend > 0 and math.isfinite(bend)):
            return [], slope
        best = -slope / bend
        lr = optimizer.param_groups[0].get("lr")
        evidence = (f"lr = {lr}: the loss falls by {-slope:.2g} per step at first, with a curvature of {bend:.2g} along it, "
                    f"so it is least at {best:.2g} of a step")
        if best < 0.5:
            return [Finding("learning rate too large", evidence, "", f"Beyond twice that the loss rises: use at most about {lr * best:.2g}.")], slope
        if best > FAR:
            return [Finding("learning rate too small", evidence, "", f"Use a larger one, up to about {lr * best:.2g}.")], slope
        return [], slope
    finally:
        along(0.0)


def _learn(model: Module, loss_fn: Callable[[Any, Any], Any], inputs: Sequence[Any], target: Any, optimizer: Any, steps: int) -> list[float]:
    """The loss of one batch while it is learned by heart."""
    trial = trial_of(optimizer)
    losses: list[float] = []
    with np.errstate(all="ignore"):
        for _ in range(steps):
            trial.zero_grad()
            loss = loss_fn(model(*inputs), target)
            losses.append(loss.item())
            if not (loss._requires_grad and math.isfinite(losses[-1])):
                return losses
            backward(loss)
            trial.step()
        losses.append(loss_fn(model(*inputs), target).item())
    return losses


def _learned(losses: Sequence[float], slope: float) -> list[Finding]:
    """One batch can be learned by heart; a training that cannot will not learn a thousand."""
    if len(losses) > 2 and not math.isfinite(losses[-1]) or losses[-1] > 2 * losses[0] + 1e-12:
        return [Finding("diverges on one batch", f"the loss goes from {losses[0]:.4g} to {losses[-1]:.4g} in {len(losses) - 1} steps", "",
                        "Use a smaller learning rate; if that changes nothing, ask verify.audit(loss) whether the gradient is right.")]
    if losses[-1] > 0.9 * losses[0] and -slope * (len(losses) - 1) > 0.5 * abs(losses[0]):  # so far it would fall if the gradient kept its word
        return [Finding("does not learn one batch", f"the loss goes from {losses[0]:.4g} to {losses[-1]:.4g} in {len(losses) - 1} steps", "",
                        "Before all else, make the model learn one batch by heart: another learning rate, a wider model, verify.audit(loss).")]
    return []


def _rows(inputs: Sequence[Any], output: Any) -> int:
    """The size of the batch, where inputs and output agree on it; else 0."""
    sizes = {x.shape[0] if getattr(x, "shape", ()) else 0 for x in [*inputs, output]}
    return sizes.pop() if len(sizes) == 1 else 0


def _value(x: Any) -> Any:
    return x._data if isinstance(x, Variable) else np.asarray(x)


def _alike(a: Any, b: Any) -> bool:
    if not isinstance(a, Variable):
        return True
    return _value(a).shape == _value(b).shape and np.allclose(_value(a), _value(b), rtol=1e-4, atol=1e-6, equal_nan=True)


def _apart(a: Any, b: Any) -> float:
    return float(np.max(np.abs(_value(a) - _value(b)))) if _value(a).shape == _value(b).shape else math.inf


def _size(a: Any) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(np.asarray(a, np.float64))))) if a.size else 0.0


def _norm(arrays: Sequence[Any]) -> float:
    return math.sqrt(sum(float(np.sum(np.square(np.asarray(a, np.float64)))) for a in arrays))
