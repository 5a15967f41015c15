"""Turning activations: a quaternion on the right of every quaternion channel."""

import numpy as np

from quatnet.backend import Array, xp
from quatnet.quaternion import hamilton_product


def times(x: Array, q: np.ndarray) -> Array:
    """Return x ⊗ q for activations x (..., 4C) in blocks r|i|j|k and one quaternion q (4,)."""
    opened = x.reshape(*x.shape[:-1], 4, x.shape[-1] // 4)
    return hamilton_product(opened, xp.asarray(q)[:, None], axis=-2).reshape(x.shape)


def unit(seed: int) -> np.ndarray:
    """Return a random quaternion of length 1."""
    q = np.random.default_rng(seed).standard_normal(4)
    return q / np.sqrt((q**2).sum())


def lengths(x: Array) -> Array:
    """Return |q| for every quaternion of x (..., 4C)."""
    opened = x.reshape(*x.shape[:-1], 4, x.shape[-1] // 4)
    return xp.sqrt((opened**2).sum(axis=-2))
