"""Neural network layers.

Every layer is called as layer(x, train=..., rng=...). `train=True` selects batch statistics and dropout. `rng` is the
generator of the dropout mask. Layers without batch statistics and dropout ignore `train` and `rng`; batch norms and
dropout require `train`, whose default is False otherwise. A network passes both on to its layers.
"""

from .activations import Dropout, ModReLU, QuaternionDropout, QuaternionNorm, ReLU
from .containers import Flatten, Sequential
from .convolution import Conv1d, Conv2d, ConvTranspose2d
from .encoders import LearnedEncoder, NormHead
from .linear import Linear, QuaternionLinear
from .module import Module, parameter
from .norms import BatchNorm, LayerNorm, QuaternionBatchNorm, WhiteningBatchNorm
from .pooling import AvgPool2d, MaxPool2d, NormMaxPool2d
from .quaternion_convolution import (
    QuaternionConv1d,
    QuaternionConv2d,
    QuaternionConvTranspose2d,
    QuaternionRotationConv2d,
)

__all__ = [
    "AvgPool2d", "BatchNorm", "Conv1d", "Conv2d", "ConvTranspose2d", "Dropout", "Flatten", "LayerNorm",
    "LearnedEncoder", "Linear", "MaxPool2d", "ModReLU", "Module", "NormHead", "NormMaxPool2d", "QuaternionBatchNorm",
    "QuaternionConv1d", "QuaternionConv2d", "QuaternionConvTranspose2d", "QuaternionDropout", "QuaternionLinear",
    "QuaternionNorm", "QuaternionRotationConv2d", "ReLU", "Sequential", "WhiteningBatchNorm", "parameter",
]  # fmt: skip
