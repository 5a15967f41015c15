"""Exponential, logarithm, powers and square root of quaternions, on plain arrays.

A quaternion q = |q| (cos θ + u sin θ) with the unit u, u² = -1, lies in the plane of 1 and u. In this plane, these
functions are the principal values of the complex functions, with θ in [0, π]. A negative real number lies in the planes
of all u. For negative real numbers, u = i is chosen, so that log(-1) = πi and sqrt(-1) = i.

Rounding errors are a few units in the last place of the norm of the result. All functions raise ShapeError unless
`axis` has length 4. The dtype is kept, and NaN propagates. Overflow raises the same warning as NumPy's `exp`.
"""

import numpy as np

from ..backend import Array, xp
from ..checks import as_array
from .chunks import apply_to_quaternions
from .norms import ratio, safe_scale, vector_norm, zero_to_one
from .product import hamilton_product
from .trigonometry import cos_sin, cos_sin_pi, pi


def exp(q: Array, *, axis: int = -1) -> Array:
    """Return e^q = e^r (cos |v| + v/|v| sin |v|) for q with real part r and imaginary part v.

    The result is 1 for q = 0, and 0 for r = -inf. For r = inf, every nonzero component is infinite. The result for an
    infinite v is NaN.
    """
    return apply_to_quaternions(_exp, q, axis=axis)


def _exp(q: Array) -> Array:
    real, imaginary = q[0], q[1:]
    angle = vector_norm(imaginary)
    angle = xp.where(xp.isinf(angle) | xp.isnan(real), np.nan, angle)
    cosine, sine = cos_sin(angle)
    direction = xp.stack([cosine, *(imaginary * ratio(sine, angle))])
    half_power = xp.exp(real / 2)  # e^r is applied as two factors, because e^710 overflows and e^710 cos 1.57 does not
    return _multiply(half_power, _multiply(half_power, direction))


def log(q: Array, *, axis: int = -1) -> Array:
    """Return log q = ln |q| + u θ, the inverse of `exp`, with the unit u of q and θ in [0, π].

    The result for q = 0 has the real part -inf and the imaginary part 0. The result for an infinite q has the real part
    inf and the angle of the infinite components.
    """
    return apply_to_quaternions(_log, q, axis=axis)


def _log(q: Array) -> tuple[Array, ...]:
    scaled, scale, total = safe_scale(q)
    v, v_norm, scaled_v_norm = _imaginary_direction(q, scaled)
    angle = xp.arctan2(scaled_v_norm, scaled[0])
    return _log_norm(scaled[0], scaled_v_norm, scale, total), *(v * (angle / v_norm))


def sqrt(q: Array, *, axis: int = -1) -> Array:
    """Return the square root of q = r + v with real part ≥ 0, (|q| + q) / sqrt(2 (|q| + r)). The root of 0 is 0.

    Let u = v / |v|, a = sqrt((|q| + |r|) / 2) and b = |v| / 2a. The root is a + ub for r ≥ 0, and b + ua for r < 0.
    The sum in a has no cancellation. For an infinite q, every nonzero component of the root of its direction is
    infinite.
    """
    return apply_to_quaternions(_sqrt, q, axis=axis)


def _sqrt(q: Array) -> Array:
    scaled, scale, total = safe_scale(q)
    v, v_norm, scaled_v_norm = _imaginary_direction(q, scaled)
    a = xp.sqrt((xp.sqrt(total) + xp.abs(scaled[0])) / 2)
    b = scaled_v_norm / (2 * zero_to_one(a))
    negative = scaled[0] < 0
    root = xp.stack([xp.where(negative, b, a), *(v * (xp.where(negative, a, b) / v_norm))])
    return _multiply(xp.sqrt(scale), root)


