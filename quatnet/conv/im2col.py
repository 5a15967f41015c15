"""im2col and col2im: an image as rows of patches, so that a convolution becomes one matrix product.

`stride`, `padding` and `dilation` are one number for both directions, or a pair (height, width). A kernel with
dilation d touches every d-th pixel: 3 taps with dilation 2 reach over 5.
"""

import numpy as np

from .. import kernels
from ..backend import Array, xp
from ..errors import ConfigError, ShapeError

Pair = int | tuple[int, ...]


def pair(value: Pair) -> tuple[int, int]:
    """Return (height, width) of one whole number for both, or of a pair of them; ConfigError for anything else."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(isinstance(number, int | np.integer) for number in both):
        raise ConfigError(f"expected a whole number or a pair (height, width) of them, got {value!r}")
    return int(both[0]), int(both[1])


def single(value: Pair) -> int:
    """Return one whole number, for a signal, which has one direction only; ConfigError for anything else."""
    one = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(one) != 1:
        raise ConfigError(f"expected one whole number for the one direction of a signal, got {value!r}")
    return pair(one[0])[0]


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return floor((size + 2 padding - reach) / stride) + 1, where reach = dilation (kernel - 1) + 1.

    Raises ShapeError where the kernel does not fit.
    """
    reach = dilation * (kernel - 1) + 1
    if min(kernel, stride, dilation) < 1 or padding < 0 or size + 2 * padding < reach:
        raise ShapeError(
            f"a kernel of {kernel} with stride {stride}, padding {padding} and dilation {dilation} "
            f"does not fit a size of {size}"
        )
    return (size + 2 * padding - reach) // stride + 1


def transposed_size(
    size: int, kernel: int, stride: int, padding: int, output_padding: int = 0, dilation: int = 1
) -> int:
    """Return (size - 1) stride - 2 padding + reach + output_padding: the sizes that `output_size` takes to `size`.

    There are `stride` of them, because it rounds down; `output_padding` tells which. Raises ShapeError for one
    that is not in 0 ... stride - 1, and where nothing is left.
    """
    whole = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + output_padding
    if min(size, kernel, stride, dilation, whole) < 1 or padding < 0 or not 0 <= output_padding < stride:
        raise ShapeError(
            f"a kernel of {kernel} with stride {stride}, padding {padding}, dilation {dilation} and output padding "
            f"{output_padding} (expected 0 to stride - 1) does not spread a size of {size}"
        )
    return whole


def pad(x: Array, padding: Pair) -> Array:
    """Return `x` (N, H, W, C) in C order with `padding` zeros around each image."""
    above, left = pair(padding)
    if above == left == 0:
        return xp.ascontiguousarray(x)
    batch, height, width, channels = x.shape
    padded = xp.zeros((batch, height + 2 * above, width + 2 * left, channels), dtype=x.dtype)
    padded[:, above : above + height, left : left + width] = x
    return padded


def im2col(x: Array, kernel: tuple[int, int], *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Array:
    """Return every patch of `x` as a row: (N, H, W, C) -> (N, OH, OW, KH*KW*C).

    A window view costs nothing; the copy into rows is the price of im2col, KH*KW times the image.
    Channels last makes KW*C neighbors one contiguous run.
    """
    (kh, kw), (down, right), (dh, dw) = kernel, pair(stride), pair(dilation)
    if kernels.takes(x):
        oh, ow = map(output_size, x.shape[1:3], kernel, (down, right), pair(padding), (dh, dw))
        return kernels.patches.im2col(x, kernel, (oh, ow), (down, right), pair(padding), (dh, dw))
    reach = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    view = xp.lib.stride_tricks.sliding_window_view(pad(x, padding), reach, axis=(1, 2))
    view = view[:, ::down, ::right, :, ::dh, ::dw]  # N OH OW C KH KW
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
    """Add every patch row back to where it came from: the adjoint of `im2col`; returns an array of `shape`."""
    batch, height, width, channels = shape
    (down, right), (above, left), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    if kernels.takes(rows):
        return kernels.patches.col2im(rows, shape, kernel, (down, right), (above, left), (dh, dw))
    oh, ow = rows.shape[1:3]
    rows = rows.reshape(batch, oh, ow, *kernel, channels)
    image = xp.zeros((batch, height + 2 * above, width + 2 * left, channels), dtype=rows.dtype)
    for i, j in np.ndindex(*kernel):
        y, x = i * dh, j * dw
        image[:, y : y + oh * down : down, x : x + ow * right : right] += rows[:, :, :, i, j]
    return image[:, above : above + height, left : left + width]
