"""Lengths and directions of rows, right wherever they can be written down: nothing overflows on the way.

Squares of numbers beyond 1e154 are infinite, and below 1e-154 they vanish. There, and only there, the rows
are first divided by a power of two near the largest of them, which rounds nothing. Whether it is needed is asked of
NumPy alone: to ask a GPU is to wait for it.
"""

from functools import cache

import numpy as np

from ..backend import Array, on_gpu, xp


def scaled(v: Array) -> tuple[Array, Array, Array]:
    """Return v / s, s and |v / s|², with s = 1 where |v|² is safe, else a power of two near |v|.

    0 stays 0, with s = 0. Where a component is infinite, infinite ones become ±1, finite ones 0, and s is
    infinite. nan spreads to all.
    """
    v = v if v.dtype.kind == "f" else v.astype(np.float64)
    total = squared(v)
    safe = (total > _smallest_safe(total.dtype)) & (total < np.inf)
    if not on_gpu() and safe.all():
        return v, total.dtype.type(1), total
    largest = xp.abs(v).max(axis=0)
    infinite, zero = xp.isinf(largest), largest == 0
    _, exponent = xp.frexp(xp.where(xp.isfinite(largest), largest, 1))
    power = xp.ldexp(xp.ones_like(total), exponent - 1)
    scale = xp.where(safe, 1, xp.where(infinite | zero | xp.isnan(largest), largest, power))
    parts = xp.where(infinite, xp.where(xp.isinf(v), xp.sign(v), 0), v) / xp.where(infinite | zero, 1, scale)
    return parts, scale, squared(parts)


@cache
def _smallest_safe(dtype: np.dtype) -> np.floating:
    """The sum of squares from which those that underflowed cannot be missed."""
    return np.finfo(dtype).tiny / np.finfo(dtype).eps


def squared(v: Array) -> Array:
    """Return |v|²; `einsum` needs one pass over the rows, and an overflow in it does not warn."""
    return xp.einsum("a...,a...->...", v, v)


def length(v: Array) -> Array:
    """Return |v|."""
    _, scale, total = scaled(v)
    return xp.sqrt(total) * scale


def polar(v: Array) -> tuple[Array, Array]:
    """Return |v| and v / |v|; the direction of 0 is 0, of infinite rows that of their infinite components."""
    parts, scale, total = scaled(v)
    root = xp.sqrt(total)
    return root * scale, parts / or_one(root)


def unit(v: Array) -> Array:
    """Return v / |v|; 0 has no direction and gives nan."""
    parts, _, total = scaled(v)
    return parts / xp.sqrt(or_nan(total))


def ratio(a: Array, b: Array) -> Array:
    """Return a / b, and 1 where both are 0."""
    zero = b == 0
    return (a + zero) / (b + zero) if on_gpu() or zero.any() else a / b


def or_one(a: Array) -> Array:
    """Return a, and 1 where it is 0."""
    zero = a == 0
    return a + zero if on_gpu() or zero.any() else a


def or_nan(a: Array) -> Array:
    """Return a, and nan where it is 0."""
    zero = a == 0
    return xp.where(zero, np.nan, a) if on_gpu() or zero.any() else a
