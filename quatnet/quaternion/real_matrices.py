"""The product as a real 4x4 matrix, from the left and from the right, and the way back: the adjoints."""

from functools import cache

import numpy as np

from ..backend import Array, asnumpy, xp
from ..errors import ShapeError
from .chunks import checked
from .product import conjugate, hamilton_product


def _basis_table() -> np.ndarray:
    """T[a, b, c]: component c of the product of the basis units a and b; one ±1 in each T[a, b]."""
    units = xp.eye(4)
    return asnumpy(hamilton_product(units[:, None], units[None, :]))


_Entries = tuple[np.ndarray, np.ndarray]  # [out, in] -> component, sign


@cache
def _left() -> _Entries:
    table = _basis_table()
    return np.abs(table).argmax(axis=0).T, table.sum(axis=0).T


@cache
def _right() -> _Entries:
    table = _basis_table()
    return np.abs(table).argmax(axis=1).T, table.sum(axis=1).T


def left_matrix(p: Array, *, axis: int = -1) -> Array:
    """Return the real 4x4 matrix L(p) with L(p) q = p ⊗ q: row = component out, column = component in.

    `axis` (length 4) is replaced by the two axes (4 out, 4 in), so shape (..., 4) becomes (..., 4, 4).
    Sixteen entries, four numbers: that is why a quaternion layer has a quarter of the weights.
    """
    return _spread(p, axis, _left())


def right_matrix(q: Array, *, axis: int = -1) -> Array:
    """Return the real 4x4 matrix R(q) with R(q) p = p ⊗ q, in the layout of `left_matrix`."""
    return _spread(q, axis, _right())


def _spread(q: Array, axis: int, entries: _Entries) -> Array:
    """Sixteen components of q or -q, each by its number: an array of numbers would be copied to a GPU each time."""
    q = checked(q, axis)
    position = axis % q.ndim
    signed, before = {1: q, -1: -q}, (slice(None),) * position
    parts = [signed[int(sign)][*before, int(part)] for part, sign in zip(*map(np.ravel, entries), strict=True)]
    return xp.stack(parts, axis=position).reshape(*q.shape[:position], 4, 4, *q.shape[position + 1 :])


def left_matrix_adjoint(g: Array, *, axis: int = -2) -> Array:
    """Return the quaternion p with <p, q> = <L(q), g> for every q: the gradient of `left_matrix`.

    `axis` and the axis after it hold the matrices (4 out, 4 in). Column b of L(q) is q ⊗ e_b, and the
    adjoint of q -> q ⊗ e_b multiplies by the conjugate of e_b, so p = Σ_b g[:, b] ⊗ e_b*.
    """
    columns, units = _columns(g, axis)
    p = hamilton_product(columns, conjugate(units)).sum(axis=-2)
    return xp.moveaxis(p, -1, axis % columns.ndim)


def right_matrix_adjoint(g: Array, *, axis: int = -2) -> Array:
    """Return the quaternion q with <q, p> = <R(p), g> for every p: the gradient of `right_matrix`.

    Laid out as in `left_matrix_adjoint`. Column b of R(p) is e_b ⊗ p, so q = Σ_b e_b* ⊗ g[:, b].
    """
    columns, units = _columns(g, axis)
    q = hamilton_product(conjugate(units), columns).sum(axis=-2)
    return xp.moveaxis(q, -1, axis % columns.ndim)


def _columns(g: Array, axis: int) -> tuple[Array, Array]:
    """The columns of 4x4 matrices as quaternions (..., 4 in, 4 out), and the units (4, 4) they belong to."""
    g = xp.asarray(g)
    position = axis % g.ndim if g.ndim else 0
    if not -g.ndim <= axis < g.ndim or g.shape[position : position + 2] != (4, 4):
        raise ShapeError(f"expected 4x4 matrices from axis {axis} on, got shape {g.shape}; pass axis=...")
    return xp.moveaxis(g, (position, position + 1), (-1, -2)), xp.eye(4, dtype=g.dtype)
