"""Convolution on plain arrays, channels last: patches times weights, and the two gradients of that.

    x (N, H, W, C)    w (KH, KW, C, O)    y (N, OH, OW, O)

`y = im2col(x) @ w` is the whole idea. The gradients follow from it as from any product: for the weight
im2col(x)ᵀ @ g, for the input col2im(g @ wᵀ). `quatnet.conv.fast` computes the same faster.

`stride`, `padding`, `dilation`: a number, or a pair (height, width). With `groups` G the channels and the filters
are cut into G runs, and filters see the channels of their own run only: w is (KH, KW, C/G, O), and the one product
becomes G smaller ones, stacked along a first axis.
"""

from ..backend import Array
from ..errors import ShapeError
from ..quaternion import left_matrix
from .im2col import Pair, col2im, im2col, output_size, pair


def conv2d(x: Array, w: Array, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Array:
    """Return the correlation of images `x` (N, H, W, C) with kernels `w` (KH, KW, C/G, O): (N, OH, OW, O).

    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, OW likewise. Raises ShapeError where the
    shapes disagree.
    """
    oh, ow = check(x, w, stride, padding, dilation, groups)
    rows = im2col(x, w.shape[:2], stride=stride, padding=padding, dilation=dilation)  # (N, OH, OW, KH*KW*C)
    y = _patches(rows, x.shape[-1], groups) @ split(w, groups)
    return join(y).reshape(len(x), oh, ow, w.shape[-1])


def conv2d_input_gradient(
    g: Array,
    w: Array,
    shape: tuple[int, int, int, int],
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Array:
    """Return d<conv2d(x, w), g>/dx for x of `shape`: each patch row's gradient, added back to its pixels."""
    kh, kw, channels, _ = w.shape
    patches = split(g, groups) @ split(w, groups).swapaxes(1, 2)  # (G, N*OH*OW, KH*KW*C/G)
    rows = join(patches.reshape(groups, -1, channels)).reshape(*g.shape[:3], kh * kw * channels * groups)
    return col2im(rows, shape, (kh, kw), stride=stride, padding=padding, dilation=dilation)


def conv2d_weight_gradient(
    x: Array,
    g: Array,
    kernel: tuple[int, int],
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Array:
    """Return d<conv2d(x, w), g>/dw for a `kernel` (KH, KW): shape (KH, KW, C/G, O)."""
    rows = im2col(x, kernel, stride=stride, padding=padding, dilation=dilation)
    gw = _patches(rows, x.shape[-1], groups).swapaxes(1, 2) @ split(g, groups)
    return join(gw).reshape(*kernel, x.shape[-1] // groups, g.shape[-1])


def check(x: Array, w: Array, stride: Pair, padding: Pair, dilation: Pair = 1, groups: int = 1) -> tuple[int, int]:
    """Return the output size (OH, OW); ShapeError where layouts, channels, dtypes or sizes disagree."""
    check_layout(x, w, groups)
    options = zip(x.shape[1:3], w.shape[:2], pair(stride), pair(padding), pair(dilation), strict=True)
    oh, ow = (output_size(*one) for one in options)
    return oh, ow


def check_layout(x: Array, w: Array, groups: int) -> None:
    """Raise ShapeError where layouts, channels, groups or dtypes disagree."""
    if x.ndim != 4 or w.ndim != 4 or x.shape[-1] != groups * w.shape[2]:
        raise ShapeError(
            f"expected x (N, H, W, C) and w (KH, KW, C / groups, O), got {x.shape} and {w.shape} with groups {groups}"
        )
    if groups < 1 or w.shape[3] % groups:
        raise ShapeError(f"expected filters in {groups} equal groups, got {w.shape[3]} of them: w {w.shape}")
    if x.dtype != w.dtype:
        raise ShapeError(f"expected one dtype, got x {x.dtype} and w {w.dtype}; convert one with astype")


def split(a: Array, groups: int) -> Array:
    """Cut the last axis into groups, and lay all other axes into the rows: (..., C) -> (G, rows, C/G)."""
    return a.reshape(-1, groups, a.shape[-1] // groups).swapaxes(0, 1)


def join(a: Array) -> Array:
    """Undo `split`, but for the rows: (G, rows, C/G) -> (rows, C)."""
    return a.swapaxes(0, 1).reshape(a.shape[1], a.shape[0] * a.shape[2])


def _patches(rows: Array, channels: int, groups: int) -> Array:
    """The matrix of patches of each group: (N, OH, OW, KH*KW*C) -> (G, N*OH*OW, KH*KW*C/G)."""
    taps = rows.shape[-1] // channels
    pixels = rows.reshape(-1, taps, channels)
    return split(pixels, groups).reshape(groups, len(pixels), taps * channels // groups)


def turned(w: Array, groups: int) -> Array:
    """Let channels in and out change places in each group: (KH, KW, C/G, O) -> (KH, KW, O/G, C).

    A convolution with `turned(w)` leads back from the shape of y to that of x; twice turned is w again.
    """
    kh, kw, channels, outputs = w.shape
    grouped = w.reshape(kh, kw, channels, groups, outputs // groups)
    return grouped.transpose(0, 1, 4, 3, 2).reshape(kh, kw, outputs // groups, groups * channels)


def block_weight(w: Array) -> Array:
    """Expand a quaternion kernel (4, KH, KW, C, O) to the real one that does the same: (KH, KW, 4C, 4O).

    Each tap becomes the block matrix L(w) of `quaternion.left_matrix`: y = w ⊗ x as sixteen real products.
    """
    return weight_of_blocks(left_matrix(w, axis=0))


def weight_of_blocks(blocks: Array) -> Array:
    """Close blocks (4 out, 4 in, KH, KW, C, O) to the real kernel (KH, KW, 4C, 4O)."""
    _, _, kh, kw, channels, outputs = blocks.shape
    return blocks.transpose(2, 3, 1, 4, 0, 5).reshape(kh, kw, 4 * channels, 4 * outputs)


def blocks_of_weight(w: Array) -> Array:
    """Open a real kernel (KH, KW, 4C, 4O) as the (4 out, 4 in, KH, KW, C, O) that `weight_of_blocks` closed."""
    kh, kw, channels, outputs = w.shape
    return w.reshape(kh, kw, 4, channels // 4, 4, outputs // 4).transpose(4, 2, 0, 1, 3, 5)
