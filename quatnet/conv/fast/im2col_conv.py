"""Convolution with small kernels by im2col, for images with few pixels, and its two gradients.

On a feature map of some hundred pixels the calls cost more than the products, so this algorithm makes few calls:

    transform  the image, zero-padded, and the kernel to K components: one matrix each      component_transforms
    im2col     patches of all transformed components, KH·KW·C numbers for each output pixel: one copy
    multiply   all transformed components, one call of matmul
    output     the products to components, one matrix                                        component_transforms

Patches take KH·KW times the memory of the image, and a transformed quaternion kernel twice the memory of the kernel.
Large images are therefore left to `winograd_conv`, and large kernels to `direct`.
"""

import math
from collections.abc import Callable

import numpy as np

from ...backend import Array
from ...threads import parallel_for, parallel_map
from . import component_transforms
from .direct import Pair, Window
from .tiles import even_slices, split_components, workspace

PATCHES_BYTES = 4 << 20  # of the images that a worker computes at once, at least one image


def convolve(x: Array, w: Array, stride: Pair, padding: Pair) -> Array:
    """Return w ⊗ x: `x` (N, H, W, P·C), `w` (P, KH, KW, C, O) -> (N, OH, OW, P·O), P = 1 or 4 components."""
    window = Window(w.shape[1:3], stride, padding)
    y = np.empty((len(x), *window.output(x.shape), len(w) * w.shape[4]), dtype=x.dtype)
    images = split_components(y, len(w))
    run(split_components(x, len(w)), transform_kernel(w), window, lambda rows, part: np.copyto(images[part], rows))
    return y


def input_gradient(grad: Array, w: Array, padding: Pair) -> Array:
    """Return w* ⊗ grad (N, H, W, P·C) for the upstream gradient (N, OH, OW, P·O) of `convolve` with stride 1.

    This is a convolution with the kernel conjugated, rotated by 180 degrees, and its channels in and out swapped.
    """
    flipped = w[:, ::-1, ::-1].swapaxes(3, 4).copy()
    np.negative(flipped[1:], out=flipped[1:])
    return convolve(grad, flipped, (1, 1), (w.shape[1] - 1 - padding[0], w.shape[2] - 1 - padding[1]))


def weight_gradient(x: Array, grad: Array, kernel: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return grad ⊗ x* summed over pixels, of the shape `kernel` = (P, KH, KW, C, O)."""
    components, outputs, window = kernel[0], kernel[4], Window((kernel[1], kernel[2]), stride, padding)
    x, grad = split_components(x, components), split_components(grad, components)
    right = component_transforms.right_transform(components, conjugate=True)
    left = component_transforms.left_transform(components)

    def work(images: slice) -> Array:
        rows = patches(x[images], right, window)
        separated = workspace("grad_components", (components, *grad[images].shape[:3], outputs), grad.dtype)
        np.copyto(separated, np.moveaxis(grad[images], 3, 0))
        transformed = _apply_matrix(left, separated, workspace("grad", (len(left), *separated.shape[1:]), grad.dtype))
        return rows.swapaxes(1, 2) @ transformed.reshape(len(transformed), rows.shape[1], outputs)

    total = np.zeros((len(left), kernel[1] * kernel[2] * kernel[3], outputs), x.dtype)
    for part in parallel_map(work, image_slices(len(x), grad.shape[1:3], total)):
        total += part
    matrix = component_transforms.output_transform(components)
    return _apply_matrix(matrix, total, np.empty(kernel, x.dtype)).reshape(kernel)


def transform_kernel(w: Array) -> Array:
    """Return the transformed components (K, KH, KW, C, O) of a kernel (P, KH, KW, C, O)."""
    matrix = component_transforms.left_transform(len(w))
    return _apply_matrix(matrix, w, np.empty((len(matrix), *w.shape[1:]), w.dtype))


def run(x: Array, kernel: Array, window: Window, epilogue: Callable[[Array, slice], None]) -> None:
    """Convolve `x` (N, H, W, P, C) with a transformed `kernel`, and call `epilogue(rows, images)` for slices of images.

    `rows` is the result (n, OH, OW, P, O), a view of workspace memory in which the components are separated.
    """
    components, outputs, output = x.shape[3], kernel.shape[4], window.output(x.shape)
    operand = kernel.reshape(len(kernel), -1, outputs)
    right = component_transforms.right_transform(components)
    output_matrix = component_transforms.output_transform(components)

    def work(images: slice) -> None:
        rows = patches(x[images], right, window)
        m = np.matmul(rows, operand, out=workspace("products", (*rows.shape[:2], outputs), x.dtype))
        y = _apply_matrix(output_matrix, m, workspace("result", (components, *m.shape[1:]), x.dtype))
        epilogue(y.reshape(components, -1, *output, outputs).transpose(1, 2, 3, 0, 4), images)

    parallel_for(work, image_slices(len(x), output, operand))


def image_slices(batch: int, output: tuple[int, ...], operand: Array) -> list[slice]:
    """Split the batch so that the patches of a slice stay in cache, for an `operand` (K, KH·KW·C, O)."""
    return even_slices(batch, max(1, PATCHES_BYTES // max(1, math.prod(output) * operand[..., :1].nbytes)))


def patches(x: Array, matrix: Array, window: Window) -> Array:
    """Return the patches (K, n·OH·OW, KH·KW·C) of images (n, H, W, P, C), components transformed by `matrix`.

    The patches are in workspace memory. For a kernel of one pixel they are the transformed pixels, not copied.
    """
    n, height, width, components, channels = x.shape
    (kh, kw), (stride_h, stride_w), (pad_h, pad_w) = window
    rows = workspace("rows", (components, n, height + 2 * pad_h, width + 2 * pad_w, channels), x.dtype)
    if any(window.padding):
        rows[...] = 0
    np.copyto(rows[:, :, pad_h : pad_h + height, pad_w : pad_w + width], x.transpose(3, 0, 1, 2, 4))
    transformed = _apply_matrix(matrix, rows, workspace("image", (len(matrix), *rows.shape[1:]), x.dtype))
    if window.kernel == window.stride == (1, 1):
        return transformed.reshape(len(transformed), -1, channels)
    component, image, row, pixel, itemsize = transformed.strides
    shape = (len(transformed), n, *window.output(x.shape), kh, kw * channels)
    strides = (component, image, stride_h * row, stride_w * pixel, row, itemsize)
    copy = workspace("patches", shape, x.dtype)
    np.copyto(copy, np.lib.stride_tricks.as_strided(transformed, shape, strides))
    return copy.reshape(len(transformed), -1, kh * kw * channels)


def _apply_matrix(matrix: Array, a: Array, out: Array) -> Array:
    """Return matrix @ a along the first axis of `a`, written to `out`; `a` itself for real numbers."""
    if matrix.size == 1:
        return a
    np.matmul(matrix.astype(a.dtype), a.reshape(len(a), -1), out=out.reshape(len(out), -1))
    return out
