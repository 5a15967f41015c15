"""Real and quaternion convolution on a GPU by Winograd's F(4x4, 3x3), with 36 instead of 144 products.

    x (N, H, W, P·C)    w (P, 3, 3, C, O)    y (N, OH, OW, P·O)

P is the number of components, 1 or 4, and K the number of transformed components, 1 or 8, as in `conv.gpu`. The
transforms Bᵀ d B, G w Gᵀ and Aᵀ m A of `fast.winograd` are applied along both axes of an image:

    y      = w ⊗ x        A of [(B x) · (G w)], 36 K matrix products
    grad_x = w* ⊗ grad    the same convolution, with the conjugated kernel rotated by 180 degrees
    grad_w = grad ⊗ x*    Gᵀ of [Σ tiles of (B x*)ᵀ · (A grad)]

As in `conv.gpu`, a quaternion kernel may be expanded to a real convolution, of which P is 1.

The tiles take 2.25 numbers per pixel, the patches of im2col take 9.

Source: A. Lavin, S. Gray, Fast algorithms for convolutional neural networks, 2016.
"""

from functools import reduce
from math import prod
from operator import add

import numpy as np

from .. import kernels
from ..backend import Array, uses_tf32
from .fast.component_transforms import left_transform, num_transformed, right_transform, weight_adjoint
from .fast.gpu_layout import ConvShape, Pair, concatenate_batch, make_shape, transform_input, transform_output
from .fast.gpu_products import transposed_product
from .fast.winograd import OUTPUTS, matrices

MIN_CHANNELS = 16  # with fewer channels, the products take less time than the transforms
TILE_BYTES = 1 << 31  # maximum size of the tiles of a batch slice with more than one image
ONES = (1, 1)
INPUT, TAPS, OUTPUT = matrices()


def supports(conv: ConvShape, x: Array) -> bool:
    """Return whether Winograd's algorithm is used: for float32, kernels of 3 x 3 pixels, stride 1 and dilation 1.

    With TF32, the algorithm would multiply the rounding error by about ten.
    """
    plain = conv.kernel == (3, 3) and conv.stride == conv.dilation == ONES and conv.groups == 1
    fits = max(conv.padding) <= 2 and min(conv.output_size) > 0
    return plain and fits and conv.channels >= MIN_CHANNELS and x.dtype == np.float32 and not uses_tf32()


def convolve(x: Array, w: Array, conv: ConvShape) -> Array:
    """Return the convolution w ⊗ x, (N, OH, OW, P·O)."""
    blocks = len(w) // conv.components
    kernel = kernels.weight_transform.transform(w, left_transform(len(w), blocks=blocks), TAPS, blocks)
    return _run(x, kernel, conv)


def input_gradient(grad: Array, w: Array, conv: ConvShape) -> Array:
    """Return the input gradient w* ⊗ grad (N, H, W, P·C) of `convolve`, for the upstream gradient `grad`."""
    blocks, padding = len(w) // conv.components, (2 - conv.padding[0], 2 - conv.padding[1])
    matrix = left_transform(len(w), blocks=blocks, conjugate=True)
    kernel = kernels.weight_transform.transform(w, matrix, TAPS, blocks, flip=True)
    shape = (conv.components, 3, 3, *kernel.shape[2:])
    return _run(grad, kernel, make_shape(grad.shape, shape, ONES, padding, ONES, 1))


def weight_gradient(x: Array, grad: Array, kernel: tuple[int, ...], conv: ConvShape) -> Array:
    """Return the weight gradient of `convolve`, the sum of grad ⊗ x* over all pixels, of the shape `kernel`."""
    right, left = right_transform(conv.components, conjugate=True), left_transform(conv.components)

    def work(part: slice) -> Array:
        tiles = _input_tiles(grad[part], left, OUTPUT.T, conv._replace(padding=(0, 0)))
        return transposed_product(_input_tiles(x[part], right, INPUT, conv), tiles)

    total, blocks = reduce(add, map(work, _slices(conv, x))), kernel[0] // conv.components  # total is (K, 36, C, O)
    return kernels.weight_transform.gradient(total, weight_adjoint(kernel[0], blocks), TAPS, blocks, kernel)


def _run(x: Array, kernel: Array, conv: ConvShape) -> Array:
    outputs, right = kernel.shape[-1], right_transform(conv.components)
    size = (*conv.output_size, conv.components * outputs)

    def work(images: Array) -> Array:
        products = _input_tiles(images, right, INPUT, conv) @ kernel
        y = kernels.winograd.transform_products(products, OUTPUT, _tiles(conv), conv.output_size)
        rows = y.reshape(len(right), len(images) * size[0] * size[1], outputs)
        return transform_output(rows, conv).reshape(len(images), *size)

    return concatenate_batch([work(x[part]) for part in _slices(conv, x)])


def _input_tiles(x: Array, components: np.ndarray, matrix: np.ndarray, conv: ConvShape) -> Array:
    """Return the transformed tiles (K, 36, tiles, C) of images `x` (N, H, W, P·C).

    `components` (K, P) transforms the components, and `matrix` transforms rows and columns of a tile.
    """
    (k, p), (batch, height, width, channels) = components.shape, x.shape
    rows = x.reshape(batch * height * width, p, channels // p)
    images = transform_input(rows, components).reshape(k * batch, height, width, channels // p)
    return kernels.winograd.transform_tiles(images, matrix, k, _tiles(conv), conv.padding)


def _tiles(conv: ConvShape) -> Pair:
    return -(-conv.output_size[0] // OUTPUTS), -(-conv.output_size[1] // OUTPUTS)


def _slices(conv: ConvShape, x: Array) -> list[slice]:
    elements = 36 * num_transformed(conv.components) * conv.channels * prod(_tiles(conv))
    step = max(1, TILE_BYTES // (elements * x.itemsize))
    return [slice(start, start + step) for start in range(0, max(1, len(x)), step)]
