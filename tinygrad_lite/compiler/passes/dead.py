"""Dead code: calls whose result nothing reads. A write stays, and so does a draw, which moves its generator on."""

from ..program import Program, Value

__all__ = ["drop_unused_calls"]


def drop_unused_calls(program: Program) -> None:
    wanted: set[Value] = set()

    def want(value: Value | None) -> None:
        while value is not None:
            wanted.add(value)
            value = value.base

    for value in program.results():
        want(value)
    kept = []
    for call in reversed(program.calls):
        if not call.pure or any(v in wanted for v in call.outputs):
            kept.append(call)
            for value in [*call.inputs, *call.outputs]:
                want(value)
    program.calls = kept[::-1]
