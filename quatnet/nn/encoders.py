"""Into the quaternions and out of them, with something to learn; `ops` has the encoders that have nothing.

The other way out, to keep all four components, needs no layer: blocks r|i|j|k read as real channels are the four
components one after the other, so `Linear(in_features, out_features)` is the head.
"""

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..ops.components import quaternion_channels
from .convolution import Conv2d
from .module import Module
from .real import Linear


class LearnedEncoder(Module):
    """x + i f(x) + j g(x) + k h(x): (N, H, W, C) real -> (N, H, W, 4C), with f, g, h one real convolution.

    Linear: it commutes with real factors, the only ones a real input can have.

    Source: C. Gaudet, A. Maida, Deep quaternion networks, 2018, learn the imaginary parts by a deeper block of
    batch norms, relus and two convolutions.
    """

    def __init__(self, channels: int, kernel_size: int = 3, *, rng: np.random.Generator) -> None:
        self.imaginary = Conv2d(channels, 3 * channels, kernel_size=kernel_size, rng=rng)

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.concatenate([x, self.imaginary(x)])


class NormHead(Module):
    """|q| @ weight + bias: (N, in_features) in blocks r|i|j|k -> (N, out_features) real.

    Invariant: a unit quaternion on the right of every input changes nothing.
    Raises ShapeError unless `in_features` is a multiple of 4.
    """

    def __init__(self, in_features: int, out_features: int, *, rng: np.random.Generator) -> None:
        self.linear = Linear(quaternion_channels(in_features), out_features, rng=rng)

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return self.linear(ops.quaternion_norm(x))
