"""Real and quaternion convolution on a GPU, by CUDA kernels for the transforms and batched matrix products.

    x (N, H, W, P·C)    w (P, KH, KW, C/G, O)    y (N, OH, OW, P·O)

P is the number of components, 1 for real numbers and 4 for quaternions. G is the number of groups. A quaternion has
K = 8 transformed components, see `fast.component_transforms`. A real number has K = 1. The matrices LEFT_MATRIX,
RIGHT_MATRIX and OUTPUT_MATRIX are called LEFT, RIGHT and OUTPUT here:

    y      = w ⊗ x        OUTPUT [patches of (RIGHT x) · (LEFT w)]
    grad_x = w* ⊗ grad    col2im of OUTPUT [(RIGHT grad) · (LEFT w*)ᵀ]
    grad_w = grad ⊗ x*    OUTPUT [Σ patches of (RIGHT x*)ᵀ · (LEFT grad)]

One CUDA kernel transforms the components and writes the patches. Another CUDA kernel sums the patches and applies the
output transform. The products are batched matrix products of arrays (K, G, rows, columns), computed by cuBLAS.

If eight products are not profitable, a quaternion kernel without groups is expanded to the matrix of 4 x 4 blocks of a
real convolution. P and K are then 1 in the formulas above.
"""

from collections.abc import Callable
from functools import reduce
from operator import add

import numpy as np

from .. import kernels
from ..backend import Array, uses_tf32, xp
from . import gpu_winograd
from .fast import gpu_layout
from .fast.component_transforms import left_transform, right_transform, weight_adjoint
from .fast.gpu_layout import ConvShape, Pair, make_shape
from .fast.gpu_products import transposed_product
from .im2col import Shape
from .plain import quaternion_to_real_kernel

# Operations in the time of one memory access of 4 bytes, without and with TF32. Data sheets: A100 40 and 306, H100 80
# and 590. Measured on an H200: 80 and 640.
FLOPS_PER_ELEMENT_MOVED = {False: 64, True: 640}


def is_profitable(kernel: tuple[int, ...], tf32: bool | None = None) -> bool:
    """Return whether eight products are faster than one real product, for a convolution kernel of shape `kernel`.

    The shape is (4, KH, KW, C, O), with the C input channels of one group. For each pixel, eight products save
    16 KH·KW·C·O operations. Eight products also read or write 8 KH·KW·C + 16 O more numbers. Winograd's algorithm, for
    3 x 3 pixels, saves 36 C·O operations per pixel and moves 34 (C + O) more numbers (docs/decisions/0013 and 0021).
    `tf32` is whether products use TF32, by default `backend.uses_tf32()`.
    """
    _, kh, kw, channels, outputs = kernel
    tf32 = uses_tf32() if tf32 is None else tf32
    taps, flops = kh * kw, FLOPS_PER_ELEMENT_MOVED[tf32]
    if (kh, kw) == (3, 3) and channels >= gpu_winograd.MIN_CHANNELS and not tf32:
        return 36 * channels * outputs >= flops * 34 * (channels + outputs)
    return 16 * taps * channels * outputs >= flops * (8 * taps * channels + 16 * outputs)


def expand_to_real(w: Array) -> Array:
    """Return the equivalent real kernel (1, KH, KW, 4C, 4O) of a quaternion kernel `w` (4, KH, KW, C, O).

    If `w` is real, or if eight products are profitable, `w` is returned unchanged.
    """
    return quaternion_to_real_kernel(w)[None] if len(w) == 4 and not is_profitable(w.shape) else w


