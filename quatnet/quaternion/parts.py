"""Lengths, directions and parts of quaternions, on plain arrays; and the quotient, which needs a direction.

Every length is taken of numbers scaled by the largest of them, so it is right wherever it can be written
down.
"""

import numpy as np

from ..backend import Array, xp
from ..errors import ShapeError
from .product import checked, conjugate, hamilton_product


def real_part(q: Array, *, axis: int = -1) -> Array:
    """Return r of r + xi + yj + zk, without `axis`. Raises ShapeError unless `axis` has length 4."""
    return last(q, axis)[..., 0]


def imaginary_part(q: Array, *, axis: int = -1) -> Array:
    """Return (x, y, z) of r + xi + yj + zk: `axis` becomes 3 long. Raises ShapeError unless it is 4 long."""
    return xp.moveaxis(last(q, axis)[..., 1:], -1, axis)


def inner_product(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return <p, q> = Σ p_c q_c, the real part of p* ⊗ q, without `axis`; the other axes broadcast.

    Raises
    ------
    ShapeError
        `axis` does not have length 4.
    """
    return (last(p, axis) * last(q, axis)).sum(axis=-1)


def squared_norm(q: Array, *, axis: int = -1) -> Array:
    """Return |q|² = r² + x² + y² + z², without `axis`; over- and underflows as squares do.

    Raises
    ------
    ShapeError
        `axis` does not have length 4.
    """
    return inner_product(q, q, axis=axis)


def normalise(q: Array, *, axis: int = -1) -> Array:
    """Return q / |q|, of length 1, for any q that is not 0, however small or large.

    0 has no direction and gives nan, and so does nan; an infinite q points where its infinite components
    point: (inf, 1, 0, -inf) gives (1, 0, 0, -1) / sqrt(2). Raises ShapeError unless `axis` has length 4.
    """
    unit = direction(last(q, axis))
    return xp.moveaxis(xp.where((unit == 0).all(axis=-1, keepdims=True), np.nan, unit), -1, axis)


def divide(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return p ⊗ q⁻¹, the x with x ⊗ q = p; all axes but `axis` broadcast.

    A q of 0 gives nan, an infinite q gives 0 for every finite p. Raises ShapeError unless `axis` has length
    4.
    """
    length, unit = polar(last(q, axis))
    quotient = hamilton_product(last(p, axis), conjugate(unit)) / xp.where(length == 0, np.nan, length)
    return xp.moveaxis(quotient, -1, axis)


def last(q: Array, axis: int) -> Array:
    """Move the four components to the last axis. Raises ShapeError unless `axis` has length 4."""
    return xp.moveaxis(checked(q, axis), axis, -1)


def vectors_last(v: Array, axis: int) -> Array:
    """Move the three components of vectors to the last axis. Raises ShapeError if they are not three."""
    v = xp.asarray(v)
    if not -v.ndim <= axis < v.ndim or v.shape[axis] != 3:
        raise ShapeError(f"expected length 3 along axis {axis}, got an array of shape {v.shape}; pass axis=...")
    return xp.moveaxis(v, axis, -1)


def scaled(v: Array) -> tuple[Array, Array]:
    """Return v / m and m, the largest |component| along the last axis, which is kept.

    0 stays 0; where m is infinite, infinite components become ±1 and finite ones 0; nan spreads to all.
    """
    largest = xp.abs(v).max(axis=-1, keepdims=True)
    infinite = xp.isinf(largest)
    finite = xp.where(infinite, xp.where(xp.isinf(v), xp.copysign(1.0, v).astype(v.dtype), 0), v)
    return finite / xp.where(infinite | (largest == 0), 1, largest), largest


def polar(v: Array) -> tuple[Array, Array]:
    """Return |v| and v / |v| along the last axis, which both keep; the direction of 0 is 0."""
    parts, largest = scaled(v)
    length = xp.sqrt((parts * parts).sum(axis=-1, keepdims=True))
    return length * largest, parts / xp.where(length == 0, 1, length)


def direction(v: Array) -> Array:
    """Return v / |v| along the last axis, also where |v| is too large for the dtype; 0 for 0."""
    parts, _ = scaled(v)
    length = xp.sqrt((parts * parts).sum(axis=-1, keepdims=True))
    return parts / xp.where(length == 0, 1, length)
