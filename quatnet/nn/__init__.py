"""Layers: a module holds parameters, and calling it applies ops to a tensor."""

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
    "BatchNorm",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "LayerNorm",
    "LearnedEncoder",
    "Linear",
    "ModReLU",
    "Module",
    "NormHead",
    "QuaternionBatchNorm",
    "QuaternionConv1d",
    "QuaternionConv2d",
    "QuaternionConvTranspose2d",
    "QuaternionLinear",
    "QuaternionRotationConv2d",
    "WhiteningBatchNorm",
]
