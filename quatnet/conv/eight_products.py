"""Quaternion convolution and its two gradients, with eight real convolutions instead of sixteen.

The identity of `quaternion.eight_products` holds for any bilinear product of two components. In this module, the
bilinear product is the convolution of one component of the images with one component of the kernel. The gradients are
also Hamilton products. Let `grad` be the upstream gradient with respect to y, and let * denote the conjugate:

    y = w ⊗ x        grad_x = w* ⊗ grad        grad_w = grad ⊗ x*

This module is a reference implementation. `quatnet.conv.fast` computes the same results in tiles.
"""

from ..backend import Array, xp
from ..quaternion import conjugate, eight_products
from .im2col import Shape
from .plain import conv2d as real_conv2d
from .plain import conv2d_input_gradient, conv2d_weight_gradient


def conv2d(x: Array, w: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """Return the quaternion convolution (N, OH, OW, 4O) of images `x` (N, H, W, 4C) and a kernel `w` (4, KH, KW, C, O).

    An output is the sum of w ⊗ x over kernel taps and input channels.
    """

    def product(kernel: Array, image: Array) -> Array:
        return real_conv2d(image, kernel, stride=stride, padding=padding)

    return _merge_components(eight_products(w, _split_components(x), product))


def input_gradient(grad: Array, w: Array, shape: Shape, *, stride: int = 1, padding: int = 0) -> Array:
    """Return the gradient w* ⊗ grad with respect to x. `shape` is the shape (N, H, W, 4C) of x."""
    component_shape = (*shape[:3], shape[3] // 4)

    def product(kernel: Array, gradient: Array) -> Array:
        return conv2d_input_gradient(gradient, kernel, component_shape, stride=stride, padding=padding)

    return _merge_components(eight_products(conjugate(w, axis=0), _split_components(grad), product))


def weight_gradient(x: Array, grad: Array, kernel: tuple[int, int], *, stride: int = 1, padding: int = 0) -> Array:
    """Return the gradient (4, KH, KW, C, O) with respect to w: the sum of grad ⊗ x* over all pixels."""

    def product(gradient: Array, image: Array) -> Array:
        return conv2d_weight_gradient(image, gradient, kernel, stride=stride, padding=padding)

    return eight_products(_split_components(grad), conjugate(_split_components(x), axis=0), product)


def _split_components(x: Array) -> Array:
    """Return images (N, H, W, 4C) as a contiguous copy (4, N, H, W, C)."""
    n, h, w, channels = x.shape
    return xp.ascontiguousarray(xp.moveaxis(x.reshape(n, h, w, 4, channels // 4), 3, 0))


def _merge_components(components: Array) -> Array:
    """Return components (4, N, H, W, C) as images (N, H, W, 4C)."""
    _, n, h, w, channels = components.shape
    return xp.moveaxis(components, 0, 3).reshape(n, h, w, 4 * channels)
