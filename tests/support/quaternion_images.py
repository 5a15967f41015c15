"""What a constant quaternion does to all channels of an image."""

from quatnet.backend import Array, xp
from quatnet.quaternion import hamilton_product


def times(x: Array, q: Array) -> Array:
    """x ⊗ q for channels (..., 4C) in blocks r|i|j|k and one quaternion q."""
    opened = x.reshape(*x.shape[:-1], 4, -1)
    return hamilton_product(opened, xp.asarray(q)[:, None], axis=-2).reshape(x.shape)
