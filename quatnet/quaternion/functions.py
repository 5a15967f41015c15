"""Exponential, logarithm, powers and square root of quaternions, on plain arrays.

Each q = |q| (cos θ + u sin θ) lies in a plane spanned by 1 and its own imaginary unit u, u² = -1. In that
plane these are the functions of a complex number, and principal values are taken as there: θ in [0, π]. A
negative real lies in all of these planes; u = i is chosen for it, so that log(-1) = πi and sqrt(-1) = i.

Results are right to a few units in the last place of their length. All raise ShapeError unless `axis` has
length 4, keep the dtype, and give nan for nan. A result too large for the dtype warns as NumPy's `exp` does.
"""

import numpy as np

from ..backend import Array, xp
from .chunks import apply_chunked, checked
from .norms import length, or_one, ratio, scaled
from .product import hamilton_product
from .trigonometry import cos_sin, cos_sin_half_turns, pi


def exp(q: Array, *, axis: int = -1) -> Array:
    """Return e^q = e^r (cos |v| + v/|v| sin |v|) for q = r + v, v imaginary.

    exp(0) = 1. r = -inf gives 0, r = inf gives infinity in every component that is not 0; an infinite v gives
    nan.
    """
    return apply_chunked(_exp, checked(q, axis), axis=axis)


def _exp(q: Array) -> Array:
    real, imaginary = q[0], q[1:]
    angle = length(imaginary)
    angle = xp.where(xp.isinf(angle) | xp.isnan(real), np.nan, angle)
    cosine, sine = cos_sin(angle)
    turn = xp.stack([cosine, *(imaginary * ratio(sine, angle))])
    half = xp.exp(real / 2)  # e^r in two steps: e^710 overflows, though e^710 cos 1.57 does not
    return _stretched(half, _stretched(half, turn))


def log(q: Array, *, axis: int = -1) -> Array:
    """Return log q = ln |q| + u θ, the inverse of `exp`, with θ in [0, π].

    log(0) = -inf + 0u. An infinite q has the real part inf and the angle of its infinite components.
    """
    return apply_chunked(_log, checked(q, axis), axis=axis)


def _log(q: Array) -> tuple[Array, ...]:
    parts, scale, total = scaled(q)
    v, size, height = _plane(q, parts)
    angle = xp.arctan2(height, parts[0])
    return _log_length(parts[0], height, scale, total), *(v * (angle / size))


def sqrt(q: Array, *, axis: int = -1) -> Array:
    """Return the square root with real part ≥ 0: (|q| + q) / sqrt(2 (|q| + r)); sqrt(0) = 0.

    With a = sqrt((|q| + |r|) / 2), which never cancels, and b = |v| / 2a, it is a + ub for r ≥ 0 and b + ua
    for r < 0. An infinite q gives infinity in every component of the root of its direction that is not 0.
    """
    return apply_chunked(_sqrt, checked(q, axis), axis=axis)


def _sqrt(q: Array) -> Array:
    parts, scale, total = scaled(q)
    v, size, height = _plane(q, parts)
    a = xp.sqrt((xp.sqrt(total) + xp.abs(parts[0])) / 2)
    b = height / (2 * or_one(a))
    behind = parts[0] < 0
    root = xp.stack([xp.where(behind, b, a), *(v * (xp.where(behind, a, b) / size))])
    return _stretched(xp.sqrt(scale), root)


def power(q: Array, exponent: Array, *, axis: int = -1) -> Array:
    """Return q^t = |q|^t (cos tθ + u sin tθ) for real t, a number or an array that broadcasts without `axis`.

    q^0 = 1 for every q that is not nan, 0 too; 0^t = 0 for t > 0 and nan for t < 0, as `inverse` has it; an
    infinite t gives nan. t is taken in the dtype of q. Angles count in half turns, so that i² = -1 exactly.
    """
    return apply_chunked(_power, checked(q, axis), numbers=(xp.asarray(exponent),), axis=axis)


def _power(q: Array, t: Array) -> Array:
    parts, scale, total = scaled(q)
    v, size, height = _plane(q, parts)
    angle = xp.arctan2(height, parts[0])
    t = t.astype(angle.dtype)
    t = xp.where(xp.isinf(t) | ((total == 0) & (t < 0)), np.nan, t)
    cosine, sine = cos_sin_half_turns(t * (angle / pi(angle.dtype)))
    growth = xp.sqrt(total) ** t * scale**t  # |q| itself may be too large or too small for the dtype
    return _stretched(growth, xp.stack([cosine, *(v * (sine / size))]))


def quaternion_power(p: Array, exponent: Array, *, axis: int = -1) -> Array:
    """Return p^q = exp(log p ⊗ q) for quaternion exponents q; all axes but `axis` broadcast.

    0^0 = 1; 0^q = 0 where Re q > 0, and nan for all other q; infinities give nan. For real q it is `power`,
    to rounding. The order log p ⊗ q is a convention, q ⊗ log p another: they agree where p and q commute.
    """
    return apply_chunked(_quaternion_power, checked(p, axis), checked(exponent, axis), axis=axis)


def _quaternion_power(p: Array, q: Array) -> Array:
    p, q = (xp.where(xp.isfinite(part).all(axis=0), part, np.nan) for part in (p, q))
    zero = (p == 0).all(axis=0)
    logarithm = xp.stack(_log(xp.where(zero, xp.ones_like(p), p)))  # some other number in place of 0
    limit = xp.where(q[0] > 0, xp.zeros_like(q[0]), np.nan)
    result = _exp(hamilton_product(logarithm, q, axis=0))
    return xp.where(zero & (q != 0).any(axis=0), limit, result)


def _plane(q: Array, parts: Array) -> tuple[Array, Array, Array]:
    """Return v and |v| with u = v / |v|, and the |v| of the scaled `parts`, for atan2.

    u = i for a negative real, 0 for a positive one and for 0. θ is taken by atan2, since acos(r / |q|) would
    lose half of the digits near 0 and near π.
    """
    v, scale, total = scaled(q[1:])
    size = xp.sqrt(total)
    height = size * scale if parts is q else length(parts[1:])
    zero = total == 0
    if zero.any():
        v = xp.stack([xp.where(zero & (parts[0] < 0), 1, v[0]), v[1], v[2]])
    return v, or_one(size), height


def _log_length(real: Array, height: Array, scale: Array, total: Array) -> Array:
    """ln s sqrt(t) with t = r² + |v|²: near 1 by log1p of t - 1 = (|r| - 1)(|r| + 1) + |v|², which loses nothing."""
    excess = (xp.abs(real) - 1) * (xp.abs(real) + 1) + height * height
    with np.errstate(divide="ignore", over="ignore"):  # ln 0 = -inf
        return xp.where(total > 0.5, xp.log1p(excess), xp.log(total)) / 2 + xp.log(scale)


def _stretched(size: Array, q: Array) -> Array:
    """size · q, where a component that is 0 stays 0 even if the size is infinite."""
    return size * q if xp.isfinite(size).all() else xp.where(q == 0, 0, size) * q
