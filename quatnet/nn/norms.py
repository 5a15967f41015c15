"""Normalization and activation layers for quaternions. `num_features` counts real channels, four to a quaternion."""

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..backend import Array, xp
from ..ops.components import quaternion_channels
from ..ops.quaternion_batchnorm import quaternion_statistics
from ..ops.whitening import whitening_statistics
from .module import Module
from .real import parameter


class QuaternionBatchNorm(Module):
    """`ops.quaternion_batch_norm`, one variance for each quaternion, with running statistics for evaluation.

    Commutes with a unit quaternion on the right in training, while the shift is 0.
    Raises ShapeError unless `num_features` is a multiple of 4.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        quaternions = quaternion_channels(num_features)
        self.weight = parameter(np.ones(quaternions, np.float32))
        self.bias = parameter(np.zeros(num_features, np.float32))
        self.running_mean = xp.zeros(num_features, dtype=np.float32)
        self.running_var = xp.ones(quaternions, dtype=np.float32)
        self.eps, self.momentum = eps, momentum

    def __call__(self, x: Tensor, *, train: bool, rng: np.random.Generator | None = None) -> Tensor:
        if not train:
            return ops.quaternion_batch_norm(
                x, self.weight, self.bias, (self.running_mean, self.running_var), eps=self.eps
            )
        y = ops.quaternion_batch_norm(x, self.weight, self.bias, eps=self.eps)
        mean, variance = quaternion_statistics(x.data)
        self.running_mean = _updated(self.running_mean, mean, self.momentum)
        self.running_var = _updated(self.running_var, variance * _unbiased(x), self.momentum)
        return y


class WhiteningBatchNorm(Module):
    """`ops.whitening_batch_norm`, uncorrelated components, with running statistics for evaluation.

    S starts as I, so that a component has variance 1 as after `BatchNorm`. Training needs 5 rows. No product with
    a quaternion commutes with it. Raises ShapeError unless `num_features` is a multiple of 4.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        identity = np.eye(4, dtype=np.float32)
        quaternions = quaternion_channels(num_features)
        self.weight = parameter(np.repeat(identity[np.tril_indices(4)][:, None], quaternions, axis=1))
        self.bias = parameter(np.zeros(num_features, np.float32))
        self.running_mean = xp.zeros(num_features, dtype=np.float32)
        self.running_cov = xp.tile(xp.eye(4), (quaternions, 1, 1))  # float64, as `whitening` explains
        self.eps, self.momentum = eps, momentum

    def __call__(self, x: Tensor, *, train: bool, rng: np.random.Generator | None = None) -> Tensor:
        if not train:
            return ops.whitening_batch_norm(
                x, self.weight, self.bias, (self.running_mean, self.running_cov), eps=self.eps
            )
        y = ops.whitening_batch_norm(
            x, self.weight, self.bias, eps=self.eps
        )  # raises before the statistics are touched
        mean, covariance = whitening_statistics(x.data)
        self.running_mean = _updated(self.running_mean, mean, self.momentum)
        self.running_cov = _updated(self.running_cov, covariance * _unbiased(x), self.momentum)
        return y


class LayerNorm(Module):
    """`ops.layer_norm` over the last axis of any real channels: each row by itself, the same in evaluation.

    Not equivariant to a quaternion on the right.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5) -> None:
        self.weight = parameter(np.ones(num_features, np.float32))
        self.bias = parameter(np.zeros(num_features, np.float32))
        self.eps = eps

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.layer_norm(x, self.weight, self.bias, eps=self.eps)


class ModReLU(Module):
    """`ops.mod_relu` with one trained bias for each quaternion; 0 at first, which is the identity.

    Commutes with a unit quaternion on the right. Raises ShapeError unless `num_features` is a multiple of 4.
    """

    def __init__(self, num_features: int) -> None:
        self.bias = parameter(np.zeros(quaternion_channels(num_features), np.float32))

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.mod_relu(x, self.bias)


def _updated(running: Array, batch: Array, momentum: float) -> Array:
    return running + (batch - running) * momentum


def _unbiased(x: Tensor) -> float:
    """n / (n - 1) for n rows: from the variance of a batch to that of what it was drawn from."""
    count = x.data.size // x.shape[-1]
    return count / max(1, count - 1)
