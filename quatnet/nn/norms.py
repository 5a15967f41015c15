"""Normalization layers.

A `Trainer` sets the attribute `synchronized` of the batch norms if there are several processes. The batch then consists
of the inputs of all processes.

`num_features` is the number of real channels, which is the length of the last axis. All layers raise ConfigError unless
`num_features` is an integer of at least 1, eps > 0 and 0 <= momentum <= 1.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .. import kernels, ops
from ..autodiff import Tensor, op
from ..autodiff.op import current_tracer
from ..backend import Array, xp
from ..checks import checked_count, checked_number
from ..errors import ShapeError
from ..ops import pooled_batchnorm
from ..ops.batchnorm import batch_statistics
from ..ops.components import quaternion_channels
from ..ops.quaternion_batchnorm import quaternion_statistics
from ..ops.whitening import whitening_statistics
from ..processes import all_reduce
from .module import Module, parameter


class _BatchNorm(Module):
    """Parameters, running mean and options of a batch norm. A subclass adds the running variance or covariance."""

    def __init__(self, weight: Array, num_features: int, eps: float, momentum: float, affine: bool = True) -> None:
        self.weight = Tensor(xp.asarray(weight), requires_grad=affine)
        self.bias = Tensor(xp.zeros(num_features, dtype=np.float32), requires_grad=affine)
        self.running_mean = xp.zeros(num_features, dtype=np.float32)
        self.eps, self.momentum = checked_number("eps", eps, "(0, inf)"), checked_number("momentum", momentum, "[0, 1]")
        self.synchronized = False


class BatchNorm(_BatchNorm):
    """Batch normalization layer over all axes except the last, see `ops.batch_norm`.

    A call with `train=True` normalizes with the statistics of the batch and updates the running statistics. A call with
    `train=False` normalizes with the running statistics. A call with `relu=True` also applies a ReLU.

    Parameters
    ----------
    num_features : length of the last axis
    eps : number added to the variance
    momentum : weight of the batch statistics in the updated running statistics
    affine : whether `weight` and `bias` are trained; otherwise `weight` is 1 and `bias` is 0
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> None:
        num_features = checked_count("num_features", num_features)
        super().__init__(np.ones(num_features, np.float32), num_features, eps, momentum, affine)
        self.running_var = xp.ones(num_features, dtype=np.float32)

    @op
    def __call__(self, x: Tensor, *, train: bool, rng: np.random.Generator | None = None, relu: bool = False) -> Tensor:
        return _normalize(self, x, train, batch_statistics, partial(ops.batch_norm, relu=relu))

    def relu_pool(self, x: Tensor, *, train: bool) -> Tensor:
        """Return ops.avg_pool2d(self(x, train=train, relu=True)), in one op if possible (`ops.pooled_batchnorm`).

        A traced graph contains the two ops.
        """
        plain = type(self) is not BatchNorm or current_tracer.get() is not None
        if train and not plain and pooled_batchnorm.supports(x.data):
            return _normalize(self, x, train, batch_statistics, pooled_batchnorm.batch_norm_relu_pool)
        return ops.avg_pool2d(self(x, train=train, relu=True))


