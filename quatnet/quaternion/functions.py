"""Exponential, logarithm, powers and square root of quaternions, on plain arrays.

Each q = |q| (cos θ + u sin θ) lies in a plane spanned by 1 and its own imaginary unit u, u² = -1. In that
plane these are the functions of a complex number, and principal values are taken as there: θ in [0, π]. A
negative real lies in all of these planes; u = i is chosen for it, so that log(-1) = πi and sqrt(-1) = i.

Results are right to a few units in the last place of their length. All raise ShapeError unless `axis` has
length 4, keep the dtype, and give nan for nan. A result too large for the dtype warns as NumPy's `exp` does.
"""

import numpy as np

from ..backend import Array, xp
from .parts import direction, last, polar, scaled
from .product import hamilton_product


def exp(q: Array, *, axis: int = -1) -> Array:
    """Return e^q = e^r (cos |v| + v/|v| sin |v|) for q = r + v, v imaginary.

    exp(0) = 1. r = -inf gives 0, r = inf gives infinity in every component that is not 0; an infinite v gives
    nan.
    """
    q = last(q, axis)
    angle, unit = polar(q[..., 1:])
    angle = xp.where(xp.isinf(angle) | xp.isnan(q[..., :1]), np.nan, angle)
    turn = xp.concatenate([xp.cos(angle), unit * xp.sin(angle)], axis=-1)
    half = xp.exp(q[..., :1] / 2)  # e^r in two steps: e^710 overflows, though e^710 cos 1.57 does not
    return xp.moveaxis(_stretched(half, _stretched(half, turn)), -1, axis)


def log(q: Array, *, axis: int = -1) -> Array:
    """Return log q = ln |q| + u θ, the inverse of `exp`, with θ in [0, π].

    log(0) = -inf + 0u. An infinite q has the real part inf and the angle of its infinite components.
    """
    q = last(q, axis)
    imaginary = _imaginary_unit(q) * _angle(q)
    return xp.moveaxis(xp.concatenate([_log_length(q), imaginary], axis=-1), -1, axis)


def sqrt(q: Array, *, axis: int = -1) -> Array:
    """Return the square root with real part ≥ 0: (|q| + q) / sqrt(2 (|q| + r)); sqrt(0) = 0.

    With a = sqrt((|q| + |r|) / 2), which never cancels, and b = |v| / 2a, it is a + ub for r ≥ 0 and b + ua
    for r < 0. An infinite q gives infinity in every component of the root of its direction that is not 0.
    """
    q = last(q, axis)
    parts, largest = scaled(q)
    real = parts[..., :1]
    a = xp.sqrt((polar(parts)[0] + xp.abs(real)) / 2)
    b = polar(parts[..., 1:])[0] / (2 * xp.where(a == 0, 1, a))
    imaginary = _imaginary_unit(q) * xp.where(real < 0, a, b)
    root = xp.concatenate([xp.where(real < 0, b, a), imaginary], axis=-1)
    return xp.moveaxis(_stretched(xp.sqrt(largest), root), -1, axis)


def power(q: Array, exponent: Array, *, axis: int = -1) -> Array:
    """Return q^t = |q|^t (cos tθ + u sin tθ) for real t, a number or an array that broadcasts without `axis`.

    q^0 = 1 for every q that is not nan, 0 too; 0^t = 0 for t > 0 and nan for t < 0, as `inverse` has it; an
    infinite t gives nan. t is taken in the dtype of q. Angles count in half turns, so that i² = -1 exactly.
    """
    q = last(q, axis)
    parts, largest = scaled(q)
    angle = _angle(q)
    t = xp.asarray(exponent, dtype=angle.dtype)[..., None]
    t = xp.where(xp.isinf(t) | ((largest == 0) & (t < 0)), np.nan, t)
    cosine, sine = _cos_sin_half_turns(t * (angle / _pi(angle.dtype)))
    turn = xp.concatenate([cosine, _imaginary_unit(q) * sine], axis=-1)
    length = polar(parts)[0] ** t * largest**t  # |q| itself may be too large or too small for the dtype
    return xp.moveaxis(_stretched(length, turn), -1, axis)


def quaternion_power(p: Array, exponent: Array, *, axis: int = -1) -> Array:
    """Return p^q = exp(log p ⊗ q) for quaternion exponents q; all axes but `axis` broadcast.

    0^0 = 1; 0^q = 0 where Re q > 0, and nan for all other q; infinities give nan. For real q it is `power`,
    to rounding. The order log p ⊗ q is a convention, q ⊗ log p another: they agree where p and q commute.
    """
    p, q = (last(part, axis) for part in (p, exponent))
    p, q = (xp.where(xp.isfinite(part).all(axis=-1, keepdims=True), part, np.nan) for part in (p, q))
    zero = (p == 0).all(axis=-1, keepdims=True)
    one = xp.eye(4, dtype=p.dtype)[0]
    result = exp(hamilton_product(log(xp.where(zero, one, p)), q))
    limit = xp.where(q[..., :1] > 0, 0, np.nan).astype(q.dtype)
    return xp.moveaxis(xp.where(zero & (q != 0).any(axis=-1, keepdims=True), limit, result), -1, axis)


def _imaginary_unit(q: Array) -> Array:
    """The u of q along the last axis; i for a negative real number, 0 for a positive one and for 0."""
    unit = direction(q[..., 1:])
    negative_real = (unit == 0).all(axis=-1, keepdims=True) & (q[..., :1] < 0)
    return xp.where(negative_real, xp.eye(3, dtype=q.dtype)[0], unit)


def _angle(q: Array) -> Array:
    """The θ of q, by atan2: acos(r / |q|) would lose half of the digits near 0 and near π."""
    parts, _ = scaled(q)
    return xp.arctan2(polar(parts[..., 1:])[0], parts[..., :1])


def _log_length(q: Array) -> Array:
    """ln |q|; near 1 as log1p(|q|² - 1) / 2, with r² - 1 = (|r| - 1)(|r| + 1) so that nothing is lost."""
    parts, largest = scaled(q)
    squares = (parts * parts).sum(axis=-1, keepdims=True)
    far = xp.log(xp.where(squares == 0, 1, squares)) / 2 + xp.log(xp.where(largest == 0, 1, largest))
    near = (xp.abs(far) < 0.35) & (largest > 0)
    q = xp.where(near, xp.abs(q), 0.5)  # a length of 1 for the others, which do not use it
    excess = (q[..., :1] - 1) * (q[..., :1] + 1) + (q[..., 1:] ** 2).sum(axis=-1, keepdims=True)
    return xp.where(near, xp.log1p(excess) / 2, xp.where(largest == 0, -np.inf, far))


def _stretched(length: Array, q: Array) -> Array:
    """length · q, where a component that is 0 stays 0 even if the length is infinite."""
    return xp.where(q == 0, 0, length) * q


def _cos_sin_half_turns(x: Array) -> tuple[Array, Array]:
    """cos πx and sin πx: whole quarter turns are taken out first, and cost no rounding."""
    quarters = xp.rint(2 * x)
    rest = (x - quarters / 2) * _pi(x.dtype)
    odd, behind = quarters % 2 == 1, quarters % 4 >= 2
    cosine = xp.where(odd, -xp.sin(rest), xp.cos(rest))
    sine = xp.where(odd, xp.cos(rest), xp.sin(rest))
    return xp.where(behind, -cosine, cosine), xp.where(behind, -sine, sine)


def _pi(dtype: np.dtype) -> Array:
    """π to the last place of `dtype`."""
    return xp.arccos(xp.asarray(-1, dtype=dtype))
