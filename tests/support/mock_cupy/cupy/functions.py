"""CuPy's functions: NumPy's, for arrays of the device only, with the names and the keywords that CuPy has."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from . import names
from .array import A_COUNT, NUMBERS, call, from_host, ndarray, place_of, soil, to_numpy, wrap
from .traffic import note

FROM_HOST = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray")
FROM_NOTHING = ("arange", "empty", "eye", "full", "identity", "indices", "linspace", "logspace", "ones", "tri", "zeros")
WAITS = ("argwhere", "bincount", "compress", "extract", "flatnonzero", "nonzero", "unique")  # for a size to be known
ATOMIC = (np.int32, np.uint32, np.uint64, np.float32, np.float64)  # what threads can add to without a race
TRUTHS = ("allclose", "array_equal", "array_equiv", "count_nonzero")  # where NumPy gives a number of Python


class ufunc:
    """A function of single entries."""

    def __init__(self, twin: np.ufunc) -> None:
        self._twin, self.__name__, self.nin, self.nout = twin, twin.__name__, twin.nin, twin.nout

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

    def at(self, array: ndarray, places: Any, values: Any = None) -> None:
        if self.__name__ not in ("add", "maximum", "minimum") or array.dtype not in ATOMIC:
            raise TypeError(f"cupy.{self.__name__}.at does not support {array.dtype}")
        self._twin.at(array._memory, place_of(places), to_numpy(values, "at"))


def function(name: str, twin: Callable, allowed: frozenset[str] | None) -> Callable:
    """Return NumPy's function `twin` as CuPy's."""

    def on_device(*values: Any, **options: Any) -> Any:
        if name in WAITS or (name == "where" and len(values) == 1):
            note("to_host", A_COUNT)
        result = call(twin, name, allowed, *values, **options)
        if isinstance(result, ndarray) and name not in FROM_NOTHING and not _on_device([*values, *options.values()]):
            raise TypeError(f"cupy.{name} takes arrays of the device, got {[type(value) for value in values]}")
        if name.startswith("empty"):
            soil(result._memory)
        return wrap(np.asarray(result)) if name in TRUTHS else result

    on_device.__name__ = on_device.__qualname__ = name
    return on_device


def maker(name: str, twin: Callable, allowed: frozenset[str] | None) -> Callable:
    """Return a function that makes arrays: of the device's, or as a copy of what the host has."""

    def on_device(value: Any, *values: Any, **options: Any) -> Any:
        if _on_device([value]):
            result = call(twin, name, allowed, value, *values, **options)
            return value if isinstance(value, ndarray) and result._memory is value._memory else result
        if options.keys() - allowed:
            raise TypeError(f"{name}() got an unexpected keyword argument {sorted(options.keys() - allowed)[0]!r}")
        return from_host(wrap(twin(value, *values, **options))._memory)

    on_device.__name__ = on_device.__qualname__ = name
    return on_device


def module(section: str, twin: ModuleType) -> dict[str, Callable]:
    """Return the functions of a section of the table, as far as this NumPy has them."""
    make = {name: maker for name in FROM_HOST}
    return {
        name: make.get(name, function)(name, getattr(twin, name), allowed)
        for name, allowed in names.section(section).items()
        if hasattr(twin, name)
    }


def everything() -> dict[str, Any]:
    """Return what `import cupy` has of NumPy's names."""
    ufuncs = {name: ufunc(getattr(np, name)) for name in names.section("ufuncs") if isinstance(_of(name), np.ufunc)}
    plain = {name: function(name, _of(name), None) for name in names.section("ufuncs").keys() - ufuncs if _of(name)}
    constants = {name: _of(name) for name in names.section("types and constants")}
    return plain | constants | module("functions", np) | ufuncs


_of = partial(getattr, np)


def _on_device(values: Any) -> bool:
    return any(isinstance(v, ndarray) or (isinstance(v, tuple | list) and _on_device(v)) for v in values)
