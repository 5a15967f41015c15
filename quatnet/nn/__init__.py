"""Layers: a module holds parameters, and calling it applies ops to a tensor."""

from .containers import (
    AvgPool2d,
    Dropout,
    Flatten,
    MaxPool2d,
    NormMaxPool2d,
    QuaternionDropout,
    QuaternionNorm,
    ReLU,
    Sequential,
)
from .convolution import Conv1d, Conv2d, ConvTranspose2d
from .encoders import LearnedEncoder, NormHead
from .module import Module
from .norms import LayerNorm, ModReLU, QuaternionBatchNorm, WhiteningBatchNorm
from .quaternion import QuaternionLinear
from .quaternion_convolution import (
    QuaternionConv1d,
    QuaternionConv2d,
    QuaternionConvTranspose2d,
    QuaternionRotationConv2d,
)
from .real import BatchNorm, Linear

__all__ = [
    "AvgPool2d",
    "BatchNorm",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Flatten",
    "LayerNorm",
    "LearnedEncoder",
    "Linear",
    "MaxPool2d",
    "ModReLU",
    "Module",
    "NormHead",
    "NormMaxPool2d",
    "QuaternionBatchNorm",
    "QuaternionConv1d",
    "QuaternionConv2d",
    "QuaternionConvTranspose2d",
    "QuaternionDropout",
    "QuaternionLinear",
    "QuaternionNorm",
    "QuaternionRotationConv2d",
    "ReLU",
    "Sequential",
    "WhiteningBatchNorm",
]
