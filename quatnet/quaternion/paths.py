"""Ways between rotations: how far, the shortest way, and a smooth way through many.

The conventions are those of `rotation`: q means q / |q|, 0 gives nan, and q and -q are the same rotation.
"""

import numpy as np

from ..backend import Array, xp
from .functions import exp, log
from .parts import inner_product, last, normalise
from .product import conjugate, hamilton_product, norm


def geodesic_distance(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return the angle in [0, π] of the turn from p to q, in rad, without `axis`; other axes broadcast.

    4 atan2(|p - q|, |p + q|), the smaller first: all digits stay near 0 and near π, where acos loses half.
    Raises ShapeError unless `axis` has length 4.
    """
    p, q = (normalise(last(part, axis)) for part in (p, q))
    return 2 * _arc(p, _nearer(q, p))[..., 0]


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
    p, q = (normalise(last(part, axis)) for part in (p, q))
    q = _nearer(q, p)
    t = xp.asarray(t, dtype=q.dtype)[..., None]
    t = xp.where(xp.isinf(t), np.nan, t)
    arc = _arc(p, q)
    from_p, from_q = ((part * _sinc(part * arc) / _sinc(arc)) for part in (1 - t, t))
    return xp.moveaxis(from_p * p + from_q * q, -1, axis)


def squad(p: Array, a: Array, b: Array, q: Array, t: Array, *, axis: int = -1) -> Array:
    """Return the smooth way from p to q with the controls a (of p) and b (of q) that `squad_control` finds.

    slerp(slerp(p, q, t), slerp(a, b, t), 2t(1-t)): through neighbours in turn, position and velocity are
    continuous if p, q and their neighbours are less than half a turn apart. Parameters and errors as in
    `slerp`.

    Source: K. Shoemake, 1987.
    """
    p, a, b, q = (last(part, axis) for part in (p, a, b, q))
    t = xp.asarray(t, dtype=p.dtype)
    between, control = slerp(p, q, t), slerp(a, b, t)
    return xp.moveaxis(slerp(between, control, 2 * t * (1 - t)), -1, axis)


def squad_control(before: Array, q: Array, after: Array, *, axis: int = -1) -> Array:
    """Return the control rotation of q between its neighbours: q ⊗ exp(-(log q⁻¹a + log q⁻¹b) / 4).

    At an end, give q itself as the missing neighbour. Raises ShapeError unless `axis` has length 4.
    """
    before, q, after = (normalise(last(part, axis)) for part in (before, q, after))
    logs = (log(hamilton_product(conjugate(q), _nearer(part, q))) for part in (before, after))
    return xp.moveaxis(hamilton_product(q, exp(-sum(logs) / 4)), -1, axis)


def _nearer(q: Array, p: Array) -> Array:
    """q or -q, whichever is nearer to p."""
    return xp.where(inner_product(p, q)[..., None] < 0, -q, q)


def _arc(p: Array, q: Array) -> Array:
    """The angle between unit quaternions: |p - q| = 2 sin Ω/2, |p + q| = 2 cos Ω/2. Source: W. Kahan, 2006."""
    return 2 * xp.arctan2(norm(p - q), norm(p + q))[..., None]


def _sinc(x: Array) -> Array:
    """sin x / x."""
    return xp.where(x == 0, 1, xp.sin(x) / xp.where(x == 0, 1, x))
