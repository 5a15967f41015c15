"""Hamilton product, conjugate, norm and inverse of quaternions.

The signs of the Hamilton product are written once, in `_hamilton_product`. The 4x4 matrices, their adjoints and all
gradients in quatnet are derived from this function or tested against it.
"""

from ..backend import Array, xp
from .chunks import apply_to_quaternions, as_quaternion_array, reduce_quaternions
from .complex_pairs import product_of_arrays
from .norms import norm_and_direction, vector_norm, zero_to_nan


def _hamilton_product(p: Array, q: Array) -> tuple[Array, ...]:
    """Return the four components of p ⊗ q."""
    (pr, pi, pj, pk), (qr, qi, qj, qk) = p, q
    r = pr * qr - pi * qi - pj * qj - pk * qk
    i = pr * qi + pi * qr + pj * qk - pk * qj
    j = pr * qj - pi * qk + pj * qr + pk * qi
    k = pr * qk + pi * qj - pj * qi + pk * qr
    return r, i, j, k


def hamilton_product(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return the Hamilton product p ⊗ q along `axis`. All other axes broadcast as in NumPy.

    If `axis` is the last axis, large arrays are multiplied as pairs of complex numbers (`complex_pairs`). The rounding
    of the last digit may then differ.

    Parameters
    ----------
    p, q : float arrays, length 4 along `axis`

    Raises
    ------
    ShapeError
        `axis` does not have length 4.

    Source: W. R. Hamilton, 1843: i² = j² = k² = ijk = -1.

    >>> hamilton_product([0.0, 1, 0, 0], [0.0, 0, 1, 0])  # i ⊗ j = k
    array([0., 0., 0., 1.])
    """
    p, q = as_quaternion_array(p, axis), as_quaternion_array(q, axis)
    if p.ndim == q.ndim == 1:
        return xp.stack(_hamilton_product(p, q))
    return product_of_arrays(_hamilton_product, p, q, axis)


def conjugate(q: Array, *, axis: int = -1) -> Array:
    """Return the conjugate q* = q_r - q_i i - q_j j - q_k k. Raises ShapeError unless `axis` has length 4."""
    q = as_quaternion_array(q, axis)
    signs = xp.where(xp.arange(4), -1, 1).astype(q.dtype)  # a list would be copied from the host to the GPU
    return q * signs.reshape((4,) + (1,) * (q.ndim - 1 - axis % q.ndim))


def norm(q: Array, *, axis: int = -1) -> Array:
    """Return the norm |q| = sqrt(q_r² + q_i² + q_j² + q_k²), without `axis`.

    The squares neither overflow nor underflow. Raises ShapeError unless `axis` has length 4.
    """
    return reduce_quaternions(vector_norm, q, axis=axis)


def inverse(q: Array, *, axis: int = -1) -> Array:
    """Return the inverse q⁻¹ = q* / |q|², which satisfies q ⊗ q⁻¹ = 1.

    The inverse of 0 is NaN. The inverse of an infinite q is 0. Raises ShapeError unless `axis` has length 4.
    """

    def formula(q: Array) -> Array:
        size, direction = norm_and_direction(q)
        return conjugate(direction, axis=0) / zero_to_nan(size)

    return apply_to_quaternions(formula, q, axis=axis)
