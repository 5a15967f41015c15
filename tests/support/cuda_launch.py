"""Launch of CUDA kernels on the CPU, with checked arguments.

A GPU does not check arguments. A float64 array for a `float*`, or a Python float for a `float`, gives wrong results on
a GPU. On the CPU, wrong arguments raise a TypeError. As in CuPy, a Python int is passed as a `long long` and a Python
float as a `double`.
"""

import ctypes
from collections.abc import Sequence

import numpy as np

ORDERS = ("forward", "reverse", "shuffled")
DTYPES = {
    "float": "f4",
    "double": "f8",
    "int": "i4",
    "long long": "i8",
    "unsigned long long": "u8",
    "unsigned char": "u1",
    "bool": "?",
}
GUARD = 4096  # number of guard bytes before and after every array in check mode


class LaunchError(RuntimeError):
    """The error for a kernel with an invalid access, or for a launch with invalid sizes."""


class Kernel:
    """A CUDA kernel of a compiled source that is called as in CuPy: kernel(grid, block, arguments)."""

    def __init__(self, library: ctypes.CDLL, name: str, parameters: list[str], check: bool) -> None:
        self.library, self.name, self.parameters, self.check = library, name, parameters, check
        self._body = ctypes.cast(getattr(library, f"body_{name}"), ctypes.c_void_p)
        library.cpu_launch.restype = ctypes.c_char_p

    def __call__(self, grid: Sequence[int], block: Sequence[int], values: Sequence, *, order: str = "forward") -> None:
        """Run all threads in the given order. Raises LaunchError or TypeError (see the module docstring)."""
        size = (*grid, 1, 1)[:3] + (*block, 1, 1)[:3]
        if min(size) < 1 or max(size[1:3]) > 65535 or size[3] * size[4] * size[5] > 1024:
            raise LaunchError(f"{self.name}: a GPU does not support the grid {size[:3]} of blocks {size[3:]}")
        if len(values) != len(self.parameters):
            raise TypeError(f"{self.name} expects {len(self.parameters)} arguments, got {len(values)}")
        checked = [self._checked(*each) for each in zip(range(len(values)), values, self.parameters, strict=True)]
        copies = self._guarded(checked) if self.check else checked
        boxes = [np.array([v.ctypes.data]) if v.ndim else v for v in copies]
        pointers = (ctypes.c_void_p * len(boxes))(*(box.ctypes.data for box in boxes))
        error = self.library.cpu_launch(self._body, pointers, (ctypes.c_uint * 6)(*size), ORDERS.index(order))
        if error:
            raise LaunchError(f"{self.name}: {error.decode()}")
        if self.check:
            self._copy_back(copies, checked)

    def _checked(self, number: int, value: object, parameter: str) -> np.ndarray:
        """Return the argument as an array. A number becomes an array without axes."""
        c_type = parameter.removeprefix("const ").removesuffix("*")
        is_array = isinstance(value, np.ndarray) and value.ndim > 0
        given = np.asarray(value)
        if is_array != parameter.endswith("*") or given.dtype != DTYPES[c_type]:
            kind = "an array" if is_array else "a number"
            raise TypeError(f"{self.name}: argument {number} is {parameter}, got {kind} of dtype {given.dtype}")
        if not given.flags.c_contiguous:
            raise TypeError(f"{self.name}: argument {number} is not contiguous: a kernel ignores strides")
        return given

    def _guarded(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """Return copies of the arrays with guard bytes before and after each array.

        Arguments that share memory also share a copy.
        """
        self.library.cpu_unwatch_all()
        copies: dict[tuple[int, int], np.ndarray] = {}
        for number, value in enumerate(values):
            key = (value.ctypes.data, value.nbytes)
            if value.ndim and key not in copies:
                padded = np.empty(value.nbytes + 2 * GUARD, np.uint8)
                copies[key] = padded[GUARD : GUARD + value.nbytes].view(value.dtype).reshape(value.shape)
                copies[key][...] = value
                self.library.cpu_watch_range(*map(ctypes.c_void_p, key_of(copies[key])), number)
        return [copies[value.ctypes.data, value.nbytes] if value.ndim else value for value in values]

    def _copy_back(self, copies: list[np.ndarray], values: list[np.ndarray]) -> None:
        for copy, value, parameter in zip(copies, values, self.parameters, strict=True):
            if value.ndim and not parameter.startswith("const "):
                value[...] = copy


def key_of(array: np.ndarray) -> tuple[int, int]:
    """Return the address and the size in bytes of an array."""
    return array.ctypes.data, array.nbytes
