"""`python -m benchmarks [PART ...] [--quick]`: measure, print the tables, write the JSON.

Nothing here passes or fails by time: the exit status is 0 unless a contender computes something else than the
others (1), or the arguments make no sense (2).
"""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.audit import audit_cost
from benchmarks.chain import chains
from benchmarks.compiled import compiled
from benchmarks.compiled_report import compiled_lines
from benchmarks.footprint import footprint
from benchmarks.functions import functions
from benchmarks.machine import machine, machine_lines
from benchmarks.measure import training_steps
from benchmarks.mutations import mutations
from benchmarks.report import (
    audit_lines,
    chain_lines,
    footprint_lines,
    function_lines,
    mutation_lines,
    step_lines,
    transform_lines,
)
from benchmarks.steps import Disagreement
from benchmarks.transforms import transforms

# part -> (what measures it, its table, how thoroughly: in full, and for a look)
PARTS = {
    "steps": (training_steps, step_lines, 60, 10),
    "functions": (functions, function_lines, 60, 10),
    "transforms": (transforms, transform_lines, 60, 5),
    "compiled": (compiled, compiled_lines, {"rounds": 60, "torch_compile": True, "captures": 11, "replays": 100_000},
                 {"rounds": 5, "torch_compile": False, "captures": 2, "replays": 5_000}),
    "chain": (chains, chain_lines, [(1_000, 100, 5), (1_000_000, 1, 2)], [(1_000, 30, 1), (100_000, 1, 1)]),
    "footprint": (footprint, footprint_lines, 7, 2),
    "audit": (audit_cost, audit_lines, 25, 5),
    "mutations": (mutations, mutation_lines, 1, 16),
}
RESULTS = Path(__file__).resolve().parent / "results"


def main(argv=None):
    args = parse(argv)
    settings = {part: quick if args.quick else full for part, (_, _, full, quick) in PARTS.items()}
    result = {"machine": machine(), "settings": settings}
    print("\n".join(machine_lines(result["machine"])), flush=True)
    start = time.perf_counter()
    try:
        for part, (measure, lines, _, _) in PARTS.items():
            if part in args.parts:
                result[part] = measure(settings[part], say)
                print("", *lines(result[part]), sep="\n", flush=True)
    except Disagreement as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    result["seconds"] = time.perf_counter() - start
    args.json.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{result['seconds']:.0f} s; written to {args.json}")
    return 0


def say(text):
    print(f"... {text}", file=sys.stderr, flush=True)


def parse(argv):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all when none is named")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no torch.compile, a chain of 100,000: a look, not a result")
    parser.add_argument("--json", type=Path, metavar="PATH", help="default: benchmarks/results/full.json or quick.json")
    args = parser.parse_args(argv)
    unknown = [part for part in args.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    args.parts = args.parts or list(PARTS)
    if args.json is None:
        RESULTS.mkdir(exist_ok=True)
        args.json = RESULTS / ("quick.json" if args.quick else "full.json")
    if not args.json.parent.is_dir():
        parser.error(f"--json {args.json}: there is no folder {args.json.parent}")
    return args


if __name__ == "__main__":
    sys.exit(main())
