"""Quaternion convolution layers. `in_channels` and `out_channels` count real channels, four to a quaternion.

Where nothing else is said, a layer without bias obeys layer(x ⊗ q) = layer(x) ⊗ q for a constant quaternion q. A
bias breaks that: it would have to turn with x.
"""

from typing import Any

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..conv.im2col import Pair
from .convolution import Convolution, TransposedConvolution, per_group, real_weights
from .init import glorot_scale, quaternion_polar, quaternion_unitary
from .quaternion import quaternions
from .real import parameter


def quaternion_weights(
    taps: tuple[int, ...], in_channels: int, out_channels: int, groups: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw (4, *taps, C/G, O) for C and O quaternion channels in G groups, a quarter of the numbers of a real layer."""
    inputs, filters = quaternions(in_channels, out_channels)
    c, o = per_group(groups, inputs, filters)
    return quaternion_polar((4, *taps, c, filters), glorot_scale((4, *taps, c, o)), rng=rng)


def rotation_weights(
    taps: tuple[int, ...], in_channels: int, out_channels: int, groups: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw (4, *taps, C/G, O) unit quaternions: all rotations alike, as the ndim of normal numbers are."""
    inputs, filters = quaternions(in_channels, out_channels)
    c, _ = per_group(groups, inputs, filters)
    return quaternion_unitary((4, *taps, c, filters), 0.5, rng=rng)


class QuaternionConv1d(Convolution):
    """Correlation of a signal with a quaternion kernel from the left: (N, L, C) -> (N, OL, O)."""

    op, draw, ndim = staticmethod(ops.quaternion_conv1d), staticmethod(quaternion_weights), 1


class QuaternionConv2d(Convolution):
    """Correlation with a quaternion kernel from the left: (N, H, W, C) -> (N, OH, OW, O).

    One parameter (4, KH, KW, C/4, O/4): a quarter of the weights of `Conv2d`.
    """

    op, draw = staticmethod(ops.quaternion_conv2d), staticmethod(quaternion_weights)


class QuaternionConvTranspose2d(TransposedConvolution):
    """The way back through a quaternion convolution, the kernel on the left: (N, H, W, C) -> (N, OH, OW, O)."""

    op, draw = staticmethod(ops.quaternion_conv_transpose2d), staticmethod(quaternion_weights)


class QuaternionRotationConv2d(Convolution):
    """Correlation with rotations, each with a scale of its own: (N, H, W, C) -> (N, OH, OW, O).

    `weight` (4, KH, KW, C/4, O/4) turns, `scale` (KH, KW, C/4, O/4) weighs: five numbers where `QuaternionConv2d` has
    four. A quaternion on the right does not go through; `ops.quaternion_rotation_conv2d` says what holds instead.
    """

    op, draw = staticmethod(ops.quaternion_rotation_conv2d), staticmethod(rotation_weights)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair = 3, *, rng: np.random.Generator, **options: Any
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, rng=rng, **options)
        taps, (c, o) = self.weight.shape[1:3], quaternions(in_channels, out_channels)
        self.scale = parameter(real_weights(taps, c, o, self.groups, rng))

    def _weights(self) -> tuple[Tensor, ...]:
        return self.weight, self.scale
