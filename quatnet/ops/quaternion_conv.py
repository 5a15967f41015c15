"""Quaternion convolution and transposed quaternion convolution.

The last axis of an image (N, H, W, 4C) consists of four blocks r|i|j|k. In a convolution kernel (4, KH, KW, C/G, O), C
and O are the numbers of quaternion channels. With `groups` G, each of the four blocks is split into G groups of
consecutive channels.

The ops commute with right multiplication by a quaternion q, op(x ⊗ q) = op(x) ⊗ q, because (w ⊗ x) ⊗ q = w ⊗ (x ⊗ q).
"""

from collections.abc import Sequence
from types import ModuleType

from .. import kernels
from ..autodiff import Tensor, op
from ..autodiff.shape import reshape
from ..backend import Array, on_gpu
from ..conv import gpu
from ..conv.fast import algorithms
from ..conv.im2col import Pair, output_size, pair
from ..errors import ShapeError
from .conv import as_conv2d, conv2d, conv_transpose2d
from .quaternion_blocks import apply_real_op, block_weight, check_conv_shapes


@op
def quaternion_conv2d(
    x: Tensor, w: Tensor, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Tensor:
    """Return the quaternion cross-correlation Σ w ⊗ x, summed over kernel taps and input channels.

    `x` is (N, H, W, 4C) in blocks r|i|j|k. `w` is (4, KH, KW, C/G, O). The result is (N, OH, OW, 4O), with OH and OW as
    in `conv2d`. Raises ShapeError if channels, groups, dtypes or sizes do not match.

    On the CPU, a quaternion product is computed with 8 real products, or with 16 if there are groups, or fewer than 16
    quaternion input or output channels (`quatnet.conv.fast`). On a GPU, it is computed with 8 real products if
    `conv.gpu.is_profitable`, else with 16.
    """
    check_conv_shapes(x, w, groups)
    pairs = pair(stride), pair(padding), pair(dilation)
    for sizes in zip(x.shape[1:3], w.shape[1:3], *pairs, strict=True):
        output_size(*sizes)  # raises an error if the kernel does not fit
    a, b = x.data, w.data
    algorithm = _algorithm(a, b, groups)
    if algorithm is None:
        return apply_real_op(conv2d, x, block_weight(w), groups, stride=stride, padding=padding, dilation=dilation)
    options = (*pairs, groups) if algorithm is gpu else pairs

    def backward(grad: Array) -> Sequence[Array | None]:
        grad_x = algorithm.input_gradient(grad, b, a.shape, *options) if x.requires_grad else None
        return grad_x, algorithm.weight_gradient(a, grad, b.shape, *options)

    return Tensor.from_op(algorithm.convolve(a, b, *options), (x, w), backward)


def _algorithm(x: Array, w: Array, groups: int) -> ModuleType | None:
    """Return a module for convolution with quaternion kernels, or None to use a real kernel."""
    if kernels.supports(x, w):
        return gpu if groups == 1 or gpu.is_profitable(w.shape) else None
    return None if on_gpu() or groups > 1 else algorithms


@op
def quaternion_conv1d(
    x: Tensor, w: Tensor, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Tensor:
    """Return the quaternion cross-correlation (N, OW, 4O) of a signal `x` (N, W, 4C) with `w` (4, KW, C/G, O).

    OW is as in `conv1d`. Raises ShapeError like `quaternion_conv2d`.
    """
    if x.data.ndim != 3 or w.data.ndim != 4:
        raise ShapeError(f"expected x (N, W, 4C) and w (4, KW, C / groups, O), got {x.shape} and {w.shape}")
    kernel = reshape(w, (w.shape[0], 1, *w.shape[1:]))
    return as_conv2d(quaternion_conv2d, x, kernel, stride, padding, dilation, groups)


@op
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
    """Return the transposed quaternion convolution (N, OH, OW, 4O) of `x` (N, H, W, 4C) with `w` (4, KH, KW, C/G, O).

    OH and OW are as in `conv_transpose2d`. Each kernel tap w and each pixel x contribute w ⊗ x to one pixel of the
    result. The op is the adjoint of a `quaternion_conv2d` with the conjugate weights w*. Raises ShapeError if channels,
    groups, dtypes or sizes do not match.
    """
    check_conv_shapes(x, w, groups)
    options = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    return apply_real_op(conv_transpose2d, x, block_weight(w), groups, **options)
