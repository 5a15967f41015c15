"""Source code, compilation and launch of the CUDA kernels.

CuPy compiles a CUDA kernel at the first use, once for each dtype and device.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array, xp
from ..errors import ShapeError

HERE = Path(__file__).parent
C_TYPES = {"float32": "float", "float64": "double"}
DTYPES = {np.dtype(name): name for name in C_TYPES}
TILE_BLOCKS = {"float32": 2, "float64": 1}  # blocks per multiprocessor of kernels with a tile in registers
THREADS = 256  # threads per block
ROWS_PER_THREAD, MIN_BLOCKS = 4, 2048  # a GPU with 132 multiprocessors runs up to 1056 blocks at once
MAX_INT = 2**31 - 1  # largest C int, and maximum number of blocks along x
MAX_GRID_Y = 65535  # maximum number of blocks along y
Size = tuple[int, ...]
Pair = tuple[int, int]  # (height, width)


def supports(*arrays: Array) -> bool:
    """Return whether the CUDA kernels support the arrays: CuPy arrays of the same dtype, float32 or float64."""
    if isinstance(arrays[0], np.ndarray | np.generic):
        return False
    dtypes = {array.dtype for array in arrays}
    return len(dtypes) == 1 and dtypes <= DTYPES.keys()


def source(file: str, dtype: str, formulas: str = "") -> str:
    """Return the source of `file`.cu for a dtype, with the type T, the index functions and the generated `formulas`."""
    types = f"typedef {C_TYPES[dtype]} T;\n#define TILE_BLOCKS {TILE_BLOCKS[dtype]}\n"
    return types + (HERE / "indexing.cuh").read_text() + formulas + (HERE / f"{file}.cu").read_text()


@cache
def function(file: str, name: str, dtype: str, formulas: str = "") -> Callable[[Size, Size, Sequence[Any]], None]:
    """Return the CUDA kernel `name` of `file`.cu. CuPy compiles the CUDA kernel at the first call on a device."""
    return xp.RawModule(code=source(file, dtype, formulas)).get_function(name)


def launch(kernel: tuple[str, ...], size: tuple[Size, Size], *values: Any) -> None:
    """Launch the CUDA kernel (file, name) or (file, name, formulas) with the arguments `values`.

    `size` is the pair of grid size and block size. The first argument is an array that determines the dtype. Arrays are
    copied if they are not contiguous. A Python int is passed as a C `long long`, a Python float as a C `double`, and a
    result of `ints` as a C `int`.
    """
    file, name, *formulas = kernel
    arguments = tuple(xp.ascontiguousarray(v) if isinstance(v, xp.ndarray) else v for v in values)
    function(file, name, DTYPES[values[0].dtype], *formulas)(*size, arguments)


def ints(*numbers: int) -> tuple[np.int32, ...]:
    """Return the numbers as C ints. Raises ShapeError if a number is too large for a C int."""
    if max(numbers) > MAX_INT:
        raise ShapeError(f"expected sizes up to {MAX_INT}, got {max(numbers)}; make the batch smaller")
    return tuple(np.int32(number) for number in numbers)


def grid_1d(count: int) -> tuple[Size, Size]:
    """Return grid and block size for one thread per element. Raises ShapeError if there are too many elements."""
    ints(-(-count // THREADS))
    return (max(1, -(-count // THREADS)),), (THREADS,)


def grid_2d(rows: int, width: int) -> tuple[Size, Size]:
    """Return grid and block size for an array of `rows` rows with `width` elements.

    The x axis of the grid is along a row, and the y axis is along the rows. A thread processes `ROWS_PER_THREAD` rows,
    whose memory accesses overlap, unless there are too few rows to occupy the GPU. Raises ShapeError if a size is too
    large for a C int.
    """
    ints(rows, width)
    block_x = min(THREADS, max(32, -(-width // 32) * 32))
    block_y, blocks_x = THREADS // block_x, max(1, -(-width // block_x))
    blocks_y = max(1, -(-rows // block_y))
    enough = max(-(-MIN_BLOCKS // blocks_x), -(-blocks_y // ROWS_PER_THREAD))
    return (blocks_x, min(MAX_GRID_Y, blocks_y, enough)), (block_x, block_y)
