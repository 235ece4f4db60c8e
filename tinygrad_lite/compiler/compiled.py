"""`tl.compile`: a function that is captured at its first call, and replayed as a program of NumPy calls from then on."""

import functools
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import ANOMALY, CAPTURE, GUARD, Variable, capture, flatten, guarded, handle, here
from ..errors import CompileError
from ..tensors import Tensor
from .entry import MISS, Bound, bind
from .listing import Cards, cards
from .memory import plan
from .native import BACKENDS
from .passes import PASSES
from .printing.naming import name_tensors
from .program import Program
from .record import CLEARED, Recorder, give_gradients, stand_in
from .watch import Before, watch

if TYPE_CHECKING:
    from .profiling import Profile
    from .verifying import Verification

__all__ = ["Compiled", "compile"]

LIMIT = 32  # programs of one function


def compile(function: Callable[..., Any] | None = None, *, fullgraph: bool = True, passes: Any = None,
            backend: str = "numpy") -> Any:
    """A function that does what `function` does, faster: its first call records every NumPy call on the way, later calls replay them.

    function may run forward, backward and optimizer step; it is called with arrays or Tensors, alone or in tuples, lists and dicts, and
    other values, which choose among programs. What it reads from outside (parameters, buffers, settings) is read anew at each call; where
    that, or a shape, is not what was captured, it is captured again. Results come back as Tensors without a graph.

    fullgraph  True: a value that leaves the Tensors, such as float(loss), raises CompileError with the line. False: such a function
               runs eagerly, with one warning.
    backend    "numpy": NumPy calls. "native": loops fused into machine code, for small networks; needs the extra [native]
    passes     names of the passes to run, None for all (`tl.compiler.PASSES`)

    `source` is the program as text, `save(path)` writes it as a file that needs NumPy alone. What Python does besides, such as printing
    or appending to a list, happens at a capture only.
    """
    if function is None:
        return functools.partial(compile, fullgraph=fullgraph, passes=passes, backend=backend)
    if not callable(function):
        raise TypeError(f"compile() takes a function, not {type(function).__name__}")
    unknown = set(passes or ()) - set(PASSES) - {"reuse"}
    if unknown:
        raise ValueError(f"compile() has no pass {sorted(unknown)[0]!r}; it has {', '.join([*PASSES, 'reuse'])}")
    if backend not in BACKENDS:
        raise ValueError(f"compile() has no backend {backend!r}; it has {' and '.join(map(repr, BACKENDS))}")
    return Compiled(function, fullgraph, None if passes is None else frozenset(passes), backend)


