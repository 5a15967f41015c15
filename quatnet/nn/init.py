"""Weight initialization.

Weights are drawn on the host, so that the initial weights are the same for all backends. A quaternion weight w is drawn
with a scale s such that its mean square norm E|w|² is 4 s². For n input quaternions x, the variance of a component of
y = Σ w ⊗ x is 4 n s² times the variance of a component of x. `glorot_scale` and `he_scale` set this factor to about 1
and to 2.
"""

import math

import numpy as np

from ..checks import checked_rng
from ..errors import ShapeError


def xavier_uniform(shape: tuple[int, ...], *, rng: np.random.Generator) -> np.ndarray:
    """Return weights (*kernel_size, C, O), uniform in [-b, b) with b = sqrt(6 / (fan_in + fan_out)).

    fan_in and fan_out are the numbers of input channels C and output channels O, multiplied by the number of kernel
    taps.

    Source: X. Glorot, Y. Bengio, Understanding the difficulty of training deep networks, 2010, eq. 16.
    """
    *kernel_size, in_channels, out_channels = shape
    bound = math.sqrt(6 / (math.prod(kernel_size) * (in_channels + out_channels)))
    return checked_rng(rng).uniform(-bound, bound, shape).astype(np.float32)


def quaternion_polar(shape: tuple[int, ...], scale: float, *, rng: np.random.Generator) -> np.ndarray:
    """Return quaternion weights m (cos θ + u sin θ) of `shape` (4, ...) with random m, θ and u.

    The modulus m is `scale` times a chi-distributed number with 4 degrees of freedom. The angle θ is uniform in
    [-π, π). The imaginary unit quaternion u is a normalized vector of three numbers that are uniform in [-1, 1).
    Raises ShapeError if the first length of `shape` is not 4.

    Source: T. Parcollet and others, Quaternion recurrent neural networks, 2019, section 3.4. The distribution of u is
    that of the code of A. Singh and others, 2025.
    """
    quaternion_shape = _quaternion_shape(shape)
    modulus = scale * np.sqrt(checked_rng(rng).chisquare(4, quaternion_shape))
    angle = rng.uniform(-np.pi, np.pi, quaternion_shape)
    axis = rng.uniform(-1, 1, (3, *quaternion_shape))
    axis /= np.sqrt((axis**2).sum(axis=0))
    weight = np.concatenate([(modulus * np.cos(angle))[None], modulus * np.sin(angle) * axis])
    return weight.astype(np.float32)


def quaternion_unitary(shape: tuple[int, ...], scale: float, *, rng: np.random.Generator) -> np.ndarray:
    """Return quaternion weights of `shape` (4, ...) with norm 2 · `scale` and directions uniform on the sphere.

    The norm equals the root mean square norm of `quaternion_polar`, so both initializations use the same scales.
    `scale` = 1/2 gives unit quaternions. Raises ShapeError if the first length of `shape` is not 4.
    """
    weight = checked_rng(rng).standard_normal((4, *_quaternion_shape(shape)))
    return (2 * scale * weight / np.sqrt((weight**2).sum(axis=0))).astype(np.float32)


def glorot_scale(shape: tuple[int, ...]) -> float:
    """Return the scale s = 1 / sqrt(2 (fan_in + fan_out)), which keeps the variance of signals and gradients.

    `shape` is (4, *kernel_size, C, O). fan_in and fan_out are the numbers of quaternion channels C and O, multiplied by
    the number of kernel taps. Raises ShapeError for another shape.

    Source: X. Glorot, Y. Bengio, 2010, eq. 12; C. Gaudet, A. Maida, Deep quaternion networks, 2018.
    """
    return 1 / math.sqrt(2 * sum(_fans(shape)))


def he_scale(shape: tuple[int, ...]) -> float:
    """Return the scale s = 1 / sqrt(2 fan_in) for networks of layers and ReLUs, which halve the mean square.

    `shape` and fan_in are as in `glorot_scale`. Raises ShapeError for another shape.

    Source: K. He and others, Delving deep into rectifiers, 2015, eq. 10; C. Gaudet, A. Maida, 2018.
    """
    return 1 / math.sqrt(2 * _fans(shape)[0])


def _quaternion_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if shape[:1] != (4,):
        raise ShapeError(
            f"expected the shape (4, ...) of quaternion weights, with the components first, got {tuple(shape)}"
        )
    return tuple(shape[1:])


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    quaternion_shape = _quaternion_shape(shape)
    if len(quaternion_shape) < 2 or min(quaternion_shape) < 1:
        raise ShapeError(f"expected the shape (4, *kernel_size, C, O) of a weight, got {tuple(shape)}")
    *kernel_size, in_channels, out_channels = quaternion_shape
    return math.prod(kernel_size) * in_channels, math.prod(kernel_size) * out_channels
