"""Quaternion convolution with eight real convolutions instead of sixteen, and its two gradients.

`quaternion.eight_products` is valid for any bilinear product of two components. Here that product is the convolution
of one component of the image with one component of the kernel. The gradients are Hamilton products too, so the same
identity computes them, with `grad` the gradient with respect to y:

    y = w ⊗ x        grad_x = w* ⊗ grad        grad_w = grad ⊗ x*

This module is written to be read. `quatnet.conv.fast` computes the same results in tiles.
"""

from ..backend import Array, xp
from ..quaternion import conjugate, eight_products
from .plain import conv2d as real_conv2d
from .plain import conv2d_input_gradient, conv2d_weight_gradient


def conv2d(x: Array, w: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """Return w ⊗ x summed over taps and channels: x (N, H, W, 4C), w (4, KH, KW, C, O) -> (N, OH, OW, 4O)."""

    def product(kernel: Array, image: Array) -> Array:
        return real_conv2d(image, kernel, stride=stride, padding=padding)

    return _merge_components(eight_products(w, _split_components(x), product))


def input_gradient(
    grad: Array, w: Array, shape: tuple[int, int, int, int], *, stride: int = 1, padding: int = 0
) -> Array:
    """Return the gradient w* ⊗ grad with respect to x, of `shape` (N, H, W, 4C)."""
    component_shape = (shape[0], shape[1], shape[2], shape[3] // 4)

    def product(kernel: Array, gradient: Array) -> Array:
        return conv2d_input_gradient(gradient, kernel, component_shape, stride=stride, padding=padding)

    return _merge_components(eight_products(conjugate(w, axis=0), _split_components(grad), product))


def weight_gradient(x: Array, grad: Array, kernel: tuple[int, int], *, stride: int = 1, padding: int = 0) -> Array:
    """Return the gradient grad ⊗ x* with respect to w, summed over pixels: (4, KH, KW, C, O)."""

    def product(gradient: Array, image: Array) -> Array:
        return conv2d_weight_gradient(image, gradient, kernel, stride=stride, padding=padding)

    return eight_products(_split_components(grad), conjugate(_split_components(x), axis=0), product)


def _split_components(x: Array) -> Array:
    """(N, H, W, 4C) -> (4, N, H, W, C), a contiguous copy."""
    n, h, w, channels = x.shape
    return xp.ascontiguousarray(xp.moveaxis(x.reshape(n, h, w, 4, channels // 4), 3, 0))


def _merge_components(components: Array) -> Array:
    """(4, N, H, W, C) -> (N, H, W, 4C)."""
    _, n, h, w, channels = components.shape
    return xp.moveaxis(components, 0, 3).reshape(n, h, w, 4 * channels)
