"""Lengths, directions and parts of quaternions, on plain arrays; and the quotient, which needs a direction."""

from ..backend import Array, xp
from .chunks import apply_chunked, checked
from .norms import or_nan, polar, unit
from .product import conjugate, hamilton_product


def real_part(q: Array, *, axis: int = -1) -> Array:
    """Return r of r + xi + yj + zk, without `axis`. Raises ShapeError unless `axis` has length 4."""
    return xp.moveaxis(checked(q, axis), axis, 0)[0, ...]


def imaginary_part(q: Array, *, axis: int = -1) -> Array:
    """Return (x, y, z) of r + xi + yj + zk: `axis` becomes 3 long. Raises ShapeError unless it is 4 long."""
    return xp.moveaxis(xp.moveaxis(checked(q, axis), axis, 0)[1:], 0, axis)


def inner_product(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return <p, q> = Σ p_c q_c, the real part of p* ⊗ q, without `axis`; the other axes broadcast.

    Raises
    ------
    ShapeError
        `axis` does not have length 4.
    """
    return apply_chunked(lambda p, q: (p * q).sum(axis=0)[None], checked(p, axis), checked(q, axis), axis=axis).squeeze(axis)


def squared_norm(q: Array, *, axis: int = -1) -> Array:
    """Return |q|² = r² + x² + y² + z², without `axis`; over- and underflows as squares do.

    Raises
    ------
    ShapeError
        `axis` does not have length 4.
    """
    return inner_product(q, q, axis=axis)


def normalize(q: Array, *, axis: int = -1) -> Array:
    """Return q / |q|, of length 1, for any q that is not 0, however small or large.

    0 has no direction and gives nan, and so does nan; an infinite q points where its infinite components
    point: (inf, 1, 0, -inf) gives (1, 0, 0, -1) / sqrt(2). Raises ShapeError unless `axis` has length 4.
    """
    return apply_chunked(unit, checked(q, axis), axis=axis)


def divide(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return p ⊗ q⁻¹, the x with x ⊗ q = p; all axes but `axis` broadcast.

    A q of 0 gives nan, an infinite q gives 0 for every finite p. Raises ShapeError unless `axis` has length
    4.
    """

    def formula(p: Array, q: Array) -> Array:
        size, direction = polar(q)
        return hamilton_product(p, conjugate(direction, axis=0), axis=0) / or_nan(size)

    return apply_chunked(formula, checked(p, axis), checked(q, axis), axis=axis)
