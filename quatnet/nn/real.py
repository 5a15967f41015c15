"""Real linear and batch normalization layers."""

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..backend import Array, xp
from ..ops.batchnorm import batch_statistics
from .init import xavier_uniform
from .module import Module

Rng = np.random.Generator


def parameter(array: np.ndarray) -> Tensor:
    """Return a trainable tensor: an array drawn on the host, copied to the device of the backend."""
    return Tensor(xp.asarray(array), requires_grad=True)


class Linear(Module):
    """x @ weight + bias: (N, in_features) -> (N, out_features).

    Parameters
    ----------
    in_features, out_features : lengths of the last axis of input and output
    bias : add a trainable number to each output, 0 at first
    rng : draws the weights, Xavier uniform
    """

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True, rng: Rng) -> None:
        self.weight = parameter(xavier_uniform((in_features, out_features), rng=rng))
        self.bias = parameter(np.zeros(out_features, np.float32)) if bias else None

    def __call__(self, x: Tensor, *, train: bool = False, rng: Rng | None = None) -> Tensor:
        return ops.linear(x, self.weight, self.bias)


class BatchNorm(Module):
    """Batch normalization over all axes but the last, `ops.batch_norm`, with running statistics for evaluation.

    Parameters
    ----------
    num_features : length of the last axis
    eps : added to the variance
    momentum : share of the batch statistics in the new running statistics
    affine : train `weight` and `bias`; without it they stay 1 and 0

    Called with `train=True` it uses the statistics of the batch and updates the running ones; `relu=True` applies
    max(·, 0) in the same pass over memory.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> None:
        self.weight = Tensor(xp.ones(num_features, dtype=np.float32), requires_grad=affine)
        self.bias = Tensor(xp.zeros(num_features, dtype=np.float32), requires_grad=affine)
        self.running_mean = xp.zeros(num_features, dtype=np.float32)
        self.running_var = xp.ones(num_features, dtype=np.float32)
        self.eps, self.momentum = eps, momentum

    def __call__(self, x: Tensor, *, train: bool, rng: Rng | None = None, relu: bool = False) -> Tensor:
        if not train:
            running = self.running_mean, self.running_var
            return ops.batch_norm(x, self.weight, self.bias, running, relu=relu, eps=self.eps)
        mean, variance = batch_statistics(x.data)
        y = ops.batch_norm(x, self.weight, self.bias, relu=relu, eps=self.eps, batch_stats=(mean, variance))
        count = x.data.size // x.shape[-1]
        self.running_mean = self._updated(self.running_mean, mean)
        self.running_var = self._updated(self.running_var, variance * (count / max(1, count - 1)))
        return y

    def _updated(self, running: Array, batch: Array) -> Array:
        return running + (batch - running) * xp.float32(self.momentum)
