"""Quaternions as rotations in three dimensions.

A quaternion q rotates a vector v to q v q⁻¹. -q represents the same rotation. The rotation by the angle θ about the
unit vector u is q = cos θ/2 + u sin θ/2. All functions normalize q first. The result for q = 0 is NaN. The dtype is
kept. All functions raise ShapeError unless `axis` has length 4 for quaternions and 3 for vectors.
"""

import numpy as np

from ..backend import Array, xp
from ..checks import as_array
from .arithmetic import normalize
from .chunks import apply_chunked, as_matrix_array, as_quaternion_array, as_vector_array
from .norms import norm_and_direction, safe_scale, unit_vector
from .product import conjugate
from .real_matrices import left_matrix, right_matrix
from .trigonometry import cos_sin, from_radians, to_radians


def rotate(q: Array, v: Array, *, axis: int = -1) -> Array:
    """Return the rotated vectors q v q⁻¹, with length 3 along `axis`. All other axes broadcast.

    The rotation is counterclockwise when its axis points toward the viewer. The result for a v that is not finite is
    NaN.

    >>> rotate([0.5, 0.5, 0.5, 0.5], [1.0, 0, 0])  # the rotation by 120° about (1, 1, 1) maps the x axis to the y axis
    array([0., 1., 0.])
    """
    return apply_chunked(_rotate, as_quaternion_array(q, axis), as_vector_array(v, axis), axis=axis)


def _rotate(q: Array, v: Array) -> Array:
    """Return q v q⁻¹, computed with half of the multiplications of two Hamilton products.

    For q of norm 1 with real part r and imaginary part u, q v q⁻¹ = v + r w + u × w with w = 2 u × v.

    Source: O. Rodrigues, 1840.
    """
    q = unit_vector(q)
    v = v if xp.isfinite(v).all() else xp.where(xp.isfinite(v), v, np.nan)
    w = 2 * _cross(q[1:], v)
    return v + q[0] * w + _cross(q[1:], w)


def _cross(u: Array, v: Array) -> Array:
    """Return the cross product u × v, with the components along axis 0."""
    product = xp.empty(xp.broadcast(u, v).shape, xp.result_type(u, v))
    for c, (a, b) in enumerate(((1, 2), (2, 0), (0, 1))):
        xp.multiply(u[a], v[b], out=product[c, ...])
        product[c] -= u[b] * v[a]
    return product


def from_axis_angle(direction: Array, angle: Array, *, degrees: bool = False, axis: int = -1) -> Array:
    """Return q = cos θ/2 + u sin θ/2 for θ = `angle` and the unit vector u = `direction` / |`direction`|.

    `direction` has length 3 along `axis`. The result for a direction of 0 is NaN. `angle` is in rad, or in degrees if
    `degrees` is true. `angle` broadcasts against `direction` without `axis`. The result has the dtype of `direction`.
    """

    def formula(direction: Array, angle: Array) -> tuple[Array, ...]:
        length, u = norm_and_direction(direction)
        half = angle.astype(u.dtype) / 2
        cosine, sine = cos_sin(xp.where(xp.isinf(half) | (length == 0), np.nan, half))
        return cosine, *(u * sine)

    radians = to_radians(as_array(angle), degrees)
    return apply_chunked(formula, as_vector_array(direction, axis), scalars=(radians,), axis=axis)


def to_axis_angle(q: Array, *, degrees: bool = False, axis: int = -1) -> tuple[Array, Array]:
    """Return the axis of rotation u, with length 3 along `axis`, and the angle θ in [0, π], without `axis`.

    u is a unit vector. If θ = 0, u = (1, 0, 0). θ is in rad, or in degrees if `degrees` is true.

    For q with real part r and imaginary part v, θ = 2 atan2(|v|, |r|). This formula keeps all digits near 0 and near π.
    A formula with acos loses half of the digits.
    """

    def formula(q: Array) -> tuple[Array, ...]:
        q, _, total = safe_scale(q)
        length, u = norm_and_direction(q[1:])
        u = xp.where(q[0] < 0, -u, u)
        x = xp.where(length == 0, 1, u[0])
        zero = total == 0
        angle = 2 * xp.arctan2(length, xp.abs(q[0]))
        return tuple(xp.where(zero, np.nan, component) for component in (x, u[1], u[2], angle))

    components = xp.moveaxis(apply_chunked(formula, as_quaternion_array(q, axis), axis=axis), axis, 0)
    return xp.moveaxis(components[:3], 0, axis), from_radians(components[3, ...], degrees)


def to_matrix(q: Array, *, axis: int = -1) -> Array:
    """Return the 3x3 rotation matrix M of q, M v = q v q⁻¹. `axis` is replaced by two axes, output and input component.

    M is the matrix L(q) R(q*) without its first row and first column, where L is `left_matrix` and R is `right_matrix`.
    """
    q = normalize(xp.moveaxis(as_quaternion_array(q, axis), axis, -1))
    matrix = (left_matrix(q) @ right_matrix(conjugate(q)))[..., 1:, 1:]
    position = axis % q.ndim
    return xp.moveaxis(matrix, (-2, -1), (position, position + 1))


def from_matrix(matrix: Array, *, axis: int = -2) -> Array:
    """Return the quaternion q with real part ≥ 0 for 3x3 rotation matrices along `axis` and the next axis.

    A NaN in a matrix propagates. The matrices are not checked to be rotations.

    With the units e_a and e_b, the 16 matrices L(e_a) R(e_b*) are orthogonal to each other. The 4x4 block-diagonal
    matrix D of 1 and M is Σ q_a q_b L(e_a) R(e_b*), so q_a q_b = <L(e_a) R(e_b*), D> / 4. The column of q_a q_b with
    the largest diagonal entry has no cancellation.

    Source: S. W. Shepperd, 1978, for the choice of the column.
    """
    matrix = as_matrix_array(matrix, axis, 3)
    units = xp.eye(4, dtype=matrix.dtype)
    basis = left_matrix(units)[:, None] @ right_matrix(conjugate(units))
    table = (basis[..., 1:, 1:] * matrix[..., None, None, :, :]).sum(axis=(-2, -1)) + basis[..., 0, 0]
    largest = xp.diagonal(table, axis1=-2, axis2=-1).argmax(axis=-1)
    q = normalize(xp.take_along_axis(table, largest[..., None, None], axis=-1)[..., 0])
    return xp.moveaxis(xp.where(q[..., :1] < 0, -q, q), -1, axis % (q.ndim + 1))
