"""Quaternion convolutions, forwards and transposed.

The last axis of an image (N, H, W, 4C) holds four blocks r|i|j|k; a kernel (4, KH, KW, C/G, O) counts quaternions.
With `groups` G the quaternion channels are cut into G runs, which means each of the four blocks is.

A constant quaternion q on the right goes through, op(x ⊗ q) = op(x) ⊗ q, because (w ⊗ x) ⊗ q = w ⊗ (x ⊗ q).
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from .. import kernels
from ..autodiff import Tensor
from ..autodiff.shape import reshape
from ..backend import Array
from ..conv import gpu
from ..conv.dispatch import fast_options
from ..conv.fast import algorithms
from ..conv.im2col import Pair, pair, single
from ..errors import ShapeError
from .conv import conv2d, conv_transpose2d, flat, image
from .quaternion_blocks import block_weight, by_blocks, check


def quaternion_conv2d(
    x: Tensor, w: Tensor, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Tensor:
    """Return the quaternion correlation y = Σ_taps w ⊗ x.

    `x` is (N, H, W, 4C), the last axis in four blocks r|i|j|k; `w` is (4, KH, KW, C/G, O), multiplied from the
    left; the result is (N, OH, OW, 4O), its size that of `conv2d`. It takes eight real products for each of
    quaternions (`quatnet.conv.fast`), and sixteen with dilation or groups; on a GPU where `conv.gpu.is_profitable` says so.
    Raises ShapeError where channels, groups, dtypes or sizes disagree.
    """
    check(x, w, groups)
    a, b = x.data, w.data
    eight = _in_eight(a, b, stride, padding, dilation, groups)
    if eight is None:
        return by_blocks(conv2d, x, block_weight(w), groups, stride=stride, padding=padding, dilation=dilation)
    form, options = eight

    def backward(g: Array) -> Sequence[Array | None]:
        gx = form.input_gradient(g, b, a.shape, *options) if x.requires_grad else None
        return gx, form.weight_gradient(a, g, b.shape, *options)

    return Tensor.from_op(form.convolve(a, b, *options), (x, w), backward)


def _in_eight(
    x: Array, w: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> tuple[ModuleType, tuple] | None:
    """The module that takes eight products, and the options it asks for; None where it takes sixteen."""
    if kernels.supports(x, w):
        return (gpu, (pair(stride), pair(padding), pair(dilation), groups)) if gpu.is_profitable(w.shape) else None
    fast = fast_options(stride, padding, dilation)
    return None if fast is None or groups > 1 else (algorithms, fast)


def quaternion_conv1d(
    x: Tensor, w: Tensor, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Tensor:
    """Return y = Σ_taps w ⊗ x for a signal `x` (N, L, 4C) and `w` (4, K, C/G, O): (N, OL, 4O), sizes as in `conv1d`."""
    if x.data.ndim != 3 or w.data.ndim != 4:
        raise ShapeError(f"expected x (N, L, 4C) and w (4, K, C / groups, O), got {x.shape} and {w.shape}")
    kernel = reshape(w, (w.shape[0], 1, *w.shape[1:]))
    options = {"stride": single(stride), "dilation": single(dilation), "groups": groups}
    return flat(quaternion_conv2d(image(x, padding), kernel, **options))


def quaternion_conv_transpose2d(
    x: Tensor,
    w: Tensor,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Return `x` (N, H, W, 4C) spread out by `w` (4, KH, KW, C/G, O) like `conv_transpose2d`: (N, OH, OW, 4O).

    Every pixel x[h, v] adds w[i, j] ⊗ x[h, v] to the result, the weight on the left as in `quaternion_conv2d`, of
    which this is the adjoint but for w instead of w*. Raises ShapeError where channels, groups, dtypes or sizes
    disagree.
    """
    check(x, w, groups)
    options: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "output_padding": output_padding,
        "dilation": dilation,
    }
    return by_blocks(conv_transpose2d, x, block_weight(w), groups, **options)
