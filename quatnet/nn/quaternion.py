"""The quaternion linear layer. `channels` and `outputs` count real channels, four to a quaternion."""

import math

import numpy as np

from .. import ops
from ..errors import ShapeError
from ..tensor import Tensor
from .init import quaternion_polar
from .module import Module
from .real import parameter


def quaternions(*channels: int) -> tuple[int, ...]:
    """Return the numbers of quaternion channels; ShapeError where four do not go into one of `channels`."""
    if any(count % 4 or count < 4 for count in channels):
        raise ShapeError(f"quaternion layers need channels divisible by 4, got {channels}")
    return tuple(count // 4 for count in channels)


class QuaternionLinear(Module):
    """weight ⊗ x + bias: (N, C) -> (N, O). Without bias, layer(x ⊗ q) = layer(x) ⊗ q for a constant quaternion q."""

    def __init__(self, channels: int, outputs: int, *, bias: bool = True, rng: np.random.Generator) -> None:
        c, o = quaternions(channels, outputs)
        self.weight = parameter(quaternion_polar((4, c, o), 1 / math.sqrt(2 * c), rng=rng))
        self.bias = parameter(np.zeros(outputs, np.float32)) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        return ops.quaternion_linear(x, self.weight, self.bias)
