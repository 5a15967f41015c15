"""The module `cupy.cuda` of the mock, with one synchronous device."""

from types import SimpleNamespace


class CUDARuntimeError(RuntimeError):
    """An error of the CUDA runtime, which CuPy raises if there is no driver."""


class Device:
    """The CPU as a CUDA device."""

    id, compute_capability = 0, "00"

    def __init__(self, number: int = 0) -> None:
        if number != 0:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def synchronize(self) -> None:
        """Do nothing, since all operations are synchronous."""


def get_cublas_handle() -> int:
    return 0


def _set_math_mode(handle: int, mode: int) -> None:
    cublas.math_mode = mode  # NumPy multiplies in full precision in every mode


cublas = SimpleNamespace(math_mode=0, setMathMode=_set_math_mode)
PROPERTIES = {"name": b"a mock on the CPU", "major": 0, "minor": 0, "totalGlobalMem": 0}
runtime = SimpleNamespace(
    getDeviceCount=lambda: 1,
    getDeviceProperties=lambda number: PROPERTIES,
    runtimeGetVersion=lambda: 0,
    driverGetVersion=lambda: 0,
    CUDARuntimeError=CUDARuntimeError,
)


def is_available() -> bool:
    return True


def get_current_stream() -> Device:
    return Device()
