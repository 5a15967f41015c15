"""Ways between rotations: how far, the shortest way, and a smooth way through many.

The conventions are those of `rotation`: q means q / |q|, 0 gives nan, and q and -q are the same rotation.
"""

import numpy as np

from ..backend import Array, xp
from .chunks import apply_chunked, checked
from .functions import exp, log
from .norms import length, ratio, unit
from .product import conjugate, hamilton_product
from .trigonometry import cos_sin


def geodesic_distance(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return the angle in [0, π] of the turn from p to q, in rad, without `axis`; other axes broadcast.

    4 atan2(|p - q|, |p + q|), the smaller first: all digits stay near 0 and near π, where acos loses half.
    Raises ShapeError unless `axis` has length 4.
    """

    def formula(p: Array, q: Array) -> Array:
        p, q = _nearer_units(p, q)
        return 2 * _arc(p, q)[None]

    return apply_chunked(formula, checked(p, axis), checked(q, axis), axis=axis).squeeze(axis)


def slerp(p: Array, q: Array, t: Array, *, axis: int = -1) -> Array:
    """Return the rotation a fraction t of the shortest way from p to q, at constant speed.

    (p sin (1-t)Ω + q sin tΩ) / sin Ω, with q or -q, whichever is nearer to p, and Ω the arc between them: so
    Ω ≤ π/2, and ends that are almost opposite are almost equal. Written with sin x / x, which is 1 at 0, it
    needs no special case for equal ends. t = 0 gives p; t = 1 gives q or -q.

    Parameters
    ----------
    p, q : float arrays, length 4 along `axis`; other axes broadcast
    t : number, or array that broadcasts against them without `axis`; beyond [0, 1] the way goes on

    Raises
    ------
    ShapeError
        `axis` does not have length 4.

    Source: K. Shoemake, 1985.
    """
    return apply_chunked(_slerp, checked(p, axis), checked(q, axis), numbers=(xp.asarray(t),), axis=axis)


def _slerp(p: Array, q: Array, t: Array) -> Array:
    p, q = _nearer_units(p, q)
    t = t.astype(q.dtype)
    t = t if xp.isfinite(t).all() else xp.where(xp.isinf(t), np.nan, t)
    arc = _arc(p, q)
    whole = _sinc(arc)
    return (1 - t) * _sinc((1 - t) * arc) / whole * p + t * _sinc(t * arc) / whole * q


def squad(p: Array, a: Array, b: Array, q: Array, t: Array, *, axis: int = -1) -> Array:
    """Return the smooth way from p to q with the controls a (of p) and b (of q) that `squad_control` finds.

    slerp(slerp(p, q, t), slerp(a, b, t), 2t(1-t)): through neighbors in turn, position and velocity are
    continuous if p, q and their neighbors are less than half a turn apart. Parameters and errors as in
    `slerp`.

    Source: K. Shoemake, 1987.
    """

    def formula(p: Array, a: Array, b: Array, q: Array, t: Array) -> Array:
        t = t.astype(p.dtype)
        return _slerp(_slerp(p, q, t), _slerp(a, b, t), 2 * t * (1 - t))

    rows = (checked(part, axis) for part in (p, a, b, q))
    return apply_chunked(formula, *rows, numbers=(xp.asarray(t),), axis=axis)


def squad_control(before: Array, q: Array, after: Array, *, axis: int = -1) -> Array:
    """Return the control rotation of q between its neighbors: q ⊗ exp(-(log q⁻¹a + log q⁻¹b) / 4).

    At an end, give q itself as the missing neighbor. Raises ShapeError unless `axis` has length 4.
    """

    def formula(before: Array, q: Array, after: Array) -> Array:
        _, before = _nearer_units(q, before)
        q, after = _nearer_units(q, after)
        turns = (hamilton_product(conjugate(q, axis=0), part, axis=0) for part in (before, after))
        total = sum(log(turn, axis=0) for turn in turns)
        return hamilton_product(q, exp(-total / 4, axis=0), axis=0)

    return apply_chunked(formula, *(checked(part, axis) for part in (before, q, after)), axis=axis)


def _nearer_units(p: Array, q: Array) -> tuple[Array, Array]:
    """The rows p / |p| and ± q / |q|, whichever is nearer to p."""
    p, q = unit(p), unit(q)
    opposite = (p * q).sum(axis=0) < 0
    return p, q * (1 - 2 * opposite.astype(q.dtype))


def _arc(p: Array, q: Array) -> Array:
    """The angle between unit quaternions: |p - q| = 2 sin Ω/2, |p + q| = 2 cos Ω/2. Source: W. Kahan, 2006."""
    return 2 * xp.arctan2(length(p - q), length(p + q))


def _sinc(x: Array) -> Array:
    """sin x / x."""
    return ratio(cos_sin(x)[1], x)
