"""Real convolutions, forwards and transposed, on the arithmetic of `quatnet.conv.plain`.

`stride`, `padding`, `dilation` and `output_padding` are a number, or a pair (height, width). With `groups` G the
channels and the filters are cut into G runs, and filters see the channels of their own run only.
"""

from collections.abc import Sequence
from typing import Any

from ..autodiff import Tensor
from ..autodiff.shape import reshape
from ..backend import Array
from ..conv import dispatch, plain
from ..conv.im2col import Pair, pad, pair, single, transposed_size
from ..errors import ShapeError


def conv2d(x: Tensor, w: Tensor, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Tensor:
    """Return the correlation of `x` (N, H, W, C) with `w` (KH, KW, C/G, O): (N, OH, OW, O).

    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, OW likewise. Raises ShapeError where
    channels, groups, dtypes or sizes disagree, ConfigError for an option that is no number or pair.
    """
    a, b = x.data, w.data
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    def backward(g: Array) -> Sequence[Array | None]:
        gx = dispatch.conv2d_input_gradient(g, b, a.shape, **options) if x.requires_grad else None
        return gx, dispatch.conv2d_weight_gradient(a, g, b.shape[:2], **options)

    return Tensor.from_op(dispatch.conv2d(a, b, **options), (x, w), backward)


def conv1d(x: Tensor, w: Tensor, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Tensor:
    """Return the correlation of `x` (N, L, C) with `w` (K, C/G, O): (N, OL, O), an image of height one.

    OL = floor((L + 2 padding - dilation (K - 1) - 1) / stride) + 1. Raises ShapeError like `conv2d`.
    """
    if x.data.ndim != 3 or w.data.ndim != 3:
        raise ShapeError(f"expected x (N, L, C) and w (K, C / groups, O), got {x.shape} and {w.shape}")
    kernel = reshape(w, (1, *w.shape))
    return flat(conv2d(image(x, padding), kernel, stride=single(stride), dilation=single(dilation), groups=groups))


def image(x: Tensor, padding: Pair) -> Tensor:
    """Return a signal (N, L, C) with `padding` zeros at both ends as an image of height one."""
    zeros, length = single(padding), x.shape[1]
    if zeros < 0:
        raise ShapeError(f"expected a padding of at least 0, got {padding}")

    def backward(g: Array) -> Sequence[Array]:
        return (g[:, 0, zeros : zeros + length],)

    return Tensor.from_op(pad(x.data[:, None], (0, zeros)), (x,), backward)


def flat(x: Tensor) -> Tensor:
    """Return an image of height one as a signal: (N, 1, L, C) -> (N, L, C)."""
    return reshape(x, (x.shape[0], x.shape[2], x.shape[3]))


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
    """Return `x` (N, H, W, C) spread out by `w` (KH, KW, C/G, O), the adjoint of a strided convolution: (N, OH, OW, O).

    Every pixel x[h, v] adds x[h, v] @ w[i, j] to row h stride + i dilation - padding of the result, columns likewise:

        OH = (H - 1) stride - 2 padding + dilation (KH - 1) + 1 + output_padding, OW likewise.

    That is the input gradient of the `conv2d` with the same options that leads from O channels to C, so here the
    three functions of a convolution change roles. `output_padding`, 0 to stride - 1, tells which of the sizes
    that such a convolution rounds down to H is meant. Raises ShapeError and ConfigError like `conv2d`.
    """
    plain.check_layout(x.data, w.data, groups)
    a, b = x.data, plain.transpose_channels(w.data, groups)  # the kernel of that convolution: (KH, KW, O/G, C)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    each = zip(a.shape[1:3], b.shape[:2], *map(pair, (stride, padding, output_padding, dilation)), strict=True)
    oh, ow = (transposed_size(*one) for one in each)
    shape = (len(a), oh, ow, w.shape[3])

    def backward(g: Array) -> Sequence[Array | None]:
        gx = dispatch.conv2d(g, b, **options) if x.requires_grad else None
        return gx, plain.transpose_channels(dispatch.conv2d_weight_gradient(g, a, b.shape[:2], **options), groups)

    return Tensor.from_op(dispatch.conv2d_input_gradient(a, b, shape, **options), (x, w), backward)
