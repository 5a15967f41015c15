"""Quaternion algebra on plain arrays: any float dtype, any axis of length 4 in the order r, i, j, k.

The signs of the Hamilton product are written once, in `hamilton_product`. The 4x4 block matrices, their
adjoints and every gradient in quatnet are derived from it, or tested against it.
"""

import numpy as np

from ..backend import Array, xp
from ..errors import ShapeError


def hamilton_product(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return p ⊗ q for quaternions along `axis`; all other axes broadcast as NumPy's do.

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
    pr, pi, pj, pk = _components(p, axis)
    qr, qi, qj, qk = _components(q, axis)
    r = pr * qr - pi * qi - pj * qj - pk * qk
    i = pr * qi + pi * qr + pj * qk - pk * qj
    j = pr * qj - pi * qk + pj * qr + pk * qi
    k = pr * qk + pi * qj - pj * qi + pk * qr
    return xp.moveaxis(xp.stack([r, i, j, k], axis=-1), -1, axis)


def _components(q: Array, axis: int) -> Array:
    """The four components, each of `q`'s shape without `axis`."""
    return xp.moveaxis(checked(q, axis), axis, 0)


def checked(q: Array, axis: int) -> Array:
    """Return `q` as an array. Raises ShapeError if `axis` does not exist or does not have length 4."""
    q = xp.asarray(q)
    if not -q.ndim <= axis < q.ndim or q.shape[axis] != 4:
        raise ShapeError(
            f"expected an array of length 4 (r, i, j, k) along axis {axis}, got shape {q.shape}; pass axis=..."
        )
    return q


def conjugate(q: Array, *, axis: int = -1) -> Array:
    """Return q* = r - xi - yj - zk: the imaginary parts change sign. Raises ShapeError like the product."""
    q = checked(q, axis)
    signs = xp.asarray([1, -1, -1, -1], dtype=q.dtype)
    return q * signs.reshape((4,) + (1,) * (q.ndim - 1 - axis % q.ndim))


def norm(q: Array, *, axis: int = -1) -> Array:
    """Return |q| = sqrt(r² + x² + y² + z²), without `axis`; it neither overflows nor underflows on the way."""
    q = checked(q, axis)
    largest = xp.abs(q).max(axis=axis, keepdims=True)
    finite = xp.where((largest > 0) & (largest < np.inf), largest, 1).astype(q.dtype)
    return xp.sqrt(((q / finite) ** 2).sum(axis=axis)) * finite.squeeze(axis)


def inverse(q: Array, *, axis: int = -1) -> Array:
    """Return q⁻¹ = q* / |q|², so that q ⊗ q⁻¹ = 1; the inverse of 0 is nan, as 0/0 is."""
    length = xp.expand_dims(norm(q, axis=axis), axis)
    return conjugate(q, axis=axis) / length / length
