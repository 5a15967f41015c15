"""A strict stand-in for CuPy on a machine without a GPU: NumPy's arithmetic, CuPy's refusals.

It stands in the place of the real one where this directory's parent comes first in the module path. An array of it is
a wrapper that NumPy cannot look into, so that code that would fail on a GPU fails here:

- an array of the host never meets one of the device, and nothing is converted unasked;
- names and keywords that the real CuPy lacks are lacking (`names.txt`);
- a sum is an array without axes on the device, and `float` of it a copy to the host;
- fresh memory is NaN, and an index that occurs twice in an assignment is an error.

`traffic.counted` counts the copies between host and device, and the kernels; these run on the CPU, compiled by g++.
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
    """The memory is NumPy's, so there is no pool of bytes."""
    return SimpleNamespace(total_bytes=lambda: 0, used_bytes=lambda: 0, free_all_blocks=lambda: None)


def get_array_module(*arrays: object) -> object:
    import sys

    return sys.modules[__name__] if any(isinstance(array, ndarray) for array in arrays) else _numpy
