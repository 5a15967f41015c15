"""Convolution on plain arrays, channels last: patches times weights, and the two gradients of that.

    x (N, H, W, C)    w (KH, KW, C, O)    y (N, OH, OW, O)

`y = im2col(x) @ w` is the whole idea. The gradients follow from it as from any product: for the weight
im2col(x)ᵀ @ g, for the input col2im(g @ wᵀ). `quatnet.convolve_rows` computes the same faster.
"""

from .backend import Array
from .errors import ShapeError
from .patches import col2im, im2col, output_size
from .quaternion import left_matrix


def conv2d(x: Array, w: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """Return the correlation of images `x` (N, H, W, C) with kernels `w` (KH, KW, C, O): (N, OH, OW, O).

    OH = floor((H + 2 padding - KH) / stride) + 1, OW likewise. Raises ShapeError where the shapes disagree.
    """
    check(x, w, stride, padding)
    rows = im2col(x, w.shape[:2], stride=stride, padding=padding)  # (N, OH, OW, KH*KW*C)
    return (matrix(rows) @ matrix(w)).reshape(*rows.shape[:3], w.shape[-1])


def conv2d_input_gradient(
    g: Array, w: Array, shape: tuple[int, int, int, int], *, stride: int = 1, padding: int = 0
) -> Array:
    """Return d<conv2d(x, w), g>/dx for x of `shape`: each patch row's gradient, added back to its pixels."""
    rows = (matrix(g) @ matrix(w).T).reshape(*g.shape[:3], matrix(w).shape[0])
    return col2im(rows, shape, w.shape[:2], stride=stride, padding=padding)


def conv2d_weight_gradient(x: Array, g: Array, kernel: tuple[int, int], *, stride: int = 1, padding: int = 0) -> Array:
    """Return d<conv2d(x, w), g>/dw for a `kernel` (KH, KW): shape (KH, KW, C, O)."""
    rows = im2col(x, kernel, stride=stride, padding=padding)
    gw = matrix(rows).T @ matrix(g)
    return gw.reshape(*kernel, x.shape[-1], g.shape[-1])


def check(x: Array, w: Array, stride: int, padding: int) -> tuple[int, int]:
    """Return the output size (OH, OW); ShapeError where layouts, channels, dtypes or sizes disagree."""
    if x.ndim != 4 or w.ndim != 4 or x.shape[-1] != w.shape[2]:
        raise ShapeError(f"expected x (N, H, W, C) and w (KH, KW, C, O), got {x.shape} and {w.shape}")
    if x.dtype != w.dtype:
        raise ShapeError(f"expected one dtype, got x {x.dtype} and w {w.dtype}; convert one with astype")
    oh = output_size(x.shape[1], w.shape[0], stride, padding)
    return oh, output_size(x.shape[2], w.shape[1], stride, padding)


def matrix(a: Array) -> Array:
    """Return an array as a matrix of the same last axis: pixels x channels, patches x taps, taps x filters."""
    return a.reshape(-1, a.shape[-1])


def block_weight(w: Array) -> Array:
    """Expand a quaternion kernel (4, KH, KW, C, O) to the real one that does the same: (KH, KW, 4C, 4O).

    Each tap becomes the block matrix L(w) of `quaternion.left_matrix`: y = w ⊗ x as sixteen real products.
    """
    blocks = left_matrix(w, axis=0)  # (4 out, 4 in, KH, KW, C, O)
    _, _, kh, kw, channels, outputs = blocks.shape
    return blocks.transpose(2, 3, 1, 4, 0, 5).reshape(kh, kw, 4 * channels, 4 * outputs)


def blocks_of_weight(w: Array) -> Array:
    """Open a real kernel (KH, KW, 4C, 4O) as the (4 out, 4 in, KH, KW, C, O) that `block_weight` closed."""
    kh, kw, channels, outputs = w.shape
    return w.reshape(kh, kw, 4, channels // 4, 4, outputs // 4).transpose(4, 2, 0, 1, 3, 5)
