"""Real 4x4 matrices of left and right multiplication by a quaternion, and their adjoints."""

from functools import cache

import numpy as np

from ..backend import Array, asnumpy, xp
from ..errors import ShapeError
from .chunks import checked
from .product import conjugate, hamilton_product


def _multiplication_table() -> np.ndarray:
    """Return T[a, b, c], component c of the product of the units a and b: one ±1 in each T[a, b]."""
    units = xp.eye(4)
    return asnumpy(hamilton_product(units[:, None], units[None, :]))


_Entries = tuple[np.ndarray, np.ndarray]  # for each entry [out, in]: index of the component, sign


@cache
def _left() -> _Entries:
    table = _multiplication_table()
    return np.abs(table).argmax(axis=0).T, table.sum(axis=0).T


@cache
def _right() -> _Entries:
    table = _multiplication_table()
    return np.abs(table).argmax(axis=1).T, table.sum(axis=1).T


def left_matrix(p: Array, *, axis: int = -1) -> Array:
    """Return the real 4x4 matrix L(p) with L(p) q = p ⊗ q.

    The 16 entries are the 4 components of p with signs. A quaternion layer therefore has a quarter of the weights of
    a real layer of the same width.

    Parameters
    ----------
    p : array, length 4 along `axis`

    Returns
    -------
    array with `axis` replaced by two axes (4 out, 4 in): shape (..., 4) becomes (..., 4, 4)
    """
    return _fill_matrix(p, axis, _left())


def right_matrix(q: Array, *, axis: int = -1) -> Array:
    """Return the real 4x4 matrix R(q) with R(q) p = p ⊗ q, in the layout of `left_matrix`."""
    return _fill_matrix(q, axis, _right())


def _fill_matrix(q: Array, axis: int, entries: _Entries) -> Array:
    """Stack the 16 signed components. They are indexed one by one: a GPU would have to copy an index array."""
    q = checked(q, axis)
    position = axis % q.ndim
    signed, before = {1: q, -1: -q}, (slice(None),) * position
    components = [signed[int(sign)][*before, int(c)] for c, sign in zip(*map(np.ravel, entries), strict=True)]
    return xp.stack(components, axis=position).reshape(*q.shape[:position], 4, 4, *q.shape[position + 1 :])


def left_matrix_adjoint(grad: Array, *, axis: int = -2) -> Array:
    """Return the quaternion p with <p, q> = <L(q), grad> for every q: the gradient of `left_matrix`.

    `axis` and the axis after it hold the matrices (4 out, 4 in). Column b of L(q) is q ⊗ e_b. The adjoint of
    q -> q ⊗ e_b is multiplication by the conjugate of e_b, so p = Σ_b grad[:, b] ⊗ e_b*.
    """
    columns, units = _columns(grad, axis)
    p = hamilton_product(columns, conjugate(units)).sum(axis=-2)
    return xp.moveaxis(p, -1, axis % columns.ndim)


def right_matrix_adjoint(grad: Array, *, axis: int = -2) -> Array:
    """Return the quaternion q with <q, p> = <R(p), grad> for every p: the gradient of `right_matrix`.

    The layout is that of `left_matrix_adjoint`. Column b of R(p) is e_b ⊗ p, so q = Σ_b e_b* ⊗ grad[:, b].
    """
    columns, units = _columns(grad, axis)
    q = hamilton_product(conjugate(units), columns).sum(axis=-2)
    return xp.moveaxis(q, -1, axis % columns.ndim)


def _columns(grad: Array, axis: int) -> tuple[Array, Array]:
    """Return the columns of 4x4 matrices as quaternions (..., 4 in, 4 out), and the four units as (4, 4)."""
    grad = xp.asarray(grad)
    position = axis % grad.ndim if grad.ndim else 0
    if not -grad.ndim <= axis < grad.ndim or grad.shape[position : position + 2] != (4, 4):
        raise ShapeError(f"expected 4x4 matrices from axis {axis} on, got shape {grad.shape}; pass axis=...")
    return xp.moveaxis(grad, (position, position + 1), (-1, -2)), xp.eye(4, dtype=grad.dtype)
