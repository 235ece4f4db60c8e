"""Module: a function with parameters. Attributes are plain attributes; parameters are found by looking at them.

So nothing has to be registered: a Module or Parameter in a list, tuple or dict is found, trained, saved, and named by its place:
'layers.0.weight'. A subclass needs `forward` alone; `super().__init__()` is allowed and does nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from sys import _getframe as getframe
from typing import Any, NamedTuple
from weakref import ref

from ..engine import CAPTURE, Removable, Scope, Variable, here, is_library, made_by, module_path, where, write
from ..errors import ShapeError, StateError
from ..tensors import Tensor
from ..tensors.dtypes import as_array

__all__ = ["Keys", "Module", "Parameter"]


class Parameter(Tensor):
    """A Tensor that a Module trains: it requires a gradient unless told otherwise, and is listed by `Module.parameters`."""

    __slots__ = ()

    def __init__(self, data: Any, dtype: Any = None, requires_grad: bool = True, name: str | None = None) -> None:
        super().__init__(data, dtype, requires_grad, name)


class Keys(NamedTuple):
    """What `load_state_dict(strict=False)` could not match."""

    missing: list[str]
    unexpected: list[str]


class Module:
    """Subclass it, make parts in `__init__`, compute in `forward(self, ...)`, call the object."""

    training: bool = True
    _hooked: bool = False  # were there ever hooks?
    _before: list[Any] = []  # forward pre-hooks; a module that gets one gets a list of its own
    _after: list[Any] = []  # forward hooks
    _buffers: dict[str, bool] | None = None  # attribute name -> is it part of the state_dict
    _inside: bool = False  # is `forward` this package's own code? Then its ops belong to the line that called the module

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        code = getattr(cls.forward, "__code__", None)
        cls._inside = code is not None and is_library[code.co_filename]

    def forward(self, *args: Any, **keywords: Any) -> Any:
        raise TypeError(f"{type(self).__name__} has no forward(): define it in the class")

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        thread = here.thread
        scope = thread.scope
        code, lasti = (scope.code, scope.lasti) if scope is not None and scope.inside else where(getframe(1), scope)
        thread.scope = Scope(ref(self), type(self), scope, code, lasti, self._inside)
        if thread.mode & CAPTURE:
            thread.tape.enters(self)
        try:
            if self._hooked:
                return self._with_hooks(args, keywords)
            return self.forward(*args, **keywords) if keywords else self.forward(*args)
        finally:
            thread.scope = scope

    def _with_hooks(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        for hook in tuple(self._before):
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        result = self.forward(*args, **keywords)
        for hook in tuple(self._after):
            changed = hook(self, args, result)
            if changed is not None:
                result = changed
        return result

    # ---- what is inside

    def _held(self) -> dict[str, Any]:
        """Where parts are looked for, by name."""
        return vars(self)

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Modules held directly: in an attribute, or in lists, tuples and dicts there."""
        for name, value in _entries(self._held()):
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator["Module"]:
        return (child for _, child in self.named_children())

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """This module as '', then every module inside with its path, each once, outer before inner."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [("", self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            stack += reversed([(f"{path}.{name}" if path else name, child) for name, child in module.named_children()])

    def modules(self) -> Iterator["Module"]:
        return (module for _, module in self.named_modules())

    def named_parameters(self, recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Every Parameter with its path, each once, in the order in which the attributes were made."""
        seen: set[int] = set()
        for path, module in self.named_modules() if recurse else [("", self)]:
            for name, value in _entries(module._held()):
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters(recurse))

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Keep a Tensor that is part of the state but not trained, such as running statistics, as the attribute `name`."""
        self._buffers = {**(self._buffers or {}), name: persistent}
        setattr(self, name, tensor)

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        for path, module in self.named_modules():
            for name in module._buffers or ():
                value = getattr(module, name)
                if value is not None:
                    yield f"{path}.{name}" if path else name, value

    def buffers(self) -> Iterator[Tensor]:
        return (buffer for _, buffer in self.named_buffers())

    # ---- what is done to all of it

    def train(self, mode: bool = True) -> "Module":
        """Training mode (dropout on, batch statistics) for this module and all inside; returns itself."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self) -> "Module":
        """Evaluation mode: train(False)."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Set every parameter's `.grad` to None."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self, flag: bool = True) -> "Module":
        """Freeze (False) or train (True) all parameters; returns itself."""
        for parameter in self.parameters():
            parameter.requires_grad_(flag)
        return self

    def to(self, dtype: Any) -> "Module":
        """Parameters and float buffers in another float dtype, in the same Tensors; returns itself. Gradients are dropped."""
        for parameter in self.parameters():
            parameter.data = parameter.data.astype(dtype)
            parameter.grad = None
        for buffer in self.buffers():
            if buffer.dtype.kind == "f":
                buffer.data = buffer.data.astype(dtype)
        return self

    def apply(self, function: Callable[["Module"], Any]) -> "Module":
        """Call function(module) for every module inside, inner before outer, then for this one; returns itself."""
        for module in reversed(list(self.modules())):
            function(module)
        return self

    def register_forward_pre_hook(self, hook: Callable[["Module", tuple[Any, ...]], Any]) -> Removable:
        """Call hook(module, args) before forward; what it returns, if not None, replaces the arguments."""
        self._hooked, self._before = True, [*self._before, hook]
        return Removable(self._before, hook)

    def register_forward_hook(self, hook: Callable[["Module", tuple[Any, ...], Any], Any]) -> Removable:
        """Call hook(module, args, output) after forward; what it returns, if not None, replaces the output."""
        self._hooked, self._after = True, [*self._after, hook]
        return Removable(self._after, hook)

    # ---- state

    def _state(self) -> dict[str, Tensor]:
        state: dict[str, Tensor] = dict(self.named_parameters())
        kept = {f"{path}.{name}" if path else name for path, module in self.named_modules()
                for name, persistent in (module._buffers or {}).items() if persistent}
        return state | {path: buffer for path, buffer in self.named_buffers() if path in kept}

    def state_dict(self) -> dict[str, Any]:
        """{path: array} of all parameters and persistent buffers: copies, so that later training does not change them."""
        return {path: tensor.data.copy() for path, tensor in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Keys:
        """Write arrays (or Tensors) into the parameters and buffers of the same paths, in place.

        Everything is checked first: on an error nothing has been written. Raises StateError for missing or unexpected keys (unless
        strict=False, which returns them), ShapeError where a shape differs.
        """
        own = self._state()
        keys = Keys([path for path in own if path not in state], [path for path in state if path not in own])
        if strict and (keys.missing or keys.unexpected):
            lines = [f"  {word}: {', '.join(names)}" for word, names in zip(("missing", "unexpected"), keys, strict=True) if names]
            raise StateError(f"the state does not fit {type(self).__name__}:\n" + "\n".join(lines))
        arrays = {path: as_array(state[path]) for path in own if path in state}
        wrong = [f"  {path} is {own[path].shape}, the state has {array.shape}" for path, array in arrays.items() if array.shape != own[path].shape]
        if wrong:
            raise ShapeError(f"the state does not fit {type(self).__name__}:\n" + "\n".join(wrong))
        for path, array in arrays.items():
            write(own[path], array)
        return keys

    # ---- words

    def misfit(self, input: Any, facts: str, remedy: str) -> ShapeError:
        """The error for an input that this layer cannot take: the layer by its path, both sizes, who made the input, what to do."""
        path = module_path(here.thread.scope)
        name = type(self).__name__
        text = f"{name}{f' {path!r}' if path != name else ''} ({facts}) got {input.shape}: {remedy}"
        return ShapeError(f"{text}\n  {made_by(input)}" if isinstance(input, Variable) and input.node is not None else text)

    def extra_repr(self) -> str:
        """The arguments that make this layer, as they would be typed; for subclasses."""
        return ""

    def __repr__(self) -> str:
        parts = [f"{name}={child!r}" if not name[0].isdigit() else repr(child) for name, child in self.named_children()]
        line = f"{type(self).__name__}({', '.join([self.extra_repr(), *parts] if self.extra_repr() else parts)})"
        if len(line) <= 100 and "\n" not in line:
            return line
        body = "".join(f"  {part},\n".replace("\n", "\n  ").rstrip(" ") for part in parts)
        return f"{type(self).__name__}(\n{body})"


def _entries(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name, value) of everything held, lists, tuples and dicts opened: ('layers.0', ...). Iterative; a container that holds itself ends."""
    stack = list(attributes.items())[::-1]
    seen: set[int] = set()
    while stack:
        name, value = stack.pop()
        if isinstance(value, list | tuple) and id(value) not in seen:
            seen.add(id(value))
            stack += reversed([(f"{name}.{i}", item) for i, item in enumerate(value)])
        elif isinstance(value, dict) and id(value) not in seen:
            seen.add(id(value))
            stack += reversed([(f"{name}.{key}", item) for key, item in value.items()])
        elif isinstance(value, set | frozenset) and any(isinstance(item, Module | Parameter) for item in value):
            raise TypeError(f"the attribute {name!r} is a set of modules: it has no order, so they have no names. Use a list or a dict")
        else:
            yield name, value
