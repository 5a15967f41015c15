"""The four blocks r|i|j|k on the last axis of an activation, opened for the algebra and closed again."""

from ..backend import Array, xp
from ..errors import ShapeError
from ..quaternion.norms import polar


def quaternion_count(channels: int) -> int:
    """Return channels / 4. Raises ShapeError unless the real `channels` are a positive multiple of 4."""
    if channels < 4 or channels % 4:
        raise ShapeError(f"expected a positive multiple of 4 real channels, in blocks r|i|j|k, got {channels}")
    return channels // 4


def split_components(x: Array) -> Array:
    """Return `x` (..., 4C) as (..., 4, C): components along axis -2. Raises ShapeError for other channels."""
    return x.reshape(*x.shape[:-1], 4, quaternion_count(x.shape[-1] if x.ndim else 0))


def merge_components(q: Array) -> Array:
    """Return `q` (..., 4, C) as (..., 4C), the inverse of `opened`."""
    return q.reshape(*q.shape[:-2], 4 * q.shape[-1])


def norm_and_direction(q: Array) -> tuple[Array, Array]:
    """Return |q| (..., 1, C) and q / |q| (..., 4, C) of `q` (..., 4, C); the direction of 0 is 0."""
    length, direction = polar(xp.moveaxis(q, -2, 0))
    return xp.expand_dims(length, -2), xp.moveaxis(direction, 0, -2)
