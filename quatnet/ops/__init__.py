"""Differentiable operations on tensors: each is one function, forward first, then its inner `backward`."""

from .activations import exp, log, relu, sigmoid
from .conv import conv2d, linear, quaternion_conv2d, quaternion_linear
from .hamilton import hamilton_product
from .losses import binary_cross_entropy, distillation_loss, softmax_cross_entropy
from .normalise import batch_norm, dropout
from .pooling import average_pool, max_pool
from .reduce import max, mean, sum
from .shape import concatenate, getitem, reshape, transpose

__all__ = [
    "average_pool",
    "batch_norm",
    "binary_cross_entropy",
    "concatenate",
    "conv2d",
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
    "quaternion_conv2d",
    "quaternion_linear",
    "relu",
    "reshape",
    "sigmoid",
    "softmax_cross_entropy",
    "sum",
    "transpose",
]
