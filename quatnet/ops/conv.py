"""Real convolution and transposed convolution. The algorithms are in `quatnet.conv`.

`stride`, `padding`, `dilation` and `output_padding` are an integer, or a pair (height, width). With `groups` G, input
channels and filters are split into G groups of consecutive channels. A filter uses the channels of its own group only.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ..autodiff import Tensor, op
from ..autodiff.shape import reshape
from ..backend import Array
from ..conv import dispatch, plain
from ..conv.im2col import Pair, pair, single, transposed_size
from ..errors import ShapeError


@op
def conv2d(x: Tensor, w: Tensor, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Tensor:
    """Return the cross-correlation (N, OH, OW, O) of `x` (N, H, W, C) with `w` (KH, KW, C/G, O).

    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, and likewise for OW. Raises ShapeError if
    channels, groups, dtypes or sizes do not match. Raises ConfigError for an option that is neither an integer nor a
    pair of integers.
    """
    a, b = x.data, w.data
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    def backward(grad: Array) -> Sequence[Array | None]:
        grad_x = dispatch.conv2d_input_gradient(grad, b, a.shape, **options) if x.requires_grad else None
        return grad_x, dispatch.conv2d_weight_gradient(a, grad, b.shape[:2], **options)

    return Tensor.from_op(dispatch.conv2d(a, b, **options), (x, w), backward)


@op
def conv1d(x: Tensor, w: Tensor, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Tensor:
    """Return the cross-correlation (N, OW, O) of `x` (N, W, C) with `w` (KW, C/G, O), computed with images of height 1.

    OW = floor((W + 2 padding - dilation (KW - 1) - 1) / stride) + 1. Raises ShapeError and ConfigError like `conv2d`.
    """
    if x.data.ndim != 3 or w.data.ndim != 3:
        raise ShapeError(f"expected x (N, W, C) and w (KW, C / groups, O), got {x.shape} and {w.shape}")
    return as_conv2d(conv2d, x, reshape(w, (1, *w.shape)), stride, padding, dilation, groups)


def as_conv2d(
    op: Callable[..., Tensor], x: Tensor, w: Tensor, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Tensor:
    """Return the 2d convolution `op` of the signal `x` (N, W, C), an image of height 1, with a kernel of height 1."""
    image = reshape(x, (x.shape[0], 1, *x.shape[1:]))
    sizes = {"stride": single(stride), "padding": (0, single(padding)), "dilation": single(dilation)}
    y = op(image, w, **sizes, groups=groups)
    return reshape(y, (y.shape[0], *y.shape[2:]))


@op
def conv_transpose2d(
    x: Tensor,
    w: Tensor,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Return the transposed convolution (N, OH, OW, O) of `x` (N, H, W, C) with `w` (KH, KW, C/G, O).

    The pixel of `x` in row h and the kernel tap in row i contribute to row h · stride + i · dilation - padding of the
    result, and likewise for columns. The height of the result is

        OH = (H - 1) stride - 2 padding + dilation (KH - 1) + 1 + output_padding

    and likewise for the width OW. The op is the input gradient of a `conv2d` from O to C channels with the same
    options. Such a `conv2d` maps several input sizes to the same H. `output_padding`, from 0 to stride - 1, selects one
    of these sizes as OH. Raises ShapeError and ConfigError like `conv2d`.
    """
    plain.check_layout(x.data, w.data, groups)
    a, b = x.data, plain.transpose_channels(w.data, groups)  # convolution kernel of the conv2d: (KH, KW, O/G, C)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    pairs = map(pair, (stride, padding, output_padding, dilation))
    shape = (len(a), *map(transposed_size, a.shape[1:3], b.shape[:2], *pairs), w.shape[3])

    def backward(grad: Array) -> Sequence[Array | None]:
        grad_x = dispatch.conv2d(grad, b, **options) if x.requires_grad else None
        grad_b = dispatch.conv2d_weight_gradient(grad, a, b.shape[:2], **options)
        return grad_x, plain.transpose_channels(grad_b, groups)

    return Tensor.from_op(dispatch.conv2d_input_gradient(a, b, shape, **options), (x, w), backward)
