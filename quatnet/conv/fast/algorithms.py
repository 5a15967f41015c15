"""Selection of the fastest convolution algorithm from the shapes of images and kernel.

    winograd_conv  kernels three rows high, stride 1, dilation 1, enough pixels to outweigh the cost of the transform
    im2col_conv    other small kernels
    direct         large kernels, which are not copied (gradients in `direct_gradients`)

A quaternion kernel with few channels is expanded to a real kernel first, because one real product is then faster than
eight products of narrow matrices. Compiled networks store transformed kernels, and use `winograd_conv` and
`im2col_conv` more often. The thresholds are measured, see docs/decisions/0008, 0009, 0016 and 0018.
"""

import math

from ...backend import Array
from ...quaternion import left_matrix_adjoint
from ..im2col import Shape
from ..plain import quaternion_to_real_kernel, split_blocks
from . import direct, direct_gradients, im2col_conv, winograd_conv
from .direct import ONES, Pair
from .winograd import TAPS

MIN_PIXELS = 512  # minimum for Winograd in training, where each step transforms the kernel
MIN_PIXELS_SMALL_KERNEL = 256  # minimum for Winograd if the kernel is small or already transformed
MIN_PIXELS_TRANSFORMED = 64  # minimum for transformed kernels up to MAX_TRANSFORMED_SIZE
SMALL_KERNEL = 1 << 19  # elements of the largest small kernel
MAX_TRANSFORMED_SIZE = 10 << 20  # elements of the largest kernel stored transformed for Winograd; half for im2col
NARROW_WIDTH = 2  # columns of a feature map on which `direct` avoids most multiplications by zero padding
MIN_QUATERNION_CHANNELS = 16  # minimum of input and of output channels for eight products


def convolve(x: Array, w: Array, stride: Pair, padding: Pair, dilation: Pair = ONES) -> Array:
    """Return the convolution w ⊗ x, (N, OH, OW, P·O), of images `x` (N, H, W, P·C) and `w` (P, KH, KW, C, O).

    P is the number of components, 1 for real numbers and 4 for quaternions.
    """
    w = expand_to_real(w)
    if uses_winograd(x.shape, w.shape, stride, padding, dilation):
        return winograd_conv.convolve(x, w, padding)
    algorithm = im2col_conv if is_small(w.shape) else direct
    return algorithm.convolve(x, w, stride, padding, dilation)


def input_gradient(grad: Array, w: Array, shape: Shape, stride: Pair, padding: Pair, dilation: Pair = ONES) -> Array:
    """Return w* ⊗ grad, the gradient of <convolve(x, w), grad> with respect to x. `shape` is the shape of x."""
    w = expand_to_real(w)
    if uses_winograd(shape, w.shape, stride, padding, dilation):
        return winograd_conv.input_gradient(grad, w, padding)
    fits = all(p <= d * (k - 1) for k, p, d in zip(w.shape[1:3], padding, dilation, strict=True))
    if is_small(w.shape) and stride == ONES and fits:
        return im2col_conv.input_gradient(grad, w, padding, dilation)
    return direct_gradients.input_gradient(grad, w, shape, stride, padding, dilation)


def weight_gradient(x: Array, grad: Array, kernel: Shape, stride: Pair, padding: Pair, dilation: Pair = ONES) -> Array:
    """Return the gradient of <convolve(x, w), grad> with respect to w: the sum of grad ⊗ x* over all pixels.

    `kernel` is the shape of w.
    """
    if _has_few_channels(kernel):
        p, kh, kw, channels, outputs = kernel
        grad_w = weight_gradient(x, grad, (1, kh, kw, p * channels, p * outputs), stride, padding, dilation)[0]
        return left_matrix_adjoint(split_blocks(grad_w), axis=0)
    if uses_winograd(x.shape, kernel, stride, padding, dilation):
        return winograd_conv.weight_gradient(x, grad, kernel, padding)
    algorithm = im2col_conv if is_small(kernel) else direct_gradients
    return algorithm.weight_gradient(x, grad, kernel, stride, padding, dilation)


def expand_to_real(w: Array) -> Array:
    """Return a quaternion kernel with few channels as a real kernel (1, KH, KW, 4C, 4O), and other kernels as `w`."""
    return quaternion_to_real_kernel(w)[None] if _has_few_channels(w.shape) else w


def _has_few_channels(kernel: Shape) -> bool:
    return kernel[0] == 4 and min(kernel[3:]) < MIN_QUATERNION_CHANNELS


def is_small(kernel: Shape) -> bool:
    """Return whether the transform of a kernel of this shape takes less time than the many reads of `direct`."""
    return math.prod(kernel) <= SMALL_KERNEL


def uses_winograd(
    image: Shape, kernel: Shape, stride: Pair, padding: Pair, dilation: Pair = ONES, *, transformed: bool = False
) -> bool:
    """Return whether Winograd is the fastest algorithm for images and a kernel of the given shapes.

    `transformed` states whether the kernel is already transformed.
    """
    fits = kernel[1] == TAPS and padding[0] < TAPS and padding[1] < kernel[2]
    min_pixels = MIN_PIXELS_SMALL_KERNEL if transformed or is_small(kernel) else MIN_PIXELS
    if transformed and image[2] > NARROW_WIDTH and math.prod(kernel) <= MAX_TRANSFORMED_SIZE:
        min_pixels = MIN_PIXELS_TRANSFORMED
    return fits and stride == dilation == ONES and math.prod(image[:3]) >= min_pixels


def uses_im2col(image: Shape, kernel: Shape) -> bool:
    """Return whether im2col is faster than `direct`, for a kernel that is already transformed."""
    return is_small(kernel) or (image[2] > NARROW_WIDTH and 2 * math.prod(kernel) <= MAX_TRANSFORMED_SIZE)
