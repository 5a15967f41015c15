"""Activation and dropout layers."""

from collections.abc import Callable

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..ops.components import quaternion_channels
from .module import Module, parameter


class ReLU(Module):
    """max(x, 0), `ops.relu`; componentwise on quaternion channels."""

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.relu(x)


class ModReLU(Module):
    """`ops.mod_relu` with one trainable bias per quaternion channel; the initial bias 0 is the identity.

    The layer commutes with the product by a unit quaternion on the right. Raises ShapeError unless `num_features`,
    the number of real channels, is a multiple of 4.
    """

    def __init__(self, num_features: int) -> None:
        self.bias = parameter(np.zeros(quaternion_channels(num_features), np.float32))

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.mod_relu(x, self.bias)


class QuaternionNorm(Module):
    """The norm of each quaternion, `ops.quaternion_norm`: (..., 4C) -> (..., C) real."""

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.quaternion_norm(x)


class Dropout(Module):
    """Set each entry to 0 with probability `p` in training, `ops.dropout`; training requires `rng`."""

    op: Callable[..., Tensor] = staticmethod(ops.dropout)

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, x: Tensor, *, train: bool, rng: np.random.Generator | None = None) -> Tensor:
        return self.op(x, self.p, rng=rng, train=train)


class QuaternionDropout(Dropout):
    """Set each quaternion to 0 with probability `p` in training, `ops.quaternion_dropout`; training requires `rng`."""

    op = staticmethod(ops.quaternion_dropout)
