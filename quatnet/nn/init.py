"""Initial weights, drawn on the host from one generator, so that every backend starts from the same numbers."""

import math

import numpy as np


def xavier_uniform(shape: tuple[int, ...], *, rng: np.random.Generator) -> np.ndarray:
    """Return uniform weights (*taps, C, O) in ±sqrt(6 / (fan_in + fan_out)), fans counted in channels x taps.

    Source: X. Glorot, Y. Bengio, Understanding the difficulty of training deep networks, 2010, eq. 16.
    """
    *taps, channels, outputs = shape
    bound = math.sqrt(6 / (math.prod(taps) * (channels + outputs)))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def quaternion_polar(shape: tuple[int, ...], scale: float, *, rng: np.random.Generator) -> np.ndarray:
    """Return quaternion weights `shape` = (4, ...) as m (cos θ + u sin θ).

    The modulus m is chi-distributed with 4 degrees of freedom times `scale`, the angle θ uniform in (-π, π),
    the imaginary axis u three uniform(-1, 1) numbers, normalised.

    Source: T. Parcollet and others, Quaternion recurrent neural networks, 2019, section 3.4; the axis as in
    the code of A. Singh and others, 2025.
    """
    rest = shape[1:]
    modulus = scale * np.sqrt(rng.chisquare(4, rest))
    angle = rng.uniform(-np.pi, np.pi, rest)
    axis = rng.uniform(-1, 1, (3, *rest))
    axis /= np.sqrt((axis**2).sum(axis=0))
    weight = np.concatenate([(modulus * np.cos(angle))[None], modulus * np.sin(angle) * axis])
    return weight.astype(np.float32)
