"""Array backend: NumPy or CuPy. No other module imports cupy.

The environment variable `QUATNET_BACKEND` is read once, at import. The possible values are `numpy` (default), `cupy`,
and `auto`, which is CuPy if a GPU works and NumPy otherwise. `set_backend` changes the backend later.

If `QUATNET_BACKEND` is `cupy` and CuPy is not available, there is no fallback to NumPy. The import of quatnet succeeds,
so that `python -m quatnet` can report the reason. The first access to an attribute of `xp` raises an error.
`check_backend` raises this error directly.

`QUATNET_TF32=1` allows matrix products on a GPU to round the factors to TF32, with 10 bits after the leading one.
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
CUBLAS_MATH_MODES = {False: 0, True: 3}  # CUBLAS_DEFAULT_MATH, CUBLAS_TF32_TENSOR_OP_MATH
CUDA_ERROR_HINTS = {  # CUDA status: instruction for the user
    35: "install a newer NVIDIA driver; `nvidia-smi` shows the installed version",
    100: "check that `nvidia-smi` lists a GPU, and check CUDA_VISIBLE_DEVICES, which is {visible}",
    209: "this CuPy does not support this GPU; old GPUs need [cuda12], the newest GPUs may need [cuda13]",
    999: "restart the NVIDIA driver or the machine",
}
TEST_KERNEL = 'extern "C" __global__ void twice(const float* x, float* y) { y[threadIdx.x] = 2 * x[threadIdx.x]; }'


def gpu_unavailable_reason() -> str | None:
    """Return None if CuPy and a GPU work on this machine, else one line with the reason and an instruction.

    A start-up test allocates memory, compiles a CUDA kernel and multiplies matrices. The test detects missing CUDA
    libraries before training starts.
    """
    try:
        import cupy
    except ModuleNotFoundError as error:
        return f"CuPy is not installed ({_first_line(error)}): {INSTALL_HINT}"
    except Exception as error:  # the installation is damaged, or two CuPy packages are installed
        return f"CuPy cannot be imported ({_first_line(error)}): uninstall it, then {INSTALL_HINT}"
    devices = 0
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
        correct = devices and _passes_test(cupy)
    except Exception as error:  # the driver, the device or a CUDA library is missing
        return f"no GPU works for CuPy {cupy.__version__} ({_first_line(error)}): {_hint(error, devices)}"
    if not devices:
        return f"CuPy {cupy.__version__} finds no GPU: {_cuda_hint(100, devices)}"
    return None if correct else "the GPU computed a wrong result in the start-up test: update the NVIDIA driver"


def _passes_test(cupy: Any) -> bool:
    """Return whether the results of a CUDA kernel (NVRTC), cuBLAS and the kernels of CuPy are correct."""
    ones = cupy.ones((2, 2), cupy.float32)
    twos = cupy.empty((2, 2), cupy.float32)
    cupy.RawModule(code=TEST_KERNEL).get_function("twice")((1,), (4,), (ones, twos))
    return float((twos @ ones + 1).sum()) == 20.0


def _hint(error: Exception, devices: int) -> str:
    status = getattr(error, "status", None)  # CUDARuntimeError has a status, an error for a missing library has none
    if isinstance(error, MemoryError):
        return "free memory on the GPU; `nvidia-smi` lists the processes that use it"
    if status is None:
        return f"a CUDA library seems to be missing; install CuPy with its libraries: {INSTALL_HINT}"
    return _cuda_hint(status, devices)


def _cuda_hint(status: int, devices: int) -> str:
    hint = CUDA_ERROR_HINTS.get(status, f"CUDA status {status} on the first of {devices} GPUs; see `nvidia-smi`")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return hint.format(visible="not set" if visible is None else repr(visible))


def _first_line(error: BaseException) -> str:
    """Return the type and first line of the cause of `error`, or of `error` itself if there is no cause.

    CuPy wraps errors into long messages. The message of the cause is short.
    """
    inner = error.__cause__ or error
    return f"{type(inner).__name__}: {(str(inner).strip().splitlines() or [''])[0]}"


def load_backend(name: str) -> ModuleType:
    """Return the module `numpy` or `cupy` for the backend `name`: `numpy`, `cupy` or `auto`.

    Raises
    ------
    ConfigError
        `name` is not `numpy`, `cupy` or `auto`.
    BackendUnavailable
        `name` is `cupy`, and CuPy or a GPU is not available.
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


xp: Any = ModuleType("xp")  # a module with the attributes of numpy or cupy


def set_backend(name: str) -> None:
    """Select the backend `name`. Existing arrays are not moved to the new backend.

    Raises ConfigError or BackendUnavailable like `load_backend`. In this case the backend does not change.
    """
    tf32 = os.environ.get("QUATNET_TF32", "0").strip() or "0"
    if tf32 not in ("0", "1"):
        raise ConfigError(f"QUATNET_TF32={tf32!r}: expected 0 or 1")
    module = load_backend(name)
    vars(xp).clear()
    vars(xp).update(vars(module))
    if on_gpu():
        use_tf32(tf32 == "1")


def use_tf32(enabled: bool) -> None:
    """Select whether matrix products of float32 arrays on the GPU use TF32 tensor cores, in the calling thread."""
    xp.cuda.cublas.setMathMode(xp.cuda.get_cublas_handle(), CUBLAS_MATH_MODES[enabled])


def uses_tf32() -> bool:
    """Return whether the backend is a GPU and `use_tf32` has selected TF32."""
    return on_gpu() and xp.cuda.cublas.getMathMode(xp.cuda.get_cublas_handle()) == CUBLAS_MATH_MODES[True]


def on_gpu() -> bool:
    """Return whether the backend is CuPy."""
    return xp.__name__ != "numpy"


def check_backend() -> None:
    """Raise ConfigError or BackendUnavailable if the backend selected by `QUATNET_BACKEND` is not available."""
    on_gpu()


def requested_backend() -> str:
    """Return the value of `QUATNET_BACKEND` in lower case, by default `numpy`."""
    return os.environ.get("QUATNET_BACKEND", "numpy").strip().lower()


def _select_backend() -> None:
    """Select the backend given by `QUATNET_BACKEND`. On failure, every attribute of `xp` raises the error."""
    try:
        set_backend(requested_backend())
    except QuatnetError as error:
        vars(xp).clear()
        vars(xp)["__getattr__"] = partial(_raise, error)


def _raise(error: QuatnetError, name: str) -> NoReturn:
    raise error


_select_backend()


def asnumpy(array: Array) -> numpy.ndarray:
    """Return `array` as a NumPy array of the same shape and dtype. A NumPy array is not copied."""
    return array.get() if hasattr(array, "get") else numpy.asarray(array)
