"""Real and quaternion linear ops."""

from ..autodiff import Tensor, op
from ..autodiff.shape import reshape
from ..errors import ShapeError
from .quaternion_conv import quaternion_conv2d


@op
def linear(x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x @ w + bias for `x` (..., C) and `w` (C, O). `bias` is (O,) or None.

    Raises ShapeError for other shapes.
    """
    if x.ndim == 1:
        return _add_bias(reshape(reshape(x, (1, *x.shape)) @ w, w.shape[1:]), bias)
    return _add_bias(x @ w, bias)


@op
def quaternion_linear(x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return w ⊗ x + bias (N, 4O) for `x` (N, 4C) in blocks r|i|j|k and `w` (4, C, O). `bias` is (4O,) or None.

    The op is computed as `quaternion_conv2d` of images with one pixel. Without bias, f(x ⊗ q) = f(x) ⊗ q for any
    constant quaternion q. Raises ShapeError for other shapes.
    """
    if w.data.ndim != 3 or w.shape[0] != 4 or x.data.ndim != 2 or x.shape[1] != 4 * w.shape[1]:
        raise ShapeError(f"expected x (N, 4C) and w (4, C, O), got {x.shape} and {w.shape}")
    pixels = (len(x.data), 1, 1, x.shape[1])
    y = quaternion_conv2d(reshape(x, pixels), reshape(w, (4, 1, 1, *w.shape[1:])))
    y = reshape(y, (len(x.data), 4 * w.shape[2]))
    return _add_bias(y, bias)


def _add_bias(y: Tensor, bias: Tensor | None) -> Tensor:
    if bias is not None and bias.shape != y.shape[-1:]:
        raise ShapeError(f"expected a bias {y.shape[-1:]}, got {bias.shape}")
    return y if bias is None else y + bias
