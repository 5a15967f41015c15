"""Real 4x4 matrices of left and right multiplication by a quaternion, and their adjoints."""

from functools import cache

import numpy as np

from ..backend import Array, asnumpy, xp
from .chunks import as_matrix_array, as_quaternion_array
from .product import hamilton_product


@cache
def multiplication_table() -> np.ndarray:
    """Return the array T[a, b, c] with component c of the product of the units a and b.

    Each T[a, b] contains one entry ±1 and three entries 0.
    """
    units = xp.eye(4)
    return asnumpy(hamilton_product(units[:, None], units[None, :]))


_Entries = tuple[np.ndarray, np.ndarray]  # component index and sign of each matrix entry [out, in]


@cache
def matrix_entries(factor: int) -> _Entries:
    """Return the entries of the matrices of left multiplication (`factor` is 0) or of right multiplication (1)."""
    table = multiplication_table()
    return np.abs(table).argmax(axis=factor).T, table.sum(axis=factor).T


def left_matrix(p: Array, *, axis: int = -1) -> Array:
    """Return the real 4x4 matrix L(p) of left multiplication, L(p) q = p ⊗ q.

    The 16 entries are the 4 components of p with signs. A quaternion layer therefore has a quarter of the weights of
    a real layer with the same number of channels.

    Parameters
    ----------
    p : array, length 4 along `axis`

    Returns
    -------
    array with `axis` replaced by two axes, output and input component: (..., 4) -> (..., 4, 4)
    """
    return _fill_matrix(p, axis, matrix_entries(0))


def right_matrix(q: Array, *, axis: int = -1) -> Array:
    """Return the real 4x4 matrix R(q) of right multiplication, R(q) p = p ⊗ q, in the layout of `left_matrix`."""
    return _fill_matrix(q, axis, matrix_entries(1))


def _fill_matrix(q: Array, axis: int, entries: _Entries) -> Array:
    """Return the 4x4 matrices with the given `entries`: 16 components of q with signs.

    Each component is selected with an integer, because an index array would be copied from the host to the GPU.
    """
    q = as_quaternion_array(q, axis)
    position = axis % q.ndim
    signed, before = {1: q, -1: -q}, (slice(None),) * position
    components = [signed[int(sign)][*before, int(c)] for c, sign in zip(*map(np.ravel, entries), strict=True)]
    return xp.stack(components, axis=position).reshape(*q.shape[:position], 4, 4, *q.shape[position + 1 :])


def left_matrix_adjoint(grad: Array, *, axis: int = -2) -> Array:
    """Return the gradient of `left_matrix`: the quaternion p with <p, q> = <L(q), grad> for every q.

    The rows and columns of the 4x4 matrices `grad` lie along `axis` and the next axis.
    """
    return _sum_entries(grad, axis, matrix_entries(0))


def right_matrix_adjoint(grad: Array, *, axis: int = -2) -> Array:
    """Return the gradient of `right_matrix`: the quaternion q with <q, p> = <R(p), grad> for every p.

    The layout is that of `left_matrix_adjoint`.
    """
    return _sum_entries(grad, axis, matrix_entries(1))


def _sum_entries(grad: Array, axis: int, entries: _Entries) -> Array:
    """Return the adjoint of `_fill_matrix`: for each component, the sum of its four entries with their signs."""
    matrix, (component, signs) = as_matrix_array(grad, axis, 4), entries
    sums = [xp.zeros(matrix.shape[:-2], dtype=matrix.dtype) for _ in range(4)]
    for row, column in np.ndindex(4, 4):
        operation = xp.add if signs[row, column] > 0 else xp.subtract
        operation(sums[component[row, column]], matrix[..., row, column], out=sums[component[row, column]])
    return xp.stack(sums, axis=axis % matrix.ndim)
