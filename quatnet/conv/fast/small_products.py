"""Matrix products in blocks that OpenBLAS computes without copies of the matrices.

OpenBLAS copies both matrices of a product to a layout for its inner loops. On CPUs with AVX-512, it does not copy them
if the product has at most 10⁶ multiplications. Matrices with few columns are then multiplied up to 1.7 times as fast
(docs/decisions/0030).
"""

import numpy as np

from ...backend import Array

MAX_MULTIPLICATIONS = 10**6  # of a product without copies
MIN_LENGTH = 64  # minimum length of the longest possible piece (measured)


def blocked_matmul(a: Array, b: Array, out: Array) -> Array:
    """Write the product of `a` (..., rows, inner) and `b` (..., inner, columns) to `out`, and return `out`.

    The rows or the columns, whichever are more, are split so that no piece has more than `MAX_MULTIPLICATIONS`, unless
    even pieces of length `MIN_LENGTH` would have more. The pieces depend only on the shapes. The rounding differs from
    that of np.matmul.
    """
    (rows, inner), columns = a.shape[-2:], b.shape[-1]
    length = max(rows, columns)
    limit = MAX_MULTIPLICATIONS // max(1, inner * min(rows, columns))
    if not MIN_LENGTH <= limit < length:
        return np.matmul(a, b, out=out)
    size = -(-length // -(-length // limit))
    if rows >= columns:
        _multiply_pieces(a, b, out, size)
    else:
        _multiply_pieces(b.swapaxes(-1, -2), a.swapaxes(-1, -2), out.swapaxes(-1, -2), size)
    return out


def _multiply_pieces(a: Array, b: Array, out: Array, size: int) -> None:
    """Write the product of `a` (..., rows, inner) and `b` (..., inner, columns) to `out`, `size` rows at a time."""
    end = a.shape[-2] // size * size
    # a reshape that splits one axis returns a view
    split_a, split_out = (each[..., :end, :].reshape(*each.shape[:-2], -1, size, each.shape[-1]) for each in (a, out))
    np.matmul(split_a, b[..., None, :, :], out=split_out)
    if end < a.shape[-2]:
        np.matmul(a[..., end:, :], b, out=out[..., end:, :])
