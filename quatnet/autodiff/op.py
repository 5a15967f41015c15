"""Decorator of the differentiable operations: conversion of arguments, and recording of calls by a tracer.

`quatnet.graph.trace` sets the tracer. Without a tracer, a call costs about one microsecond more than the function.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from ..checks import as_array
from ..errors import ConfigError, ShapeError
from .tape import Node, check_float_parameter

P = ParamSpec("P")
R = TypeVar("R")
CONVERTING = ("quatnet.ops.", "quatnet.nn.")  # modules of operations without arguments of booleans
LISTS, OPTIONAL = re.compile(r"Sequence|[Ll]ist\[|[Tt]uple\["), re.compile("None|Optional")  # of annotations
OPS: dict[str, Callable[..., Any]] = {}  # every operation by name


# Object with the methods `call(name, function, args, options)`, which returns the result of an operation,
# `result_of(backward)`, called for each new tensor, `converted(array, tensor)` and `converted_operand(array, like)`,
# called for a converted argument, and `read(tensor)`, called if Python code reads the value
current_tracer: ContextVar[Any] = ContextVar("tracer", default=None)


@contextmanager
def tracing(tracer: Any) -> Iterator[None]:
    """Send every call of an operation inside the context to `tracer`."""
    token = current_tracer.set(tracer)
    try:
        yield
    finally:
        current_tracer.reset(token)


def op(function: Callable[P, R]) -> Callable[P, R]:
    """Return `function` as an operation.

    Arguments that are annotated as `Tensor` may be arrays, numbers or nested lists. Such arguments are converted to
    tensors without gradient, of the dtype of the first tensor argument. `Sequence[Tensor]`, `list[Tensor]` and
    `tuple[Tensor, ...]` are lists of tensors, and `Tensor | None` and `Optional[Tensor]` may be None. The name of the
    operation is the name of the function, or of the class if the function is a method `__call__`.

    Raises ConfigError if another module has defined an operation of this name, or for an argument `*args`.
    """
    name = function.__qualname__.removesuffix(".__call__").split(".")[-1].strip("_")
    if name in OPS and OPS[name].__module__ != function.__module__:
        raise ConfigError(f"the op name {name!r} is used by {OPS[name].__module__}; choose another name")
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise ConfigError(f"the op {name} has arguments * or **; use an argument of type Sequence[Tensor]")
    tensors = [
        (i, p.name, bool(LISTS.search(kind)), bool(OPTIONAL.search(kind)))
        for i, p in enumerate(parameters)
        if "Tensor" in (kind := str(p.annotation))
    ]
    converting = _with_floats(function) if str(function.__module__).startswith(CONVERTING) else function

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        run = function
        for index, argument, sequence, optional in tensors:
            value = args[index] if index < len(args) else options.get(argument)
            known = (isinstance(value, Node) and value.data.dtype.kind == "f") or (value is None and optional)
            if not (_all_tensors(value) if sequence else known):
                args, options = _convert(name, tensors, args, options)
                run = converting
                break
        tracer = current_tracer.get()
        return run(*args, **options) if tracer is None else tracer.call(name, run, args, options)

    OPS[name] = call
    return call  # type: ignore[return-value]


def _with_floats(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` for arguments that may be tensors of booleans or integers, which are converted to floats."""
    from .tensor import Tensor

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        nodes = [value for value in (*args, *options.values()) if isinstance(value, Node)]
        for node in nodes:
            check_float_parameter(node)
        dtype = next((value.data.dtype for value in nodes if value.data.dtype.kind == "f"), float)
        floats = {id(value): Tensor(value.data.astype(dtype)) for value in nodes if value.data.dtype.kind != "f"}
        converted = {key: floats.get(id(value), value) for key, value in options.items()}
        return function(*(floats.get(id(value), value) for value in args), **converted)

    return call


def _all_tensors(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, Node) for value in values)


def _convert(
    name: str, tensors: Sequence[tuple[int, str, bool, bool]], args: tuple, options: dict[str, Any]
) -> tuple[tuple, dict[str, Any]]:
    """Return the arguments of an operation with arrays, numbers and lists converted to tensors."""
    values = {key: args[i] if i < len(args) else options.get(key) for i, key, *_ in tensors}
    for _, key, sequence, _ in tensors:
        if sequence and not isinstance(values[key], list | tuple):
            raise ShapeError(f"{name}, argument {key}: expected a list of tensors, got {type(values[key]).__name__}")
    flat = [item for value in values.values() for item in (value if isinstance(value, list | tuple) else [value])]
    dtype = next((value.data.dtype for value in flat if isinstance(value, Node)), None)

    def convert(key: str, value: Any, sequence: bool) -> Any:
        return [convert(key, item, False) for item in value] if sequence else _as_tensor(name, key, value, dtype)

    converted = {
        key: None if optional and values[key] is None else convert(key, values[key], sequence)
        for _, key, sequence, optional in tensors
    }
    positional = {i: converted.pop(key) for i, key, *_ in tensors if i < len(args)}
    named = {key: value for key, value in converted.items() if key in options}
    return tuple(positional.get(i, value) for i, value in enumerate(args)), options | named


def _as_tensor(name: str, argument: str, value: Any, dtype: Any) -> Any:
    from .tensor import Tensor

    if isinstance(value, Node):
        return value
    if isinstance(value, list | tuple) and any(isinstance(item, Node) for item in value):
        raise ShapeError(f"{name}, argument {argument}: expected one tensor, got a {type(value).__name__} of tensors")
    try:
        array = as_array(value)
    except ShapeError as error:
        raise ShapeError(f"{name}, argument {argument}: {error}") from None
    if dtype is None or dtype.kind != "f":
        dtype = array.dtype if array.dtype.kind == "f" else float
    tensor = Tensor(array.astype(dtype, copy=False))
    if tracer := current_tracer.get():
        tracer.converted(value, tensor)
    return tensor
