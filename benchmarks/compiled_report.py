"""The tables of `python -m benchmarks compiled`: ratios of every contender, and each number beside what it has to reach, reached or missed."""

from benchmarks.report import TITLES, missing_lines, table, thread_lines

__all__ = ["compiled_lines"]

HEADS = {
    "SGD": "One training step over the same step by hand in NumPy (float32, relu, MSE, SGD; lower is better).",
    "Adam": "The same with Adam; by hand it is a loop over the parameters.",
    "LeNet": "A LeNet with SGD; by hand im2col and products of matrices.",
    "GPT": "A small GPT with SGD, over tinygrad_lite's eager step.",
}


def compiled_lines(result):
    lines = []
    for section, results in result["steps"].items():
        lines += [HEADS[section], *step_table(results), *missing_lines(results), *thread_lines(results), ""]
    rounds = min(found["rounds"] for results in result["steps"].values() for each in results for found in each["contenders"].values())
    lines += [f"Contenders in turn, median ratio of {rounds} rounds.", "", "tl.compile beside what it has to reach (at most):", ""]
    return lines + table(["", "reach", "measured", "quartiles", ""], [*step_bars(result["steps"]), *other_bars(result)])


def step_table(results):
    """A row for each problem: the control in microseconds, the others over it."""
    control, *others = [name for name in TITLES if any(name in result["contenders"] or name in result["missing"] for result in results)]
    rows = [
        [result["problem"], f"{result['contenders'][control]['median_us']:.1f} us",
         *(f"{result['contenders'][name]['ratio']:.2f}" if name in result["contenders"] else "-" for name in others)]
        for result in results
    ]
    return table(["", TITLES[control], *(TITLES[name] for name in others)], rows)


def step_bars(sections):
    rows = []
    for section, results in sections.items():
        for result in results:
            for name, reach in result["reach"].items():
                label = f"{result['problem']}, {section}: {name}"
                found = result["contenders"].get(name)
                if found is None:
                    rows.append([label, f"{reach:.2f}", "-", "-", "not measured"])
                else:
                    low, high = found["ratio_quartiles"]
                    rows.append([label, f"{reach:.2f}", f"{found['ratio']:.2f}", f"{low:.2f} .. {high:.2f}", verdict(found["ratio"], reach)])
    return rows


def other_bars(result):
    captured, peak, replays = result["capture"], result["peak"], result["replays"]
    low, high = captured["quartiles"]
    rows = [
        [f"capture and compile a GPT step, {captured['recorded']} recorded calls", f"{captured['reach']:.2f} s", f"{captured['seconds']:.2f} s",
         f"{low:.2f} .. {high:.2f}", verdict(captured["seconds"], captured["reach"])],
        [f"peak memory of a GPT step over eager's {peak['bytes']['eager'] / 1e6:.1f} MB", f"{peak['reach']:.2f}", f"{peak['ratio']:.2f}", "",
         verdict(peak["ratio"], peak["reach"])],
    ]
    for kind, label in (("traced", "what Python and NumPy allocated"), ("resident", "the process")):
        rows.append([f"growth over {replays['replays']:,} replays of 2-16-16-1: {label}", f"{replays['reach']} B each",
                     f"{replays[kind]:.2f} B", "", verdict(replays[kind], replays["reach"])])
    return rows


def verdict(measured, reach):
    return "reached" if measured <= reach else "MISSED"
