"""Norms and directions of vectors whose components lie along axis 0, without overflow or underflow.

In float64 the squares of numbers beyond 1e154 overflow, and those of numbers below 1e-154 underflow. Only in these
cases the vectors are first divided by a power of two near their largest component, which is exact. The test for
such cases runs on NumPy only, because on a GPU it would need a synchronization.
"""

from functools import cache

import numpy as np

from ..backend import Array, on_gpu, xp


def safe_scale(v: Array) -> tuple[Array, Array, Array]:
    """Return v / s, s and |v / s|², where s = 1 if |v|² is safe to compute, else a power of two near |v|.

    A zero vector stays 0, with s = 0. If a component is infinite, infinite components become ±1, finite components
    become 0, and s is infinite. A nan spreads to all components.
    """
    v = v if v.dtype.kind == "f" else v.astype(np.float64)
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
    """Return the smallest sum of squares for which terms that underflow are below the rounding error."""
    return np.finfo(dtype).tiny / np.finfo(dtype).eps


def sum_of_squares(v: Array) -> Array:
    """Return |v|². `einsum` reads `v` once, and does not warn on overflow."""
    return xp.einsum("a...,a...->...", v, v)


def vector_norm(v: Array) -> Array:
    """Return |v|."""
    _, scale, total = safe_scale(v)
    return xp.sqrt(total) * scale


def polar(v: Array) -> tuple[Array, Array]:
    """Return |v| and v / |v|. The direction of 0 is 0; an infinite v has the direction of its infinite components."""
    scaled, scale, total = safe_scale(v)
    root = xp.sqrt(total)
    return root * scale, scaled / zero_to_one(root)


def unit_vector(v: Array) -> Array:
    """Return v / |v|, and nan for 0."""
    scaled, _, total = safe_scale(v)
    return scaled / xp.sqrt(zero_to_nan(total))


def ratio(a: Array, b: Array) -> Array:
    """Return a / b, and 1 where both are 0."""
    zero = b == 0
    return (a + zero) / (b + zero) if on_gpu() or zero.any() else a / b


def zero_to_one(a: Array) -> Array:
    """Return `a` with every 0 replaced by 1."""
    zero = a == 0
    return a + zero if on_gpu() or zero.any() else a


def zero_to_nan(a: Array) -> Array:
    """Return `a` with every 0 replaced by nan."""
    zero = a == 0
    return xp.where(zero, np.nan, a) if on_gpu() or zero.any() else a
