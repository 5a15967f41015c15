"""Tape autodiff: a `Tensor` records the operations that made it, and `backward` applies the chain rule to them."""

from .gradcheck import gradcheck
from .tape import no_grad
from .tensor import Tensor

__all__ = ["Tensor", "gradcheck", "no_grad"]
