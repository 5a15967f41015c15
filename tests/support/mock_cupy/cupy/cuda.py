"""The module `cupy.cuda` of the mock, with synchronous devices.

The environment variable `MOCK_DEVICES` is the number of devices, by default 1. NCCL is available for several devices.
"""

import os
import time
from functools import partial
from types import SimpleNamespace

import numpy as np

from .traffic import log

DEVICES = int(os.environ.get("MOCK_DEVICES", "1"))
nccl = SimpleNamespace(available=DEVICES > 1)
alloc_pinned_memory = bytearray


class CUDARuntimeError(RuntimeError):
    """An error of the CUDA runtime, which CuPy raises if there is no driver."""


class Device:
    """The CPU as a CUDA device."""

    compute_capability, current = "00", 0

    def __init__(self, number: int | None = None) -> None:
        self.id = number = Device.current if number is None else number
        if not 0 <= number < DEVICES:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def use(self) -> None:
        Device.current = self.id

    @property
    def pci_bus_id(self) -> str:
        return f"0000:{self.id:02}:00.0"

    def synchronize(self) -> None:
        """Do nothing, since all operations are synchronous."""


class Event:
    """A point in time. All operations of the mock are synchronous."""

    def record(self) -> None:
        self.seconds = time.perf_counter()

    def synchronize(self) -> None:
        """Do nothing, since all operations are synchronous."""


def get_elapsed_time(start: Event, end: Event) -> float:
    """Return the time between two events in milliseconds."""
    return 1e3 * (end.seconds - start.seconds)


math_modes: dict[int, int] = {}  # device -> math mode, since each device has a handle


def get_cublas_handle() -> int:
    return 0


def _set_math_mode(handle: int, mode: int) -> None:
    math_modes[Device.current] = mode  # NumPy multiplies in full precision in every mode


def _batched_product(
    dtype, handle, trans_a, trans_b, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, count
):  # fmt: skip
    """Compute c = op(a) op(b) for matrices that are stored by columns, as cuBLAS. alpha is 1 and beta is 0."""
    log("operations", "gemmStridedBatched")

    def matrices(pointer: int, rows: int, columns: int, ld: int, stride: int) -> np.ndarray:
        size = stride * (count - 1) + ld * columns
        memory = np.ctypeslib.as_array((np.ctypeslib.as_ctypes_type(dtype) * size).from_address(pointer))
        strides = (stride * memory.itemsize, memory.itemsize, ld * memory.itemsize)
        return np.lib.stride_tricks.as_strided(memory, (count, rows, columns), strides)

    left = matrices(a, *((k, m) if trans_a else (m, k)), lda, stride_a)
    right = matrices(b, *((n, k) if trans_b else (k, n)), ldb, stride_b)
    left, right = left.swapaxes(1, 2) if trans_a else left, right.swapaxes(1, 2) if trans_b else right
    matrices(c, m, n, ldc, stride_c)[...] = left @ right


cublas = SimpleNamespace(
    CUBLAS_OP_N=0,
    CUBLAS_OP_T=1,
    setMathMode=_set_math_mode,
    getMathMode=lambda handle: math_modes.get(Device.current, 0),
    sgemmStridedBatched=partial(_batched_product, np.float32),
    dgemmStridedBatched=partial(_batched_product, np.float64),
)
PROPERTIES = {"name": b"a mock on the CPU", "major": 0, "minor": 0, "totalGlobalMem": 0}
runtime = SimpleNamespace(
    getDeviceCount=lambda: DEVICES,
    getDeviceProperties=lambda number: PROPERTIES,
    runtimeGetVersion=lambda: 0,
    driverGetVersion=lambda: 0,
    CUDARuntimeError=CUDARuntimeError,
)


def is_available() -> bool:
    return True


def get_current_stream() -> Device:
    return Device()