class QuaternionBatchNorm(_BatchNorm):
    """Batch normalization layer (..., 4C) with one variance per quaternion channel, see `ops.quaternion_batch_norm`.

    `weight` is (C,) and `bias` (4C,). The parameters are those of `BatchNorm`, with `num_features` = 4C.
    In training with bias 0, the layer commutes with right multiplication by a unit quaternion. Running statistics are
    used in evaluation. Raises ShapeError unless `num_features` is a multiple of 4.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        num_quaternions = quaternion_channels(num_features)
        super().__init__(np.ones(num_quaternions, np.float32), num_features, eps, momentum)
        self.running_var = xp.ones(num_quaternions, dtype=np.float32)

    @op
    def __call__(self, x: Tensor, *, train: bool, rng: np.random.Generator | None = None) -> Tensor:
        return _normalize(self, x, train, quaternion_statistics, ops.quaternion_batch_norm)


class WhiteningBatchNorm(_BatchNorm):
    """Batch normalization layer (..., 4C) that decorrelates the four components, see `ops.whitening_batch_norm`.

    The parameters are those of `BatchNorm`, with `num_features` = 4C. `weight` (10, C) is the lower triangle of a
    symmetric 4x4 matrix per quaternion channel. The initial matrix is the identity, which gives each component the
    variance 1, as in `BatchNorm`. Training needs at least 5 quaternions per channel.
    Running statistics are used in evaluation. The layer does not commute with right multiplication by a quaternion.
    Raises ShapeError unless `num_features` is a multiple of 4.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        num_quaternions, triangle = quaternion_channels(num_features), np.eye(4, dtype=np.float32)[np.tril_indices(4)]
        super().__init__(np.repeat(triangle[:, None], num_quaternions, axis=1), num_features, eps, momentum)
        self.running_cov = xp.tile(xp.eye(4), (num_quaternions, 1, 1))  # float64, see ops/whitening.py

    @op
    def __call__(self, x: Tensor, *, train: bool, rng: np.random.Generator | None = None) -> Tensor:
        return _normalize(self, x, train, whitening_statistics, ops.whitening_batch_norm, "running_cov")


class LayerNorm(Module):
    """Layer normalization over the last axis (..., num_features), see `ops.layer_norm`; `eps` as in `BatchNorm`.

    The output is the same in training and evaluation. The layer does not commute with right multiplication by
    a quaternion.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5) -> None:
        self.weight = parameter(np.ones(checked_count("num_features", num_features), np.float32))
        self.bias = parameter(np.zeros(num_features, np.float32))
        self.eps = checked_number("eps", eps, "(0, inf)")

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.layer_norm(x, self.weight, self.bias, eps=self.eps)


def _normalize(
    layer: Any, x: Tensor, train: bool, statistics: Callable, normalize: Callable, spread: str = "running_var"
) -> Tensor:
    """Return the result of the op `normalize` with the running statistics, or if `train`, with batch statistics.

    `layer` has the attributes of a batch norm. `spread` is the name of its running variance or covariance. `statistics`
    returns mean, variance and count of a batch. If `train`, the running statistics are updated, unless `normalize`
    raises an error.
    """
    running = layer.running_mean, getattr(layer, spread)
    if not train:
        return normalize(x, layer.weight, layer.bias, running, eps=layer.eps)
    # a network is traced in one process, for a checkpoint, while the other processes wait
    batch_sum = all_reduce if layer.synchronized and current_tracer.get() is None else None
    mean, variance, count = statistics(x.data, batch_sum)
    if count < 2:
        raise ShapeError(f"expected more than 1 value per channel in training, got an input of shape {x.shape}")
    y = normalize(x, layer.weight, layer.bias, eps=layer.eps, batch_stats=(mean, variance), all_reduce=batch_sum)
    layer.running_mean, averages = _moving_averages(running, (mean, variance), layer.momentum, count)
    setattr(layer, spread, averages)
    return y


def _moving_averages(
    running: tuple[Array, Array], batch: tuple[Array, Array], momentum: float, count: float
) -> tuple[Array, Array]:
    """Return the updated `running` statistics for mean and biased variance of a `batch` of `count` entries."""
    correction = count / (count - 1)  # from the biased to the unbiased variance
    if kernels.supports(*running, *batch):
        return kernels.normalize.moving_averages(running, batch, momentum, correction)
    (mean, variance), (batch_mean, batch_variance) = running, batch
    mean_step, variance_step = (batch_mean - mean) * momentum, (batch_variance * correction - variance) * momentum
    return mean + mean_step.astype(mean.dtype), variance + variance_step.astype(variance.dtype)
