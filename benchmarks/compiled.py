"""What `tl.compile` gains and costs: compiled training steps beside eager ones, NumPy by hand and other compilers; capture time; memory.

Every number stands beside the one it has to reach, where there is one, and says whether it does.
"""

import gc
import time
import tracemalloc
from dataclasses import replace
from functools import partial

import tinygrad_lite as tl
from benchmarks.chain import resident
from benchmarks.compiled_models import SMALL, Size, gpt
from benchmarks.compiled_tasks import SECTIONS, contenders, mlp, training
from benchmarks.measure import beside_control, quartiles
from benchmarks.steps import PROBLEMS
from tinygrad_lite.engine import capture

__all__ = ["compiled"]

# the arrays that the forward pass keeps are 38 times the parameters
WIDE = Size(vocabulary=64, context=32, width=64, heads=4, depth=4, batch=32)

CAPTURE_REACH = 0.3  # seconds for a step of 400 recorded calls
PEAK_REACH = 0.7  # bytes at the peak of a compiled step over those of an eager one
GROWTH_REACH = 16  # bytes a replay: the smallest Python object, so nothing is kept at every replay


def compiled(settings, say=lambda text: None):
    """settings: "rounds" of the steps, "torch_compile" yes or no, "captures", "replays". Returns the parts by name, numbers as plain data."""
    steps = {}
    for section, tasks in SECTIONS.items():
        steps[section] = []
        for task in tasks:
            say(f"{section}, {task.name}: {settings['rounds']} rounds")
            found = beside_control(task, contenders(task, settings["torch_compile"]), settings["rounds"], **task.agreement)
            steps[section].append({"problem": task.name, "reach": task.reach, **found})
    say(f"capture: {settings['captures']} times")
    captured = capture_time(settings["captures"])
    say("peak memory")
    peak = peak_memory()
    say(f"memory of {settings['replays']:,} replays")
    return {"steps": steps, "capture": captured, "peak": peak, "replays": replay_memory(settings["replays"])}


def capture_time(repeats):
    """Seconds of the first call of a compiled GPT step, which is capture, passes, source and the step itself; a new model each time."""
    build = partial(gpt, replace(SMALL, depth=3))
    *parts, x, y = build()
    train = training(*parts)
    with capture() as tape:
        train(x, y)
    seconds = []
    for _ in range(repeats + 1):
        *parts, x, y = build()
        train = tl.compile(training(*parts))
        gc.collect()
        gc.freeze()  # as in measure.in_turn: the modules of other libraries are not this one's to traverse
        try:
            start = time.perf_counter()
            train(x, y)
            seconds.append(time.perf_counter() - start)
        finally:
            gc.unfreeze()
    low, middle, high = quartiles(seconds[1:])  # the first loads what is loaded at the first use
    return {"recorded": len(tape.calls), "calls": len(train.program.calls), "seconds": middle, "quartiles": [low, high], "reach": CAPTURE_REACH}


def peak_memory():
    """Bytes allocated at the peak of a step of the wide GPT over what model and batch hold, eager and compiled, after two steps.

    What a program keeps between its steps counts, as do gradients."""
    peaks = {}
    for name, through in (("eager", lambda train: train), ("compiled", tl.compile)):
        gc.collect()
        tracemalloc.start()  # before the model: a program may move its parameters to other memory
        try:
            *parts, x, y = gpt(WIDE)
            held = tracemalloc.get_traced_memory()[0]
            train = through(training(*parts))
            for _ in range(2):
                train(x, y)
            gc.collect()
            tracemalloc.reset_peak()
            train(x, y)
            peaks[name] = tracemalloc.get_traced_memory()[1] - held
        finally:
            tracemalloc.stop()
    return {"bytes": peaks, "ratio": peaks["compiled"] / peaks["eager"], "reach": PEAK_REACH}


def replay_memory(replays):
    """Growth over so many replays of the 2-16-16-1 step, in bytes a replay: of the process, and of what Python and NumPy allocated."""
    *parts, x, y = mlp(PROBLEMS[1], "SGD")
    train = tl.compile(training(*parts))

    def after(count):
        for _ in range(count):
            train(x, y)
        gc.collect()
        return resident(), tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = after(1 + replays // 10)  # warms up
        growth = [(late - early) / replays for early, late in zip(before, after(replays), strict=True)]
    finally:
        tracemalloc.stop()
    return {"replays": replays, "resident": growth[0], "traced": growth[1], "reach": GROWTH_REACH}
