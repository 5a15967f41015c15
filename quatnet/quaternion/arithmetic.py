"""Real and imaginary part, comparison, inner product, normalization and division of quaternions."""

import numpy as np

from ..backend import Array, xp
from ..checks import checked_number
from .chunks import apply_to_quaternions, as_quaternion_array, reduce_quaternions
from .norms import norm_and_direction, unit_vector, vector_norm, zero_to_nan
from .product import conjugate, hamilton_product


def real_part(q: Array, *, axis: int = -1) -> Array:
    """Return the real part q_r of a quaternion, without `axis`. Raises ShapeError unless `axis` has length 4."""
    return xp.moveaxis(as_quaternion_array(q, axis), axis, 0)[0, ...]


def imaginary_part(q: Array, *, axis: int = -1) -> Array:
    """Return the imaginary part (q_i, q_j, q_k) of a quaternion along `axis`.

    Raises ShapeError unless `axis` has length 4.
    """
    return xp.moveaxis(xp.moveaxis(as_quaternion_array(q, axis), axis, 0)[1:], 0, axis)


def isclose(p: Array, q: Array, *, rtol: float = 1e-5, atol: float = 1e-8, axis: int = -1) -> Array:
    """Return whether |p - q| <= atol + rtol |q|, without `axis`. The other axes broadcast. q and -q are not close.

    Quaternions with an infinite component are close only if all components are equal.

    Raises ShapeError unless `axis` has length 4, and ConfigError unless `rtol` and `atol` are numbers >= 0. For
    rotations, use `geodesic_distance`.
    """
    rtol, atol = checked_number("rtol", rtol, "[0, inf)"), checked_number("atol", atol, "[0, inf)")

    def formula(p: Array, q: Array) -> Array:
        with np.errstate(invalid="ignore"):  # inf - inf
            distance = vector_norm(p - q)
            close = xp.isfinite(distance) & (distance <= atol + rtol * vector_norm(q))
        return close | (p == q).all(axis=0)

    return reduce_quaternions(formula, p, q, axis=axis)


def inner_product(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return the inner product of p and q over their four components, without `axis`. The other axes broadcast.

    The inner product <p, q> is the real part of p* ⊗ q.

    Raises
    ------
    ShapeError
        `axis` does not have length 4.
    """
    return reduce_quaternions(lambda p, q: (p * q).sum(axis=0), p, q, axis=axis)


def squared_norm(q: Array, *, axis: int = -1) -> Array:
    """Return |q|² = q_r² + q_i² + q_j² + q_k², without `axis`. The squares may overflow or underflow.

    Raises
    ------
    ShapeError
        `axis` does not have length 4.
    """
    return inner_product(q, q, axis=axis)


def normalize(q: Array, *, axis: int = -1) -> Array:
    """Return the unit quaternion q / |q|. The squares in |q| neither overflow nor underflow.

    The result for 0 and NaN is NaN. The result for an infinite q is the direction of its infinite components, for
    example (1, 0, 0, -1) / sqrt(2) for (inf, 1, 0, -inf). Raises ShapeError unless `axis` has length 4.
    """
    return apply_to_quaternions(unit_vector, q, axis=axis)


def divide(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return p ⊗ q⁻¹, the solution x of x ⊗ q = p. All axes except `axis` broadcast.

    The result is NaN for q = 0. For an infinite q and a finite p, the result is 0. Raises ShapeError unless `axis` has
    length 4.
    """

    def formula(p: Array, q: Array) -> Array:
        size, direction = norm_and_direction(q)
        return hamilton_product(p, conjugate(direction, axis=0), axis=0) / zero_to_nan(size)

    return apply_to_quaternions(formula, p, q, axis=axis)
