"""Norms and directions of vectors along axis 0, without overflow or underflow.

In float64, the square of a number above 1e154 overflows, and the square of a number below 1e-154 underflows. In such
cases, the vectors are first divided by a power of two near their largest component. This division is exact. On a GPU,
the vectors are always scaled, because a test for such cases would need a synchronization.
"""

from functools import cache

import numpy as np

from ..backend import Array, on_gpu, xp


def safe_scale(v: Array) -> tuple[Array, Array, Array]:
    """Return v / s, the scale s, and |v / s|².

    s is 1 if |v|² neither overflows nor underflows. Otherwise, s is a power of two near |v|. For v = 0, v / s and s are
    0. If a component of v is infinite, s is infinite. In v / s, infinite components are then ±1, and finite components
    are 0. A NaN propagates to all components.
    """
    total = sum_of_squares(v)
    safe = (total > _smallest_safe(total.dtype)) & (total < np.inf)
    if not on_gpu() and safe.all():
        return v, total.dtype.type(1), total
    largest = xp.abs(v).max(axis=0)
    infinite, zero = xp.isinf(largest), largest == 0
    _, exponent = xp.frexp(xp.where(xp.isfinite(largest), largest, 1))
    power = xp.ldexp(xp.ones_like(total), exponent - 1)
    scale = xp.where(safe, 1, xp.where(infinite | zero | xp.isnan(largest), largest, power))
    scaled = xp.where(infinite, xp.where(xp.isinf(v), xp.sign(v), 0), v) / xp.where(infinite | zero, 1, scale)
    return scaled, scale, sum_of_squares(scaled)


@cache
def _smallest_safe(dtype: np.dtype) -> np.floating:
    """Return the smallest sum of squares that underflow in one of its terms does not change."""
    return np.finfo(dtype).tiny / np.finfo(dtype).eps


def sum_of_squares(v: Array) -> Array:
    """Return |v|².

    On a CPU, einsum reads `v` once and does not warn on overflow. On a GPU, einsum is a slow batch of small products.
    """
    return (v * v).sum(axis=0) if on_gpu() else xp.einsum("a...,a...->...", v, v)


def vector_norm(v: Array) -> Array:
    """Return the Euclidean norm |v|."""
    _, scale, total = safe_scale(v)
    return xp.sqrt(total) * scale


def norm_and_direction(v: Array) -> tuple[Array, Array]:
    """Return the norm |v| and the direction v / |v|.

    The direction of 0 is 0. The direction of an infinite v is that of its infinite components.
    """
    scaled, scale, total = safe_scale(v)
    root = xp.sqrt(total)
    return root * scale, scaled / zero_to_one(root)


def unit_vector(v: Array) -> Array:
    """Return the unit vector v / |v|, or NaN for v = 0."""
    scaled, _, total = safe_scale(v)
    return scaled / xp.sqrt(zero_to_nan(total))


def ratio(a: Array, b: Array) -> Array:
    """Return a / b, or 1 where a and b are 0."""
    zero = b == 0
    return (a + zero) / (b + zero) if on_gpu() or zero.any() else a / b


def zero_to_one(a: Array) -> Array:
    """Return `a` with every 0 replaced by 1."""
    zero = a == 0
    return a + zero if on_gpu() or zero.any() else a


def zero_to_nan(a: Array) -> Array:
    """Return `a` with every 0 replaced by NaN."""
    zero = a == 0
    return xp.where(zero, np.nan, a) if on_gpu() or zero.any() else a
