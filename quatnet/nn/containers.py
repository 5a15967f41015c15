"""Layers without parameters, and `Sequential`, which applies layers in order.

Every layer is called as layer(x, train=..., rng=...): `train` selects batch statistics and dropout, `rng` draws the
dropout. Layers that need neither ignore both.
"""

from collections.abc import Callable, Iterator

import numpy as np

from .. import ops
from ..autodiff import Tensor
from .module import Module

Rng = np.random.Generator
Layer = Callable[..., Tensor]


class Sequential(Module):
    """Apply `layers` in order; each is a module, or a function called as layer(x, train=..., rng=...).

    >>> import numpy as np; from quatnet import nn
    >>> rng = np.random.default_rng(0)
    >>> net = nn.Sequential(nn.Linear(4, 8, rng=rng), nn.ReLU(), nn.Linear(8, 2, rng=rng))
    >>> net(Tensor(np.zeros((3, 4), np.float32))).shape
    (3, 2)
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = list(layers)

    def __call__(self, x: Tensor, *, train: bool = False, rng: Rng | None = None) -> Tensor:
        for layer in self.layers:
            x = layer(x, train=train, rng=rng)
        return x

    def __getitem__(self, index: int) -> Layer:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)


class ReLU(Module):
    """max(x, 0), componentwise on quaternion channels."""

    def __call__(self, x: Tensor, *, train: bool = False, rng: Rng | None = None) -> Tensor:
        return ops.relu(x)


class Flatten(Module):
    """(N, ...) -> (N, product of the other lengths)."""

    def __call__(self, x: Tensor, *, train: bool = False, rng: Rng | None = None) -> Tensor:
        return ops.reshape(x, (x.shape[0], -1))


class Pool2d(Module):
    """Base of the pools: windows of `kernel_size` x `kernel_size` that do not overlap, (N, H, W, C)."""

    op: Callable[..., Tensor]

    def __init__(self, kernel_size: int = 2) -> None:
        self.kernel_size = kernel_size

    def __call__(self, x: Tensor, *, train: bool = False, rng: Rng | None = None) -> Tensor:
        return self.op(x, kernel_size=self.kernel_size)


class AvgPool2d(Pool2d):
    """The mean of each window, `ops.avg_pool2d`."""

    op = staticmethod(ops.avg_pool2d)


class MaxPool2d(Pool2d):
    """The largest entry of each window, `ops.max_pool2d`; componentwise on quaternion channels."""

    op = staticmethod(ops.max_pool2d)


class NormMaxPool2d(Pool2d):
    """The quaternion of the largest norm of each window, `ops.norm_max_pool2d`."""

    op = staticmethod(ops.norm_max_pool2d)


class QuaternionNorm(Module):
    """The norm of each quaternion, `ops.quaternion_norm`: (..., 4C) -> (..., C) real."""

    def __call__(self, x: Tensor, *, train: bool = False, rng: Rng | None = None) -> Tensor:
        return ops.quaternion_norm(x)


class Dropout(Module):
    """Set a share `p` of the entries to 0 in training, `ops.dropout`; `rng` is required then."""

    op: Callable[..., Tensor] = staticmethod(ops.dropout)

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, x: Tensor, *, train: bool, rng: Rng | None = None) -> Tensor:
        return self.op(x, self.p, rng=rng, train=train)


class QuaternionDropout(Dropout):
    """Set a share `p` of the quaternions to 0 in training, `ops.quaternion_dropout`."""

    op = staticmethod(ops.quaternion_dropout)
