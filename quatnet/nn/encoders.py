"""Trainable layers from real to quaternion channels, and from quaternion to real channels.

`ops.encoders` has the encoders without parameters. `Linear` is a head from quaternion to real channels that uses all
four components, because the blocks r|i|j|k are real channels.
"""

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..checks import checked_count
from ..conv.im2col import pair
from ..errors import ConfigError
from ..ops.components import quaternion_channels
from .convolution import Conv2d
from .linear import Linear
from .module import Module


class LearnedEncoder(Module):
    """Trainable encoder from C real to C quaternion channels: (N, H, W, C) -> (N, H, W, 4C).

    The output is x + i f(x) + j g(x) + k h(x). f, g and h are linear functions, computed by one real convolution.
    Raises ConfigError unless `kernel_size` is odd, because the output has the size of the input.

    Source: C. Gaudet, A. Maida, Deep quaternion networks, 2018. In the paper, the imaginary parts are computed by batch
    norms, ReLUs and two convolutions.
    """

    def __init__(self, channels: int, kernel_size: int = 3, *, rng: np.random.Generator) -> None:
        self.imaginary = Conv2d(checked_count("channels", channels), 3 * channels, kernel_size=kernel_size, rng=rng)
        if not all(size % 2 for size in pair(kernel_size)):
            raise ConfigError(f"expected an odd kernel_size, got {kernel_size}")

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.concatenate([x, self.imaginary(x)])


class NormHead(Module):
    """Linear layer on the norms of quaternion features: (N, in_features) in blocks r|i|j|k -> (N, out_features).

    The output |q| @ weight + bias does not change under right multiplication of all inputs q by a unit quaternion.
    Raises ShapeError unless `in_features` is a multiple of 4.
    """

    def __init__(self, in_features: int, out_features: int, *, rng: np.random.Generator) -> None:
        self.linear = Linear(quaternion_channels(in_features), out_features, rng=rng)

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return self.linear(ops.quaternion_norm(x))
