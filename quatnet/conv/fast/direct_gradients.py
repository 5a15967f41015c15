"""Input gradient and weight gradient of `direct.convolve`."""

from functools import partial

import numpy as np

from ...backend import Array
from ...threads import parallel_for
from ..im2col import Shape
from . import direct
from .component_transforms import RIGHT_ORDER, left_transform, output_transform, right_transform
from .direct import ONES, Pair
from .tiles import apply_matrix, split_components, workspace


def input_gradient(grad: Array, w: Array, shape: Shape, stride: Pair, padding: Pair, dilation: Pair = ONES) -> Array:
    """Return the input gradient w* ⊗ grad. `shape` is the shape (N, H, W, P·C) of the images with P components.

    `grad` is the upstream gradient (N, OH, OW, P·O). The result is computed as (grad* ⊗ w)*, so that the kernel `w` is
    not copied.
    """
    grad_x = np.empty(shape, dtype=grad.dtype)
    options, p = direct.ConvOptions(w.shape[1:3], stride, padding, dilation), len(w)
    matrices = left_transform(p, conjugate=True), output_transform(p, conjugate=True)

    def work(part: tuple[slice, slice]) -> None:
        batch, channels = part
        kernels = direct.kernel_operands(w[:, :, :, channels], RIGHT_ORDER)
        grads, images = split_components(grad, p)[batch], split_components(grad_x, p)[batch, ..., channels]
        direct.write_products(grads, kernels, matrices, partial(_add_input_products, options), images)

    parallel_for(work, direct.make_work_slices(grad_x, w, shape[3] // p))
    return grad_x


def _add_input_products(options: direct.ConvOptions, grad: Array, kernel: Array, out: Array) -> None:
    """Add to `out` (H, N, W, C) the input gradient for `grad` (OH, N, OW, O) and `kernel` (KH, KW, C, O)."""
    for tap_index, pixel_index, output_index in direct.overlaps(options, out.shape[::2], grad.shape[::2]):
        taps, target = kernel[tap_index], out[pixel_index]
        column = grad[output_index].reshape(-1, grad.shape[-1])
        product = workspace("part", (taps.shape[0], len(column), taps.shape[1]), grad.dtype)
        np.matmul(column, taps.swapaxes(-1, -2), out=product)
        np.add(target, product.reshape(len(product), *target.shape[:2], -1).transpose(1, 2, 0, 3), out=target)


def weight_gradient(x: Array, grad: Array, kernel: Shape, stride: Pair, padding: Pair, dilation: Pair = ONES) -> Array:
    """Return the weight gradient, the sum of grad ⊗ x* over all pixels.

    `kernel` is the shape (P, KH, KW, C, O) of the result, with P components.
    """
    options, p = direct.ConvOptions((kernel[1], kernel[2]), stride, padding, dilation), kernel[0]
    slices = direct.make_work_slices(x, np.empty(kernel, x.dtype), kernel[4])
    starts = sorted({batch.start for batch, _ in slices})
    grad_w = np.zeros((max(1, len(starts)), *kernel), x.dtype)  # one gradient for each slice of the batch

    def work(part: tuple[slice, slice]) -> None:
        batch, channels = part
        images = direct.transform_images(split_components(x, p)[batch], right_transform(p, conjugate=True))
        images = images.copy()  # the next call of transform_images overwrites the workspace
        grads = direct.transform_images(split_components(grad, p)[batch, ..., channels], left_transform(p))
        products = workspace("products", (len(images), *kernel[1:4], grads.shape[-1]), x.dtype)
        for image, one, product in zip(images, grads, products, strict=True):
            _write_tap_products(image, one, options, product)
        components = apply_matrix(output_transform(p), products, "sums")
        np.copyto(grad_w[starts.index(batch.start), ..., channels], components)

    parallel_for(work, slices)
    return grad_w[0] if len(grad_w) == 1 else grad_w.sum(axis=0)


def _write_tap_products(image: Array, grad: Array, options: direct.ConvOptions, out: Array) -> None:
    """Write the weight gradient to `out` (KH, KW, C, O), for `image` (H, N, W, C) and `grad` (OH, N, OW, O)."""
    _, (stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w) = options
    for i, j in np.ndindex(*out.shape[:2]):
        rows, image_rows = direct.tap_ranges(i * dilation_h, image.shape[0], grad.shape[0], stride_h, pad_h)
        columns, image_columns = direct.tap_ranges(j * dilation_w, image.shape[2], grad.shape[2], stride_w, pad_w)
        pixels = image[image_rows, :, image_columns].reshape(-1, image.shape[-1])
        np.matmul(pixels.T, grad[rows, :, columns].reshape(-1, grad.shape[-1]), out=out[i, j])
