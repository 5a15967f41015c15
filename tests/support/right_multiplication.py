"""Right multiplication of quaternion channels by a constant quaternion, to test equivariance."""

import numpy as np

from quatnet.backend import Array, xp
from quatnet.quaternion import hamilton_product


def times(x: Array, q: np.ndarray) -> Array:
    """Return x ⊗ q for activations x (..., 4C) in blocks r|i|j|k and one quaternion q (4,)."""
    return hamilton_product(_components(x), xp.asarray(q)[:, None], axis=-2).reshape(x.shape)


def random_unit(seed: int) -> np.ndarray:
    """Return a random quaternion of norm 1."""
    q = np.random.default_rng(seed).standard_normal(4)
    return q / np.sqrt((q**2).sum())


def norms(x: Array) -> Array:
    """Return the norm of every quaternion of x (..., 4C)."""
    return xp.sqrt((_components(x) ** 2).sum(axis=-2))


def _components(x: Array) -> Array:
    return x.reshape(*x.shape[:-1], 4, x.shape[-1] // 4)
