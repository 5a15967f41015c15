"""The CuPy that the tests use: the real one or the mock if it is the backend, the mock if the backend is NumPy."""

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
counts_transfers = hasattr(cupy, "traffic")  # only the mock CuPy does
uses_mock = on_gpu() and counts_transfers  # the mock CuPy is the backend of all tests


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Use NumPy ("numpy") or the CuPy of the tests ("cupy") in this block."""
    before = "cupy" if on_gpu() else "numpy"
    with mock.patch.dict(sys.modules, cupy=cupy):
        backend.use(name)
        try:
            yield
        finally:
            backend.use(before)


def backend_description() -> str:
    """Return the name and version of the backend, and the name of the GPU."""
    if not on_gpu():
        return f"NumPy {xp.__version__}"
    if uses_mock:
        return f"a mock CuPy {xp.__version__} on NumPy; nothing ran on a GPU"
    return f"CuPy {xp.__version__} on {cupy.cuda.runtime.getDeviceProperties(0)['name'].decode()}"
