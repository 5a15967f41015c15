"""Real layers: parameters and a call. The arithmetic is in `quatnet.ops`."""

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..backend import xp
from ..ops.normalise import batch_statistics
from .init import xavier_uniform
from .module import Module


def parameter(array: np.ndarray) -> Tensor:
    """Move an array drawn on the host to the device as something to be trained."""
    return Tensor(xp.asarray(array), requires_grad=True)


class Linear(Module):
    """x @ weight + bias: (N, C) -> (N, O)."""

    def __init__(self, channels: int, outputs: int, *, bias: bool = True, rng: np.random.Generator) -> None:
        self.weight = parameter(xavier_uniform((channels, outputs), rng=rng))
        self.bias = parameter(np.zeros(outputs, np.float32)) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        return ops.linear(x, self.weight, self.bias)


class BatchNorm(Module):
    """Batch normalisation of the last axis, with running statistics for evaluation; `relu` joins the two.

    Without `affine` the scale stays 1 and the shift 0: nothing to be trained.
    """

    def __init__(self, channels: int, *, affine: bool = True, momentum: float = 0.1) -> None:
        self.scale = Tensor(xp.ones(channels, dtype=np.float32), requires_grad=affine)
        self.shift = Tensor(xp.zeros(channels, dtype=np.float32), requires_grad=affine)
        self.mean = xp.zeros(channels, dtype=np.float32)
        self.variance = xp.ones(channels, dtype=np.float32)
        self.momentum = momentum

    def __call__(self, x: Tensor, *, train: bool, relu: bool = False) -> Tensor:
        if not train:
            return ops.batch_norm(x, self.scale, self.shift, (self.mean, self.variance), relu=relu)
        mean, variance = batch_statistics(x.data)
        count = x.data.size // x.shape[-1]
        self.mean = self._moved(self.mean, mean)
        self.variance = self._moved(self.variance, variance * (count / max(1, count - 1)))
        return ops.batch_norm(x, self.scale, self.shift, relu=relu, of_batch=(mean, variance))

    def _moved(self, old: np.ndarray, new: np.ndarray) -> np.ndarray:
        return old + (new - old) * xp.float32(self.momentum)
