"""Exponential, logarithm, powers and square root of quaternions, on plain arrays.

q = |q| (cos θ + u sin θ) lies in the plane spanned by 1 and its imaginary unit u, where u² = -1. In that plane these
functions are the functions of a complex number, with principal values: θ in [0, π]. A negative real number lies in
all of these planes. For it u = i is chosen, so that log(-1) = πi and sqrt(-1) = i.

Errors are a few units in the last place of the norm of the result. All functions raise ShapeError unless `axis` has
length 4, keep the dtype, and return nan for nan. A result that overflows warns like NumPy's `exp`.
"""

import numpy as np

from ..backend import Array, xp
from .chunks import apply_chunked, checked
from .norms import ratio, safe_scale, vector_norm, zero_to_one
from .product import hamilton_product
from .trigonometry import cos_sin, cos_sin_pi, pi


def exp(q: Array, *, axis: int = -1) -> Array:
    """Return e^q = e^r (cos |v| + v/|v| sin |v|) for q = r + v with imaginary part v.

    exp(0) = 1. r = -inf gives 0. r = inf gives infinity in every nonzero component. An infinite v gives nan.
    """
    return apply_chunked(_exp, checked(q, axis), axis=axis)


def _exp(q: Array) -> Array:
    real, imaginary = q[0], q[1:]
    angle = vector_norm(imaginary)
    angle = xp.where(xp.isinf(angle) | xp.isnan(real), np.nan, angle)
    cosine, sine = cos_sin(angle)
    direction = xp.stack([cosine, *(imaginary * ratio(sine, angle))])
    half_power = xp.exp(real / 2)  # e^r in two factors: e^710 overflows, but e^710 cos 1.57 does not
    return _multiply(half_power, _multiply(half_power, direction))


def log(q: Array, *, axis: int = -1) -> Array:
    """Return log q = ln |q| + u θ, the inverse of `exp`, with θ in [0, π].

    log(0) = -inf + 0u. An infinite q has the real part inf and the angle of its infinite components.
    """
    return apply_chunked(_log, checked(q, axis), axis=axis)


def _log(q: Array) -> tuple[Array, ...]:
    scaled, scale, total = safe_scale(q)
    v, v_norm, scaled_v_norm = _imaginary_direction(q, scaled)
    angle = xp.arctan2(scaled_v_norm, scaled[0])
    return _log_norm(scaled[0], scaled_v_norm, scale, total), *(v * (angle / v_norm))


def sqrt(q: Array, *, axis: int = -1) -> Array:
    """Return the square root with real part ≥ 0: (|q| + q) / sqrt(2 (|q| + r)); sqrt(0) = 0.

    With a = sqrt((|q| + |r|) / 2), which is free of cancellation, and b = |v| / 2a, the root is a + ub for r ≥ 0 and
    b + ua for r < 0. An infinite q gives infinity in every nonzero component of the root of its direction.
    """
    return apply_chunked(_sqrt, checked(q, axis), axis=axis)


def _sqrt(q: Array) -> Array:
    scaled, scale, total = safe_scale(q)
    v, v_norm, scaled_v_norm = _imaginary_direction(q, scaled)
    a = xp.sqrt((xp.sqrt(total) + xp.abs(scaled[0])) / 2)
    b = scaled_v_norm / (2 * zero_to_one(a))
    negative = scaled[0] < 0
    root = xp.stack([xp.where(negative, b, a), *(v * (xp.where(negative, a, b) / v_norm))])
    return _multiply(xp.sqrt(scale), root)


def power(q: Array, exponent: Array, *, axis: int = -1) -> Array:
    """Return q^t = |q|^t (cos tθ + u sin tθ) for real t, a number or an array that broadcasts without `axis`.

    q^0 = 1 for every q except nan, including 0. 0^t = 0 for t > 0, and nan for t < 0, like `inverse`. An infinite t
    gives nan. t is converted to the dtype of q. Angles are computed in half turns, so that i² = -1 exactly.
    """
    return apply_chunked(_power, checked(q, axis), scalars=(xp.asarray(exponent),), axis=axis)


def _power(q: Array, t: Array) -> Array:
    scaled, scale, total = safe_scale(q)
    v, v_norm, scaled_v_norm = _imaginary_direction(q, scaled)
    angle = xp.arctan2(scaled_v_norm, scaled[0])
    t = t.astype(angle.dtype)
    t = xp.where(xp.isinf(t) | ((total == 0) & (t < 0)), np.nan, t)
    cosine, sine = cos_sin_pi(t * (angle / pi(angle.dtype)))
    norm_power = xp.sqrt(total) ** t * scale**t  # |q| may overflow or underflow, so the factors are raised separately
    return _multiply(norm_power, xp.stack([cosine, *(v * (sine / v_norm))]))


def quaternion_power(p: Array, exponent: Array, *, axis: int = -1) -> Array:
    """Return p^q = exp(log p ⊗ q) for quaternion exponents q. All axes except `axis` broadcast.

    0^0 = 1. 0^q = 0 if Re q > 0, and nan for all other q. Infinities give nan. For real q the result is that of
    `power` up to rounding. The order log p ⊗ q is a convention; q ⊗ log p gives the same where p and q commute.
    """
    return apply_chunked(_quaternion_power, checked(p, axis), checked(exponent, axis), axis=axis)


def _quaternion_power(p: Array, q: Array) -> Array:
    p, q = (xp.where(xp.isfinite(operand).all(axis=0), operand, np.nan) for operand in (p, q))
    zero = (p == 0).all(axis=0)
    logarithm = xp.stack(_log(xp.where(zero, xp.ones_like(p), p)))  # 1 is a placeholder for 0
    limit = xp.where(q[0] > 0, xp.zeros_like(q[0]), np.nan)
    result = _exp(hamilton_product(logarithm, q, axis=0))
    return xp.where(zero & (q != 0).any(axis=0), limit, result)


def _imaginary_direction(q: Array, scaled: Array) -> tuple[Array, Array, Array]:
    """Return v and |v| with u = v / |v|, and the norm of the imaginary part of `scaled`, for atan2.

    u = i for a negative real number, and 0 for a positive one and for 0. θ is computed with atan2, because
    acos(r / |q|) would lose half of the digits near 0 and near π.
    """
    v, scale, total = safe_scale(q[1:])
    v_norm = xp.sqrt(total)
    scaled_v_norm = v_norm * scale if scaled is q else vector_norm(scaled[1:])
    zero = total == 0
    if zero.any():
        v = xp.stack([xp.where(zero & (scaled[0] < 0), 1, v[0]), v[1], v[2]])
    return v, zero_to_one(v_norm), scaled_v_norm


def _log_norm(real: Array, imaginary_norm: Array, scale: Array, total: Array) -> Array:
    """Return ln(s sqrt(t)) for the scale s and t = r² + |v|².

    Near 1, log1p of t - 1 = (|r| - 1)(|r| + 1) + |v|² avoids cancellation.
    """
    excess = (xp.abs(real) - 1) * (xp.abs(real) + 1) + imaginary_norm * imaginary_norm
    with np.errstate(divide="ignore", over="ignore"):  # ln 0 = -inf
        return xp.where(total > 0.5, xp.log1p(excess), xp.log(total)) / 2 + xp.log(scale)


def _multiply(factor: Array, q: Array) -> Array:
    """Return factor · q, where a component of 0 stays 0 even if the factor is infinite."""
    return factor * q if xp.isfinite(factor).all() else xp.where(q == 0, 0, factor) * q
