"""Reverse-mode automatic differentiation of tensor operations."""

from .gradcheck import gradcheck
from .op import op
from .tape import no_grad
from .tensor import Tensor

__all__ = ["Tensor", "gradcheck", "no_grad", "op"]
