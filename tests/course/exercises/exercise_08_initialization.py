"""Exercise 8: initialization.

The weights are random. The scale of the weights keeps the variance of activations and gradients constant from layer to
layer. A weight is drawn in polar form, w = m (cos θ + u sin θ), with a modulus m, an angle θ and an imaginary unit u.

    python -m pytest tests/course/test_08_initialization.py --implementation my_initialization.py

Chapter 8: docs/08-initialization.md.
"""

import numpy as np


def fans(shape):
    """Return (fan_in, fan_out) for a weight of `shape` (4, *kernel_size, C, O).

    fan_in is the number of quaternions that are added for one output: the number of kernel taps times C. fan_out is the
    number of taps times O.
    """
    raise NotImplementedError


def glorot_scale(shape):
    """Return s = 1 / sqrt(2 (fan_in + fan_out)), a number."""
    raise NotImplementedError


def he_scale(shape):
    """Return s = 1 / sqrt(2 fan_in), a number. It is used with a ReLU, which halves the mean square."""
    raise NotImplementedError


def polar_weights(modulus, angle, axis):
    """Return w = m (cos θ + u sin θ) with the components along the first axis, (4, ...).

    `modulus` m and `angle` θ in rad have the shape (...). `axis` (3, ...) are vectors of any length above 0; u is the
    vector divided by its length.
    """
    raise NotImplementedError


def output_variance(fan_in, mean_square_norm, input_variance):
    """Return the variance of a component of y = Σ w ⊗ x, a number.

    y is the sum of `fan_in` products. The components of x are independent with mean 0 and `input_variance`. The weights
    are independent of x with E|w|² = `mean_square_norm`. Every component of w ⊗ x is a sum of four products, one with
    each component of w.
    """
    raise NotImplementedError