def convolve(x: Array, w: Array, stride: Pair, padding: Pair, dilation: Pair = (1, 1), groups: int = 1) -> Array:
    """Return the convolution w ⊗ x, (N, OH, OW, P·O), of images `x` and a kernel `w` with P = 1 or 4 components."""
    conv = _make_shape(x.shape, w.shape, stride, padding, dilation, groups)
    if gpu_winograd.supports(conv, x):
        return gpu_winograd.convolve(x, w, conv)
    kernel = transform_kernel(w, groups, blocks=len(w) // conv.components)
    return run(x, kernel, conv, gpu_layout.transform_output)


def _make_shape(
    image: tuple[int, ...], kernel: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> ConvShape:
    """Return the result of `make_shape` for `kernel`, or for the real kernel of `expand_to_real` without groups."""
    if kernel[0] == 4 and groups == 1 and not is_profitable(kernel):
        kernel = (1, *kernel[1:3], 4 * kernel[3], 4 * kernel[4])
    return make_shape(image, kernel, stride, padding, dilation, groups)


def run(x: Array, kernel: Array, conv: ConvShape, epilogue: Callable[[Array, ConvShape], Array]) -> Array:
    """Return the convolution of images `x` with a convolution kernel that is transformed by `transform_kernel`.

    `epilogue` computes the outputs (pixels, P·O) of P components from products (K, pixels, O) of K transformed
    components.
    """

    def work(images: Array) -> Array:
        rows = gpu_layout.patches(images, conv, right_transform(conv.components))
        y = epilogue(gpu_layout.merge_groups(rows @ kernel), conv)
        return y.reshape(len(images), *conv.output_size, y.shape[-1])

    return gpu_layout.concatenate_batch([work(x[part]) for part in conv.batch_slices(len(x), x.itemsize)])


def transform_kernel(w: Array, groups: int = 1, *, blocks: int = 1, conjugate: bool = False) -> Array:
    """Return the transformed components (K, G, rows, columns) of a convolution kernel (P, KH, KW, C/G, O).

    P is the number of components and G the number of groups. With `conjugate`, the conjugate of `w` is transformed.
    `blocks` is 1, or 4 to expand a quaternion kernel to a real kernel: K is then 1, with 4 times the rows and columns.
    """
    transformed = w
    if len(w) == 4:
        matrix = left_transform(4, blocks=blocks, conjugate=conjugate)
        transformed = kernels.weight_transform.transform(w, matrix, np.eye(1), blocks)
    rows = transformed.reshape(len(transformed), -1, blocks * w.shape[4])
    return gpu_layout.split_groups(rows, groups)


def input_gradient(
    grad: Array, w: Array, shape: Shape, stride: Pair, padding: Pair, dilation: Pair = (1, 1), groups: int = 1
) -> Array:
    """Return the input gradient w* ⊗ grad of `convolve`. `shape` is the shape (N, H, W, P·C) of the images.

    `grad` is the upstream gradient (N, OH, OW, P·O). P is the number of components.
    """
    conv = _make_shape(shape, w.shape, stride, padding, dilation, groups)
    if gpu_winograd.supports(conv, grad):
        return gpu_winograd.input_gradient(grad, w, conv)
    blocks = len(w) // conv.components  # the transposed matrix of the blocks is that of the conjugate
    transformed = transform_kernel(w, groups, blocks=blocks, conjugate=blocks == 1)
    # The kernel is copied once, because matmul of CuPy would copy the transposed array in each call.
    kernel = xp.ascontiguousarray(transformed.swapaxes(-1, -2))

    def work(grads: Array) -> Array:
        right = gpu_layout.pixels(grads, conv, right_transform(conv.components))
        return gpu_layout.sum_patches(right @ kernel, (len(grads), *shape[1:]), conv)

    return gpu_layout.concatenate_batch([work(grad[part]) for part in conv.batch_slices(len(grad), grad.itemsize)])


def weight_gradient(
    x: Array, grad: Array, kernel: Shape, stride: Pair, padding: Pair, dilation: Pair = (1, 1), groups: int = 1
) -> Array:
    """Return the weight gradient of `convolve`: the sum of grad ⊗ x* over all pixels.

    `kernel` is the shape (P, KH, KW, C/G, O) of the result, with P components and G groups.
    """
    conv = _make_shape(x.shape, kernel, stride, padding, dilation, groups)
    if gpu_winograd.supports(conv, x):
        return gpu_winograd.weight_gradient(x, grad, kernel, conv)

    def work(part: slice) -> Array:
        right = gpu_layout.patches(x[part], conv, right_transform(conv.components, conjugate=True))
        return transposed_product(right, gpu_layout.pixels(grad[part], conv, left_transform(conv.components)))

    total = gpu_layout.merge_groups(reduce(add, map(work, conv.batch_slices(len(x), x.itemsize))))
    if kernel[0] == 1:
        return total.reshape(kernel)
    blocks = kernel[0] // conv.components
    return kernels.weight_transform.gradient(total, weight_adjoint(4, blocks), np.eye(1), blocks, kernel)
