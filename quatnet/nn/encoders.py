"""Trainable layers from real to quaternion channels and back; `ops` has the encoders without parameters.

A real head that uses all four components needs no layer of its own: the blocks r|i|j|k are real channels, so
`Linear(in_features, out_features)` is that head.
"""

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..ops.components import quaternion_channels
from .convolution import Conv2d
from .linear import Linear
from .module import Module


class LearnedEncoder(Module):
    """x + i f(x) + j g(x) + k h(x): (N, H, W, C) real -> (N, H, W, 4C), with f, g, h one real convolution.

    The encoder is linear: a real factor of the input is a factor of the output.

    Source: C. Gaudet, A. Maida, Deep quaternion networks, 2018. Their imaginary parts come from a deeper block of
    batch norms, ReLUs and two convolutions.
    """

    def __init__(self, channels: int, kernel_size: int = 3, *, rng: np.random.Generator) -> None:
        self.imaginary = Conv2d(channels, 3 * channels, kernel_size=kernel_size, rng=rng)

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.concatenate([x, self.imaginary(x)])


class NormHead(Module):
    """|q| @ weight + bias: (N, in_features) in blocks r|i|j|k -> (N, out_features) real.

    The output is invariant to a product of every input with a unit quaternion on the right.
    Raises ShapeError unless `in_features` is a multiple of 4.
    """

    def __init__(self, in_features: int, out_features: int, *, rng: np.random.Generator) -> None:
        self.linear = Linear(quaternion_channels(in_features), out_features, rng=rng)

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return self.linear(ops.quaternion_norm(x))
