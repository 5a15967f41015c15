"""Conversion between activations (..., 4C) in blocks r|i|j|k and quaternions (..., 4, C) with a component axis."""

from numbers import Integral

from ..backend import Array, xp
from ..errors import ShapeError
from ..quaternion.norms import norm_and_direction


def quaternion_channels(channels: int) -> int:
    """Return the number of quaternion channels for `channels` real channels.

    Raises ShapeError unless `channels` is a positive multiple of 4.
    """
    if not isinstance(channels, Integral) or channels < 4 or channels % 4:
        raise ShapeError(f"expected a positive multiple of 4 real channels, in blocks r|i|j|k, got {channels}")
    return channels // 4


def split_components(x: Array) -> Array:
    """Return `x` (..., 4C) as (..., 4, C). Raises ShapeError unless the last length is a positive multiple of 4."""
    return x.reshape(*x.shape[:-1], 4, quaternion_channels(x.shape[-1] if x.ndim else 0))


def merge_components(q: Array) -> Array:
    """Return `q` (..., 4, C) as (..., 4C), the inverse of `split_components`."""
    return q.reshape(*q.shape[:-2], 4 * q.shape[-1])


def quaternion_norm_and_direction(q: Array) -> tuple[Array, Array]:
    """Return the norm |q| (..., 1, C) and the direction q / |q| (..., 4, C) of `q` (..., 4, C).

    The direction of 0 is 0.
    """
    norm, direction = norm_and_direction(xp.moveaxis(q, -2, 0))
    return xp.expand_dims(norm, -2), xp.moveaxis(direction, 0, -2)
