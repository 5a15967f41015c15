"""CuPy for the lessons: the one that is in use, be it real or the stand-in, and the stand-in where NumPy is."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from unittest import mock

from quatnet import backend
from quatnet.backend import on_gpu, xp


def cupy_of_the_lessons() -> ModuleType:
    return sys.modules["cupy"] if on_gpu() else import_module("support.stand_in.cupy")


cupy = cupy_of_the_lessons()
counts = hasattr(cupy, "traffic")  # only the stand-in does
stands_in = on_gpu() and counts  # for CuPy in the whole course


@contextmanager
def array_module(name: str) -> Iterator[None]:
    """Use NumPy ("numpy") or the CuPy of the lessons ("cupy") for all that is made in this block."""
    before = "cupy" if on_gpu() else "numpy"
    with mock.patch.dict(sys.modules, cupy=cupy):
        backend.use(name)
        try:
            yield
        finally:
            backend.use(before)


def which() -> str:
    """Say in a few words what does the arithmetic."""
    if not on_gpu():
        return f"NumPy {xp.__version__}"
    if stands_in:
        return f"a strict stand-in for CuPy {xp.__version__}, NumPy underneath; nothing ran on a GPU"
    return f"CuPy {xp.__version__} on {cupy.cuda.runtime.getDeviceProperties(0)['name'].decode()}"
