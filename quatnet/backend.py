"""The array module: NumPy, or CuPy when `QUATNET_BACKEND` asks for it. The only file that imports cupy.

`QUATNET_BACKEND` is read once, at import: `numpy` (default), `cupy`, or `auto` (CuPy where a GPU works); `use` changes
it later. There is never a silent fallback: `cupy` without a usable GPU raises one `BackendUnavailable`.
"""

import os
from types import ModuleType
from typing import Any

import numpy

from .errors import BackendUnavailable, ConfigError

Array = Any  # numpy.ndarray or cupy.ndarray
CHOICES = ("numpy", "cupy", "auto")


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def why_no_gpu() -> str | None:
    """None if CuPy and a GPU work here, else the reason in one line.

    The start-up test allocates, compiles and multiplies, so that missing CUDA libraries show now and
    not in the first epoch.
    """
    try:
        import cupy
    except Exception as error:  # not installed, or an ImportError from a broken build
        return f'CuPy cannot be imported ({_first_line(error)}); pip install "quatnet-numpy[cuda12]"'
    try:
        found = cupy.cuda.runtime.getDeviceCount()
        ones = cupy.ones((2, 2), cupy.float32)
        right = float((ones @ ones + 1).sum()) == 12.0
    except Exception as error:  # no driver, no device, or a CUDA library that is missing
        return f"CuPy {cupy.__version__} is installed, but no GPU works ({_first_line(error)})"
    return None if found and right else "the GPU computed a wrong result in the start-up test"


def load(name: str) -> ModuleType:
    """Return the array module called `name`: `numpy`, `cupy` or `auto`.

    Raises
    ------
    ConfigError
        `name` is none of the three.
    BackendUnavailable
        `cupy` was asked for and `why_no_gpu` gives a reason.
    """
    if name not in CHOICES:
        raise ConfigError(f"QUATNET_BACKEND={name!r}: expected one of {', '.join(CHOICES)}")
    reason = None if name == "numpy" else why_no_gpu()
    if name == "numpy" or (name == "auto" and reason):
        return numpy
    if reason:
        raise BackendUnavailable(f"QUATNET_BACKEND=cupy, but {reason}. Set QUATNET_BACKEND=numpy for the CPU.")
    import cupy

    return cupy


xp: Any = ModuleType("xp")  # a module with the names of the array module in use


def use(name: str) -> None:
    """Take the array module called `name` from now on, before the first array: those made earlier stay where they are.

    Raises what `load` raises; then nothing changes.
    """
    module = load(name)
    vars(xp).clear()
    vars(xp).update(vars(module))


def on_gpu() -> bool:
    """Return whether the array module is CuPy."""
    return xp.__name__ != "numpy"


use(os.environ.get("QUATNET_BACKEND", "numpy").strip().lower())


def asnumpy(array: Array) -> numpy.ndarray:
    """Copy to the host: a NumPy array of the same shape and dtype (no copy if it is one already)."""
    return array.get() if hasattr(array, "get") else numpy.asarray(array)
