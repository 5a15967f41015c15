"""Initial weights, drawn on the host from one generator, so that every backend starts from the same numbers.

A quaternion weight is drawn with a scale σ such that E|w|² = 4 σ². In y = Σ w ⊗ x each component of y has the
variance n E|w|² = 4 n σ² times that of a component of x, for n quaternions in; the scales below make that 1, or 2.
"""

import math

import numpy as np

from ..errors import ShapeError


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
    the imaginary axis u three uniform(-1, 1) numbers, normalized. Raises ShapeError for another first length.

    Source: T. Parcollet and others, Quaternion recurrent neural networks, 2019, section 3.4; the axis as in
    the code of A. Singh and others, 2025.
    """
    rest = _quaternions(shape)
    modulus = scale * np.sqrt(rng.chisquare(4, rest))
    angle = rng.uniform(-np.pi, np.pi, rest)
    axis = rng.uniform(-1, 1, (3, *rest))
    axis /= np.sqrt((axis**2).sum(axis=0))
    weight = np.concatenate([(modulus * np.cos(angle))[None], modulus * np.sin(angle) * axis])
    return weight.astype(np.float32)


def quaternion_unitary(shape: tuple[int, ...], scale: float, *, rng: np.random.Generator) -> np.ndarray:
    """Return quaternion weights `shape` = (4, ...), all of length 2 · `scale`, with directions uniform on the sphere.

    The length is the root mean square length of `quaternion_polar`, so the same scales keep a signal's size;
    scale 1/2 gives unit quaternions. Raises ShapeError for another first length.
    """
    weight = rng.standard_normal((4, *_quaternions(shape)))
    return (2 * scale * weight / np.sqrt((weight**2).sum(axis=0))).astype(np.float32)


def glorot_scale(shape: tuple[int, ...]) -> float:
    """Return σ = 1 / sqrt(2 (fan_in + fan_out)): linear layers then keep the size of signals and of gradients.

    `shape` is (4, *taps, C, O), fans are counted in quaternions x taps. Raises ShapeError for another shape.

    Source: X. Glorot, Y. Bengio, 2010, eq. 12; C. Gaudet, A. Maida, Deep quaternion networks, 2018.
    """
    return 1 / math.sqrt(2 * sum(_fans(shape)))


def he_scale(shape: tuple[int, ...]) -> float:
    """Return σ = 1 / sqrt(2 fan_in): twice the variance, since a relu lets half of it through.

    `shape` as for `glorot_scale`. Raises ShapeError for another shape.

    Source: K. He and others, Delving deep into rectifiers, 2015, eq. 10; C. Gaudet, A. Maida, 2018.
    """
    return 1 / math.sqrt(2 * _fans(shape)[0])


def _quaternions(shape: tuple[int, ...]) -> tuple[int, ...]:
    if shape[:1] != (4,):
        raise ShapeError(f"expected the shape (4, ...) of quaternion weights, components first, got {tuple(shape)}")
    return tuple(shape[1:])


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    rest = _quaternions(shape)
    if len(rest) < 2 or min(rest) < 1:
        raise ShapeError(f"expected the shape (4, *taps, C, O) of a weight, got {tuple(shape)}")
    *taps, channels, outputs = rest
    return math.prod(taps) * channels, math.prod(taps) * outputs
