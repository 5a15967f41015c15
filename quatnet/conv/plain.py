"""Real convolution and its two gradients by im2col and one matrix product.

    x (N, H, W, C)    w (KH, KW, C, O)    y (N, OH, OW, O)    grad: the upstream gradient with respect to y

The forward pass is y = im2col(x) @ w. The gradients are those of a matrix product:

    grad_w = im2col(x)ᵀ @ grad        grad_x = col2im(grad @ wᵀ)

`stride`, `padding` and `dilation` are an int or a pair (height, width). With `groups` G, input channels and filters are
split into G groups, and the filters of a group use the input channels of the same group. The shape of w is then
(KH, KW, C/G, O), and there are G matrix products, one for each group.

This module is a reference implementation. `quatnet.conv.dispatch` computes the same results in less time.
"""

from ..backend import Array
from ..checks import checked_count
from ..errors import ShapeError
from ..quaternion import left_matrix
from .im2col import Pair, Shape, Size, col2im, im2col, output_size, pair


def conv2d(x: Array, w: Array, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Array:
    """Return the correlation (N, OH, OW, O) of images `x` (N, H, W, C) with a kernel `w` (KH, KW, C/G, O).

    G is the number of groups. OH is floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, and OW is computed
    likewise. Raises ShapeError if the shapes or dtypes do not fit.
    """
    oh, ow = check_shapes(x, w, stride, padding, dilation, groups)
    rows = im2col(x, w.shape[:2], stride=stride, padding=padding, dilation=dilation)  # (N, OH, OW, KH*KW*C)
    y = _split_patches(rows, x.shape[-1], groups) @ split_groups(w, groups)
    return merge_groups(y).reshape(len(x), oh, ow, w.shape[-1])


def conv2d_input_gradient(
    grad: Array, w: Array, shape: Shape, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return the gradient of <conv2d(x, w), grad> with respect to x. `shape` is the shape (N, H, W, C) of x."""
    kh, kw, channels, _ = w.shape
    patches = split_groups(grad, groups) @ split_groups(w, groups).swapaxes(1, 2)  # (G, N*OH*OW, KH*KW*C/G)
    rows = merge_groups(patches.reshape(groups, -1, channels)).reshape(*grad.shape[:3], kh * kw * channels * groups)
    return col2im(rows, shape, (kh, kw), stride=stride, padding=padding, dilation=dilation)


def conv2d_weight_gradient(
    x: Array, grad: Array, kernel: Size, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return the gradient of <conv2d(x, w), grad> with respect to w, of the shape (KH, KW, C/G, O).

    `kernel` is the size (KH, KW). G is the number of groups.
    """
    rows = im2col(x, kernel, stride=stride, padding=padding, dilation=dilation)
    grad_w = _split_patches(rows, x.shape[-1], groups).swapaxes(1, 2) @ split_groups(grad, groups)
    return merge_groups(grad_w).reshape(*kernel, x.shape[-1] // groups, grad.shape[-1])


def check_shapes(
    x: Array, w: Array, stride: Pair, padding: Pair, dilation: Pair = 1, groups: int = 1
) -> tuple[int, int]:
    """Return the output size (OH, OW). Raises ShapeError if axes, channels, groups, dtypes or sizes do not fit."""
    check_layout(x, w, groups)
    oh, ow = map(output_size, x.shape[1:3], w.shape[:2], pair(stride), pair(padding), pair(dilation))
    return oh, ow


def check_layout(x: Array, w: Array, groups: int) -> None:
    """Raise ShapeError if axes, channels, groups or dtypes do not fit. Raise ConfigError unless groups >= 1."""
    if x.ndim != 4 or w.ndim != 4 or x.shape[-1] != checked_count("groups", groups) * w.shape[2]:
        raise ShapeError(
            f"expected x (N, H, W, C) and w (KH, KW, C / groups, O), got {x.shape} and {w.shape} with groups {groups}"
        )
    check_filters(w, groups)
    check_dtypes(x, w)


def check_dtypes(x: Array, w: Array) -> None:
    """Raise ShapeError unless the images `x` and the kernel `w` have the same dtype."""
    if x.dtype != w.dtype:
        raise ShapeError(f"expected one dtype, got x {x.dtype} and w {w.dtype}; convert one with astype")


def check_filters(w: Array, groups: int) -> None:
    """Raise ShapeError unless a kernel `w` (..., C/G, O) has channels and `groups` divides O."""
    if w.shape[-1] % groups or 0 in w.shape[-2:]:
        raise ShapeError(
            f"expected at least one channel, and a number of filters divisible by groups={groups}, "
            f"got {w.shape[-1]} in w {w.shape}"
        )


def split_groups(a: Array, groups: int) -> Array:
    """Split the last axis into G groups and flatten the other axes: (..., C) -> (G, rows, C/G)."""
    return a.reshape(-1, groups, a.shape[-1] // groups).swapaxes(0, 1)


def merge_groups(a: Array) -> Array:
    """Merge G groups into the last axis: (G, rows, C/G) -> (rows, C)."""
    return a.swapaxes(0, 1).reshape(a.shape[1], a.shape[0] * a.shape[2])


def _split_patches(rows: Array, channels: int, groups: int) -> Array:
    """Return the patch matrices (G, N*OH*OW, KH*KW*C/G) of G groups, from patches (N, OH, OW, KH*KW*C)."""
    taps = rows.shape[-1] // channels
    pixels = rows.reshape(-1, taps, channels)
    return split_groups(pixels, groups).reshape(groups, len(pixels), taps * channels // groups)


def transpose_channels(w: Array, groups: int) -> Array:
    """Swap the input and output channels of each of G groups: (KH, KW, C/G, O) -> (KH, KW, O/G, C).

    A convolution with the result maps O channels to C channels. Applied twice, the function returns w.
    """
    kh, kw, channels, outputs = w.shape
    grouped = w.reshape(kh, kw, channels, groups, outputs // groups)
    return grouped.transpose(0, 1, 4, 3, 2).reshape(kh, kw, outputs // groups, groups * channels)


def quaternion_to_real_kernel(w: Array) -> Array:
    """Return the real kernel (KH, KW, 4C, 4O) that is equivalent to a quaternion kernel (4, KH, KW, C, O).

    Each weight w is replaced by the matrix L(w) of `quaternion.left_matrix`. The real convolution then computes w ⊗ x
    with sixteen real products.
    """
    return merge_blocks(left_matrix(w, axis=0))


def merge_blocks(blocks: Array) -> Array:
    """Merge blocks (4, 4, KH, KW, C, O) into a real kernel (KH, KW, 4C, 4O).

    The first axis is the output component and the second axis is the input component.
    """
    _, _, kh, kw, channels, outputs = blocks.shape
    return blocks.transpose(2, 3, 1, 4, 0, 5).reshape(kh, kw, 4 * channels, 4 * outputs)


def split_blocks(w: Array) -> Array:
    """Split a real kernel (KH, KW, 4C, 4O) into blocks (4, 4, KH, KW, C, O), the inverse of `merge_blocks`."""
    kh, kw, channels, outputs = w.shape
    return w.reshape(kh, kw, 4, channels // 4, 4, outputs // 4).transpose(4, 2, 0, 1, 3, 5)
