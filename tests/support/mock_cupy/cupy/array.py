"""The device array, a wrapper of a NumPy array with explicit and recorded copies between host and device."""

import ctypes
from functools import partial
from typing import Any

import numpy as np

from . import names
from .traffic import log

NUMBERS = (bool, int, float, complex, np.generic)
PLAIN = (*NUMBERS, np.dtype, type, str, slice, type(None), type(...))
PROPERTIES = ("shape", "size", "ndim", "dtype", "itemsize", "nbytes", "strides", "flags")
VIEWS = ("T", "mT", "real", "imag")
COUNT_BYTES = 4  # size of the number of entries that a mask selects, which is copied to the host


class ndarray:
    """A device array. It cannot be converted to a NumPy array implicitly. Uninitialized floats are NaN."""

    __slots__ = ("__weakref__", "_memory")
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, shape: Any, dtype: Any = float) -> None:
        self._memory = np.empty(shape, dtype)
        fill_uninitialized(self._memory)

    # Copies from device to host: on a GPU each of these methods synchronizes

    def get(self, out: np.ndarray | None = None) -> np.ndarray:
        log("to_host", self.nbytes)
        out = np.empty_like(self._memory) if out is None else out
        out[...] = self._memory
        return out

    def set(self, array: np.ndarray) -> None:
        if not isinstance(array, np.ndarray) or array.dtype != self.dtype:
            raise TypeError(f"{type(array)} cannot be set to {self.dtype} array")
        if array.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {array.shape}")
        log("to_device", array.nbytes)
        self._memory[...] = array

    def item(self, *index: int) -> Any:
        return self.get().item(*index)

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self) -> bytes:
        return self.get().tobytes()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    # Methods without copies to the host

    def __len__(self) -> int:
        return len(self._memory)

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[n] for n in range(len(self)))

    def __copy__(self) -> "ndarray":
        return self.copy()

    def __deepcopy__(self, _: Any) -> "ndarray":
        return self.copy()

    def __reduce__(self) -> Any:
        return from_host, (self.get(),)

    def __getitem__(self, key: Any) -> "ndarray":
        result = np.asarray(self._memory[to_index(key, self.shape)])
        log_operation("__getitem__", result, [self._memory])
        return wrap(result)

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(value, (ndarray, *NUMBERS)):
            raise ValueError(f"non-scalar {type(value)} cannot be used for fill")
        index = to_index(key, self.shape)
        if isinstance(value, ndarray) and value.ndim and self._is_repeated(index):
            raise ValueError("an index occurs twice in an assignment: the result is undefined on a GPU")
        if not isinstance(value, ndarray) and any(isinstance(part, np.ndarray) for part in index):
            log("to_device", self.itemsize)  # CuPy copies the number to the device
        log("operations", "__setitem__")
        self._memory[index] = to_numpy(value, "__setitem__")

    def _is_repeated(self, index: Any) -> bool:
        if not any(isinstance(part, np.ndarray) and part.dtype != bool for part in index):
            return False
        elements = np.arange(self.size).reshape(self.shape)[index]
        return elements.size != np.unique(elements).size

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in names.section("ndarray"):
            raise AttributeError(f"'cupy.ndarray' object has no attribute {name!r}")
        allowed = None if name in ("astype", "clip") else names.section("functions").get(name)
        return partial(call, getattr(self._memory, name), f"ndarray.{name}", allowed)


class MemoryPointer:
    """The address of the memory of an array."""

    def __init__(self, memory: np.ndarray) -> None:
        self.ptr = memory.ctypes.data

    def copy_from_device_async(self, source: "MemoryPointer", size: int) -> None:
        ctypes.memmove(self.ptr, source.ptr, size)


ndarray.data = property(lambda self: MemoryPointer(self._memory))
ndarray.__cuda_array_interface__ = property(  # for a CUDA-aware MPI: the memory of the host is that of the device
    lambda self: self._memory.__array_interface__ | {"version": 3}
)
for _name in PROPERTIES:
    setattr(ndarray, _name, property(lambda self, _name=_name: getattr(self._memory, _name)))
for _name in VIEWS:
    setattr(ndarray, _name, property(lambda self, _name=_name: wrap(getattr(self._memory, _name))))


