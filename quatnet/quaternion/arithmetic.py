"""Parts, inner product, normalization and division of quaternions."""

from ..backend import Array, xp
from .chunks import apply_chunked, checked
from .norms import polar, unit_vector, zero_to_nan
from .product import conjugate, hamilton_product


def real_part(q: Array, *, axis: int = -1) -> Array:
    """Return r of r + xi + yj + zk, without `axis`. Raises ShapeError unless `axis` has length 4."""
    return xp.moveaxis(checked(q, axis), axis, 0)[0, ...]


def imaginary_part(q: Array, *, axis: int = -1) -> Array:
    """Return (x, y, z) of r + xi + yj + zk, length 3 along `axis`. Raises ShapeError unless `axis` has length 4."""
    return xp.moveaxis(xp.moveaxis(checked(q, axis), axis, 0)[1:], 0, axis)


def inner_product(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return <p, q> = Σ p_c q_c, the real part of p* ⊗ q, without `axis`. The other axes broadcast.

    Raises
    ------
    ShapeError
        `axis` does not have length 4.
    """

    def formula(p: Array, q: Array) -> Array:
        return (p * q).sum(axis=0)[None]

    return apply_chunked(formula, checked(p, axis), checked(q, axis), axis=axis).squeeze(axis)


def squared_norm(q: Array, *, axis: int = -1) -> Array:
    """Return |q|² = r² + x² + y² + z², without `axis`. Squares may overflow or underflow.

    Raises
    ------
    ShapeError
        `axis` does not have length 4.
    """
    return inner_product(q, q, axis=axis)


def normalize(q: Array, *, axis: int = -1) -> Array:
    """Return q / |q|, of norm 1, for any q except 0, however small or large.

    0 and nan give nan. An infinite q gives the direction of its infinite components: (inf, 1, 0, -inf) gives
    (1, 0, 0, -1) / sqrt(2). Raises ShapeError unless `axis` has length 4.
    """
    return apply_chunked(unit_vector, checked(q, axis), axis=axis)


def divide(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return p ⊗ q⁻¹, the solution x of x ⊗ q = p. All axes except `axis` broadcast.

    q = 0 gives nan. An infinite q gives 0 for every finite p. Raises ShapeError unless `axis` has length 4.
    """

    def formula(p: Array, q: Array) -> Array:
        size, direction = polar(q)
        return hamilton_product(p, conjugate(direction, axis=0), axis=0) / zero_to_nan(size)

    return apply_chunked(formula, checked(p, axis), checked(q, axis), axis=axis)
