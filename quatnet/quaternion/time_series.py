"""Rotations over time: quaternions q (N, ..., 4) at N increasing times."""

from ..backend import Array, xp
from ..checks import as_array
from ..errors import ConfigError, ShapeError
from .alignment import from_rotation_vector, to_rotation_vector
from .arithmetic import inner_product, normalize
from .chunks import as_quaternion_array, as_vector_array
from .interpolation import slerp, squad, squad_control
from .product import conjugate, hamilton_product


def unflip(q: Array) -> Array:
    """Return q (N, ..., 4) with the signs of q_n changed so that <q_n, q_{n+1}> >= 0. The first sign does not change.

    q and -q are the same rotation. Raises ShapeError for other shapes.
    """
    q = _series(q)
    unit = normalize(q)  # the product of large or small quaternions could overflow or underflow
    flips = xp.where(inner_product(unit[:-1], unit[1:]) < 0, -1, 1)
    return xp.concatenate([q[:1], q[1:] * xp.cumprod(flips, axis=0)[..., None].astype(q.dtype)])


def angular_velocity(q: Array, times: Array, *, degrees: bool = False) -> Array:
    """Return the constant angular velocities (N - 1, ..., 3) that rotate q_n to q_{n+1} on the shortest path.

    The vectors are in the fixed frame, in rad/s, or in degrees/s if `degrees` is true. `times` (N,) are in s. Raises
    ShapeError for other shapes or for times that do not increase.
    """
    q = normalize(_series(q))
    times = _times(times, len(q))
    steps = to_rotation_vector(hamilton_product(q[1:], conjugate(q[:-1])), degrees=degrees)
    return steps / _columns(xp.diff(times), steps.ndim)


def integrate_angular_velocity(velocity: Array, times: Array, initial: Array, *, degrees: bool = False) -> Array:
    """Return q (N, ..., 4) at `times` (N,), for constant angular velocities (N - 1, ..., 3) between the times.

    The rotation at the first time is `initial` (..., 4), and q_{n+1} = e^(ω dt / 2) ⊗ q_n. The function is the inverse
    of `angular_velocity`, with the same units and errors. The products are computed by doubling, in log2(N) steps.
    """
    velocity, initial = as_vector_array(velocity, -1), as_quaternion_array(initial, -1)
    if initial.ndim >= velocity.ndim:
        raise ShapeError(f"expected initial (..., 4) for (N - 1, ..., 3), got {initial.shape} and {velocity.shape}")
    times = _times(times, len(velocity) + 1)
    q = from_rotation_vector(velocity * _columns(xp.diff(times), velocity.ndim), degrees=degrees)
    step = 1
    while step < len(q):
        q = xp.concatenate([q[:step], hamilton_product(q[step:], q[:-step])])
        step *= 2
    q = hamilton_product(q, initial)
    return xp.concatenate([xp.broadcast_to(initial, q[:1].shape).astype(q.dtype), q])


def interpolate(q: Array, times: Array, new_times: Array, *, method: str = "slerp") -> Array:
    """Return the rotations at `new_times`, one for each new time, interpolated between q (N, ..., 4) at `times` (N,).

    `method` is "slerp", or "squad", whose angular velocity is continuous if the time steps are equal. Times outside of
    the range are extrapolated. Raises ShapeError for other shapes or times that do not increase, and ConfigError for
    another method or shape of `new_times`.
    """
    q, new_times = unflip(q), as_array(new_times)
    times = _times(times, len(q))
    if method not in ("slerp", "squad") or new_times.ndim != 1:
        raise ConfigError(
            f"expected the method slerp or squad, and new_times with one axis, got {method!r}, {new_times.shape}"
        )
    n = xp.clip(xp.searchsorted(times, new_times, side="right") - 1, 0, len(q) - 2)
    t = _columns((new_times - times[n]) / (times[n + 1] - times[n]), q.ndim - 1)
    if method == "slerp":
        return slerp(q[n], q[n + 1], t)
    control = squad_control(xp.concatenate([q[:1], q[:-1]]), q, xp.concatenate([q[1:], q[-1:]]))
    return squad(q[n], control[n], control[n + 1], q[n + 1], t)


def _series(q: Array) -> Array:
    q = as_quaternion_array(q, -1)
    if q.ndim < 2 or len(q) < 2:
        raise ShapeError(f"expected at least two quaternions (N, ..., 4), got shape {q.shape}")
    return q


def _times(times: Array, count: int) -> Array:
    times = as_array(times)
    finite = xp.isfinite(times).all()
    if count < 2 or times.shape != (count,) or not (finite and (xp.diff(times) > 0).all()):
        raise ShapeError(
            f"expected {max(count, 2)} finite, increasing times, one for each rotation, got shape {times.shape}"
        )
    return times


def _columns(values: Array, ndim: int) -> Array:
    """Return values (N,) with axes of length 1 at the end, for a product with an array of `ndim` axes."""
    return values.reshape(-1, *(1,) * (ndim - 1))
