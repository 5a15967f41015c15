"""Array backend: NumPy, or CuPy if `QUATNET_BACKEND` selects it. No other module imports cupy.

`QUATNET_BACKEND` is read once, at import: `numpy` (default), `cupy`, or `auto` (CuPy if a GPU works, else NumPy). `use`
changes the backend later. If `cupy` is selected and not available, there is no fallback to NumPy: the first use of `xp`
raises an error, and `check_backend` raises it at once. Only the import succeeds, so that `python -m quatnet` can report
the reason.
"""

import os
from functools import partial
from types import ModuleType
from typing import Any, NoReturn

import numpy

from .errors import BackendUnavailable, ConfigError, QuatnetError

Array = Any  # numpy.ndarray or cupy.ndarray
BACKENDS = ("numpy", "cupy", "auto")
INSTALL_HINT = 'pip install "quatnet-numpy[cuda12]", or [cuda13] for a driver of CUDA 13'
CUDA_ERROR_HINTS = {  # CUDA status: how to fix it
    35: "install a newer NVIDIA driver; `nvidia-smi` shows the installed version",
    100: "check that `nvidia-smi` lists a GPU, and check CUDA_VISIBLE_DEVICES, which is {visible}",
    209: "this CuPy does not support this GPU; old GPUs need [cuda12], the newest may need [cuda13]",
    999: "restart the NVIDIA driver or the machine",
}
TEST_KERNEL = 'extern "C" __global__ void twice(const float* x, float* y) { y[threadIdx.x] = 2 * x[threadIdx.x]; }'


def gpu_unavailable_reason() -> str | None:
    """Return None if CuPy and a GPU work on this machine, else one line with the reason and how to fix it.

    A start-up test allocates memory, compiles a kernel and multiplies matrices, so that missing CUDA libraries are
    detected before training starts.
    """
    try:
        import cupy
    except ModuleNotFoundError as error:
        return f"CuPy is not installed ({_first_line(error)}): {INSTALL_HINT}"
    except Exception as error:  # a broken installation, or two CuPy packages
        return f"CuPy cannot be imported ({_first_line(error)}): uninstall it, then {INSTALL_HINT}"
    devices = 0
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
        correct = devices and _passes_test(cupy)
    except Exception as error:  # no driver, no device, or a missing CUDA library
        return f"no GPU works for CuPy {cupy.__version__} ({_first_line(error)}): {_hint(error, devices)}"
    if not devices:
        return f"CuPy {cupy.__version__} finds no GPU: {_fill_in_visible_devices(CUDA_ERROR_HINTS[100])}"
    return None if correct else "the GPU computed a wrong result in the start-up test: update the NVIDIA driver"


def _passes_test(cupy: Any) -> bool:
    """Return whether a compiled kernel (NVRTC), a matrix product (cuBLAS) and CuPy's own kernels compute correctly."""
    ones = cupy.ones((2, 2), cupy.float32)
    twos = cupy.empty((2, 2), cupy.float32)
    cupy.RawModule(code=TEST_KERNEL).get_function("twice")((1,), (4,), (ones, twos))
    return float((twos @ ones + 1).sum()) == 20.0


def _hint(error: Exception, devices: int) -> str:
    status = getattr(error, "status", None)  # set by CUDARuntimeError, but not for a missing library
    if isinstance(error, MemoryError):
        return "free memory on the GPU; `nvidia-smi` lists the processes that use it"
    if status is None:
        return f"a CUDA library seems to be missing; install CuPy with its libraries: {INSTALL_HINT}"
    return _fill_in_visible_devices(
        CUDA_ERROR_HINTS.get(status, f"CUDA status {status} on the first of {devices} GPUs; see `nvidia-smi`")
    )


def _fill_in_visible_devices(hint: str) -> str:
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    return hint.format(visible="not set" if devices is None else repr(devices))


def _first_line(error: BaseException) -> str:
    """Return type and first line of the error, or of its cause, because CuPy wraps errors into long messages."""
    inner = error.__cause__ or error
    return f"{type(inner).__name__}: {(str(inner).strip().splitlines() or [''])[0]}"


def load_backend(name: str) -> ModuleType:
    """Return the array module for the backend `name`: `numpy`, `cupy` or `auto`.

    Raises
    ------
    ConfigError
        `name` is not one of the three names.
    BackendUnavailable
        `name` is `cupy`, and no GPU is available.
    """
    if name not in BACKENDS:
        raise ConfigError(f"QUATNET_BACKEND={name!r}: expected one of {', '.join(BACKENDS)}")
    reason = None if name == "numpy" else gpu_unavailable_reason()
    if name == "numpy" or (name == "auto" and reason):
        return numpy
    if reason:
        raise BackendUnavailable(f"QUATNET_BACKEND=cupy, but {reason}. Set QUATNET_BACKEND=numpy for the CPU.")
    import cupy

    return cupy


xp: Any = ModuleType("xp")  # a module with the attributes of the selected array module


def use(name: str) -> None:
    """Select the backend `name`. Call it before arrays are created: existing arrays are not moved.

    Raises ConfigError or BackendUnavailable like `load_backend`, and then keeps the current backend.
    """
    module = load_backend(name)
    vars(xp).clear()
    vars(xp).update(vars(module))


def on_gpu() -> bool:
    """Return whether the backend is CuPy."""
    return xp.__name__ != "numpy"


def check_backend() -> None:
    """Raise ConfigError or BackendUnavailable if the backend selected by `QUATNET_BACKEND` is not available."""
    on_gpu()


def requested_backend() -> str:
    """Return the value of `QUATNET_BACKEND`, by default `numpy`."""
    return os.environ.get("QUATNET_BACKEND", "numpy").strip().lower()


def _select_backend() -> None:
    """Select the backend given by the environment. If that fails, every attribute of `xp` raises the error."""
    try:
        use(requested_backend())
    except QuatnetError as error:
        vars(xp).clear()
        vars(xp)["__getattr__"] = partial(_raise, error)


def _raise(error: QuatnetError, name: str) -> NoReturn:
    raise error


_select_backend()


def asnumpy(array: Array) -> numpy.ndarray:
    """Return the array on the host, as a NumPy array of the same shape and dtype. A NumPy array is not copied."""
    return array.get() if hasattr(array, "get") else numpy.asarray(array)
