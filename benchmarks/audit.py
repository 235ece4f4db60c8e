"""What `verify.audit` costs: every rule of a recorded step checked, over the forward and backward pass of that step."""

import statistics
import time

from benchmarks.models import example
from tinygrad_lite import verify
from tinygrad_lite.engine import newest_first

__all__ = ["audit_cost"]

SIZES = [("mlp", {}), ("lenet", {}), ("rnn", {"steps": 100}), ("gpt", {"depth": 16})]  # the last has about 400 nodes


def audit_cost(rounds, say=lambda text: None):
    """One entry per model: nodes, milliseconds of a step and of an audit, the median ratio, the audit's verdict."""
    results = []
    for name, sizes in SIZES:
        say(f"audit of {name}: {rounds} rounds")
        model, loss_of = example(name, **sizes)
        steps, audits = [], []
        for _ in range(rounds + 1):
            turns = [timed(lambda: step(model, loss_of))[0] for _ in range(3)]  # noqa: B023  called at once
            loss = loss_of()
            seconds, report = timed(lambda: verify.audit(loss))  # noqa: B023
            steps.append(statistics.median(turns))
            audits.append(seconds)
        del steps[0], audits[0]  # the first round fills the caches
        results.append(
            {
                "model": name,
                "nodes": len(newest_first([loss])),
                "step_ms": 1e3 * statistics.median(steps),
                "audit_ms": 1e3 * statistics.median(audits),
                "ratio": statistics.median(a / s for a, s in zip(audits, steps, strict=True)),
                "verdict": report.verdict(),
            }
        )
    return results


def step(model, loss_of):
    for p in model.parameters():
        p.grad = None
    loss_of().backward()


def timed(f):
    start = time.perf_counter()
    result = f()
    return time.perf_counter() - start, result