def power(q: Array, exponent: Array, *, axis: int = -1) -> Array:
    """Return q^t = |q|^t (cos tθ + u sin tθ) for the real `exponent` t, where q has the unit u and the angle θ.

    t is a number, or an array that broadcasts against q without `axis`. t is converted to the dtype of q.

    - q^0 = 1 for every q except NaN, also for q = 0.
    - 0^t = 0 for t > 0, and NaN for t < 0, like `inverse`.
    - The result for an infinite t is NaN.

    Angles are computed in half turns, so that i² = -1 exactly.
    """
    return apply_to_quaternions(_power, q, scalars=(as_array(exponent),), axis=axis)


def _power(q: Array, t: Array) -> Array:
    scaled, scale, total = safe_scale(q)
    v, v_norm, scaled_v_norm = _imaginary_direction(q, scaled)
    angle = xp.arctan2(scaled_v_norm, scaled[0])
    t = t.astype(angle.dtype)
    t = xp.where(xp.isinf(t) | ((total == 0) & (t < 0)), np.nan, t)
    cosine, sine = cos_sin_pi(t * (angle / pi(angle.dtype)))
    # |q| may overflow or underflow, so each of its factors is raised to the power t.
    norm_power = xp.sqrt(total) ** t * scale**t
    return _multiply(norm_power, xp.stack([cosine, *(v * (sine / v_norm))]))


def quaternion_power(p: Array, exponent: Array, *, axis: int = -1) -> Array:
    """Return p^q = exp(log p ⊗ q) for the quaternion `exponent` q. All axes except `axis` broadcast.

    0^0 = 1. If q has a positive real part, 0^q = 0. For all other q, 0^q is NaN. The result for an infinite p or q is
    NaN. For real q, the result equals that of `power` up to rounding. The order log p ⊗ q is a convention. The order
    does not matter if p and q commute.
    """
    return apply_to_quaternions(_quaternion_power, p, exponent, axis=axis)


def _quaternion_power(p: Array, q: Array) -> Array:
    p, q = (xp.where(xp.isfinite(operand).all(axis=0), operand, np.nan) for operand in (p, q))
    zero = (p == 0).all(axis=0)
    logarithm = xp.stack(_log(xp.where(zero, xp.ones_like(p), p)))  # log 0 is not used, so 0 is replaced by 1
    limit = xp.where(q[0] > 0, xp.zeros_like(q[0]), np.nan)
    result = _exp(hamilton_product(logarithm, q, axis=0))
    return xp.where(zero & (q != 0).any(axis=0), limit, result)


def _imaginary_direction(q: Array, scaled: Array) -> tuple[Array, Array, Array]:
    """Return v and |v| for the unit u = v / |v| of q, and the norm of the imaginary part of `scaled`.

    u is i for a negative real number, and 0 for a nonnegative real number. The third result is an argument of atan2 for
    the angle θ. The formula acos(r / |q|) would lose half of the digits near 0 and near π.
    """
    v, scale, total = safe_scale(q[1:])
    v_norm = xp.sqrt(total)
    scaled_v_norm = v_norm * scale if scaled is q else vector_norm(scaled[1:])
    zero = total == 0
    if zero.any():
        v = xp.stack([xp.where(zero & (scaled[0] < 0), 1, v[0]), v[1], v[2]])
    return v, zero_to_one(v_norm), scaled_v_norm


def _log_norm(real: Array, imaginary_norm: Array, scale: Array, total: Array) -> Array:
    """Return ln(scale · sqrt(total)), where total = real² + imaginary_norm².

    For `total` near 1, log1p(total - 1) avoids cancellation, with
    total - 1 = (|real| - 1)(|real| + 1) + imaginary_norm².
    """
    excess = (xp.abs(real) - 1) * (xp.abs(real) + 1) + imaginary_norm * imaginary_norm
    with np.errstate(divide="ignore", over="ignore"):  # the logarithm of 0 is -inf
        return xp.where(total > 0.5, xp.log1p(excess), xp.log(total)) / 2 + xp.log(scale)


def _multiply(factor: Array, q: Array) -> Array:
    """Return factor · q. A component 0 of q gives 0 even if `factor` is infinite."""
    return factor * q if xp.isfinite(factor).all() else xp.where(q == 0, 0, factor) * q
