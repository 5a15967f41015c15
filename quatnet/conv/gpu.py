"""Real and quaternion convolution on a GPU, by CUDA kernels for the transforms and batched matrix products.

    x (N, H, W, P·C)    w (P, KH, KW, C/G, O)    y (N, OH, OW, P·O)

P is the number of components, 1 for real numbers and 4 for quaternions. G is the number of groups. A quaternion has
K = 8 transformed components, see `fast.component_transforms`. A real number has K = 1. The matrices LEFT_MATRIX,
RIGHT_MATRIX and OUTPUT_MATRIX are called L, R and T here:

    y      = w ⊗ x        T [patches of (R x) · (L w)]
    grad_x = w* ⊗ grad    col2im of T [(R grad) · (L w*)ᵀ]
    grad_w = grad ⊗ x*    T [Σ patches of (R x*)ᵀ · (L grad)]

One CUDA kernel transforms the components and writes the patches. Another CUDA kernel sums the patches and applies the
output transform. The products are batched matrix products of arrays (K, G, rows, columns), computed by cuBLAS.
"""

from collections.abc import Callable

from ..backend import Array, xp
from .fast import gpu_layout
from .fast.component_transforms import left_transform, right_transform
from .fast.gpu_layout import ConvShape, Pair, make_shape
from .plain import quaternion_to_real_kernel

FLOPS_PER_ELEMENT_MOVED = 64  # float32 operations per memory access; data sheets: A100 40, H100 80


def is_profitable(kernel: tuple[int, ...]) -> bool:
    """Return whether eight products are faster than one real product, for a convolution kernel of shape `kernel`.

    The shape is (4, KH, KW, C, O), with the C input channels of one group. For each pixel, eight products save
    16 KH·KW·C·O operations. Eight products also read or write 8 KH·KW·C + 16 O more numbers (docs/decisions/0013).
    """
    _, kh, kw, channels, outputs = kernel
    taps = kh * kw
    return 16 * taps * channels * outputs >= FLOPS_PER_ELEMENT_MOVED * (8 * taps * channels + 16 * outputs)


def expand_to_real(w: Array) -> Array:
    """Return the equivalent real kernel (1, KH, KW, 4C, 4O) of a quaternion kernel `w` (4, KH, KW, C, O).

    If `w` is real, or if eight products are profitable, `w` is returned unchanged.
    """
    return quaternion_to_real_kernel(w)[None] if len(w) == 4 and not is_profitable(w.shape) else w


def convolve(x: Array, w: Array, stride: Pair, padding: Pair, dilation: Pair = (1, 1), groups: int = 1) -> Array:
    """Return the convolution w ⊗ x, (N, OH, OW, P·O), of images `x` and a kernel `w` with P = 1 or 4 components."""
    conv = make_shape(x.shape, w.shape, stride, padding, dilation, groups)
    return run(x, transform_kernel(w, groups), conv, gpu_layout.transform_output)


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


def transform_kernel(w: Array, groups: int = 1, *, conjugate: bool = False) -> Array:
    """Return the K transformed components (K, G, KH·KW·C/G, O/G) of a convolution kernel (P, KH, KW, C/G, O).

    P is the number of components and G the number of groups. With `conjugate`, the conjugate of `w` is transformed.
    """
    p, kh, kw, channels, outputs = w.shape
    transformed = gpu_layout.transform_input(w.reshape(1, p, -1), left_transform(p, conjugate=conjugate))
    return gpu_layout.split_groups(transformed.reshape(len(transformed), kh * kw * channels, outputs), groups)


def input_gradient(
    grad: Array,
    w: Array,
    shape: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Return the input gradient w* ⊗ grad of `convolve`. `shape` is the shape (N, H, W, P·C) of the images.

    `grad` is the upstream gradient (N, OH, OW, P·O). P is the number of components.
    """
    conv = make_shape(shape, w.shape, stride, padding, dilation, groups)
    # The kernel is copied once, because matmul of CuPy would copy the transposed array in each call.
    kernel = xp.ascontiguousarray(transform_kernel(w, groups, conjugate=True).swapaxes(-1, -2))

    def work(grads: Array) -> Array:
        right = gpu_layout.pixels(grads, conv, right_transform(conv.components))
        return gpu_layout.sum_patches(right @ kernel, (len(grads), shape[1], shape[2], shape[3]), conv)

    return gpu_layout.concatenate_batch([work(grad[part]) for part in conv.batch_slices(len(grad), grad.itemsize)])


def weight_gradient(
    x: Array,
    grad: Array,
    kernel: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Return the weight gradient of `convolve`: the sum of grad ⊗ x* over all pixels.

    `kernel` is the shape (P, KH, KW, C/G, O) of the result, with P components and G groups.
    """
    conv = make_shape(x.shape, kernel, stride, padding, dilation, groups)

    def work(part: slice) -> Array:
        right = gpu_layout.patches(x[part], conv, right_transform(conv.components, conjugate=True))
        return _transposed_product(right, gpu_layout.pixels(grad[part], conv, left_transform(conv.components)))

    total = gpu_layout.merge_groups(sum(map(work, conv.batch_slices(len(x), x.itemsize))))  # (K, KH·KW·C/G, O)
    return gpu_layout.transform_output(total.reshape(len(total), 1, -1), conv).reshape(kernel)


def _transposed_product(a: Array, b: Array) -> Array:
    """Return aᵀ b for each pair of matrices in `a` (K, G, rows, m) and `b` (K, G, rows, n): (K, G, m, n).

    There are K transformed components and G groups. CuPy copies transposed arrays of several matrices before the
    multiplication, but no single transposed matrix.
    """
    if a.shape[1] > 1:  # with several groups, one copy of all matrices takes less time than many calls of matmul
        return a.swapaxes(-1, -2) @ b
    return xp.stack([p.T @ q for p, q in zip(a[:, 0], b[:, 0], strict=True)])[:, None]
