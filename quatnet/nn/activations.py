"""Activation and dropout layers."""

from collections.abc import Callable

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..checks import checked_number
from ..ops.components import quaternion_channels
from .module import Module, parameter


class ReLU(Module):
    """Activation layer max(x, 0), see `ops.relu`. On quaternion channels, the layer is componentwise."""

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.relu(x)


class ModReLU(Module):
    """Activation layer modReLU with one trainable bias per quaternion channel, see `ops.mod_relu`.

    The biases are initially 0, so that the initial layer is the identity. The layer commutes with right multiplication
    by a unit quaternion. Raises ShapeError unless `num_features`, the number of real channels, is a multiple of 4.
    """

    def __init__(self, num_features: int) -> None:
        self.bias = parameter(np.zeros(quaternion_channels(num_features), np.float32))

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.mod_relu(x, self.bias)


class QuaternionNorm(Module):
    """Layer that computes the norm of each quaternion, (..., 4C) -> (..., C), see `ops.quaternion_norm`."""

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.quaternion_norm(x)


class Dropout(Module):
    """Dropout layer: in training, each entry is set to 0 with probability `p`, see `ops.dropout`.

    A call with `train=True` requires `rng`. Raises ConfigError unless 0 <= p < 1.
    """

    op: Callable[..., Tensor] = staticmethod(ops.dropout)

    def __init__(self, p: float = 0.5) -> None:
        self.p = checked_number("p", p, "[0, 1)")

    def __call__(self, x: Tensor, *, train: bool, rng: np.random.Generator | None = None) -> Tensor:
        return self.op(x, self.p, rng=rng, train=train)


class QuaternionDropout(Dropout):
    """Dropout layer: in training, each quaternion is set to 0 with probability `p`, see `ops.quaternion_dropout`.

    A call with `train=True` requires `rng`.
    """

    op = staticmethod(ops.quaternion_dropout)
