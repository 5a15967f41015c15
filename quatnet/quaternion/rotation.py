"""Rotations of space as quaternions: q turns the vector v into q v q⁻¹, and so does -q.

A turn by the angle θ about the unit vector u is q = cos θ/2 + u sin θ/2. Every function takes q of any length
but 0 and means q / |q|; 0 is no rotation and gives nan. The dtype stays, and a ShapeError is raised unless
`axis` has length 4 (3 for vectors).
"""

import numpy as np

from ..backend import Array, xp
from ..errors import ShapeError
from .arithmetic import normalize
from .chunks import apply_chunked, checked, checked_vectors
from .norms import polar, scaled, unit
from .product import conjugate
from .real_matrices import left_matrix, right_matrix
from .trigonometry import cos_sin


def rotate(q: Array, v: Array, *, axis: int = -1) -> Array:
    """Return the vectors q v q⁻¹, length 3 along `axis` as v; all other axes broadcast.

    A v that is not finite gives nan. A right-handed turn, seen with the other arrow pointing at you.

    >>> rotate([0.5, 0.5, 0.5, 0.5], [1.0, 0, 0])  # a third of a turn about (1, 1, 1) takes x to y
    array([0., 1., 0.])
    """
    return apply_chunked(_rotate, checked(q, axis), checked_vectors(v, axis), axis=axis)


def _rotate(q: Array, v: Array) -> Array:
    """With q = r + u of length 1, q v q⁻¹ = v + r w + u × w where w = 2 u × v: half as many multiplications.

    Source: O. Rodrigues, 1840, for the formula. That it is q v q⁻¹ is tested.
    """
    q = unit(q)
    v = v if xp.isfinite(v).all() else xp.where(xp.isfinite(v), v, np.nan)
    w = 2 * _cross(q[1:], v)
    return v + q[0] * w + _cross(q[1:], w)


def _cross(u: Array, v: Array) -> Array:
    """The vector product, which is the imaginary part of u ⊗ v: each component from the next two in turn."""
    product = xp.empty(xp.broadcast(u, v).shape, xp.result_type(u, v))
    for c, (a, b) in enumerate(((1, 2), (2, 0), (0, 1))):
        xp.multiply(u[a], v[b], out=product[c, ...])
        product[c] -= u[b] * v[a]
    return product


def from_axis_angle(direction: Array, angle_rad: Array, *, axis: int = -1) -> Array:
    """Return q = cos θ/2 + u sin θ/2 for u = `direction` of any length but 0 (nan), and θ = `angle_rad`.

    `direction` has length 3 along `axis`; `angle_rad` broadcasts against it without `axis`, in its dtype.
    """

    def formula(direction: Array, angle: Array) -> tuple[Array, ...]:
        length, u = polar(direction)
        half = angle.astype(u.dtype) / 2
        cosine, sine = cos_sin(xp.where(xp.isinf(half) | (length == 0), np.nan, half))
        return cosine, *(u * sine)

    return apply_chunked(formula, checked_vectors(direction, axis), numbers=(xp.asarray(angle_rad),), axis=axis)


def to_axis_angle(q: Array, *, axis: int = -1) -> tuple[Array, Array]:
    """Return u (length 3 along `axis`, |u| = 1) and θ in [0, π] (without `axis`); u = (1, 0, 0) where θ = 0.

    θ = 2 atan2(|v|, |r|), which keeps all digits near 0 and near π, where acos does not.
    """

    def formula(q: Array) -> tuple[Array, ...]:
        q, _, total = scaled(q)
        length, u = polar(q[1:])
        u = xp.where(q[0] < 0, -u, u)
        x = xp.where(length == 0, 1, u[0])
        lost = total == 0
        angle = 2 * xp.arctan2(length, xp.abs(q[0]))
        return tuple(xp.where(lost, np.nan, row) for row in (x, u[1], u[2], angle))

    rows = xp.moveaxis(apply_chunked(formula, checked(q, axis), axis=axis), axis, 0)
    return xp.moveaxis(rows[:3], 0, axis), rows[3, ...]


def to_matrix(q: Array, *, axis: int = -1) -> Array:
    """Return the 3x3 matrix M with M v = q v q⁻¹: `axis` is replaced by the two axes (3 out, 3 in).

    v -> q v q* is first R(q*) and then L(q); the row and the column of the real part are those of 1.
    """
    q = normalize(xp.moveaxis(checked(q, axis), axis, -1))
    matrix = (left_matrix(q) @ right_matrix(conjugate(q)))[..., 1:, 1:]
    position = axis % q.ndim
    return xp.moveaxis(matrix, (-2, -1), (position, position + 1))


def from_matrix(matrix: Array, *, axis: int = -2) -> Array:
    """Return q with r ≥ 0 for 3x3 rotation matrices (unchecked) on `axis` and the axis after it; nan for nan.

    The 16 matrices L(e_a) R(e_b)* of the units are orthogonal to each other and 1 ⊕ M = Σ q_a q_b L(e_a)
    R(e_b)*, so q_a q_b = <L(e_a) R(e_b)*, 1 ⊕ M> / 4. The column with the largest diagonal loses nothing to
    cancelation.

    Source: S. W. Shepperd, 1978, for the choice of the column.
    """
    matrix = _matrices_last(matrix, axis)
    units = xp.eye(4, dtype=matrix.dtype)
    basis = left_matrix(units)[:, None] @ right_matrix(conjugate(units))
    table = (basis[..., 1:, 1:] * matrix[..., None, None, :, :]).sum(axis=(-2, -1)) + basis[..., 0, 0]
    largest = xp.diagonal(table, axis1=-2, axis2=-1).argmax(axis=-1)
    q = normalize(xp.take_along_axis(table, largest[..., None, None], axis=-1)[..., 0])
    return xp.moveaxis(xp.where(q[..., :1] < 0, -q, q), -1, axis % (q.ndim + 1))


def _matrices_last(matrix: Array, axis: int) -> Array:
    matrix = xp.asarray(matrix)
    position = axis % matrix.ndim if matrix.ndim else 0
    if not -matrix.ndim <= axis < matrix.ndim or matrix.shape[position : position + 2] != (3, 3):
        raise ShapeError(f"expected 3x3 matrices from axis {axis} on, got shape {matrix.shape}; pass axis=...")
    return xp.moveaxis(matrix, (position, position + 1), (-2, -1))
