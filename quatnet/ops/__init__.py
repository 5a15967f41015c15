"""Differentiable operations on tensors.

Each operation is one function, which computes the result and defines an inner function `backward`.
"""

from ..autodiff.reduce import max, mean, sum
from ..autodiff.shape import concatenate, getitem, reshape, transpose
from .activations import exp, log, relu, sigmoid, tanh
from .batchnorm import batch_norm
from .conv import conv1d, conv2d, conv_transpose2d
from .distillation import binary_distillation_loss, distillation_loss, mse_loss
from .dropout import dropout
from .encoders import repeat_encoder, zero_pad_encoder
from .hamilton import hamilton_product
from .layernorm import layer_norm
from .linear import linear, quaternion_linear
from .losses import binary_cross_entropy_with_logits, cross_entropy
from .pooling import avg_pool2d, max_pool2d, norm_max_pool2d
from .quaternion_activations import mod_relu, quaternion_dropout, quaternion_norm
from .quaternion_batchnorm import quaternion_batch_norm
from .quaternion_conv import quaternion_conv1d, quaternion_conv2d, quaternion_conv_transpose2d
from .rotation_conv import quaternion_rotation_conv2d
from .whitening import whitening_batch_norm

__all__ = [
    "avg_pool2d", "batch_norm", "binary_cross_entropy_with_logits", "binary_distillation_loss", "concatenate", "conv1d",
    "conv2d", "conv_transpose2d", "cross_entropy", "distillation_loss", "dropout", "exp", "getitem", "hamilton_product",
    "layer_norm", "linear", "log", "max", "max_pool2d", "mean", "mod_relu", "mse_loss", "norm_max_pool2d",
    "quaternion_batch_norm", "quaternion_conv1d", "quaternion_conv2d", "quaternion_conv_transpose2d",
    "quaternion_dropout", "quaternion_linear", "quaternion_norm", "quaternion_rotation_conv2d", "relu",
    "repeat_encoder", "reshape", "sigmoid", "sum", "tanh", "transpose", "whitening_batch_norm", "zero_pad_encoder",
]  # fmt: skip
