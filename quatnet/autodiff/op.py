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
    tensors without gradient, of the dtype of the first float tensor argument. `Sequence[Tensor]`, `list[Tensor]` and
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
    converts = str(function.__module__).startswith(CONVERTING)

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        for index, argument, sequence, optional in tensors:
            value = args[index] if index < len(args) else options.get(argument)
            known = (isinstance(value, Node) and value.data.dtype.kind == "f") or (value is None and optional)
            if not (_all_tensors(value) if sequence else known):
                args, options = _convert(name, tensors, args, options, converts)
                break
        tracer = current_tracer.get()
        return function(*args, **options) if tracer is None else tracer.call(name, function, args, options)

    OPS[name] = call
    return call  # type: ignore[return-value]


def _all_tensors(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, Node) for value in values)


def _convert(
    name: str, tensors: Sequence[tuple[int, str, bool, bool]], args: tuple, options: dict[str, Any], converts: bool
) -> tuple[tuple, dict[str, Any]]:
    """Return the arguments of an operation with arrays, numbers and lists converted to tensors."""
    values = {key: args[i] if i < len(args) else options.get(key) for i, key, *_ in tensors}
    for _, key, sequence, _ in tensors:
        if sequence and not isinstance(values[key], list | tuple):
            raise ShapeError(f"{name}, argument {key}: expected a list of tensors, got {type(values[key]).__name__}")
    flat = [item for value in values.values() for item in (value if isinstance(value, list | tuple) else [value])]
    dtypes = [value.data.dtype for value in flat if isinstance(value, Node)]
    dtype = next((dtype for dtype in dtypes if dtype.kind == "f"), None)

    def convert(key: str, value: Any, sequence: bool) -> Any:
        return (
            [convert(key, item, False) for item in value] if sequence else _as_tensor(name, key, value, dtype, converts)
        )

    converted = {
        key: None if optional and values[key] is None else convert(key, values[key], sequence)
        for _, key, sequence, optional in tensors
    }
    positional = {i: converted.pop(key) for i, key, *_ in tensors if i < len(args)}
    named = {key: value for key, value in converted.items() if key in options}
    return tuple(positional.get(i, value) for i, value in enumerate(args)), options | named


def _as_tensor(name: str, argument: str, value: Any, dtype: Any, converts: bool) -> Any:
    from .tensor import Tensor

    if isinstance(value, Node):
        if value.data.dtype.kind == "f" or not converts:
            return value
        check_float_parameter(value)
    elif isinstance(value, list | tuple) and any(isinstance(item, Node) for item in value):
        raise ShapeError(f"{name}, argument {argument}: expected one tensor, got a {type(value).__name__} of tensors")
    try:
        array = as_array(value.data if isinstance(value, Node) else value)
    except ShapeError as error:
        raise ShapeError(f"{name}, argument {argument}: {error}") from None
    tensor = Tensor(array.astype(dtype or array.dtype, copy=False))
    if tracer := current_tracer.get():
        tracer.converted(value, tensor)
    return tensor
