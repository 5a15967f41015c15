"""Convolution on plain arrays, channels last: im2col, one matrix product, and the gradients of both.

    x (N, H, W, C)    w (KH, KW, C, O)    y (N, OH, OW, O)    grad: the gradient with respect to y

The forward pass is y = im2col(x) @ w. The gradients follow as for any matrix product:

    grad_w = im2col(x)ᵀ @ grad        grad_x = col2im(grad @ wᵀ)

`stride`, `padding`, `dilation`: an int, or a pair (height, width). With `groups` G, channels and filters are split
into G groups, and the filters of a group use the channels of that group only: w is (KH, KW, C/G, O), and the matrix
product becomes G smaller ones, stacked along a first axis.

This module is written to be read. `quatnet.conv.dispatch` computes the same results faster.
"""

from ..backend import Array
from ..errors import ShapeError
from ..quaternion import left_matrix
from .im2col import Pair, col2im, im2col, output_size, pair


def conv2d(x: Array, w: Array, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Array:
    """Return the correlation of images `x` (N, H, W, C) with kernels `w` (KH, KW, C/G, O): (N, OH, OW, O).

    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, and OW likewise. Raises ShapeError where the
    shapes or dtypes do not fit.
    """
    oh, ow = check_shapes(x, w, stride, padding, dilation, groups)
    rows = im2col(x, w.shape[:2], stride=stride, padding=padding, dilation=dilation)  # (N, OH, OW, KH*KW*C)
    y = _split_patches(rows, x.shape[-1], groups) @ split_groups(w, groups)
    return merge_groups(y).reshape(len(x), oh, ow, w.shape[-1])


def conv2d_input_gradient(
    grad: Array,
    w: Array,
    shape: tuple[int, int, int, int],
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Array:
    """Return the gradient of <conv2d(x, w), grad> with respect to x, of `shape` (N, H, W, C)."""
    kh, kw, channels, _ = w.shape
    patches = split_groups(grad, groups) @ split_groups(w, groups).swapaxes(1, 2)  # (G, N*OH*OW, KH*KW*C/G)
    rows = merge_groups(patches.reshape(groups, -1, channels)).reshape(*grad.shape[:3], kh * kw * channels * groups)
    return col2im(rows, shape, (kh, kw), stride=stride, padding=padding, dilation=dilation)


def conv2d_weight_gradient(
    x: Array,
    grad: Array,
    kernel: tuple[int, int],
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Array:
    """Return the gradient of <conv2d(x, w), grad> with respect to w, (KH, KW, C/G, O), for a `kernel` (KH, KW)."""
    rows = im2col(x, kernel, stride=stride, padding=padding, dilation=dilation)
    grad_w = _split_patches(rows, x.shape[-1], groups).swapaxes(1, 2) @ split_groups(grad, groups)
    return merge_groups(grad_w).reshape(*kernel, x.shape[-1] // groups, grad.shape[-1])


def check_shapes(
    x: Array, w: Array, stride: Pair, padding: Pair, dilation: Pair = 1, groups: int = 1
) -> tuple[int, int]:
    """Return the output size (OH, OW). Raises ShapeError where layouts, channels, dtypes or sizes do not fit."""
    check_layout(x, w, groups)
    options = zip(x.shape[1:3], w.shape[:2], pair(stride), pair(padding), pair(dilation), strict=True)
    oh, ow = (output_size(*one) for one in options)
    return oh, ow


def check_layout(x: Array, w: Array, groups: int) -> None:
    """Raise ShapeError where layouts, channels, groups or dtypes do not fit."""
    if x.ndim != 4 or w.ndim != 4 or x.shape[-1] != groups * w.shape[2]:
        raise ShapeError(
            f"expected x (N, H, W, C) and w (KH, KW, C / groups, O), got {x.shape} and {w.shape} with groups {groups}"
        )
    if groups < 1 or w.shape[3] % groups:
        raise ShapeError(f"expected a number of filters divisible by groups={groups}, got {w.shape[3]} in w {w.shape}")
    if x.dtype != w.dtype:
        raise ShapeError(f"expected one dtype, got x {x.dtype} and w {w.dtype}; convert one with astype")


def split_groups(a: Array, groups: int) -> Array:
    """Split the last axis into groups, and flatten all other axes: (..., C) -> (G, rows, C/G)."""
    return a.reshape(-1, groups, a.shape[-1] // groups).swapaxes(0, 1)


def merge_groups(a: Array) -> Array:
    """Merge the groups into the last axis: (G, rows, C/G) -> (rows, C)."""
    return a.swapaxes(0, 1).reshape(a.shape[1], a.shape[0] * a.shape[2])


def _split_patches(rows: Array, channels: int, groups: int) -> Array:
    """Return the patch matrix of each group: (N, OH, OW, KH*KW*C) -> (G, N*OH*OW, KH*KW*C/G)."""
    taps = rows.shape[-1] // channels
    pixels = rows.reshape(-1, taps, channels)
    return split_groups(pixels, groups).reshape(groups, len(pixels), taps * channels // groups)


def transpose_channels(w: Array, groups: int) -> Array:
    """Swap the channels in and out of each group: (KH, KW, C/G, O) -> (KH, KW, O/G, C).

    A convolution with the result maps the shape of y back to the shape of x. Applied twice, it returns w.
    """
    kh, kw, channels, outputs = w.shape
    grouped = w.reshape(kh, kw, channels, groups, outputs // groups)
    return grouped.transpose(0, 1, 4, 3, 2).reshape(kh, kw, outputs // groups, groups * channels)


def block_weight(w: Array) -> Array:
    """Expand a quaternion kernel (4, KH, KW, C, O) to the equivalent real kernel (KH, KW, 4C, 4O).

    Each tap becomes the block matrix L(w) of `quaternion.left_matrix`: y = w ⊗ x as sixteen real products.
    """
    return merge_blocks(left_matrix(w, axis=0))


def merge_blocks(blocks: Array) -> Array:
    """Merge blocks (4 out, 4 in, KH, KW, C, O) into a real kernel (KH, KW, 4C, 4O)."""
    _, _, kh, kw, channels, outputs = blocks.shape
    return blocks.transpose(2, 3, 1, 4, 0, 5).reshape(kh, kw, 4 * channels, 4 * outputs)


def split_blocks(w: Array) -> Array:
    """Split a real kernel (KH, KW, 4C, 4O) into blocks (4 out, 4 in, KH, KW, C, O): the inverse of `merge_blocks`."""
    kh, kw, channels, outputs = w.shape
    return w.reshape(kh, kw, 4, channels // 4, 4, outputs // 4).transpose(4, 2, 0, 1, 3, 5)
