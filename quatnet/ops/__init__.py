"""Differentiable operations on tensors: each is one function, forward first, then its inner `backward`."""

from .activations import exp, log, relu, sigmoid, tanh
from .conv import conv1d, conv2d, conv_transpose2d
from .distillation import bernoulli_distillation_loss, distillation_loss, feature_loss, released_distillation_loss
from .encoders import repeat_encoder, zero_pad_encoder
from .hamilton import hamilton_product
from .layer_normalise import layer_norm
from .linear import linear, quaternion_linear
from .losses import binary_cross_entropy, softmax_cross_entropy
from .normalise import batch_norm, dropout
from .pooling import average_pool, max_pool, norm_max_pool
from .quaternion_conv import quaternion_conv1d, quaternion_conv2d, quaternion_conv_transpose2d
from .quaternion_normalise import quaternion_batch_norm
from .reduce import max, mean, sum
from .rotation_conv import quaternion_rotation_conv2d
from .shape import concatenate, getitem, reshape, transpose
from .whitening import whitening_batch_norm
from .whole_quaternion import mod_relu, quaternion_dropout, quaternion_norm

__all__ = [
    "average_pool",
    "batch_norm",
    "bernoulli_distillation_loss",
    "binary_cross_entropy",
    "concatenate",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "distillation_loss",
    "dropout",
    "exp",
    "feature_loss",
    "getitem",
    "hamilton_product",
    "layer_norm",
    "linear",
    "log",
    "max",
    "max_pool",
    "mean",
    "mod_relu",
    "norm_max_pool",
    "quaternion_batch_norm",
    "quaternion_conv1d",
    "quaternion_conv2d",
    "quaternion_conv_transpose2d",
    "quaternion_dropout",
    "quaternion_linear",
    "quaternion_norm",
    "quaternion_rotation_conv2d",
    "released_distillation_loss",
    "relu",
    "repeat_encoder",
    "reshape",
    "sigmoid",
    "softmax_cross_entropy",
    "sum",
    "tanh",
    "transpose",
    "whitening_batch_norm",
    "zero_pad_encoder",
]
