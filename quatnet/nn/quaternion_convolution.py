"""Quaternion convolution layers.

The parameters are those of `nn.convolution.Convolution`. `in_channels` and `out_channels` are numbers of real channels,
four per quaternion channel. Without bias, every layer of this module except `QuaternionRotationConv2d` satisfies
layer(x ⊗ q) = layer(x) ⊗ q for a constant quaternion q. A layer with bias does not have this property, because the bias
is not multiplied by q.
"""

from typing import Any

import numpy as np

from .. import ops
from ..conv.im2col import Pair
from .convolution import Convolution, TransposedConvolution, real_weights
from .init import glorot_scale, quaternion_polar, quaternion_unitary
from .module import parameter


def quaternion_weights(shape: tuple[int, ...], group_shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return initial weights (4, *shape), with the scale for a group with the weights `group_shape`."""
    return quaternion_polar((4, *shape), glorot_scale((4, *group_shape)), rng=rng)


def rotation_weights(shape: tuple[int, ...], group_shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return initial weights (4, *shape) of norm 1, uniform over all rotations."""
    return quaternion_unitary((4, *shape), 0.5, rng=rng)


class QuaternionConv1d(Convolution):
    """Quaternion 1d convolution layer, (N, W, 4C) -> (N, OW, 4O). See `ops.quaternion_conv1d`.

    The parameters are those of `nn.convolution.Convolution`.
    """

    op, init_weight, quaternion = staticmethod(ops.quaternion_conv1d), staticmethod(quaternion_weights), True
    ndim = 1


class QuaternionConv2d(Convolution):
    """Quaternion 2d convolution layer, (N, H, W, 4C) -> (N, OH, OW, 4O). See `ops.quaternion_conv2d`.

    The parameters are those of `nn.convolution.Convolution`. C and O are the numbers of quaternion channels. `weight`
    (4, KH, KW, C, O) has a quarter of the entries of the `weight` of `Conv2d`.
    """

    op, init_weight, quaternion = staticmethod(ops.quaternion_conv2d), staticmethod(quaternion_weights), True


class QuaternionConvTranspose2d(TransposedConvolution):
    """Transposed quaternion 2d convolution layer, (N, H, W, 4C) -> (N, OH, OW, 4O).

    See `ops.quaternion_conv_transpose2d`. The parameters are those of `nn.convolution.Convolution`, and
    `output_padding`, see `nn.convolution.TransposedConvolution`.
    """

    op, init_weight, quaternion = staticmethod(ops.quaternion_conv_transpose2d), staticmethod(quaternion_weights), True


class QuaternionRotationConv2d(Convolution):
    """Convolution layer with scaled rotations, (N, H, W, 4C) -> (N, OH, OW, 4O). See `ops.quaternion_rotation_conv2d`.

    The rotations are `weight` (4, KH, KW, C, O). The real factors of the rotations are `scale` (KH, KW, C, O).
    The layer has 5/4 of the parameters of `QuaternionConv2d`. The layer does not commute with right multiplication by a
    quaternion.
    """

    op, init_weight, quaternion = staticmethod(ops.quaternion_rotation_conv2d), staticmethod(rotation_weights), True
    weight_names = ("weight", "scale")

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair = 3, *, rng: np.random.Generator, **options: Any
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, rng=rng, **options)
        *sizes, filters = self.weight.shape[1:]
        self.scale = parameter(real_weights((*sizes, filters), (*sizes, filters // self.groups), rng))
