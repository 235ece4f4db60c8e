"""The tables that `python -m benchmarks` prints. Each function takes one part of the result and returns its lines."""

from benchmarks.steps import CONTENDERS

__all__ = ["TITLES", "audit_lines", "chain_lines", "footprint_lines", "function_lines",
           "missing_lines", "mutation_lines", "step_lines", "table", "thread_lines", "transform_lines"]

TITLES = {
    "numpy": "NumPy by hand",
    "tinygrad_lite": "tinygrad_lite",
    "compile": "tl.compile",
    "native": "native",
    "torch": "PyTorch",
    "jax": "jax.jit",
    "torch_compile": "torch.compile",
    "autograd": "autograd",
    "mygrad": "MyGrad",
}


def step_lines(results):
    names = list(CONTENDERS)
    rows, bars = [], []
    for result in results:
        found = result["contenders"]
        cells = [f"{found[name]['ratio']:.2f}" if name in found else "-" for name in names[1:]]
        rows.append([result["problem"], f"{found['numpy']['median_us']:.1f} us", *cells])
        ours = found.get("tinygrad_lite")
        low, high = ours["ratio_quartiles"] if ours else (None, None)
        bars.append(
            [
                result["problem"],
                f"{result['reach']:.2f}",
                f"{ours['ratio']:.2f}" if ours else "-",
                f"{low:.2f} .. {high:.2f}" if ours else "-",
                f"{ours['median_us']:.1f} us" if ours else "-",
            ]
        )
    rounds = results[0]["contenders"]["numpy"]["rounds"]
    return [
        "One training step over the same step by hand in NumPy (float32, relu, MSE, SGD; lower is better).",
        f"Contenders in turn, median ratio of {rounds} rounds:",
        "",
        *table(["", *(TITLES[name] for name in names)], rows),
        *missing_lines(results),
        *thread_lines(results),
        "",
        "tinygrad_lite beside what it has to reach (at most):",
        "",
        *table(["", "reach", "measured", "quartiles", "a step"], bars),
    ]


def function_lines(results):
    rows = []
    for result in results:
        found, over, fused = result["contenders"], result["over_torch"], result["compiled_over_torch"]
        low, high = over["ratio_quartiles"] if over else (None, None)
        rows.append(
            [
                result["function"],
                f"{found['numpy']['median_us']:.1f} us",
                f"{found['tinygrad_lite']['ratio']:.2f}",
                f"{found['compile']['ratio']:.2f}",
                f"{found['torch']['ratio']:.2f}" if "torch" in found else "-",
                f"{over['ratio']:.2f}" if over else "-",
                f"{low:.2f} .. {high:.2f}" if over else "-",
                f"{fused['ratio']:.2f}" if fused else "-",
                f"{result['reach']:.2f}",
            ]
        )
    head = ["", *[TITLES[name] for name in ("numpy", "tinygrad_lite", "compile", "torch")]]
    head += ["eager / PyTorch", "quartiles", "compiled / PyTorch", "reach"]
    return [
        "Forward plus backward of a function over the same by hand in NumPy (float32; lower is better), and",
        "tinygrad_lite, eager and compiled, over PyTorch beside what it has to reach (at most): 1 below 10,000 entries, 2 above.",
        f"Contenders in turn, median ratio of {results[0]['contenders']['numpy']['rounds']} rounds:",
        "",
        *table(head, rows),
        *missing_lines(results),
        *thread_lines(results),
    ]


def transform_lines(results):
    names = ["loop", "tinygrad_lite", "torch", "jax"]
    rows = []
    for result in results:
        found = result["contenders"]
        times = [f"{found[name]['median_us'] / 1e3:.2f} ms" for name in names[:2]]
        rows.append([result["function"], *times, *(f"{found[name]['ratio']:.3f}" if name in found else "-" for name in names[1:])])
    return [
        "Transforms of functions, over tl.func.grad in a Python loop (float32; lower is better).",
        f"Contenders in turn, median ratio of {results[0]['contenders']['loop']['rounds']} rounds:",
        "",
        *table(["", "the loop", "tl.func", "tl.func / loop", "torch.func", "jax.jit"], rows),
        *missing_lines(results),
        *thread_lines(results),
    ]


def missing_lines(results):
    """Who could not take part, once each."""
    missing = {name: reason for result in results for name, reason in result["missing"].items()}
    return [f"- {TITLES[name]}: {reason}" for name, reason in missing.items()]


def thread_lines(results):
    return [
        f"! {TITLES[name]} used {found['cpu_per_wall']:.1f} threads at {result.get('problem') or result['function']}"
        for result in results
        for name, found in result["contenders"].items()
        if found["cpu_per_wall"] > 1.2
    ]


def chain_lines(results):
    rows = []
    for result in results:
        for name, found in result["contenders"].items():
            rows.append(
                [
                    f"{result['length']:,} x {result['op']}",
                    TITLES[name],
                    *(f"{found[key]:.2f}" for key in ("forward_us", "backward_us", "free_us", "total_us")),
                    f"{found['bytes_after_forward']:.0f}",
                    f"{found['bytes_after_backward']:.0f}",
                ]
            )
    return [
        "A chain of ops on one number: microseconds and resident bytes per node, each chain in a fresh process.",
        "",
        *table(["", "", "forward", "backward", "free", "total", "bytes", "and after backward"], rows, left=2),
        *missing_lines(results),
    ]


def footprint_lines(result):
    rows = []
    for name, milliseconds in result["import_ms"].items():
        size = result["installed_mb"][name]
        title = {"numpy": "NumPy itself", "jax": "JAX"}.get(name, TITLES[name])
        rows.append([title, f"{milliseconds:.0f} ms", f"{size['alone']:.1f} MB", f"{size['with_dependencies']:.1f} MB"])
    return [
        "Import time over `import numpy` (fresh interpreters in turn, median) and size on disk:",
        "",
        *table(["", "import", "alone", "with dependencies"], rows),
        *missing_lines([result]),
    ]


def audit_lines(results):
    rows = [
        [
            found["model"],
            str(found["nodes"]),
            f"{found['step_ms']:.2f} ms",
            f"{found['audit_ms']:.1f} ms",
            f"{found['ratio']:.1f}",
            found["verdict"],
        ]
        for found in results
    ]
    return [
        "verify.audit(loss) over forward and backward of the same model (in turn, medians):",
        "",
        *table(["", "nodes", "forward and backward", "audit", "ratio", "verdict"], rows),
    ]


def mutation_lines(result):
    titles = {
        "gradcheck": "tinygrad_lite gradcheck",
        "audit": "audit",
        "torch": "PyTorch gradcheck",
        "jax": "JAX check_grads",
        "autograd": "autograd check_grads",
    }
    names = [name for name in titles if name not in result["missing"]]

    def half(is_wrong):
        kinds = [kind for kind in result["kinds"] if kind["wrong"] is is_wrong]
        rows = [[kind["kind"], str(kind["trials"]), *(str(kind["accused"][name]) for name in names)] for kind in kinds]
        total = [sum(kind["trials"] for kind in kinds), *(sum(kind["accused"][name] for kind in kinds) for name in names)]
        return [*rows, ["all", *(str(n) for n in total)]]

    head = ["", "functions", *(titles[name] for name in names)]
    return [
        "Wrong gradients that were caught:",
        "",
        *table(head, half(True)),
        "",
        "Right gradients that were accused:",
        "",
        *table(head, half(False)),
        *(f"- {titles[name]}: {reason}" for name, reason in result["missing"].items()),
    ]


def table(head, rows, left=1):
    """Lines of aligned columns, the first `left` of them to the left."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [
            cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
