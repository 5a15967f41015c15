"""Matrix products on a GPU for which CuPy would copy an operand."""

from math import prod

import numpy as np

from ...backend import Array, on_gpu, xp

BLOCKS, TILE, MIN_ROWS = 1024, 64, 512  # thread blocks that occupy a GPU, rows and columns of their results


def transposed_product(a: Array, b: Array) -> Array:
    """Return aᵀ b for each pair of matrices in `a` (..., rows, m) and `b` (..., rows, n): (..., m, n).

    matmul of CuPy would copy the transposed matrices, so this function calls cuBLAS. cuBLAS stores matrices by columns,
    and therefore computes bᵀ a from the memory of `a` and `b` without a transposition of the result.
    """
    if not on_gpu():
        return a.swapaxes(-1, -2) @ b
    a, b = xp.ascontiguousarray(a), xp.ascontiguousarray(b)
    (*stack, rows, m), n = a.shape, b.shape[-1]
    parts = _parts(rows, prod(stack) * -(-m // TILE) * -(-n // TILE))
    if parts > 1:  # cuBLAS uses few multiprocessors for a small result with a long sum
        a, b = (array.reshape(*stack, parts, rows // parts, -1) for array in (a, b))
        return transposed_product(a, b).sum(axis=-3)
    result, one, zero = xp.empty((*stack, m, n), dtype=a.dtype), np.ones(1, a.dtype), np.zeros(1, a.dtype)
    cublas = xp.cuda.cublas
    product = {"f": cublas.sgemmStridedBatched, "d": cublas.dgemmStridedBatched}[a.dtype.char]
    product(
        xp.cuda.get_cublas_handle(), cublas.CUBLAS_OP_N, cublas.CUBLAS_OP_T, n, m, rows, one.ctypes.data,
        b.data.ptr, n, rows * n, a.data.ptr, m, rows * m, zero.ctypes.data, result.data.ptr, n, m * n,
        prod(stack),
    )  # fmt: skip
    return result


def _parts(rows: int, blocks: int) -> int:
    """Return the number of equal parts of a sum over `rows`, such that there are about `BLOCKS` thread blocks."""
    wanted = min(BLOCKS // max(1, blocks), rows // MIN_ROWS)
    return next((parts for parts in range(wanted, 1, -1) if rows % parts == 0), 1)
