"""Cost and memory of one node: a chain of N ops on one number is recorded, differentiated and freed.

The arithmetic is a few nanoseconds, so what is measured is the framework. Two chains: `add` (h + 1.0) needs nothing
of the forward pass for its gradient, `tanh` needs its output. Every contender gets a fresh process for every chain,
since memory that was freed once is not given back and would hide the growth of the next chain.

`python -m benchmarks.chain torch add 1000 100` is such a process: it prints its result as JSON.
"""

import gc
import importlib
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

from benchmarks.steps import Disagreement

__all__ = ["CHAINS", "CONTENDERS", "chain", "chains"]

CONTENDERS = ("tinygrad_lite", "torch")
CHAINS = ("add", "tanh")
PARTS = ("forward", "backward", "free")


def chains(sizes, say=lambda text: None):
    """Every chain of every size, the contenders in turn; medians over the rounds.

    sizes: triples (number of ops, number of such chains in a process, rounds)."""
    results = []
    for length, repeats, rounds in sizes:
        for op in CHAINS:
            say(f"chain of {length:,} x {op}: {rounds} rounds")
            runs = {name: [] for name in CONTENDERS}
            for _ in range(rounds):
                for name in CONTENDERS:
                    runs[name].append(in_fresh_process(name, op, length, repeats))
            results.append(
                {"op": op, "length": length, "repeats": repeats, "rounds": rounds} | combined(op, length, runs)
            )
    return results


def in_fresh_process(name, op, length, repeats):
    command = [sys.executable, "-m", "benchmarks.chain", name, op, str(length), str(repeats)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:  # it may have been killed for its memory; what it said has gone to the screen
        return {"failed": f"exit status {done.returncode}"}
    return json.loads(done.stdout)


def combined(op, length, runs):
    """Medians by contender; raises Disagreement when two contenders found different gradients."""
    contenders, missing, gradients = {}, {}, {}
    for name, results in runs.items():
        reasons = [r[key] for r in results for key in ("missing", "failed") if key in r]
        if reasons:
            missing[name] = reasons[0]
            continue
        gradients[name] = results[0]["gradient"]
        contenders[name] = {key: statistics.median(r[key] for r in results) for key in results[0] if key != "gradient"}
    values = list(gradients.values())
    # a product of up to 1e6 float32 factors: 1e6 * 6e-8 at the very worst
    if values and not np.allclose(values, values[0], rtol=0.06, atol=0):
        raise Disagreement(f"chain of {length} x {op}: the gradients are {gradients}")
    return {"contenders": contenders, "missing": missing}


def chain(name, op, length, repeats):
    """Measure in this process. Microseconds per node of each part, resident bytes per node, and dh_N/dh_0.

    Times are medians over `repeats` chains, one alive at a time; bytes come from `repeats` chains alive at once,
    because a single chain of 1,000 is smaller than the steps in which a process grows."""
    try:
        lib = importlib.import_module(name)
    except ImportError as error:
        return {"missing": str(error)}
    if name == "torch":
        lib.set_num_threads(1)
        x = lib.ones(1, requires_grad=True)
    else:
        x = lib.tensor(np.ones(1, dtype=np.float32), requires_grad=True)
    apply = {"add": lambda h: h + 1.0, "tanh": lib.tanh}[op]
    run(x, apply, 100, 1)  # loads what is loaded at the first use
    gc.freeze()  # the collector runs, as it does for users, but over the chain and not over the library's modules
    together = run(x, apply, length, repeats)
    runs = [run(x, apply, length, 1) for _ in range(repeats)] if repeats > 1 else [together]
    result = {f"{part}_us": 1e6 * statistics.median(r[part] for r in runs) / length for part in PARTS}
    result["total_us"] = sum(result.values())
    nodes = length * repeats
    result["bytes_after_forward"] = together["rss_forward"] / nodes
    result["bytes_after_backward"] = together["rss_backward"] / nodes
    return result | {"gradient": runs[-1]["gradient"]}


def run(x, apply, length, copies):
    """Record `copies` chains, differentiate each, free all. Seconds of each part, growth in resident bytes."""
    x.grad = None
    gc.collect()
    before = resident()
    start = time.perf_counter()
    roots = [recorded(x, apply, length) for _ in range(copies)]
    forward = time.perf_counter()
    rss_forward = resident() - before
    resumed = time.perf_counter()
    for root in roots:
        root.backward()
    backward = time.perf_counter()
    rss_backward = resident() - before
    del root
    last = time.perf_counter()
    roots.clear()
    freed = time.perf_counter()
    return {
        "forward": forward - start,
        "backward": backward - resumed,
        "free": freed - last,
        "rss_forward": rss_forward,
        "rss_backward": rss_backward,
        "gradient": x.grad.item() / copies,
    }


def recorded(x, apply, length):
    h = x
    for _ in range(length):
        h = apply(h)
    return h.sum()


def resident():
    """Resident bytes of this process; its peak where there is no /proc, which is the same while it grows."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    print(json.dumps(chain(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
