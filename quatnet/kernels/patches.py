"""im2col and col2im as CUDA kernels. `quatnet.conv.im2col` defines the operations."""

from ..backend import Array, xp
from .load import Pair, grid_2d, ints, launch


def im2col(x: Array, kernel: Pair, size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Return the patches (N, OH, OW, KH*KW*C) of images `x` (N, H, W, C). `kernel` is (KH, KW), `size` is (OH, OW)."""
    images, channels = len(x), x.shape[3]
    rows = xp.empty((images, *size, kernel[0] * kernel[1] * channels), dtype=x.dtype)
    options = ints(*x.shape, *size, *kernel, *stride, *padding, *dilation)
    launch(("patches", "im2col"), grid_2d(images * size[0], size[1] * channels), x, rows, *options)
    return rows


def col2im(rows: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Return images of `shape` (N, H, W, C) in which each pixel is the sum of all patch entries at this pixel.

    `rows` contains the patches (N, OH, OW, KH*KW*C). `kernel` is the kernel size (KH, KW).
    """
    images, height, width, channels = shape
    x = xp.empty(shape, dtype=rows.dtype)
    options = ints(*shape, *rows.shape[1:3], *kernel, *stride, *padding, *dilation)
    launch(("patches", "col2im"), grid_2d(images * height, width * channels), rows, x, *options)
    return x
