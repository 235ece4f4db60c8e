"""`python -m benchmarks [steps] [chain] [footprint] [mutations]`: measure, print the tables, write the JSON.

Nothing here passes or fails by time: the exit status is 0 unless a contender computes something else than the
others (1), or the arguments make no sense (2).
"""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.chain import chains
from benchmarks.footprint import footprint
from benchmarks.machine import machine, machine_lines
from benchmarks.measure import training_steps
from benchmarks.mutations import mutations
from benchmarks.report import chain_lines, footprint_lines, mutation_lines, step_lines
from benchmarks.steps import Disagreement

PARTS = ("steps", "chain", "footprint", "mutations")
RESULTS = Path(__file__).resolve().parent / "results"

FULL = {"steps": 60, "chain": [(1_000, 100, 5), (1_000_000, 1, 2)], "footprint": 7, "mutations": 1}
QUICK = {"steps": 10, "chain": [(1_000, 30, 1), (100_000, 1, 1)], "footprint": 2, "mutations": 16}


def main(argv=None):
    args = parse(argv)
    settings = QUICK if args.quick else FULL
    result = {"machine": machine(), "settings": settings}
    print("\n".join(machine_lines(result["machine"])), flush=True)
    start = time.perf_counter()
    try:
        for part in PARTS:
            if part in args.parts:
                result[part], lines = measured(part, settings)
                print("", *lines, sep="\n", flush=True)
    except Disagreement as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    result["seconds"] = time.perf_counter() - start
    args.json.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{result['seconds']:.0f} s; written to {args.json}")
    return 0


def measured(part, settings):
    """(numbers, lines of the table) of one part."""
    if part == "steps":
        found = training_steps(settings["steps"], say)
        return found, step_lines(found)
    if part == "chain":
        found = chains(settings["chain"], say)
        return found, chain_lines(found)
    if part == "mutations":
        found = mutations(settings["mutations"], say)
        return found, mutation_lines(found)
    found = footprint(settings["footprint"], say)
    return found, footprint_lines(found)


def say(text):
    print(f"... {text}", file=sys.stderr, flush=True)


def parse(argv):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all when none is named")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a chain of 100,000: a look, not a result")
    parser.add_argument("--json", type=Path, metavar="PATH", help="default: benchmarks/results/full.json or quick.json")
    args = parser.parse_args(argv)
    unknown = [part for part in args.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    args.parts = args.parts or PARTS
    if args.json is None:
        RESULTS.mkdir(exist_ok=True)
        args.json = RESULTS / ("quick.json" if args.quick else "full.json")
    if not args.json.parent.is_dir():
        parser.error(f"--json {args.json}: there is no folder {args.json.parent}")
    return args


if __name__ == "__main__":
    sys.exit(main())
