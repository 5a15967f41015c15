"""Select the algorithm of a convolution by its shapes alone.

    winograd_conv  kernels three rows high, stride 1, enough pixels to make the kernel transform worthwhile
    im2col_conv    other small kernels
    direct         large kernels, which are read as they are stored (gradients in `direct_gradients`)

A quaternion kernel with few channels is expanded to its real block matrix first: one real product is then faster than
eight narrow ones. Compiled networks hold transformed kernels already, so they use `winograd_conv` and `im2col_conv`
more often. The thresholds were measured, see docs/decisions/0008, 0009, 0016 and 0018.
"""

import math

from ...backend import Array
from ...quaternion import left_matrix_adjoint
from ..plain import block_weight, split_blocks
from . import direct, direct_gradients, im2col_conv, winograd_conv
from .direct import Pair
from .winograd import TAPS

MIN_PIXELS = 512  # for Winograd in training, where the kernel is transformed at every step
MIN_PIXELS_SMALL_KERNEL = 256  # for Winograd with a small kernel, or with a kernel that is transformed already
MIN_PIXELS_TRANSFORMED = 64  # for Winograd with a transformed kernel of at most MAX_TRANSFORMED_SIZE
SMALL_KERNEL = 1 << 19  # elements
MAX_TRANSFORMED_SIZE = 10 << 20  # elements of a kernel whose Winograd transform is read; im2col: half of it
NARROW_WIDTH = 2  # columns; on such feature maps `direct` skips most multiplications by zero padding
MIN_QUATERNION_CHANNELS = 16  # of quaternions, in and out


def convolve(x: Array, w: Array, stride: Pair, padding: Pair) -> Array:
    """Return w ⊗ x: `x` (N, H, W, P·C), `w` (P, KH, KW, C, O) -> (N, OH, OW, P·O); P = 1 real, 4 quaternion."""
    w = expand_to_real(w)
    if uses_winograd(x.shape, w.shape, stride, padding):
        return winograd_conv.convolve(x, w, padding)
    if is_small(w.shape):
        return im2col_conv.convolve(x, w, stride, padding)
    return direct.convolve(x, w, stride, padding)


def input_gradient(grad: Array, w: Array, shape: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return w* ⊗ grad, the gradient of <convolve(x, w), grad> with respect to an x of `shape`."""
    w = expand_to_real(w)
    if uses_winograd(shape, w.shape, stride, padding):
        return winograd_conv.input_gradient(grad, w, padding)
    if is_small(w.shape) and stride == (1, 1) and padding[0] < w.shape[1] and padding[1] < w.shape[2]:
        return im2col_conv.input_gradient(grad, w, padding)
    return direct_gradients.input_gradient(grad, w, shape, stride, padding)


def weight_gradient(x: Array, grad: Array, kernel: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return grad ⊗ x* summed over pixels, the gradient of <convolve(x, w), grad> for a w of shape `kernel`."""
    if _has_few_channels(kernel):
        p, kh, kw, channels, outputs = kernel
        grad_w = weight_gradient(x, grad, (1, kh, kw, p * channels, p * outputs), stride, padding)[0]
        return left_matrix_adjoint(split_blocks(grad_w), axis=0)
    if uses_winograd(x.shape, kernel, stride, padding):
        return winograd_conv.weight_gradient(x, grad, kernel, padding)
    if is_small(kernel):
        return im2col_conv.weight_gradient(x, grad, kernel, stride, padding)
    return direct_gradients.weight_gradient(x, grad, kernel, stride, padding)


def expand_to_real(w: Array) -> Array:
    """Return a quaternion kernel with few channels as a real one (1, KH, KW, 4C, 4O), any other kernel unchanged."""
    return block_weight(w)[None] if _has_few_channels(w.shape) else w


def _has_few_channels(kernel: tuple[int, ...]) -> bool:
    return kernel[0] == 4 and min(kernel[3:]) < MIN_QUATERNION_CHANNELS


def is_small(kernel: tuple[int, ...]) -> bool:
    """Return whether transforming a kernel of this shape costs less than reading it in many calls."""
    return math.prod(kernel) <= SMALL_KERNEL


def uses_winograd(
    image: tuple[int, ...], kernel: tuple[int, ...], stride: Pair, padding: Pair, *, transformed: bool = False
) -> bool:
    """Return whether Winograd is the fastest algorithm; `transformed`: the kernel is transformed already."""
    fits = kernel[1] == TAPS and padding[0] < TAPS and padding[1] < kernel[2]
    min_pixels = MIN_PIXELS_SMALL_KERNEL if transformed or is_small(kernel) else MIN_PIXELS
    if transformed and image[2] > NARROW_WIDTH and math.prod(kernel) <= MAX_TRANSFORMED_SIZE:
        min_pixels = MIN_PIXELS_TRANSFORMED
    return fits and stride == (1, 1) and math.prod(image[:3]) >= min_pixels


def uses_im2col(image: tuple[int, ...], kernel: tuple[int, ...]) -> bool:
    """Return whether im2col is faster than `direct` with a kernel that is transformed already."""
    return is_small(kernel) or (image[2] > NARROW_WIDTH and 2 * math.prod(kernel) <= MAX_TRANSFORMED_SIZE)