class Compiled:
    """What `compile` returns. `programs` are those made so far, the newest last."""

    def __init__(self, function: Callable[..., Any], fullgraph: bool, passes: frozenset[str] | None, backend: str = "numpy") -> None:
        functools.update_wrapper(self, function)
        self.eager = function
        name = getattr(function, "__name__", "")
        self.name = name if name.isidentifier() else "function"
        self.fullgraph = fullgraph
        self.passes = passes
        self.backend = backend
        self.programs: list[Bound] = []
        self._by_key: dict[Any, list[Bound]] = {}
        self._eagerly: set[Any] = set()
        self._last: Callable[..., Any] = _miss
        self._lock = threading.RLock()

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if not keywords:
            with self._lock:
                result = self._last(*args)
            if result is not MISS:
                return result
        return self._slowly(args, keywords)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def _slowly(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        mode = here.thread.mode
        if mode & (CAPTURE | ANOMALY | GUARD) or guarded:  # inside another capture it is part of that; the others look at each op
            return self.eager(*args, **keywords)
        leaves, build = flatten((args, keywords))
        key = _key(leaves, args, keywords, mode)
        with self._lock:
            if key in self._eagerly:
                return self.eager(*args, **keywords)
            for bound in self._by_key.get(key, ()):
                result = bound.entry(*leaves)
                if result is not MISS:
                    if bound.direct and not keywords:
                        self._last = bound.entry
                    return result
            if len(self.programs) >= LIMIT:
                self._warn(key, f"it has made {LIMIT} programs, for as many shapes or Python values. A number that changes can be passed as a Tensor")
                return self.eager(*args, **keywords)
            return self._capture(key, leaves, build, args, keywords)

    def _capture(self, key: Any, leaves: list[Any], build: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        tensors = [stand_in(x, Tensor) if isinstance(x, Variable | np.ndarray) else x for x in leaves]
        names = _argument_names(self.eager, args, keywords)
        recorder = Recorder(self.name, [(x, n) for x, n in zip(tensors, names, strict=True) if isinstance(x, Variable)], self.fullgraph)
        for x in leaves:
            if isinstance(x, Variable) and x.node is not None and x._requires_grad:
                raise CompileError(f"{self.name}: an argument was made by {x.node.op.name} and requires a gradient, which would end here. "
                                   "Pass x.detach(), or compile the function that makes it too")
        recorder.stand_ins = {x: i for i, x in enumerate(tensors) if isinstance(x, Variable)}
        own_args, own_keywords = build(tensors)
        before = Before(self.eager, recorder)
        with capture(recorder):
            result = self.eager(*own_args, **own_keywords)
        give_gradients(recorder, leaves)
        outputs, rebuild = flatten(result)
        found = [y if isinstance(y, Variable) else handle(Tensor, y) for y in outputs if isinstance(y, Variable | np.ndarray)]
        program = recorder.finish(found)
        name_tensors(self.eager, recorder)
        outputs = [handle(Tensor, y._data) if isinstance(y, Variable) and y.node is not None else y for y in outputs]
        answer = rebuild([leaves[recorder.stand_ins[y]] if isinstance(y, Variable) and y in recorder.stand_ins else y for y in outputs])
        del result, found  # their graph holds the arrays of parameters
        broken = recorder.broken or before.changed()
        if broken:
            self._warn(key, broken)
            return answer
        recorder.find_movable()
        for name, run in PASSES.items():
            if self.passes is None or name in self.passes:
                run(program)
        recorder.move()
        conditions = watch(self.eager, recorder)
        bound = bind(program, recorder, plan(program, self.passes is None or "reuse" in self.passes), conditions, leaves, outputs, rebuild, build,
                     direct=not keywords and len(leaves) == len(args), backend=self.backend)
        self.programs.append(bound)
        self._by_key.setdefault(key, []).append(bound)
        if bound.direct:
            self._last = bound.entry
        return answer

    def _warn(self, key: Any, reason: str) -> None:
        self._eagerly.add(key)
        warnings.warn(f"{self.name} runs eagerly: {reason}", stacklevel=5)

    # ---- to look at

    @property
    def program(self) -> Program:
        """The newest program."""
        return self._newest().program

    @property
    def source(self) -> str:
        """The newest program as Python source."""
        return self._newest().source.text

    def save(self, path: Any) -> None:
        """Write the newest program to `path`, a .py file, and its arrays beside it as .npz: an import of it gives the function, with NumPy alone.

        It goes on where this one is now, to the same numbers; the file's first lines say how to reach its arrays and settings.
        Raises CompileError where a program calls something that has no text, such as a function typed at a prompt.
        """
        from .saved import save

        save(self._newest(), _labels(self.eager), path)

    def profile(self, *args: Any, repeat: int | None = None, **keywords: Any) -> "Profile":
        """Seconds and bytes of each line of the program for these arguments, or of the newest with the inputs of its first run.

        It runs `repeat` times, on copies: parameters, optimizers and generators stay as they are. Print the answer, or read its `lines`.
        """
        from .profiling import profile

        return profile(*self._program_for(args, keywords), repeat)

    def verify(self, *args: Any, rtol: float = 0.0, **keywords: Any) -> "Verification":
        """Run the program for these arguments and the eager function side by side, and say how far each line and each result is off.

        Both begin with the state as it is, which is put back afterwards; what else the function does in Python, such as appending to a
        list, happens once. `ok`, and the truth of the answer: nothing differs by more than rtol times the largest entry; 0 means by no bit.
        """
        from .verifying import verify

        bound, inputs = self._program_for(args, keywords, first=False)
        return verify(bound, self.eager, args, keywords, inputs, rtol)

    def graph(self) -> Cards:
        """The newest program as plain data: numbered cards, with inputs, shapes, module paths and the user's lines."""
        return cards(self.program)

    def _program_for(self, args: tuple[Any, ...], keywords: dict[str, Any], first: bool = True) -> tuple[Bound, list[Any]]:
        """The program that a call with these arguments would replay, and the arrays that it is given.

        first: no arguments mean those of the newest program's first run.
        """
        newest = self._newest()
        if first and not args and not keywords:
            return newest, [value.data for value in newest.program.inputs]
        leaves, _ = flatten((args, keywords))
        for bound in self._by_key.get(_key(leaves, args, keywords, here.thread.mode), ()):
            if all(condition() for condition in bound.conditions):
                begun = [leaf._grad._data for leaf, before in bound.recorder.found.items() if before is not None and before is not CLEARED]
                return bound, [x._data if isinstance(x, Variable) else x for x in leaves if isinstance(x, Variable | np.ndarray)] + begun
        raise CompileError(f"{self.name} has no program for these arguments in the state that things are in: call it with them first")

    def _newest(self) -> Bound:
        if not self.programs:
            raise CompileError(f"{self.name} has no program yet: call it first")
        return self.programs[-1]

    def __repr__(self) -> str:
        return f"<compiled {self.name}, {len(self.programs)} program{'s' * (len(self.programs) != 1)}>"


def _miss(*args: Any) -> Any:
    return MISS


def _key(leaves: list[Any], args: Any, keywords: Any, mode: int) -> Any:
    """What chooses a program: the form of the arguments, shapes, dtypes, flags, and the values of what is no array."""
    parts: list[Any] = [mode, _form((args, keywords))]
    for x in leaves:
        if isinstance(x, Variable):
            parts.append((type(x), x._data.shape, x._data.dtype, x._requires_grad))
        elif isinstance(x, np.ndarray):
            parts.append((np.ndarray, x.shape, x.dtype))
        else:
            try:
                hash(x)
            except TypeError:
                raise CompileError(f"an argument of type {type(x).__name__} cannot be compared between calls: pass arrays, Tensors, numbers, "
                                   "strings, or tuples, lists and dicts of them") from None
            parts.append((type(x), x))
    return tuple(parts)


def _form(tree: Any) -> Any:
    if isinstance(tree, dict):
        return tuple(tree), tuple([_form(v) for v in tree.values()])
    return (type(tree), tuple([_form(v) for v in tree])) if isinstance(tree, tuple | list) else None


def _argument_names(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> list[str]:
    """A name for each leaf of the arguments: that of the parameter, numbered where it holds several."""
    own = _labels(function)
    names: list[str] = []
    labels = [own[i] if i < len(own) else f"x{i}" for i in range(len(args))]
    for label, value in zip([*labels, *keywords], [*args, *keywords.values()], strict=True):
        count = len(flatten(value)[0])
        names += [label] if count == 1 else [f"{label}_{k}" for k in range(count)]
    return names


def _labels(function: Any) -> list[str]:
    """What the function calls its arguments by position."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    own = list(code.co_varnames[:code.co_argcount]) if code is not None else []
    return own[1:] if hasattr(function, "__self__") else own
