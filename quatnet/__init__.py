"""quatnet: quaternion convolutional networks for audio on NumPy, small enough to be read."""

from . import ops
from .autodiff import Tensor, gradcheck, no_grad
from .threads import thread_count

__version__ = "0.1.0"
__all__ = ["Tensor", "gradcheck", "no_grad", "ops", "thread_count"]
