"""Exercise 14: quaternion normalization and activations.

Activations x (N, 4C) have the C quaternion channels in blocks r|i|j|k: x.reshape(N, 4, C) are the quaternions.

    python -m pytest tests/course/test_14_quaternion_normalization.py --implementation my_normalization.py

Chapter 14: docs/14-quaternion-normalization.md.
"""

import numpy as np


def batch_norm(x, weight, bias, eps):
    """Return weight · (x - mean) / sqrt(variance + eps) + bias, for each of the C real channels of `x` (N, C).

    Mean and variance are over the batch, the first axis. The variance is the mean of (x - mean)². `weight` and `bias`
    are (C,).
    """
    raise NotImplementedError


def quaternion_batch_norm(x, weight, bias, eps):
    """Return weight · (q - mean) / sqrt(variance + eps) + bias, with one variance for each quaternion channel.

    The variance of a channel is the mean of |q - mean|² / 4 over the batch. `x` is (N, 4C), `weight` (C,) and `bias`
    (4C,).
    """
    raise NotImplementedError


def covariance(q):
    """Return the 4x4 covariance of quaternions `q` (N, 4): the mean over the batch of (q - mean) (q - mean)ᵀ."""
    raise NotImplementedError


def whitening_matrix(matrix, eps):
    """Return Λ⁻¹ (4, 4), where Λ is the lower triangular Cholesky factor, Λ Λᵀ = matrix + eps · I.

    If `matrix` is the covariance of q, the covariance of Λ⁻¹ q is the identity matrix I (except for eps).
    """
    raise NotImplementedError


def mod_relu(x, bias):
    """Return relu(|q| + b) q / |q| for every quaternion q of `x` (N, 4C), with one b of `bias` (C,) for each channel.

    The result for q = 0 is 0.
    """
    raise NotImplementedError
