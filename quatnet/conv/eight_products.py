"""Quaternion convolution with eight real convolutions instead of sixteen, and its two gradients.

`quaternion.eight_products` holds for any product of two components; here it is the convolution of one block of the
image with one component of the kernel. The gradients are Hamilton products too, so the same identity serves them:

    y = w ⊗ x        gx = w* ⊗ g        gw = g ⊗ x*

`quatnet.conv.fast` computes the same in tiles; this is the form to read.
"""

from ..backend import Array, xp
from ..quaternion import conjugate, eight_products
from .plain import conv2d as real_conv2d
from .plain import conv2d_input_gradient, conv2d_weight_gradient


def conv2d(x: Array, w: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """Return w ⊗ x summed over taps and channels: x (N, H, W, 4C), w (4, KH, KW, C, O) -> (N, OH, OW, 4O)."""

    def product(kernel: Array, image: Array) -> Array:
        return real_conv2d(image, kernel, stride=stride, padding=padding)

    return _close(eight_products(w, _open(x), product))


def input_gradient(g: Array, w: Array, shape: tuple[int, int, int, int], *, stride: int = 1, padding: int = 0) -> Array:
    """Return w* ⊗ g as an image of `shape` (N, H, W, 4C)."""
    block = (shape[0], shape[1], shape[2], shape[3] // 4)

    def product(kernel: Array, gradient: Array) -> Array:
        return conv2d_input_gradient(gradient, kernel, block, stride=stride, padding=padding)

    return _close(eight_products(conjugate(w, axis=0), _open(g), product))


def weight_gradient(x: Array, g: Array, kernel: tuple[int, int], *, stride: int = 1, padding: int = 0) -> Array:
    """Return g ⊗ x* summed over pixels: (4, KH, KW, C, O)."""

    def product(gradient: Array, image: Array) -> Array:
        return conv2d_weight_gradient(image, gradient, kernel, stride=stride, padding=padding)

    return eight_products(_open(g), conjugate(_open(x), axis=0), product)


def _open(x: Array) -> Array:
    """(N, H, W, 4C) -> (4, N, H, W, C), each block in one piece."""
    n, h, w, channels = x.shape
    return xp.ascontiguousarray(xp.moveaxis(x.reshape(n, h, w, 4, channels // 4), 3, 0))


def _close(blocks: Array) -> Array:
    """(4, N, H, W, C) -> (N, H, W, 4C)."""
    _, n, h, w, channels = blocks.shape
    return xp.moveaxis(blocks, 0, 3).reshape(n, h, w, 4 * channels)
