"""Load a `.cu` file and launch its kernels. CuPy compiles a kernel at its first use, once for each dtype and device."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array, xp
from ..errors import ShapeError

HERE = Path(__file__).parent
C_TYPES = {"float32": "float", "float64": "double"}
THREADS = 256  # per block
MAX_INT = 2**31 - 1  # of a C int, and of blocks of a grid along x
MAX_GRID_Y = 65535  # blocks of a grid along y
Size = tuple[int, ...]


def supports(*arrays: Array) -> bool:
    """Return whether the kernels support these arrays: CuPy arrays of one dtype, float32 or float64."""
    dtypes = {str(array.dtype) for array in arrays}
    return not isinstance(arrays[0], np.ndarray) and len(dtypes) == 1 and dtypes <= C_TYPES.keys()


def source(file: str, dtype: str, formulas: str = "") -> str:
    """Return the complete source of `file`.cu for a dtype: the type T, the index functions, and generated formulas."""
    texts = [f"typedef {C_TYPES[dtype]} T;\n", (HERE / "indexing.cuh").read_text(), formulas]
    return "".join(texts) + (HERE / f"{file}.cu").read_text()


@cache
def function(file: str, name: str, dtype: str, formulas: str = "") -> Callable[[Size, Size, Sequence[Any]], None]:
    """Return the kernel `name` of `file`.cu; CuPy compiles it at the first call on a device."""
    return xp.RawModule(code=source(file, dtype, formulas)).get_function(name)


def launch(kernel: tuple[str, ...], size: tuple[Size, Size], *values: Any) -> None:
    """Launch the kernel (file, name) or (file, name, formulas) with the arguments `values`.

    The first argument is an array and determines the dtype. `size` is the grid and the block. A Python int is passed
    as a C `long long`, a float as a `double`, and the result of `ints` as `int`; arrays are made contiguous.
    """
    file, name, *formulas = kernel
    arguments = tuple(xp.ascontiguousarray(v) if hasattr(v, "strides") and v.ndim else v for v in values)
    function(file, name, str(values[0].dtype), *formulas)(*size, arguments)


def ints(*numbers: int) -> tuple[np.int32, ...]:
    """Return the numbers as C ints. Raises ShapeError where a number is too large."""
    if max(numbers) > MAX_INT:
        raise ShapeError(f"expected sizes up to {MAX_INT}, got {max(numbers)}; make the batch smaller")
    return tuple(np.int32(number) for number in numbers)


def grid_1d(count: int) -> tuple[Size, Size]:
    """Return grid and block with one thread for each of `count` elements. Raises ShapeError for too many elements."""
    ints(-(-count // THREADS))
    return (max(1, -(-count // THREADS)),), (THREADS,)


def grid_2d(rows: int, width: int) -> tuple[Size, Size]:
    """Return grid and block for `rows` rows of `width` elements: x along a row, y along the rows.

    A thread computes several rows where the grid has fewer rows than the array. Raises ShapeError for sizes that do
    not fit a C int.
    """
    ints(rows, width)
    block_x = min(THREADS, max(32, -(-width // 32) * 32))
    block_y = THREADS // block_x
    return (max(1, -(-width // block_x)), min(MAX_GRID_Y, max(1, -(-rows // block_y)))), (block_x, block_y)
