"""Pooling layers for feature maps (N, H, W, C)."""

from collections.abc import Callable

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..checks import checked_count
from .module import Module


class Pool2d(Module):
    """Base class of the pooling layers, with non-overlapping windows of `kernel_size` x `kernel_size` pixels."""

    op: Callable[..., Tensor]

    def __init__(self, kernel_size: int = 2) -> None:
        self.kernel_size = checked_count("kernel_size", kernel_size)

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return self.op(x, kernel_size=self.kernel_size)


class AvgPool2d(Pool2d):
    """Average pooling layer, see `ops.avg_pool2d`."""

    op = staticmethod(ops.avg_pool2d)


class MaxPool2d(Pool2d):
    """Max pooling layer, see `ops.max_pool2d`. On quaternion channels, the layer is componentwise."""

    op = staticmethod(ops.max_pool2d)


class NormMaxPool2d(Pool2d):
    """Pooling layer that selects the quaternion with the largest norm in each window, see `ops.norm_max_pool2d`."""

    op = staticmethod(ops.norm_max_pool2d)
