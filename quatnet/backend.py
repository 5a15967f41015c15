"""The array module: NumPy, or CuPy when `QUATNET_BACKEND` asks for it. The only file that imports cupy.

`QUATNET_BACKEND` is read once, at import: `numpy` (default), `cupy`, or `auto` (CuPy where a GPU works); `use` changes
it later. There is never a silent fallback: where the wish cannot be met, the first use of `xp` raises, and `check` at
once; only the import is spared, so that `python -m quatnet` can say what is wrong.
"""

import os
from functools import partial
from types import ModuleType
from typing import Any, NoReturn

import numpy

from .errors import BackendUnavailable, ConfigError, QuatnetError

Array = Any  # numpy.ndarray or cupy.ndarray
CHOICES = ("numpy", "cupy", "auto")
INSTALL = 'pip install "quatnet-numpy[cuda12]", or [cuda13] for a driver of CUDA 13'
REMEDIES = {  # status of CUDA: what to do
    35: "install a newer NVIDIA driver; `nvidia-smi` shows the one that is there, if any",
    100: "see whether `nvidia-smi` shows one, and CUDA_VISIBLE_DEVICES, which is {visible}",
    209: "this CuPy has no code for this GPU; an old one needs [cuda12], the newest may need [cuda13]",
    999: "restart the NVIDIA driver, or the machine",
}
TWICE = 'extern "C" __global__ void twice(const float* x, float* y) { y[threadIdx.x] = 2 * x[threadIdx.x]; }'


def gpu_unavailable_reason() -> str | None:
    """None if CuPy and a GPU work here, else one line: what is missing, and what to do.

    The start-up test allocates, compiles and multiplies, so that missing CUDA libraries show now and
    not in the first epoch.
    """
    try:
        import cupy
    except ModuleNotFoundError as error:
        return f"CuPy is not installed ({_line(error)}): {INSTALL}"
    except Exception as error:  # a broken build, or two of them
        return f"CuPy cannot be imported ({_line(error)}): uninstall it, then {INSTALL}"
    devices = 0
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
        right = devices and _computes(cupy)
    except Exception as error:  # no driver, no device, or a CUDA library that is missing
        return f"no GPU works for CuPy {cupy.__version__} ({_line(error)}): {_remedy(error, devices)}"
    if not devices:
        return f"CuPy {cupy.__version__} finds no GPU: {_visible(REMEDIES[100])}"
    return None if right else "the GPU computed a wrong result in the start-up test: update the NVIDIA driver"


def _computes(cupy: Any) -> bool:
    """Whether a kernel of ours (NVRTC), a product (cuBLAS) and expressions (CuPy's own kernels) give what they must."""
    ones = cupy.ones((2, 2), cupy.float32)
    twos = cupy.empty((2, 2), cupy.float32)
    cupy.RawModule(code=TWICE).get_function("twice")((1,), (4,), (ones, twos))
    return float((twos @ ones + 1).sum()) == 20.0


def _remedy(error: Exception, devices: int) -> str:
    status = getattr(error, "status", None)  # of a CUDARuntimeError; a library that is missing has none
    if isinstance(error, MemoryError):
        return "free memory on the GPU; `nvidia-smi` shows who holds it"
    if status is None:
        return f"a CUDA library seems to be missing: {INSTALL}, brings them"
    return _visible(REMEDIES.get(status, f"CUDA status {status} on the first of {devices} GPUs; see `nvidia-smi`"))


def _visible(remedy: str) -> str:
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    return remedy.format(visible="not set" if devices is None else repr(devices))


def _line(error: BaseException) -> str:
    """The error in one line; where CuPy wraps it into a page of advice, the one inside."""
    inner = error.__cause__ or error
    return f"{type(inner).__name__}: {(str(inner).strip().splitlines() or [''])[0]}"


def load(name: str) -> ModuleType:
    """Return the array module called `name`: `numpy`, `cupy` or `auto`.

    Raises
    ------
    ConfigError
        `name` is none of the three.
    BackendUnavailable
        `cupy` was asked for and `gpu_unavailable_reason` gives a reason.
    """
    if name not in CHOICES:
        raise ConfigError(f"QUATNET_BACKEND={name!r}: expected one of {', '.join(CHOICES)}")
    reason = None if name == "numpy" else gpu_unavailable_reason()
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


def check() -> None:
    """Raise at once what the first use of `xp` would: ConfigError or BackendUnavailable where there is none."""
    on_gpu()


def requested_backend() -> str:
    """Return the name that `QUATNET_BACKEND` has, `numpy` where it is not set."""
    return os.environ.get("QUATNET_BACKEND", "numpy").strip().lower()


def _start() -> None:
    """Take what the environment asks for; where that fails, every name of `xp` raises the reason."""
    try:
        use(requested_backend())
    except QuatnetError as error:
        vars(xp).clear()
        vars(xp)["__getattr__"] = partial(_raise, error)


def _raise(error: QuatnetError, name: str) -> NoReturn:
    raise error


_start()


def asnumpy(array: Array) -> numpy.ndarray:
    """Copy to the host: a NumPy array of the same shape and dtype (no copy if it is one already)."""
    return array.get() if hasattr(array, "get") else numpy.asarray(array)
