"""Machines that CuPy does not find here: with a GPU, without one, without a driver, a library or memory."""

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
    """Put back the array module that was in use, even where the CuPy of this block is none to come back to."""
    before = dict(vars(xp))
    try:
        yield
    finally:
        vars(xp).clear()
        vars(xp).update(before)


def without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it raises ModuleNotFoundError


class CudaError(RuntimeError):
    """Stands for CUDARuntimeError, which knows its status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"cudaErrorNumber{status}: as CUDA puts it\nmore lines")
        self.status = status


def raises(error: Exception) -> Callable:
    def function(*_: object, **__: object) -> None:
        raise error

    return function


def twice(grid: tuple, block: tuple, arrays: tuple) -> None:
    arrays[1][...] = 2 * arrays[0]


def install_fake_cupy(monkeypatch: pytest.MonkeyPatch, *, count=lambda: 1, kernel=twice, **names) -> types.ModuleType:
    """A CuPy that computes with NumPy what the start-up test asks for, or fails where `names` say so."""
    cupy = types.ModuleType("cupy")
    cupy.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=count))
    module = types.SimpleNamespace(get_function=lambda name: kernel)
    known = {"ones": np.ones, "empty": np.empty, "float32": np.float32, "RawModule": lambda *, code: module}
    vars(cupy).update({"__version__": "14.2.0"} | known | names)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return cupy


def install_broken_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    """CuPy frames an explanation of many lines; the cause is inside."""

    def broken(name: str, *rest: object) -> types.ModuleType:
        if name == "cupy":
            raise ImportError("\n=====\nFailed to import CuPy.\n=====") from OSError("libcuda.so.1: no such file")
        return original(name, *rest)

    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", broken)
