"""The product of quaternions, and what belongs to it: conjugate, length, inverse.

The signs of the Hamilton product are written once, in `hamilton_product`. The 4x4 block matrices, their
adjoints and every gradient in quatnet are derived from it, or tested against it.
"""

from ..backend import Array, xp
from .chunks import apply_chunked, checked
from .complex_pairs import in_pairs
from .norms import length, or_nan, polar


def hamilton_product(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return p ⊗ q for quaternions along `axis`; all other axes broadcast as NumPy's do.

    Large arrays with `axis` last are multiplied as pairs of complex numbers (`complex_pairs.in_pairs`), which may
    round the last digit differently.

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

    def formula(p: Array, q: Array) -> tuple[Array, ...]:
        (pr, pi, pj, pk), (qr, qi, qj, qk) = p, q
        r = pr * qr - pi * qi - pj * qj - pk * qk
        i = pr * qi + pi * qr + pj * qk - pk * qj
        j = pr * qj - pi * qk + pj * qr + pk * qi
        k = pr * qk + pi * qj - pj * qi + pk * qr
        return r, i, j, k

    p, q = checked(p, axis), checked(q, axis)
    pairs = in_pairs(p, q, axis)
    return apply_chunked(formula, p, q, axis=axis) if pairs is None else pairs


def conjugate(q: Array, *, axis: int = -1) -> Array:
    """Return q* = r - xi - yj - zk: the imaginary parts change sign. Raises ShapeError like the product."""
    q = checked(q, axis)
    signs = xp.where(xp.arange(4), -1, 1).astype(q.dtype)  # made where q is: a list would be copied to a GPU
    return q * signs.reshape((4,) + (1,) * (q.ndim - 1 - axis % q.ndim))


def norm(q: Array, *, axis: int = -1) -> Array:
    """Return |q| = sqrt(r² + x² + y² + z²), without `axis`; it neither overflows nor underflows on the way."""
    return apply_chunked(lambda q: length(q)[None], checked(q, axis), axis=axis).squeeze(axis)


def inverse(q: Array, *, axis: int = -1) -> Array:
    """Return q⁻¹ = q* / |q|², so that q ⊗ q⁻¹ = 1; the inverse of 0 is nan, as 0/0 is, of an infinite q 0."""

    def formula(q: Array) -> Array:
        size, unit = polar(q)
        return conjugate(unit, axis=0) / or_nan(size)

    return apply_chunked(formula, checked(q, axis), axis=axis)
