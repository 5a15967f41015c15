"""Quaternion layers. `channels` and `outputs` count real channels, four to a quaternion."""

import math

import numpy as np

from .. import ops
from ..errors import ShapeError
from ..tensor import Tensor
from .init import quaternion_polar
from .module import Module
from .real import parameter


def _quaternions(*channels: int) -> tuple[int, ...]:
    if any(count % 4 or count < 4 for count in channels):
        raise ShapeError(f"quaternion layers need channels divisible by 4, got {channels}")
    return tuple(count // 4 for count in channels)


class QuaternionConv2d(Module):
    """Correlation with a quaternion kernel from the left: (N, H, W, C) -> (N, OH, OW, O); no bias.

    One parameter (4, KH, KW, C/4, O/4): a quarter of the weights of `Conv2d`. The defaults keep the size.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        padding: int | None = None,
        rng: np.random.Generator,
    ) -> None:
        c, o = _quaternions(channels, outputs)
        scale = 1 / math.sqrt(2 * kernel**2 * (c + o))
        self.weight = parameter(quaternion_polar((4, kernel, kernel, c, o), scale, rng=rng))
        self.stride, self.padding = stride, kernel // 2 if padding is None else padding

    def __call__(self, x: Tensor) -> Tensor:
        return ops.quaternion_conv2d(x, self.weight, stride=self.stride, padding=self.padding)


class QuaternionLinear(Module):
    """weight ⊗ x + bias: (N, C) -> (N, O)."""

    def __init__(self, channels: int, outputs: int, *, rng: np.random.Generator) -> None:
        c, o = _quaternions(channels, outputs)
        self.weight = parameter(quaternion_polar((4, c, o), 1 / math.sqrt(2 * c), rng=rng))
        self.bias = parameter(np.zeros(outputs, np.float32))

    def __call__(self, x: Tensor) -> Tensor:
        return ops.quaternion_linear(x, self.weight, self.bias)
