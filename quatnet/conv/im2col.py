"""im2col and col2im: the patches of an image as rows of a matrix, so that a convolution is one matrix product.

`stride`, `padding` and `dilation` are an int for both directions, or a pair (height, width). A kernel with dilation d
reads every d-th pixel: 3 taps with dilation 2 have the effective kernel size 5.
"""

import numpy as np

from .. import kernels
from ..backend import Array, xp
from ..errors import ConfigError, ShapeError

Pair = int | tuple[int, ...]


def pair(value: Pair) -> tuple[int, int]:
    """Return an int as a pair (height, width) of equal ints, or a pair unchanged. Raises ConfigError for others."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(isinstance(number, int | np.integer) for number in both):
        raise ConfigError(f"expected an int or a pair (height, width) of ints, got {value!r}")
    return int(both[0]), int(both[1])


def single(value: Pair) -> int:
    """Return the one int of a 1d option, given as an int or as a tuple of length 1. Raises ConfigError for others."""
    one = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(one) != 1:
        raise ConfigError(f"expected one int for a 1d convolution, got {value!r}")
    return pair(one[0])[0]


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return floor((size + 2 padding - effective) / stride) + 1, where effective = dilation (kernel - 1) + 1.

    Raises ShapeError where the kernel does not fit.
    """
    effective = dilation * (kernel - 1) + 1
    if min(kernel, stride, dilation) < 1 or padding < 0 or size + 2 * padding < effective:
        raise ShapeError(
            f"a kernel of {kernel} with stride {stride}, padding {padding} and dilation {dilation} "
            f"does not fit a size of {size}"
        )
    return (size + 2 * padding - effective) // stride + 1


def transposed_size(
    size: int, kernel: int, stride: int, padding: int, output_padding: int = 0, dilation: int = 1
) -> int:
    """Return (size - 1) stride - 2 padding + dilation (kernel - 1) + 1 + output_padding.

    This is an input size for which `output_size` returns `size`. There are `stride` such sizes, because `output_size`
    rounds down; `output_padding` in 0 ... stride - 1 selects one. Raises ShapeError for an `output_padding` outside
    of that range, and for a result below 1.
    """
    full = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + output_padding
    if min(size, kernel, stride, dilation, full) < 1 or padding < 0 or not 0 <= output_padding < stride:
        raise ShapeError(
            f"a transposed kernel of {kernel} with stride {stride}, padding {padding}, dilation {dilation} and "
            f"output padding {output_padding} (expected 0 to stride - 1) does not fit a size of {size}"
        )
    return full


def pad(x: Array, padding: Pair) -> Array:
    """Return `x` (N, H, W, C) in C order with `padding` zeros around each image."""
    pad_h, pad_w = pair(padding)
    if pad_h == pad_w == 0:
        return xp.ascontiguousarray(x)
    batch, height, width, channels = x.shape
    padded = xp.zeros((batch, height + 2 * pad_h, width + 2 * pad_w, channels), dtype=x.dtype)
    padded[:, pad_h : pad_h + height, pad_w : pad_w + width] = x
    return padded


def im2col(x: Array, kernel: tuple[int, int], *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Array:
    """Return the patches of `x` as rows: (N, H, W, C) -> (N, OH, OW, KH*KW*C).

    The window view needs no memory. Its copy into rows takes KH*KW times the memory of the image. With channels last,
    the KW*C numbers of one row of a patch are contiguous.
    """
    (kh, kw), (stride_h, stride_w), (dilation_h, dilation_w) = kernel, pair(stride), pair(dilation)
    if kernels.supports(x):
        oh, ow = map(output_size, x.shape[1:3], kernel, (stride_h, stride_w), pair(padding), (dilation_h, dilation_w))
        return kernels.patches.im2col(x, kernel, (oh, ow), pair(stride), pair(padding), pair(dilation))
    window = (dilation_h * (kh - 1) + 1, dilation_w * (kw - 1) + 1)
    view = xp.lib.stride_tricks.sliding_window_view(pad(x, padding), window, axis=(1, 2))
    view = view[:, ::stride_h, ::stride_w, :, ::dilation_h, ::dilation_w]  # N OH OW C KH KW
    n, oh, ow, channels = view.shape[:4]
    return view.transpose(0, 1, 2, 4, 5, 3).reshape(n, oh, ow, kh * kw * channels)


def col2im(
    rows: Array,
    shape: tuple[int, int, int, int],
    kernel: tuple[int, int],
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
) -> Array:
    """Return images of `shape` (N, H, W, C): each patch row added to the pixels it covers. The adjoint of `im2col`."""
    batch, height, width, channels = shape
    (stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w) = pair(stride), pair(padding), pair(dilation)
    if kernels.supports(rows):
        return kernels.patches.col2im(rows, shape, kernel, pair(stride), pair(padding), pair(dilation))
    oh, ow = rows.shape[1:3]
    rows = rows.reshape(batch, oh, ow, *kernel, channels)
    image = xp.zeros((batch, height + 2 * pad_h, width + 2 * pad_w, channels), dtype=rows.dtype)
    for i, j in np.ndindex(*kernel):
        y, x = i * dilation_h, j * dilation_w
        image[:, y : y + oh * stride_h : stride_h, x : x + ow * stride_w : stride_w] += rows[:, :, :, i, j]
    return image[:, pad_h : pad_h + height, pad_w : pad_w + width]
