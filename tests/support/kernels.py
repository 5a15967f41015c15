"""Context managers that run CUDA kernels on a GPU, on the mock CuPy, or thread by thread on the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest import mock

import numpy as np
import pytest
from hypothesis import strategies as st

from quatnet import kernels
from quatnet.backend import on_gpu
from quatnet.conv import gpu
from quatnet.kernels import load

from .cuda_cpu import compile_for_cpu, unavailable_reason
from .cuda_launch import ORDERS

DTYPES = (np.float32, np.float64)
orders = st.sampled_from(ORDERS)
dtypes = st.sampled_from(DTYPES)
needs_compiler = pytest.mark.skipif(not on_gpu() and unavailable_reason() is not None, reason=str(unavailable_reason()))


@contextmanager
def kernels_on_cpu(order: str = "forward") -> Iterator[None]:
    """Run `quatnet.kernels` on NumPy arrays on the CPU, with access checks and the threads in the given order."""
    if on_gpu():
        yield
        return

    def function(file: str, name: str, dtype: str, formulas: str = ""):
        return partial(compile_for_cpu(load.source(file, dtype, formulas), check=True)[name], order=order)

    with mock.patch.object(load, "function", function):
        yield


@contextmanager
def kernels_enabled(order: str = "forward") -> Iterator[None]:
    """Use the CUDA kernels in all of quatnet, as on a GPU."""
    with kernels_on_cpu(order), mock.patch.object(kernels, "supports", load.supports if on_gpu() else _supports):
        yield


def _supports(*arrays: np.ndarray) -> bool:
    """Return the result of `kernels.supports` for NumPy arrays."""
    dtypes = {str(array.dtype) for array in arrays}
    return len(dtypes) == 1 and dtypes <= load.C_TYPES.keys()


def kernels_disabled() -> mock._patch:
    """Use no CUDA kernels, not even on a GPU, to compute reference values."""
    return mock.patch.object(kernels, "supports", return_value=False)


def eight_products_always() -> mock._patch:
    """Use eight products in CUDA convolutions with few channels too."""
    return mock.patch.object(gpu, "FLOPS_PER_ELEMENT_MOVED", {False: 0, True: 0})
