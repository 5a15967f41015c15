"""im2col and col2im: an image as rows of patches, so that a convolution becomes one matrix product."""

import numpy as np

from .backend import Array, xp
from .errors import ShapeError


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return floor((size + 2 padding - kernel) / stride) + 1; ShapeError where the kernel does not fit."""
    if stride < 1 or padding < 0 or size + 2 * padding < kernel:
        raise ShapeError(
            f"a kernel of {kernel} with stride {stride} and padding {padding} does not fit a size of {size}"
        )
    return (size + 2 * padding - kernel) // stride + 1


def pad(x: Array, padding: int) -> Array:
    """Return `x` (N, H, W, C) in C order with `padding` zeros around each image."""
    if padding == 0:
        return xp.ascontiguousarray(x)
    batch, height, width, channels = x.shape
    padded = xp.zeros((batch, height + 2 * padding, width + 2 * padding, channels), dtype=x.dtype)
    padded[:, padding:-padding, padding:-padding] = x
    return padded


def im2col(x: Array, kernel: tuple[int, int], *, stride: int = 1, padding: int = 0) -> Array:
    """Return every patch of `x` as a row: (N, H, W, C) -> (N, OH, OW, KH*KW*C).

    A window view costs nothing; the copy into rows is the price of im2col, KH*KW times the image.
    Channels last makes KW*C neighbours one contiguous run.
    """
    height, width = kernel
    windows = np.lib.stride_tricks if xp is np else xp.lib.stride_tricks
    padded = pad(x, padding)
    view = windows.sliding_window_view(padded, kernel, axis=(1, 2))[:, ::stride, ::stride]  # N OH OW C KH KW
    n, oh, ow, channels = view.shape[:4]
    return view.transpose(0, 1, 2, 4, 5, 3).reshape(n, oh, ow, height * width * channels)


def col2im(
    rows: Array,
    shape: tuple[int, int, int, int],
    kernel: tuple[int, int],
    *,
    stride: int = 1,
    padding: int = 0,
) -> Array:
    """Add every patch row back to where it came from: the adjoint of `im2col`; returns an array of `shape`."""
    batch, height, width, channels = shape
    oh, ow = rows.shape[1:3]
    rows = rows.reshape(batch, oh, ow, *kernel, channels)
    image = xp.zeros((batch, height + 2 * padding, width + 2 * padding, channels), dtype=rows.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            image[:, i : i + oh * stride : stride, j : j + ow * stride : stride] += rows[:, :, :, i, j]
    return image[:, padding : padding + height, padding : padding + width]
