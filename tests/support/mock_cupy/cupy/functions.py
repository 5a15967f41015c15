"""The functions of CuPy: NumPy functions restricted to device arrays and to the names and keywords of CuPy."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from . import names
from .array import COUNT_BYTES, NUMBERS, call, fill_uninitialized, from_host, ndarray, to_index, to_numpy, wrap
from .traffic import log

FROM_HOST = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray")
CREATION = ("arange", "empty", "eye", "full", "identity", "indices", "linspace", "logspace", "ones", "tri", "zeros")
DATA_DEPENDENT_SIZE = (
    "argwhere",
    "bincount",
    "compress",
    "extract",
    "flatnonzero",
    "nonzero",
    "unique",
)  # functions that synchronize on a GPU
ATOMIC = (np.int32, np.uint32, np.uint64, np.float32, np.float64)  # dtypes with atomic addition in CUDA
SCALAR_RESULTS = ("allclose", "array_equal", "array_equiv", "count_nonzero")  # Python numbers in NumPy


class ufunc:
    """An elementwise function of device arrays."""

    def __init__(self, numpy_function: np.ufunc) -> None:
        self._twin, self.__name__, self.nin, self.nout = (
            numpy_function,
            numpy_function.__name__,
            numpy_function.nin,
            numpy_function.nout,
        )

    def __call__(self, *values: Any, **options: Any) -> Any:
        if options.keys() - {"out", "dtype", "casting"}:
            raise TypeError(f"Wrong arguments {options.keys()}")
        for value in values:
            if not isinstance(value, (ndarray, *NUMBERS)):
                raise TypeError(f"Unsupported type {type(value)} in cupy.{self.__name__}")
        if len(values) > self.nin:
            options["out"] = values[self.nin]
        return call(self._twin, self.__name__, None, *values[: self.nin], **options)

    def reduce(self, array: ndarray, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        if self.__name__ not in ("add", "multiply"):
            raise NotImplementedError(f"`cupy_{self.__name__}.reduce` is not supported yet")
        return call(self._twin.reduce, self.__name__, None, array, axis, dtype, out, keepdims)

    def outer(self, a: ndarray, b: ndarray) -> ndarray:
        return call(self._twin.outer, self.__name__, None, a, b)

    def at(self, array: ndarray, index: Any, values: Any = None) -> None:
        if self.__name__ not in ("add", "maximum", "minimum") or array.dtype not in ATOMIC:
            raise TypeError(f"cupy.{self.__name__}.at does not support {array.dtype}")
        self._twin.at(array._memory, to_index(index, array.shape), to_numpy(values, "at"))


def function(name: str, numpy_function: Callable, allowed: frozenset[str] | None) -> Callable:
    """Return the CuPy function that corresponds to a NumPy function."""

    def on_device(*values: Any, **options: Any) -> Any:
        if name in DATA_DEPENDENT_SIZE or (name == "where" and len(values) == 1):
            log("to_host", COUNT_BYTES)
        result = call(numpy_function, name, allowed, *values, **options)
        if isinstance(result, ndarray) and name not in CREATION and not _on_device([*values, *options.values()]):
            raise TypeError(f"cupy.{name} expects device arrays, got {[type(value) for value in values]}")
        if name.startswith("empty"):
            fill_uninitialized(result._memory)
        return wrap(np.asarray(result)) if name in SCALAR_RESULTS else result

    on_device.__name__ = on_device.__qualname__ = name
    return on_device


def maker(name: str, numpy_function: Callable, allowed: frozenset[str] | None) -> Callable:
    """Return a function that creates device arrays from device arrays or from a copy of host data."""

    def on_device(value: Any, *values: Any, **options: Any) -> Any:
        if _on_device([value]):
            result = call(numpy_function, name, allowed, value, *values, **options)
            return value if isinstance(value, ndarray) and result._memory is value._memory else result
        if options.keys() - allowed:
            raise TypeError(f"{name}() got an unexpected keyword argument {sorted(options.keys() - allowed)[0]!r}")
        return from_host(wrap(numpy_function(value, *values, **options))._memory)

    on_device.__name__ = on_device.__qualname__ = name
    return on_device


def module(section: str, numpy_function: ModuleType) -> dict[str, Callable]:
    """Return the functions of a section of `names.txt` that exist in the installed NumPy."""
    make = {name: maker for name in FROM_HOST}
    return {
        name: make.get(name, function)(name, getattr(numpy_function, name), allowed)
        for name, allowed in names.section(section).items()
        if hasattr(numpy_function, name)
    }


def everything() -> dict[str, Any]:
    """Return all names that CuPy and NumPy have in common, with their functions."""
    ufuncs = {name: ufunc(getattr(np, name)) for name in names.section("ufuncs") if isinstance(_of(name), np.ufunc)}
    plain = {name: function(name, _of(name), None) for name in names.section("ufuncs").keys() - ufuncs if _of(name)}
    constants = {name: _of(name) for name in names.section("types and constants")}
    return plain | constants | module("functions", np) | ufuncs


_of = partial(getattr, np)


def _on_device(values: Any) -> bool:
    return any(isinstance(v, ndarray) or (isinstance(v, tuple | list) and _on_device(v)) for v in values)
