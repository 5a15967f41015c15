"""A strict mock of CuPy for machines without a GPU: it computes with NumPy and raises the errors of CuPy.

It replaces CuPy if the parent of this directory is first in the module path. Its arrays are wrappers that NumPy cannot
convert, so that code that fails on a GPU fails here too:

- operations on arrays of the host and of the device raise an error, and nothing is converted implicitly;
- names and keywords that CuPy does not have are missing (`names.txt`);
- a sum is an array without axes on the device, and `float` of it is a copy to the host;
- uninitialized memory is NaN, and an assignment with a repeated index raises an error.

`traffic.record` records the copies between host and device and the kernel launches. Kernels run on the CPU, compiled by
g++.
"""

from types import SimpleNamespace

import numpy as _numpy

from . import cuda, names, traffic
from .array import ndarray
from .functions import module as _module
from .kernels import RawKernel, RawModule
from .operators import FUNCTIONS, LINALG, ufunc

__all__ = ["RawKernel", "RawModule", "cuda", "lib", "linalg", "ndarray", "traffic", "ufunc"]
__version__ = names.version()
globals().update(FUNCTIONS)
linalg = SimpleNamespace(**LINALG)
lib = SimpleNamespace(stride_tricks=SimpleNamespace(**_module("lib.stride_tricks", _numpy.lib.stride_tricks)))


def asnumpy(array: object) -> _numpy.ndarray:
    return array.get() if isinstance(array, ndarray) else _numpy.asarray(array)


def get_default_memory_pool() -> SimpleNamespace:
    """Return an empty pool: the memory belongs to NumPy."""
    return SimpleNamespace(total_bytes=lambda: 0, used_bytes=lambda: 0, free_all_blocks=lambda: None)


def get_array_module(*arrays: object) -> object:
    import sys

    return sys.modules[__name__] if any(isinstance(array, ndarray) for array in arrays) else _numpy
