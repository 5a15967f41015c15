"""im2col, its adjoint col2im, and the output sizes of convolutions.

im2col writes the patches of an image as rows of a matrix, so that a convolution is one matrix product. `stride`,
`padding` and `dilation` are an int for both axes, or a pair (height, width). With dilation d, neighboring kernel taps
are d pixels apart. A kernel of 3 taps with dilation 2 therefore has the effective size 5.
"""

import numpy as np

from .. import kernels
from ..backend import Array, xp
from ..errors import ConfigError, ShapeError

Pair = int | tuple[int, ...]
Shape = tuple[int, ...]
Size = tuple[int, int]  # (height, width)
MAX_SIZE = 1 << 26  # largest size along an axis, above the number of samples of the longest audio file


def pair(value: Pair) -> tuple[int, int]:
    """Return `value` as a pair (height, width). An int is repeated. Raises ConfigError for any other value."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in both):
        raise ConfigError(f"expected an int or a pair (height, width) of ints, got {value!r}")
    return int(both[0]), int(both[1])


def single(value: Pair) -> int:
    """Return the option `value` of a 1d convolution, an int or a tuple of one int, as an int.

    Raises ConfigError for any other value.
    """
    one = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(one) != 1:
        raise ConfigError(f"expected an int or a tuple of one int for a 1d convolution, got {value!r}")
    return pair(one[0])[0]


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return the output size of a convolution along one axis.

    The size is floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. Raises ShapeError if the kernel does
    not fit.
    """
    effective = dilation * (kernel - 1) + 1
    fits = effective <= size + 2 * padding <= MAX_SIZE and stride <= MAX_SIZE
    if min(size, kernel, stride, dilation) < 1 or padding < 0 or not fits:
        raise ShapeError(
            f"a kernel of {kernel} with stride {stride}, padding {padding} and dilation {dilation} "
            f"does not fit a size of {size}"
        )
    return (size + 2 * padding - effective) // stride + 1


def transposed_size(
    size: int, kernel: int, stride: int, padding: int, output_padding: int = 0, dilation: int = 1
) -> int:
    """Return the output size of a transposed convolution along one axis.

    The size is (size - 1) stride - 2 padding + dilation (kernel - 1) + 1 + output_padding. `output_size` maps the
    result back to `size`. Because `output_size` rounds down, `stride` results have this property. `output_padding` in
    0 ... stride - 1 selects one of these results. Raises ShapeError for another `output_padding` or a result below 1.
    """
    full = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + output_padding
    valid = min(size, kernel, stride, dilation) >= 1 and padding >= 0 and 0 <= output_padding < stride
    if not valid or not 1 <= full <= MAX_SIZE:
        raise ShapeError(
            f"a transposed kernel of {kernel} with stride {stride}, padding {padding}, dilation {dilation} and "
            f"output padding {output_padding} (expected 0 to stride - 1) does not fit a size of {size}"
        )
    return full


def pad(x: Array, padding: Pair) -> Array:
    """Return a contiguous array of the images `x` (N, H, W, C), each padded with `padding` zeros on all sides."""
    pad_h, pad_w = pair(padding)
    if pad_h == pad_w == 0:
        return xp.ascontiguousarray(x)
    batch, height, width, channels = x.shape
    padded = xp.zeros((batch, height + 2 * pad_h, width + 2 * pad_w, channels), dtype=x.dtype)
    padded[:, pad_h : pad_h + height, pad_w : pad_w + width] = x
    return padded


def im2col(x: Array, kernel: tuple[int, int], *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Array:
    """Return the patches (N, OH, OW, KH*KW*C) of images `x` (N, H, W, C), for a `kernel` of size (KH, KW).

    The patches take up to KH*KW times the memory of the images. Because channels are the last axis, the KW*C numbers of
    one row of a patch are contiguous.
    """
    (kh, kw), (stride_h, stride_w), (dilation_h, dilation_w) = kernel, pair(stride), pair(dilation)
    if kernels.supports(x):
        oh, ow = map(output_size, x.shape[1:3], kernel, (stride_h, stride_w), pair(padding), (dilation_h, dilation_w))
        return kernels.patches.im2col(x, kernel, (oh, ow), pair(stride), pair(padding), pair(dilation))
    window = (dilation_h * (kh - 1) + 1, dilation_w * (kw - 1) + 1)
    view = xp.lib.stride_tricks.sliding_window_view(pad(x, padding), window, axis=(1, 2))
    view = view[:, ::stride_h, ::stride_w, :, ::dilation_h, ::dilation_w]  # (N, OH, OW, C, KH, KW)
    n, oh, ow, channels = view.shape[:4]
    return view.transpose(0, 1, 2, 4, 5, 3).reshape(n, oh, ow, kh * kw * channels)


def col2im(
    rows: Array, shape: Shape, kernel: Size, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> Array:
    """Return images of `shape` (N, H, W, C) in which each pixel is the sum of all patch entries at this pixel.

    `rows` contains the patches (N, OH, OW, KH*KW*C). The function is the adjoint of `im2col`.
    """
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
