"""Layers: a module holds parameters, and calling it applies ops to a tensor."""

from .module import Module
from .quaternion import QuaternionConv2d, QuaternionLinear
from .real import BatchNorm, Conv2d, Linear

__all__ = ["BatchNorm", "Conv2d", "Linear", "Module", "QuaternionConv2d", "QuaternionLinear"]
