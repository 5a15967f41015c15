"""A strict mock of CuPy for machines without a GPU, which computes with NumPy and raises the errors of CuPy.

The mock is imported as `cupy` if the parent of this directory is first in the module path. Device arrays wrap NumPy
arrays and have the restrictions of CuPy arrays:

- operations on arrays of both host and device raise an error, and there is no implicit conversion;
- names and keywords that CuPy does not have are missing (`names.txt`);
- a sum is a device array without axes, and conversion of the sum to `float` is a copy to the host;
- uninitialized memory is NaN, and an assignment with a repeated index raises an error.

`traffic.record` records the copies between host and device and the kernel launches. CUDA kernels are compiled by g++
and run on the CPU.
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
    """Return a memory pool of size 0, since NumPy allocates the memory."""
    return SimpleNamespace(total_bytes=lambda: 0, used_bytes=lambda: 0, free_all_blocks=lambda: None)


def get_array_module(*arrays: object) -> object:
    import sys

    return sys.modules[__name__] if any(isinstance(array, ndarray) for array in arrays) else _numpy
