"""Differentiable operations on tensors: each is one function, forward first, then its inner `backward`."""

from .activations import exp, log, relu, sigmoid
from .conv import conv1d, conv2d, conv_transpose2d
from .hamilton import hamilton_product
from .linear import linear, quaternion_linear
from .losses import binary_cross_entropy, distillation_loss, softmax_cross_entropy
from .normalise import batch_norm, dropout
from .pooling import average_pool, max_pool
from .quaternion_conv import quaternion_conv1d, quaternion_conv2d, quaternion_conv_transpose2d
from .reduce import max, mean, sum
from .rotation_conv import quaternion_rotation_conv2d
from .shape import concatenate, getitem, reshape, transpose

__all__ = [
    "average_pool",
    "batch_norm",
    "binary_cross_entropy",
    "concatenate",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "distillation_loss",
    "dropout",
    "exp",
    "getitem",
    "hamilton_product",
    "linear",
    "log",
    "max",
    "max_pool",
    "mean",
    "quaternion_conv1d",
    "quaternion_conv2d",
    "quaternion_conv_transpose2d",
    "quaternion_linear",
    "quaternion_rotation_conv2d",
    "relu",
    "reshape",
    "sigmoid",
    "softmax_cross_entropy",
    "sum",
    "transpose",
]
