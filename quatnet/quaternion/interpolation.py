"""Geodesic distance and interpolation of rotations: slerp between two rotations, squad for a sequence of rotations.

As in `rotation`, quaternions are normalized first, and the result for 0 is NaN. q and -q represent the same rotation.
"""

import numpy as np

from ..backend import Array, xp
from ..checks import as_array
from .chunks import apply_to_quaternions, reduce_quaternions
from .functions import exp, log
from .norms import ratio, unit_vector, vector_norm
from .product import conjugate, hamilton_product
from .trigonometry import cos_sin, from_radians


def geodesic_distance(p: Array, q: Array, *, degrees: bool = False, axis: int = -1) -> Array:
    """Return the angle in [0, π] of the rotation from p to q, without `axis`. The other axes broadcast.

    The angle is in rad, or in degrees if `degrees` is true.

    The angle is 4 atan2(|p - q|, |p + q|), with the sign of q that gives the smaller angle. This formula keeps all
    digits near 0 and near π. A formula with acos loses half of the digits.

    Raises ShapeError unless `axis` has length 4.
    """

    def formula(p: Array, q: Array) -> Array:
        return 2 * _angle_between(*_nearest_unit_vectors(p, q))

    return from_radians(reduce_quaternions(formula, p, q, axis=axis), degrees)


def slerp(p: Array, q: Array, t: Array, *, axis: int = -1) -> Array:
    """Return the spherical linear interpolation from p (t = 0) to q or -q (t = 1), along the shortest arc.

    The result is (p sin (1-t)Ω + q sin tΩ) / sin Ω, where Ω is the arc between p and q. The sign of q is chosen so that
    Ω ≤ π/2. The sines are computed as multiples of sin x / x, so the formula also holds for p = q.

    Parameters
    ----------
    p, q : float arrays, length 4 along `axis`; the other axes broadcast
    t : number, or array that broadcasts against p and q without `axis`; values outside [0, 1] extrapolate

    Raises
    ------
    ShapeError
        `axis` does not have length 4.

    Source: K. Shoemake, 1985.
    """
    return apply_to_quaternions(_slerp, p, q, scalars=(as_array(t),), axis=axis)


def _slerp(p: Array, q: Array, t: Array) -> Array:
    p, q = _nearest_unit_vectors(p, q)
    t = t.astype(q.dtype)
    t = t if xp.isfinite(t).all() else xp.where(xp.isinf(t), np.nan, t)
    arc = _angle_between(p, q)
    sinc_arc = _sinc(arc)
    return (1 - t) * _sinc((1 - t) * arc) / sinc_arc * p + t * _sinc(t * arc) / sinc_arc * q


def squad(p: Array, a: Array, b: Array, q: Array, t: Array, *, axis: int = -1) -> Array:
    """Return the spherical cubic interpolation from p to q, with the control rotations a of p and b of q.

    The result is slerp(slerp(p, q, t), slerp(a, b, t), 2t(1-t)). With control rotations from `squad_control`, rotation
    and angular velocity are continuous along a sequence with equal time steps if neighbors differ by less than half a
    turn. The parameters and errors are those of `slerp`.

    Source: K. Shoemake, 1987.
    """

    def formula(p: Array, a: Array, b: Array, q: Array, t: Array) -> Array:
        t = t.astype(p.dtype)
        return _slerp(_slerp(p, q, t), _slerp(a, b, t), 2 * t * (1 - t))

    return apply_to_quaternions(formula, p, a, b, q, scalars=(as_array(t),), axis=axis)


def squad_control(before: Array, q: Array, after: Array, *, axis: int = -1) -> Array:
    """Return the control rotation of q for `squad`, given the rotations `before` and `after` q in a sequence.

    The control rotation is q ⊗ exp(-(log q⁻¹a + log q⁻¹b) / 4) with a = `before` and b = `after`. At an end of the
    sequence, pass q for the missing neighbor. Raises ShapeError unless `axis` has length 4.
    """

    def formula(before: Array, q: Array, after: Array) -> Array:
        _, before = _nearest_unit_vectors(q, before)
        q, after = _nearest_unit_vectors(q, after)
        steps = (hamilton_product(conjugate(q, axis=0), neighbor, axis=0) for neighbor in (before, after))
        total = sum(log(step, axis=0) for step in steps)
        return hamilton_product(q, exp(-total / 4, axis=0), axis=0)

    return apply_to_quaternions(formula, before, q, after, axis=axis)


def _nearest_unit_vectors(p: Array, q: Array) -> tuple[Array, Array]:
    """Return p / |p|, and q / |q| or -q / |q|, whichever is nearer to p / |p|."""
    p, q = unit_vector(p), unit_vector(q)
    opposite = (p * q).sum(axis=0) < 0
    return p, q * (1 - 2 * opposite.astype(q.dtype))


def _angle_between(p: Array, q: Array) -> Array:
    """Return the angle Ω between the unit quaternions p and q.

    Since |p - q| = 2 sin Ω/2 and |p + q| = 2 cos Ω/2, the angle is 2 atan2(|p - q|, |p + q|).

    Source: W. Kahan, 2006.
    """
    return 2 * xp.arctan2(vector_norm(p - q), vector_norm(p + q))


def _sinc(x: Array) -> Array:
    """Return sin x / x, and 1 for x = 0."""
    return ratio(cos_sin(x)[1], x)
