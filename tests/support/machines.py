"""Simulated machines with a GPU, without a GPU, and without a driver, a library or memory."""

import builtins
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from quatnet.backend import xp


@contextmanager
def restore_backend() -> Iterator[None]:
    """Restore the backend at the end of a `with` statement, even if CuPy cannot be imported again."""
    before = dict(vars(xp))
    try:
        yield
    finally:
        vars(xp).clear()
        vars(xp).update(before)


def without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)  # `import cupy` then raises ModuleNotFoundError


class CudaError(RuntimeError):
    """Replacement for CuPy's CUDARuntimeError, with its attribute `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(f"cudaErrorNumber{status}: message of CUDA\nmore lines")
        self.status = status


def raises(error: Exception) -> Callable:
    def function(*_: object, **__: object) -> None:
        raise error

    return function


def twice(grid: tuple, block: tuple, arrays: tuple) -> None:
    arrays[1][...] = 2 * arrays[0]


def install_fake_cupy(monkeypatch: pytest.MonkeyPatch, *, count=lambda: 1, kernel=twice, **names) -> types.ModuleType:
    """Install a NumPy-based fake CuPy that passes the start-up test. `names` replace functions of the fake."""
    cupy = types.ModuleType("cupy")
    cublas = types.SimpleNamespace(setMathMode=lambda handle, mode: None)
    runtime = types.SimpleNamespace(getDeviceCount=count)
    cupy.cuda = types.SimpleNamespace(runtime=runtime, cublas=cublas, get_cublas_handle=lambda: 0)
    module = types.SimpleNamespace(get_function=lambda name: kernel)
    functions = {"ones": np.ones, "empty": np.empty, "float32": np.float32, "RawModule": lambda *, code: module}
    vars(cupy).update({"__version__": "14.2.0"} | functions | names)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return cupy


def install_broken_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `import cupy` raise the same errors as a broken CuPy.

    The ImportError has a message of several lines, and its cause is the original error.
    """

    def broken(name: str, *rest: object) -> types.ModuleType:
        if name == "cupy":
            raise ImportError("\n=====\nFailed to import CuPy.\n=====") from OSError("libcuda.so.1: no such file")
        return original(name, *rest)

    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", broken)
