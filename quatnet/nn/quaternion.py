"""The quaternion linear layer. `in_features` and `out_features` count real channels, four to a quaternion."""

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..ops.components import quaternion_channels
from .init import he_scale, quaternion_polar
from .module import Module
from .real import parameter


def quaternions(*channels: int) -> tuple[int, ...]:
    """Return the numbers of quaternion channels; ShapeError where four do not go into one of `channels`."""
    return tuple(quaternion_channels(count) for count in channels)


class QuaternionLinear(Module):
    """weight ⊗ x + bias: (N, C) -> (N, O). Without bias, layer(x ⊗ q) = layer(x) ⊗ q for a constant quaternion q."""

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True, rng: np.random.Generator) -> None:
        c, o = quaternions(in_features, out_features)
        self.weight = parameter(quaternion_polar((4, c, o), he_scale((4, c, o)), rng=rng))
        self.bias = parameter(np.zeros(out_features, np.float32)) if bias else None

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.quaternion_linear(x, self.weight, self.bias)
