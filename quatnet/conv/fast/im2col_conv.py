"""Real and quaternion convolution by im2col, for small kernels and images with few pixels.

On a feature map of a few hundred pixels, function calls take more time than the products. The algorithm needs few
calls. P is the number of components and K is the number of transformed components: P = 4 and K = 8 for quaternions, P =
K = 1 for real numbers.

    transform  map P components of the zero-padded images and of the kernel to K transformed components
    im2col     copy the patches of the transformed images, KH·KW·C numbers per output pixel
    multiply   multiply the K matrices of patches by the transformed kernel, in one call of matmul
    output     map K products to P components

The patches take KH·KW times the memory of the images. A transformed quaternion kernel takes twice the memory of the
kernel. Large images are therefore computed by `winograd_conv`, and large kernels by `direct`.
"""

import math
from collections.abc import Callable

import numpy as np

from ...backend import Array
from ...threads import parallel_for, parallel_map
from ..im2col import Shape
from . import component_transforms
from .direct import ONES, ConvOptions, Pair
from .small_products import blocked_matmul
from .tiles import apply_matrix, even_slices, split_components, workspace

PATCHES_BYTES = 4 << 20  # maximum size of the patches of a batch slice with more than one image


def convolve(x: Array, w: Array, stride: Pair, padding: Pair, dilation: Pair = ONES) -> Array:
    """Return the convolution w ⊗ x, (N, OH, OW, P·O), of images `x` (N, H, W, P·C) and `w` (P, KH, KW, C, O).

    P is the number of components, 1 or 4.
    """
    options = ConvOptions(w.shape[1:3], stride, padding, dilation)
    y = np.empty((len(x), *options.output(x.shape), len(w) * w.shape[4]), dtype=x.dtype)
    images = split_components(y, len(w))
    run(split_components(x, len(w)), transform_kernel(w), options, lambda rows, part: np.copyto(images[part], rows))
    return y


def input_gradient(grad: Array, w: Array, padding: Pair, dilation: Pair = ONES) -> Array:
    """Return the input gradient w* ⊗ grad (N, H, W, P·C) of a convolution with stride 1.

    `grad` is the upstream gradient (N, OH, OW, P·O) and P is the number of components. The input gradient is a
    convolution with the conjugated kernel, rotated by 180 degrees, with input and output channels swapped.
    """
    flipped = w[:, ::-1, ::-1].swapaxes(3, 4).copy()
    np.negative(flipped[1:], out=flipped[1:])
    top, left = (d * (k - 1) - p for k, p, d in zip(w.shape[1:3], padding, dilation, strict=True))
    return convolve(grad, flipped, ONES, (top, left), dilation)


def weight_gradient(x: Array, grad: Array, kernel: Shape, stride: Pair, padding: Pair, dilation: Pair = ONES) -> Array:
    """Return the weight gradient, the sum of grad ⊗ x* over all pixels.

    `kernel` is the shape (P, KH, KW, C, O) of the result, with P components.
    """
    components, outputs = kernel[0], kernel[4]
    options = ConvOptions((kernel[1], kernel[2]), stride, padding, dilation)
    x, grad = split_components(x, components), split_components(grad, components)
    right = component_transforms.right_transform(components, conjugate=True)
    left = component_transforms.left_transform(components)

    def work(images: slice) -> Array:
        rows = patches(x[images], right, options)
        separated = workspace("grad_components", (components, *grad[images].shape[:3], outputs), grad.dtype)
        np.copyto(separated, np.moveaxis(grad[images], 3, 0))
        transformed = apply_matrix(left, separated, "grad")
        return rows.swapaxes(1, 2) @ transformed.reshape(len(transformed), rows.shape[1], outputs)

    total = np.zeros((len(left), kernel[1] * kernel[2] * kernel[3], outputs), x.dtype)
    for part in parallel_map(work, image_slices(len(x), grad.shape[1:3], total)):
        total += part
    return apply_matrix(component_transforms.output_transform(components), total).reshape(kernel)


def transform_kernel(w: Array) -> Array:
    """Return the K transformed components (K, KH, KW, C, O) of a kernel `w` (P, KH, KW, C, O) with P components."""
    return apply_matrix(component_transforms.left_transform(len(w)), w)


def run(x: Array, kernel: Array, options: ConvOptions, epilogue: Callable[[Array, slice], None]) -> None:
    """Convolve images `x` (N, H, W, P, C) with a transformed `kernel`, and call `epilogue(rows, images)` for slices.

    `images` is a slice of the batch with n images. `rows` is the result (n, OH, OW, P, O) for these images with P
    components. The result is a view of workspace memory, in which P is the first axis.
    """
    components, outputs, output = x.shape[3], kernel.shape[4], options.output(x.shape)
    operand = kernel.reshape(len(kernel), -1, outputs)
    right = component_transforms.right_transform(components)
    output_matrix = component_transforms.output_transform(components)

    def work(images: slice) -> None:
        rows = patches(x[images], right, options)
        m = blocked_matmul(rows, operand, workspace("products", (*rows.shape[:2], outputs), x.dtype))
        y = apply_matrix(output_matrix, m, "result")
        epilogue(y.reshape(components, -1, *output, outputs).transpose(1, 2, 3, 0, 4), images)

    parallel_for(work, image_slices(len(x), output, operand))


def image_slices(batch: int, output: Shape, operand: Array) -> list[slice]:
    """Return slices of the batch with patches that fit into the cache, for a transformed kernel `operand`.

    The shape of `operand` is (K, KH·KW·C, O), with K transformed components.
    """
    return even_slices(batch, max(1, PATCHES_BYTES // max(1, math.prod(output) * operand[..., :1].nbytes)))


def patches(x: Array, matrix: Array, options: ConvOptions) -> Array:
    """Return the transformed patches (K, n·OH·OW, KH·KW·C) of n images `x` (n, H, W, P, C), in workspace memory.

    `matrix` (K, P) maps P components to K transformed components. For a kernel of one pixel with stride 1, the patches
    are the transformed pixels without a copy.
    """
    n, height, width, components, channels = x.shape
    kernel, (stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w) = options
    rows = workspace("rows", (components, n, height + 2 * pad_h, width + 2 * pad_w, channels), x.dtype)
    if any(options.padding):
        rows[...] = 0
    np.copyto(rows[:, :, pad_h : pad_h + height, pad_w : pad_w + width], x.transpose(3, 0, 1, 2, 4))
    transformed = apply_matrix(matrix, rows, "image")
    if options.kernel == options.stride == ONES:
        return transformed.reshape(len(transformed), -1, channels)
    component, image, row, pixel, itemsize = transformed.strides
    shape = (len(transformed), n, *options.output(x.shape), *kernel, channels)
    strides = (component, image, stride_h * row, stride_w * pixel, dilation_h * row, dilation_w * pixel, itemsize)
    copy = workspace("patches", shape, x.dtype)
    np.copyto(copy, np.ndarray(shape, x.dtype, transformed, strides=strides))
    return copy.reshape(len(transformed), -1, kernel[0] * kernel[1] * channels)
