"""Kernels run where the tests run: on the CPU, thread by thread and watched; or on a GPU or its stand-in as it is."""

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

from .cuda_cpu import compile_for_cpu, why_not
from .cuda_launch import ORDERS

DTYPES = (np.float32, np.float64)
orders = st.sampled_from(ORDERS)
dtypes = st.sampled_from(DTYPES)
need_a_compiler = pytest.mark.skipif(not on_gpu() and why_not() is not None, reason=str(why_not()))


@contextmanager
def kernels_run(order: str = "forward") -> Iterator[None]:
    """Let `quatnet.kernels` take NumPy arrays: its kernels run on the CPU, every access watched, threads in `order`."""
    if on_gpu():
        yield
        return

    def function(file: str, name: str, dtype: str, formulas: str = ""):
        return partial(compile_for_cpu(load.source(file, dtype, formulas), check=True)[name], order=order)

    with mock.patch.object(load, "function", function):
        yield


@contextmanager
def kernels_everywhere(order: str = "forward") -> Iterator[None]:
    """Let all of quatnet take its kernels, as it does on a GPU."""
    with kernels_run(order), mock.patch.object(kernels, "takes", load.takes if on_gpu() else _takes):
        yield


def _takes(*arrays: np.ndarray) -> bool:
    """`kernels.takes` for NumPy's arrays."""
    dtypes = {str(array.dtype) for array in arrays}
    return len(dtypes) == 1 and dtypes <= load.C_TYPES.keys()


def without_kernels() -> mock._patch:
    """Let all of quatnet do without its kernels, on a GPU too: what it does then is the oracle."""
    return mock.patch.object(kernels, "takes", return_value=False)


def eight_products_always() -> mock._patch:
    """Let convolutions on kernels take eight products for few channels too."""
    return mock.patch.object(gpu, "OPERATIONS_A_NUMBER", 0)
