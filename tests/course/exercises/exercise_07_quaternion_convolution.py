"""Exercise 7: quaternion convolution.

C quaternion channels are 4C real channels, ordered in four blocks r|i|j|k of C channels. A weight is an array with the
components along the first axis: (4, C, O) for a linear layer and (4, KH, KW, C, O) for a convolution. The weight
multiplies from the left, y = Σ w ⊗ x, summed over the input channels (and the taps of the kernel).

    python -m pytest tests/course/test_07_quaternion_convolution.py --implementation my_layer.py

Chapter 7: docs/07-quaternion-convolution.md.
"""

import numpy as np

from quatnet.conv.plain import conv2d  # conv2d(x, w), a real convolution of x (N, H, W, C) and w (KH, KW, C, O)
from quatnet.quaternion import hamilton_product, left_matrix  # both with axis=..., by default axis=-1


def split_components(x):
    """Return the quaternions (..., 4, C) of activations `x` (..., 4C) in blocks r|i|j|k."""
    raise NotImplementedError


def quaternion_linear(x, w):
    """Return y (N, 4O) for `x` (N, 4C) and `w` (4, C, O): channel o of y is the sum over c of w[:, c, o] ⊗ x_c."""
    raise NotImplementedError


def block_weight(w):
    """Return the real kernel (KH, KW, 4C, 4O) with the same outputs as the quaternion kernel `w` (4, KH, KW, C, O).

    The 4x4 matrix L(w) maps the components of x to those of y. The entry in row a (component of y) and column b
    (component of x) becomes the weights from the input channels of block b to the output channels of block a.
    """
    raise NotImplementedError


def quaternion_conv2d(x, w):
    """Return y (N, OH, OW, 4O) for `x` (N, H, W, 4C), with stride 1 and without padding: a convolution with w ⊗ x."""
    raise NotImplementedError


def block_weight_gradient(grad):
    """Return the gradient (4, KH, KW, C, O) of w for the gradient `grad` (KH, KW, 4C, 4O) of block_weight(w).

    Every weight is in four blocks, with signs: its gradient is the sum of four entries of `grad`, with these signs.
    """
    raise NotImplementedError
