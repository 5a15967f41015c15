"""Normalisation and activation layers for quaternions. `channels` counts real channels, four to a quaternion."""

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..backend import Array, xp
from ..ops.blocks import quaternion_count
from ..ops.quaternion_normalise import quaternion_statistics
from ..ops.whitening import whitening_statistics
from .module import Module
from .real import parameter


class QuaternionBatchNorm(Module):
    """`ops.quaternion_batch_norm`, one variance for each quaternion, with running statistics for evaluation.

    Commutes with a unit quaternion on the right in training, while the shift is 0.
    Raises ShapeError unless `channels` is a multiple of 4.
    """

    def __init__(self, channels: int, *, momentum: float = 0.1) -> None:
        quaternions = quaternion_count(channels)
        self.scale = parameter(np.ones(quaternions, np.float32))
        self.shift = parameter(np.zeros(channels, np.float32))
        self.mean = xp.zeros(channels, dtype=np.float32)
        self.variance = xp.ones(quaternions, dtype=np.float32)
        self.momentum = momentum

    def __call__(self, x: Tensor, *, train: bool) -> Tensor:
        if not train:
            return ops.quaternion_batch_norm(x, self.scale, self.shift, (self.mean, self.variance))
        y = ops.quaternion_batch_norm(x, self.scale, self.shift)
        mean, variance = quaternion_statistics(x.data)
        self.mean = _moved(self.mean, mean, self.momentum)
        self.variance = _moved(self.variance, variance * _unbiased(x), self.momentum)
        return y


class WhiteningBatchNorm(Module):
    """`ops.whitening_batch_norm`, uncorrelated components, with running statistics for evaluation.

    S starts as I, so that a component has variance 1 as after `BatchNorm`. Training needs 5 rows. No product with
    a quaternion commutes with it. Raises ShapeError unless `channels` is a multiple of 4.
    """

    def __init__(self, channels: int, *, momentum: float = 0.1) -> None:
        identity = np.eye(4, dtype=np.float32)
        quaternions = quaternion_count(channels)
        self.scale = parameter(np.repeat(identity[np.tril_indices(4)][:, None], quaternions, axis=1))
        self.shift = parameter(np.zeros(channels, np.float32))
        self.mean = xp.zeros(channels, dtype=np.float32)
        self.covariance = xp.tile(xp.eye(4), (quaternions, 1, 1))  # float64, as `whitening` explains
        self.momentum = momentum

    def __call__(self, x: Tensor, *, train: bool) -> Tensor:
        if not train:
            return ops.whitening_batch_norm(x, self.scale, self.shift, (self.mean, self.covariance))
        y = ops.whitening_batch_norm(x, self.scale, self.shift)  # raises before the statistics are touched
        mean, covariance = whitening_statistics(x.data)
        self.mean = _moved(self.mean, mean, self.momentum)
        self.covariance = _moved(self.covariance, covariance * _unbiased(x), self.momentum)
        return y


class LayerNorm(Module):
    """`ops.layer_norm` over the last axis of any real channels: each row by itself, the same in evaluation.

    Not equivariant to a quaternion on the right.
    """

    def __init__(self, channels: int) -> None:
        self.scale = parameter(np.ones(channels, np.float32))
        self.shift = parameter(np.zeros(channels, np.float32))

    def __call__(self, x: Tensor) -> Tensor:
        return ops.layer_norm(x, self.scale, self.shift)


class ModReLU(Module):
    """`ops.mod_relu` with one trained bias for each quaternion; 0 at first, which is the identity.

    Commutes with a unit quaternion on the right. Raises ShapeError unless `channels` is a multiple of 4.
    """

    def __init__(self, channels: int) -> None:
        self.bias = parameter(np.zeros(quaternion_count(channels), np.float32))

    def __call__(self, x: Tensor) -> Tensor:
        return ops.mod_relu(x, self.bias)


def _moved(old: Array, new: Array, momentum: float) -> Array:
    return old + (new - old) * momentum


def _unbiased(x: Tensor) -> float:
    """n / (n - 1) for n rows: from the variance of a batch to that of what it was drawn from."""
    count = x.data.size // x.shape[-1]
    return count / max(1, count - 1)
