"""Timing of several contenders in turn, in one process: the ratio to the control is taken inside each round.

On a shared machine the clock of one minute is not the clock of the next. Both sides of a ratio are measured within
milliseconds of each other, and the median over the rounds does not see the rounds that something disturbed.
"""

import gc
import math
import statistics
import time

from benchmarks.steps import CONTENDERS, PROBLEMS, Disagreement, agreeing_steps

__all__ = ["beside_control", "in_turn", "quartiles", "summary", "training_steps"]

TURN = 0.005  # seconds of work per contender and round
AT_LEAST = 2  # steps in a turn, however long one takes


def training_steps(rounds, say=lambda text: None):
    """All problems, all contenders. Returns one entry per problem: times, ratios, who is missing and why."""
    return [training_step(problem, rounds, say) for problem in PROBLEMS]


def training_step(problem, rounds, say):
    say(f"{problem.name}: {rounds} rounds")
    return {
        "problem": problem.name,
        "widths": problem.widths,
        "batch": problem.batch,
        "lr": problem.lr,
        "reach": problem.reach,
        **beside_control(problem, CONTENDERS, rounds),
    }


def beside_control(problem, contenders, rounds, **agreement):
    """{"contenders": times and ratios to the first of them by name, "missing": who could not take part, and why}.

    agreement: how many steps must agree how closely, for `agreeing_steps`."""
    steps, missing = agreeing_steps(problem, contenders, **agreement)
    times = in_turn(steps, rounds)
    for name, step in steps.items():
        if not math.isfinite(float(step())):
            raise Disagreement(f"{name}, {problem.name}: the loss is no longer finite")
    control = next(iter(times))
    return {
        "contenders": {name: summary(turns, times[control]) for name, turns in times.items()},
        "missing": missing,
    }


def in_turn(steps, rounds):
    """Run each step function for about TURN seconds, one after the other, `rounds` times.

    Returns by name a list of (wall, cpu) seconds per step, one pair per round. The collector stays on, as it is
    for users; what the libraries have loaded is frozen, so that no contender traverses another's modules."""
    repeats = {name: repeats_for(step) for name, step in steps.items()}
    times = {name: [] for name in steps}
    order = list(steps)
    gc.collect()
    gc.freeze()
    try:
        for _ in range(rounds):
            for name in order:
                times[name].append(turn(steps[name], repeats[name]))
            order.append(order.pop(0))  # so that nobody always follows the same neighbour
    finally:
        gc.unfreeze()
    return times


def repeats_for(step):
    """How many steps fill a turn, from the fastest of a few after warming up."""
    fastest = math.inf
    for _ in range(10):
        start = time.perf_counter()
        step()
        fastest = min(fastest, time.perf_counter() - start)
    return max(AT_LEAST, round(TURN / fastest))


def turn(step, repeats):
    gc.collect()  # the neighbour's garbage is not this contender's to collect
    step()  # brings its arrays back into the caches, as they are inside a training loop
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        step()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall / repeats, cpu / repeats


def summary(turns, control_turns):
    """Medians over the rounds; microseconds per step. `cpu_per_wall` above 1 means more than one thread worked."""
    ratios = [wall / control_wall for (wall, _), (control_wall, _) in zip(turns, control_turns, strict=True)]
    low, middle, high = quartiles(ratios)
    return {
        "ratio": middle,
        "ratio_quartiles": [low, high],
        "median_us": 1e6 * statistics.median(wall for wall, _ in turns),
        "best_us": 1e6 * min(wall for wall, _ in turns),
        "cpu_per_wall": statistics.median(cpu / wall for wall, cpu in turns),
        "rounds": len(turns),
    }


def quartiles(values):
    """(25 %, median, 75 %)."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))
