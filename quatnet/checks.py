"""Conversion of array arguments, and validation of numbers and paths."""

import inspect
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.ma import MaskedArray

from .backend import Array, xp
from .errors import ConfigError, QuatnetError, ShapeError

T = TypeVar("T")


def as_array(value: object, module: Any = xp) -> Array:
    """Return `value` as an array of floating-point numbers with at least 32 bits.

    Integers and booleans are converted to float64. float16 is converted to float32, because sums overflow in float16.
    Arrays in another byte order are converted. Other float arrays are not copied. `module` is the array module, by
    default that of the backend. Raises ShapeError unless `value` is a regular array of real numbers.
    """
    try:  # for a number, `asarray` would copy from the host to the GPU
        array = module.full((), value) if type(value) in (bool, int, float) else module.asarray(value)
    except QuatnetError:  # the backend is not available, or `value` is a tensor
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"expected an array of real numbers, with rows of equal length: {error}") from None
    if array.dtype.kind not in "biuf" or isinstance(value, MaskedArray):
        raise ShapeError(f"expected an array of real numbers, got {type(value).__name__} of dtype {array.dtype}")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f":
        return array.astype(np.float32) if array.dtype.itemsize < 4 else array
    return array.astype(np.float64)


def call_error(function: Callable[..., Any], *args: Any, **options: Any) -> TypeError | None:
    """Return the error of a call with these arguments, found from the signature, or None."""
    try:
        inspect.signature(function).bind(*args, **options)
    except TypeError as error:
        return error
    except ValueError:  # a function of C without a signature
        pass
    return None


def shape_and_dtype(value: Any) -> tuple[tuple[int, ...], Any]:
    """Return the shape and the dtype of an array. Any other object has no axes, and its type instead of a dtype."""
    return (value.shape, value.dtype) if hasattr(value, "dtype") else ((), type(value).__name__)


def as_scores(value: object) -> np.ndarray:
    """Return `value` as a float NumPy array. Raises ShapeError like `as_array`, and for NaN, which has no rank."""
    scores = as_array(value, np)
    if nans := int(np.isnan(scores).sum()):
        raise ShapeError(f"expected numbers, got {nans} NaN among {scores.size}; check the network and its inputs")
    return scores


def checked_count(name: str, value: int, minimum: int = 1) -> int:
    """Return `value` as int. Raises ConfigError, with `name` in the message, unless it is an integer >= `minimum`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or not minimum <= value <= sys.maxsize:
        limit = f" and at most {sys.maxsize}" if isinstance(value, Integral) and value > sys.maxsize else ""
        raise ConfigError(f"{name} must be an integer of at least {minimum}{limit}, got {value!r:.80}")
    return int(value)


def checked_type(name: str, value: T, kind: type) -> T:
    """Return `value`. Raises ConfigError, with `name` in the message, unless it is an instance of `kind`.

    An array without axes is not a collection.
    """
    if not isinstance(value, kind) or getattr(value, "shape", None) == ():
        raise ConfigError(f"expected {name} of type {kind.__name__}, got {value!r:.80}")
    return value


def checked_path(path: str | os.PathLike[str]) -> Path:
    """Return `path` as Path. Raises ConfigError unless it is a path as text, without a null character."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigError(f"expected a path as a string, such as 'folder/file', got {path!r:.80}")
    return Path(text)


def checked_number(name: str, value: float, interval: str) -> float:
    """Return `value` as float. Raises ConfigError unless it is a real number in `interval`, such as "[0, 1)"."""
    low, high = map(float, interval[1:-1].split(","))
    ends = ([low] if interval[0] == "[" else []) + ([high] if interval[-1] == "]" else [])
    with suppress(OverflowError):  # of an integer above the largest float
        if isinstance(value, Real) and not isinstance(value, bool) and (low < value < high or value in ends):
            return float(value)
    raise ConfigError(f"expected {name} in {interval}, got {value!r:.80}")


def checked_rng(rng: np.random.Generator | None) -> np.random.Generator:
    """Return `rng`. Raises ConfigError unless it is a random generator of NumPy."""
    if not isinstance(rng, np.random.Generator):
        raise ConfigError(f"expected a generator as rng, such as np.random.default_rng(0), got {rng!r}")
    return rng
