"""Selection of the CuPy module for the tests.

If the backend is NumPy, the tests use the mock CuPy. Otherwise, the tests use the CuPy of the backend, which is CuPy
itself or the mock.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from unittest import mock

from quatnet import backend
from quatnet.backend import on_gpu, xp


def find_cupy() -> ModuleType:
    return sys.modules["cupy"] if on_gpu() else import_module("support.mock_cupy.cupy")


cupy = find_cupy()
counts_transfers = hasattr(cupy, "traffic")  # only the mock CuPy counts transfers
uses_mock = on_gpu() and counts_transfers  # true if the mock CuPy is the backend of all tests


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Use NumPy ("numpy") or the CuPy module of the tests ("cupy") in a `with` statement."""
    before = "cupy" if on_gpu() else "numpy"
    with mock.patch.dict(sys.modules, cupy=cupy):
        backend.set_backend(name)
        try:
            yield
        finally:
            backend.set_backend(before)


def backend_description() -> str:
    """Return the name and version of the backend, and the name of the GPU."""
    if not on_gpu():
        return f"NumPy {xp.__version__}"
    if uses_mock:
        return f"a mock CuPy {xp.__version__} on NumPy; nothing ran on a GPU"
    return f"CuPy {xp.__version__} on {cupy.cuda.runtime.getDeviceProperties(0)['name'].decode()}"
