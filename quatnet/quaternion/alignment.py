"""Rotation vectors, and rotations determined by vectors or by matrices that are only approximately rotations."""

import numpy as np

from ..backend import Array, xp
from ..checks import as_array
from ..errors import ShapeError
from .chunks import apply_chunked, as_matrix_array, as_vector_array
from .functions import exp
from .norms import norm_and_direction, unit_vector, vector_norm
from .rotation import _cross, from_matrix, to_axis_angle
from .trigonometry import to_radians


def from_rotation_vector(vector: Array, *, degrees: bool = False, axis: int = -1) -> Array:
    """Return e^(v/2), the unit quaternion of the rotation by the angle |v| about v = `vector`.

    `vector` has length 3 along `axis`, in rad, or in degrees if `degrees` is true.
    """

    def formula(v: Array) -> Array:
        return exp(xp.stack([xp.zeros_like(v[0]), *(v / 2)]), axis=0)

    return apply_chunked(formula, to_radians(as_vector_array(vector, axis), degrees), axis=axis)


def to_rotation_vector(q: Array, *, degrees: bool = False, axis: int = -1) -> Array:
    """Return the vector θu with length 3 along `axis`, for the axis u and the angle θ of `to_axis_angle`.

    θ is in rad, or in degrees if `degrees` is true.
    """
    direction, angle = to_axis_angle(q, degrees=degrees, axis=axis)
    return direction * xp.expand_dims(angle, axis)


def minimal_rotation(v: Array, w: Array, *, axis: int = -1) -> Array:
    """Return the unit quaternion of the rotation by the smallest angle from the direction of v to that of w.

    The axis of the rotation is v × w. For opposite vectors, the axis is one of the vectors orthogonal to v. The result
    is NaN for a vector of 0. Raises ShapeError unless `axis` has length 3. The other axes broadcast.
    """

    def formula(v: Array, w: Array) -> tuple[Array, ...]:
        a, b = unit_vector(v), unit_vector(w)
        obtuse, zero = (a * b).sum(axis=0) < 0, xp.zeros_like(a[0])
        normal = _cross(a, xp.where(obtuse, a + b, b - a))  # a × b without cancellation
        orthogonal = xp.where(xp.abs(a[0]) < 0.6, xp.stack([zero, a[2], -a[1]]), xp.stack([-a[2], zero, a[0]]))
        opposite = (vector_norm(normal) < xp.finfo(normal.dtype).eps) & obtuse
        direction = norm_and_direction(xp.where(opposite, orthogonal, normal))[1]
        return vector_norm(a + b) / 2, *(direction * (vector_norm(a - b) / 2))

    return apply_chunked(formula, as_vector_array(v, axis), as_vector_array(w, axis), axis=axis)


def nearest_rotation(matrix: Array, *, axis: int = -2) -> Array:
    """Return the quaternion, as `from_matrix`, of the rotation matrix M with the smallest Σ (M - A)² for A = `matrix`.

    With the singular value decomposition A = U S Vᵀ, M = U diag(1, 1, ±1) Vᵀ with determinant 1. The result is NaN for
    a matrix with entries that are not finite. The computation is in float64. Raises ShapeError unless the matrices are
    3x3.

    Source: W. Kabsch, 1976.
    """
    m = as_matrix_array(matrix, axis, 3)
    finite = xp.isfinite(m).all(axis=(-2, -1), keepdims=True)
    u, _, vt = xp.linalg.svd(xp.where(finite, m, 0).astype(np.float64))
    signs = xp.where(xp.arange(3) < 2, 1, xp.linalg.det(u @ vt)[..., None])
    rotation = xp.where(finite, (u * signs[..., None, :]) @ vt, np.nan)
    return xp.moveaxis(from_matrix(rotation.astype(m.dtype)), -1, axis % m.ndim)


def align_vectors(v: Array, w: Array, weights: Array | None = None) -> Array:
    """Return the quaternion (..., 4) of the rotation matrix M with the smallest Σ weight_n |w_n - M v_n|².

    Parameters
    ----------
    v, w : vectors of equal shape (..., N, 3)
    weights : numbers >= 0 (..., N); equal weights by default

    The minimization is known as Wahba's problem. The computation is in float64. Raises ShapeError for other shapes, for
    N = 0, for a weight below 0, and if all weights are 0. Source: F. L. Markley, 1988.
    """
    v, w = as_vector_array(v, -1), as_vector_array(w, -1)
    scale = xp.ones(v.shape[:-1], v.dtype) if weights is None else as_array(weights)
    if v.ndim < 2 or not v.shape[-2] or v.shape != w.shape or scale.shape != v.shape[:-1] or (scale < 0).any():
        raise ShapeError(
            f"expected v and w of equal shape (..., N, 3), N >= 1, and weights >= 0 (..., N), got shapes {v.shape}, "
            f"{w.shape}, {scale.shape}"
        )
    if (scale.sum(axis=-1) == 0).any():
        raise ShapeError("expected a weight above 0 for at least one vector, got weights of 0")
    left, right, weight = (_unit_range(array, axes) for array, axes in ((w, (-2, -1)), (v, (-2, -1)), (scale, (-1,))))
    rotation = nearest_rotation(xp.swapaxes(left * weight[..., None], -2, -1) @ right)
    return rotation.astype(xp.result_type(v, w), copy=False)


def _unit_range(array: Array, axes: tuple[int, ...]) -> Array:
    """Return `array` in float64, divided by its largest absolute value along `axes` if this is above 0 and finite."""
    largest = xp.abs(array).max(axis=axes, keepdims=True)
    return (array / xp.where((largest > 0) & xp.isfinite(largest), largest, 1)).astype(np.float64)
