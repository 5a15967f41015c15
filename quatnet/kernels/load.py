"""From a `.cu` file to a kernel that runs: compiled by CuPy when first used, once for each dtype (and device)."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array, xp
from ..errors import ShapeError

HERE = Path(__file__).parent
C_TYPES = {"float32": "float", "float64": "double"}
THREADS = 256  # in a block
MOST = 2**31 - 1  # a C int, and the blocks of a grid along x
MOST_DOWN = 65535  # blocks of a grid along y
Size = tuple[int, ...]


def takes(*arrays: Array) -> bool:
    """Return whether kernels are there for these arrays: CuPy's, of one dtype, float32 or float64."""
    dtypes = {str(array.dtype) for array in arrays}
    return not isinstance(arrays[0], np.ndarray) and len(dtypes) == 1 and dtypes <= C_TYPES.keys()


def source(file: str, dtype: str, formulas: str = "") -> str:
    """Return the whole text of `file`.cu for a dtype: T, the places of threads, and the formulas it asks for."""
    texts = [f"typedef {C_TYPES[dtype]} T;\n", (HERE / "places.cuh").read_text(), formulas]
    return "".join(texts) + (HERE / f"{file}.cu").read_text()


@cache
def function(file: str, name: str, dtype: str, formulas: str = "") -> Callable[[Size, Size, Sequence[Any]], None]:
    """Return the kernel `name` of `file`.cu; CuPy compiles it at the first call on a device."""
    return xp.RawModule(code=source(file, dtype, formulas)).get_function(name)


def launch(kernel: tuple[str, ...], size: tuple[Size, Size], *values: Any) -> None:
    """Run the kernel (file, name) or (file, name, formulas) on `values`, the first an array that tells the dtype.

    `size` is the grid and the block. A Python int goes to a C `long long`, a float to a `double`, the numbers that
    `ints` made to an `int`; arrays are made contiguous.
    """
    file, name, *formulas = kernel
    ready = tuple(xp.ascontiguousarray(v) if hasattr(v, "strides") and v.ndim else v for v in values)
    function(file, name, str(values[0].dtype), *formulas)(*size, ready)


def ints(*numbers: int) -> tuple[np.int32, ...]:
    """Return the numbers as C ints. Raises ShapeError where one is too large."""
    if max(numbers) > MOST:
        raise ShapeError(f"expected sizes up to {MOST}, got {max(numbers)}; make the batch smaller")
    return tuple(np.int32(number) for number in numbers)


def along(count: int) -> tuple[Size, Size]:
    """Return grid and block for one thread for each of `count` elements. Raises ShapeError for too many."""
    ints(-(-count // THREADS))
    return (max(1, -(-count // THREADS)),), (THREADS,)


def over(rows: int, width: int) -> tuple[Size, Size]:
    """Return grid and block for rows of `width` elements: x along a row, y down the rows, in several steps if need be.

    Raises ShapeError for sizes that do not fit a C int.
    """
    ints(rows, width)
    across = min(THREADS, max(32, -(-width // 32) * 32))
    down = THREADS // across
    return (max(1, -(-width // across)), min(MOST_DOWN, max(1, -(-rows // down)))), (across, down)
