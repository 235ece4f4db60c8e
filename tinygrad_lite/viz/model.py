"""`draw_model`: the picture of a model that is run for it, and of how far it came where its forward fails."""

import inspect
import weakref
from collections.abc import Iterator, Sequence
from types import CodeType, TracebackType
from typing import Any

import numpy as np

from ..engine import Node, Op, Scope, Tape, Variable, capture, is_library
from ..engine.record import birth
from ..nn import Module
from ..tensors import zeros
from .drawing import Verdict, stage
from .picture import Picture, picture
from .reading import Reading, read_nodes

__all__ = ["draw_model"]


def draw_model(model: Any, *inputs: Any, depth: int | None = None, open: str | Sequence[str] = (), max_nodes: int | None = None,
               detail: str = "stats", engine: str = "auto", title: str | None = None) -> Picture:
    """Run `model(*inputs)` once, in its present mode, and draw all that it does, with or without gradients.

    inputs: what the model is called with, or shapes (tuples of ints), which stand for zeros. If the forward raises, the error is shown in place:
    the graph so far, the op or layer that failed, its inputs and the message; nothing is raised then. Other options as in `draw`.
    """
    args = [zeros(x) if isinstance(x, tuple) else x for x in inputs]
    error: Exception | None = None
    output: Any = None
    with capture() as tape:
        try:
            output = model(*args)
        except Exception as raised:  # noqa: BLE001  whatever it is, it is what the picture is about
            error = raised
    name = type(model).__name__ if isinstance(model, Module) else getattr(model, "__name__", type(model).__name__)
    nodes = [call.node for call in tape.calls]
    failed = None if error is None else _failed(error, tape)
    reading = _read(nodes + ([failed] if failed else []), tape, list(_tensors(output)), dict(zip(_argument_names(model), args, strict=False)))
    notes: list[str] = []
    verdicts = {}
    if error is not None:
        lines = [line for line in str(error).splitlines() if line.strip()] or [""]
        notes.append(f"{type(error).__name__}: {lines[0]}"[:140])
        if failed is not None:
            message = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
            card = next(n for n, thing in enumerate(reading.things) if thing is failed)
            verdicts[card] = Verdict("failed", f"{type(error).__name__} here", message)
        title = title or f"{name} failed{f' in {failed.op.name}' if failed else ''}"
    set_ = stage(tape, "op", max_nodes, detail, None, title or name, reading, verdicts, notes)
    return picture(set_, depth, open, max_nodes, engine)


def _read(nodes: list[Node], tape: Tape, roots: list[Variable], names: dict[str, Any]) -> Reading:
    made = {id(y._data): call.node for call in tape.calls for y in call.outputs}
    return read_nodes(nodes, [root for root in roots if id(root._data) in made], names, made)


def _tensors(output: Any) -> Iterator[Variable]:
    if isinstance(output, Variable):
        yield output
    elif isinstance(output, dict):
        yield from _tensors(list(output.values()))
    elif isinstance(output, list | tuple):
        for part in output:
            yield from _tensors(part)


def _argument_names(model: Any) -> list[str]:
    try:
        return list(inspect.signature(model.forward if isinstance(model, Module) else model).parameters)
    except (TypeError, ValueError):
        return []


def _failed(error: BaseException, tape: Tape) -> Node | None:
    """A record of the call that raised: of the op, or of the innermost layer where no op was reached. It has no output."""
    frames = _frames(error)
    calls = [(i, frame) for i, (frame, _) in enumerate(frames) if frame.f_code in (Op.__call__.__code__, Module.__call__.__code__)]
    if not calls:
        return None
    i, frame = calls[-1]
    where: tuple[CodeType, int] = next(((f.f_code, at) for f, at in reversed(frames[:i]) if not is_library[f.f_code.co_filename]),
                                       (frame.f_code, 0))
    owner, args = frame.f_locals["self"], tuple(frame.f_locals["args"])
    scope = _scope([f for _, f in calls if f.f_code is Module.__call__.__code__], tape, where)
    op = owner if isinstance(owner, Op) else Op(type(owner).__name__, np.positive)
    inputs = tuple([x for x in args if isinstance(x, Variable)]) if not isinstance(owner, Op) else args
    arrays = tuple([x._data if isinstance(x, Variable) else x for x in inputs])
    params = frame.f_locals.get("params", {}) if isinstance(owner, Op) else {}
    return Node(op, inputs + arrays, params, (), birth(), *where, scope)


def _frames(error: BaseException) -> list[tuple[Any, int]]:
    """(frame, instruction) from the outermost to where it was first raised; a layer may have put its own words to what an op raised."""
    frames: list[tuple[Any, int]] = []
    tb: TracebackType | None = error.__traceback__
    while tb is not None:
        frames.append((tb.tb_frame, tb.tb_lasti))
        tb = tb.tb_next
    inner = error.__cause__ or error.__context__
    return frames + (_frames(inner) if inner is not None else [])


def _scope(modules: list[Any], tape: Tape, where: tuple[CodeType, int]) -> Scope | None:
    """The module call in which it happened: each frame holds the one around it; the innermost is found among the records, or made anew."""
    if not modules:
        return None
    inner = modules[-1]
    around, module = inner.f_locals["scope"], inner.f_locals["self"]
    for call in reversed(tape.calls):
        scope = call.node.scope
        while scope is not None:
            if scope.parent is around and scope.owner() is module:
                return scope
            scope = scope.parent
    return Scope(weakref.ref(module), type(module), around, *where, False)
