"""Matrix products in pieces that OpenBLAS computes without copies of the matrices.

OpenBLAS copies both matrices of a product to a layout for its inner loops. On CPUs with AVX-512, it does not copy them
if the product has at most 10⁶ multiplications, which is 1.2 to 1.7 times as fast for matrices with few columns
(docs/decisions/0030).
"""

import numpy as np

from ...backend import Array

MAX_MULTIPLICATIONS = 10**6  # of a product without copies
MIN_LENGTH = 64  # minimum of rows or columns of a piece (measured)


def matmul(a: Array, b: Array, out: Array) -> Array:
    """Return np.matmul(a, b, out=out) for `a` (..., M, K) and `b` (..., K, N).

    The larger of M and N is split so that no piece has more than `MAX_MULTIPLICATIONS`, unless the pieces would be
    shorter than `MIN_LENGTH`.
    """
    (rows, inner), columns = a.shape[-2:], b.shape[-1]
    length = max(rows, columns)
    limit = MAX_MULTIPLICATIONS // max(1, inner * min(rows, columns))
    if not MIN_LENGTH <= limit < length:
        return np.matmul(a, b, out=out)
    pieces = -(-length // limit)
    if rows >= columns:
        _multiply_pieces(a, b, out, pieces)
    else:
        _multiply_pieces(b.swapaxes(-1, -2), a.swapaxes(-1, -2), out.swapaxes(-1, -2), pieces)
    return out


def _multiply_pieces(a: Array, b: Array, out: Array, pieces: int) -> None:
    """Write the product of `a` (..., M, K) and `b` (..., K, N) to `out` (..., M, N), M / pieces rows at a time."""
    end = a.shape[-2] // pieces * pieces
    shape = pieces, end // pieces
    # to split an axis of a view gives a view
    split_a, split_out = (each[..., :end, :].reshape(*each.shape[:-2], *shape, each.shape[-1]) for each in (a, out))
    np.matmul(split_a, b[..., None, :, :], out=split_out)
    if end < a.shape[-2]:
        np.matmul(a[..., end:, :], b, out=out[..., end:, :])
