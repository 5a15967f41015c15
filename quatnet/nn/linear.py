"""Real and quaternion linear layers."""

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..checks import checked_count
from ..ops.components import quaternion_channels
from .init import he_scale, quaternion_polar, xavier_uniform
from .module import Module, parameter


class Linear(Module):
    """Real linear layer x @ weight + bias, (..., in_features) -> (..., out_features).

    Parameters
    ----------
    in_features, out_features : length of the last axis of input and output
    bias : whether a trainable bias, initially 0, is added to each output
    rng : generator of the initial weights, which are drawn by `xavier_uniform`

    Raises ConfigError unless `in_features` and `out_features` are integers of at least 1.
    """

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True, rng: np.random.Generator) -> None:
        shape = checked_count("in_features", in_features), checked_count("out_features", out_features)
        self.weight = parameter(xavier_uniform(shape, rng=rng))
        self.bias = parameter(np.zeros(out_features, np.float32)) if bias else None

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.linear(x, self.weight, self.bias)


class QuaternionLinear(Module):
    """Quaternion linear layer weight ⊗ x + bias, (N, in_features) -> (N, out_features).

    `in_features` and `out_features` are numbers of real channels. Without bias, layer(x ⊗ q) = layer(x) ⊗ q for a
    constant quaternion q. Raises ShapeError unless `in_features` and `out_features` are multiples of 4.
    """

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True, rng: np.random.Generator) -> None:
        shape = (4, quaternion_channels(in_features), quaternion_channels(out_features))
        self.weight = parameter(quaternion_polar(shape, he_scale(shape), rng=rng))
        self.bias = parameter(np.zeros(out_features, np.float32)) if bias else None

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.quaternion_linear(x, self.weight, self.bias)
