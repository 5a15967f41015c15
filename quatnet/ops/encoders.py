"""Linear encoders from real to quaternion channels without parameters.

`nn.LearnedEncoder` is an encoder with parameters.
"""

from ..autodiff import Tensor, op
from ..autodiff.shape import concatenate
from ..backend import xp
from ..errors import ShapeError


@op
def repeat_encoder(x: Tensor) -> Tensor:
    """Return x (1 + i + j + k) for real `x`, (..., C) -> (..., 4C). Raises ShapeError for a scalar."""
    return concatenate([_with_channels(x)] * 4)


@op
def zero_pad_encoder(x: Tensor) -> Tensor:
    """Return x + 0i + 0j + 0k for real `x`, (..., C) -> (..., 4C). Raises ShapeError for a scalar."""
    shape = (*_with_channels(x).shape[:-1], 3 * x.shape[-1])
    return concatenate([x, Tensor(xp.zeros(shape, dtype=x.data.dtype))])


def _with_channels(x: Tensor) -> Tensor:
    if not x.shape:
        raise ShapeError("expected channels on the last axis of x, got a scalar; reshape it to (1,)")
    return x