def fill_uninitialized(memory: np.ndarray) -> None:
    """Fill uninitialized memory with NaN, or with 1 for integers."""
    memory.fill(np.nan if memory.dtype.kind in "fc" else 1)


def wrap(result: Any) -> Any:
    """Return a NumPy result with all arrays and scalars converted to device arrays, also within tuples and lists."""
    if isinstance(result, np.ndarray | np.generic):
        array = object.__new__(ndarray)
        array._memory = np.asarray(result)
        if array._memory.dtype.kind not in "biufc" or array._memory.dtype in (np.longdouble, np.clongdouble):
            raise ValueError(f"Unsupported dtype {array._memory.dtype}")
        return array
    if isinstance(result, tuple | list):
        return (list if isinstance(result, list) else tuple)(map(wrap, result))
    return result


def to_numpy(value: Any, function: str) -> Any:
    """Return the NumPy array of a device array. Raise TypeError for host arrays and other objects."""
    if isinstance(value, ndarray):
        return value._memory
    if isinstance(value, tuple | list):
        return type(value)(to_numpy(part, function) for part in value)
    if isinstance(value, PLAIN) or (callable(value) and not hasattr(value, "shape")):
        return value
    raise TypeError(f"Unsupported type {type(value)} in cupy.{function}")


def call(function: Any, name: str, allowed: frozenset[str] | None, *values: Any, **options: Any) -> Any:
    """Call a NumPy function and return the result as device arrays.

    Raise TypeError for keywords that CuPy does not have.
    """
    unknown = options.keys() - allowed if allowed is not None else ()
    if unknown:
        raise TypeError(f"{name}() got an unexpected keyword argument {sorted(unknown)[0]!r}")
    keywords = {key: to_numpy(value, name) for key, value in options.items()}
    with np.errstate(all="ignore"):  # a GPU does not report overflow
        result = function(*to_numpy(values, name), **keywords)
    if options.get("out") is not None:
        log("operations", name)
        return options["out"]
    log_operation(name, result, [getattr(function, "__self__", None), *to_numpy(values, name)])
    return wrap(result)


def log_operation(name: str, result: Any, values: Any) -> None:
    """Record an operation, unless it only allocates memory, or returns a view of an argument."""
    sources = [value for value in values if isinstance(value, np.ndarray)]
    results = result if isinstance(result, tuple | list) else [result]
    arrays = [array for array in results if isinstance(array, np.ndarray | np.generic)]
    is_view = any(np.may_share_memory(array, source) for array in arrays for source in sources)
    if arrays and not is_view and not name.startswith("empty"):
        log("operations", name)


def from_host(array: np.ndarray) -> ndarray:
    """Return a device copy of a host array, and record the copy."""
    log("to_device", array.nbytes)
    return wrap(array.copy())


def to_index(key: Any, shape: tuple[int, ...]) -> tuple:
    """Return an index for NumPy, and record the copies that CuPy makes for lists, host arrays and masks.

    As in CuPy, entries of index arrays that are out of bounds wrap around, and a float is rounded to an int.
    """
    parts = tuple(map(_part, key if isinstance(key, tuple) else (key,)))
    axes = [_axes(part) for part in parts]
    rest, axis, index = len(shape) - sum(axes), 0, []
    for part, count in zip(parts, axes, strict=True):
        wraps = isinstance(part, np.ndarray) and part.dtype.kind in "iu" and axis < len(shape)
        index.append(part % max(shape[axis], 1) if wraps else part)
        axis += rest if part is Ellipsis else count
    return tuple(index)


def _axes(part: Any) -> int:
    """Return the number of axes that a part of an index consumes. An ellipsis consumes the rest of the axes."""
    is_mask = isinstance(part, np.ndarray) and part.dtype == bool
    return part.ndim if is_mask else int(part is not None and part is not Ellipsis)


def _part(key: Any) -> Any:
    if isinstance(key, list | np.ndarray):
        key = from_host(np.asarray(key))
    if isinstance(key, ndarray) and key.dtype == bool:
        log("to_host", COUNT_BYTES)
    if isinstance(key, float | str):
        key = int(key)
    return key._memory if isinstance(key, ndarray) else key
