"""Reverse-mode automatic differentiation: a `Tensor` records operations, and `backward` applies the chain rule."""

from .gradcheck import gradcheck
from .tape import no_grad
from .tensor import Tensor

__all__ = ["Tensor", "gradcheck", "no_grad"]
