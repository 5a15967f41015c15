"""Initial weights, drawn on the host, so that all backends start from the same weights.

A quaternion weight is drawn with a scale σ such that E|w|² = 4 σ². For n input quaternions, the variance of a component
of y = Σ w ⊗ x is n E|w|² = 4 n σ² times the variance of a component of x; the scales below make this factor 1 or 2.
"""

import math

import numpy as np

from ..errors import ShapeError


def xavier_uniform(shape: tuple[int, ...], *, rng: np.random.Generator) -> np.ndarray:
    """Return weights (*kernel_size, C, O), uniform in ±sqrt(6 / (fan_in + fan_out)); a fan is channels x kernel taps.

    Source: X. Glorot, Y. Bengio, Understanding the difficulty of training deep networks, 2010, eq. 16.
    """
    *kernel_size, in_channels, out_channels = shape
    bound = math.sqrt(6 / (math.prod(kernel_size) * (in_channels + out_channels)))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def quaternion_polar(shape: tuple[int, ...], scale: float, *, rng: np.random.Generator) -> np.ndarray:
    """Return quaternion weights of `shape` (4, ...), drawn as m (cos θ + u sin θ).

    The modulus m is `scale` times a chi-distributed number with 4 degrees of freedom. The angle θ is uniform in
    (-π, π). The imaginary unit quaternion u consists of three uniform(-1, 1) numbers, normalized.
    Raises ShapeError if the first length is not 4.

    Source: T. Parcollet and others, Quaternion recurrent neural networks, 2019, section 3.4; u as in the code of
    A. Singh and others, 2025.
    """
    quaternion_shape = _quaternion_shape(shape)
    modulus = scale * np.sqrt(rng.chisquare(4, quaternion_shape))
    angle = rng.uniform(-np.pi, np.pi, quaternion_shape)
    axis = rng.uniform(-1, 1, (3, *quaternion_shape))
    axis /= np.sqrt((axis**2).sum(axis=0))
    weight = np.concatenate([(modulus * np.cos(angle))[None], modulus * np.sin(angle) * axis])
    return weight.astype(np.float32)


def quaternion_unitary(shape: tuple[int, ...], scale: float, *, rng: np.random.Generator) -> np.ndarray:
    """Return quaternion weights of `shape` (4, ...), all of norm 2 · `scale`, with directions uniform on the sphere.

    The norm is the root mean square norm of `quaternion_polar`, so both initializations use the same scales;
    scale 1/2 gives unit quaternions. Raises ShapeError if the first length is not 4.
    """
    weight = rng.standard_normal((4, *_quaternion_shape(shape)))
    return (2 * scale * weight / np.sqrt((weight**2).sum(axis=0))).astype(np.float32)


def glorot_scale(shape: tuple[int, ...]) -> float:
    """Return σ = 1 / sqrt(2 (fan_in + fan_out)), which keeps the variance of signals and gradients in linear layers.

    `shape` is (4, *kernel_size, C, O); a fan is quaternion channels x kernel taps. Raises ShapeError for another shape.

    Source: X. Glorot, Y. Bengio, 2010, eq. 12; C. Gaudet, A. Maida, Deep quaternion networks, 2018.
    """
    return 1 / math.sqrt(2 * sum(_fans(shape)))


def he_scale(shape: tuple[int, ...]) -> float:
    """Return σ = 1 / sqrt(2 fan_in): twice the variance, because a ReLU passes half of it.

    `shape` is as for `glorot_scale`. Raises ShapeError for another shape.

    Source: K. He and others, Delving deep into rectifiers, 2015, eq. 10; C. Gaudet, A. Maida, 2018.
    """
    return 1 / math.sqrt(2 * _fans(shape)[0])


def _quaternion_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if shape[:1] != (4,):
        raise ShapeError(f"expected the shape (4, ...) of quaternion weights, components first, got {tuple(shape)}")
    return tuple(shape[1:])


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    quaternion_shape = _quaternion_shape(shape)
    if len(quaternion_shape) < 2 or min(quaternion_shape) < 1:
        raise ShapeError(f"expected the shape (4, *kernel_size, C, O) of a weight, got {tuple(shape)}")
    *kernel_size, in_channels, out_channels = quaternion_shape
    return math.prod(kernel_size) * in_channels, math.prod(kernel_size) * out_channels
