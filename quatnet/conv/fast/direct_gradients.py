"""The gradients of `direct.convolve`, split into blocks in the same way."""

import numpy as np

from ...backend import Array
from ...threads import parallel_for
from .component_transforms import RIGHT_ORDER, left_transform, output_transform, right_transform
from .direct import (
    Block,
    Pair,
    Window,
    kernel_operands,
    make_blocks,
    overlaps,
    transform_images,
    transform_products,
    write_images,
)
from .tiles import split_components, workspace


def input_gradient(grad: Array, w: Array, shape: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return w* ⊗ grad of `shape` (N, H, W, P·C), for the upstream gradient (N, OH, OW, P·O).

    It is computed as (grad* ⊗ w)*, so that the kernel is used as it is stored.
    """
    grad_x = np.empty(shape, dtype=grad.dtype)
    window, p = Window(w.shape[1:3], stride, padding), len(w)

    def work(block: Block) -> None:
        grads = transform_images(split_components(grad, p)[block.images], left_transform(p, conjugate=True))
        kernels = kernel_operands(w[:, :, :, block.channels], RIGHT_ORDER)
        size = (shape[1], grads.shape[2], shape[2], kernels[0].shape[2])
        products = workspace("products", (len(grads), *size), grad.dtype)
        products[...] = 0
        for one, kernel, product in zip(grads, kernels, products, strict=True):
            _add_input_products(one, kernel, window, product)
        components = transform_products(products, output_transform(p, conjugate=True))
        write_images(components, split_components(grad_x, p)[block.images, ..., block.channels])

    parallel_for(work, make_blocks(grad_x, w, shape[3] // p))
    return grad_x


def _add_input_products(grad: Array, kernel: Array, window: Window, out: Array) -> None:
    """Add to `out` (H, N, W, C) the input gradient for `grad` (OH, N, OW, O) and `kernel` (KH, KW, C, O)."""
    for overlap in overlaps(window, out.shape[::2], grad.shape[::2]):
        column = grad[overlap.rows, :, overlap.column].reshape(-1, grad.shape[-1])
        taps = kernel[overlap.kernel_row, overlap.taps]
        target = out[overlap.pixels[0], :, overlap.pixels[1]]
        product = workspace("part", (taps.shape[0], len(column), taps.shape[1]), grad.dtype)
        np.matmul(column, taps.swapaxes(-1, -2), out=product)
        np.add(target, product.reshape(len(product), *target.shape[:2], -1).transpose(1, 2, 0, 3), out=target)


def weight_gradient(x: Array, grad: Array, kernel: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return grad ⊗ x* summed over pixels, of the shape `kernel` = (P, KH, KW, C, O)."""
    window, p = Window((kernel[1], kernel[2]), stride, padding), kernel[0]
    blocks = make_blocks(x, np.empty(kernel, x.dtype), kernel[4])
    starts = sorted({block.images.start for block in blocks})
    grad_w = np.zeros((max(1, len(starts)), *kernel), x.dtype)  # one for each slice of the batch

    def work(block: Block) -> None:
        images = transform_images(split_components(x, p)[block.images], right_transform(p, conjugate=True))
        images = _copy(images)  # the next call of transform_images overwrites its workspace
        grads = transform_images(split_components(grad, p)[block.images, ..., block.channels], left_transform(p))
        products = workspace("products", (len(images), *kernel[1:4], grads.shape[-1]), x.dtype)
        for image, one, product in zip(images, grads, products, strict=True):
            _write_tap_products(image, one, window, product)
        components = transform_products(products, output_transform(p))
        np.copyto(grad_w[starts.index(block.images.start), ..., block.channels], components)

    parallel_for(work, blocks)
    return grad_w[0] if len(grad_w) == 1 else grad_w.sum(axis=0)


def _copy(images: Array) -> Array:
    copy = workspace("patches", images.shape, images.dtype)
    np.copyto(copy, images)
    return copy


def _write_tap_products(image: Array, grad: Array, window: Window, out: Array) -> None:
    """Write to `out` the gradient of a kernel (KH, KW, C, O), for `image` (H, N, W, C) and `grad` (OH, N, OW, O)."""
    for i, j in np.ndindex(*out.shape[:2]):
        (stride_h, stride_w), (pad_h, pad_w) = window.stride, window.padding
        rows, image_rows = _tap_ranges(i, image.shape[0], grad.shape[0], stride_h, pad_h)
        columns, image_columns = _tap_ranges(j, image.shape[2], grad.shape[2], stride_w, pad_w)
        pixels = image[image_rows, :, image_columns].reshape(-1, image.shape[-1])
        np.matmul(pixels.T, grad[rows, :, columns].reshape(-1, grad.shape[-1]), out=out[i, j])


def _tap_ranges(tap: int, size: int, output: int, stride: int, padding: int) -> tuple[slice, slice]:
    """Return the outputs for which a tap lies inside of the image, and the pixels at those places."""
    first = tap - padding
    start, stop = -(-max(0, -first) // stride), min(output, (size - 1 - first) // stride + 1)
    if start >= stop:
        return slice(0), slice(0)
    return slice(start, stop), slice(start * stride + first, (stop - 1) * stride + first + 1, stride)
