"""Convolution on a GPU, real and quaternion, with all options: an im2col kernel, a batched product, an output kernel.

    x (N, H, W, P·C)    w (P, KH, KW, C/G, O)    y (N, OH, OW, P·O)    P = 1 real or 4 quaternion components, G groups

A quaternion has K = 8 transformed components (`component_transforms`), a real number one. One CUDA kernel transforms
the components while it writes patches of them. Another kernel applies the output transform while it adds patches up:

    y      = w ⊗ x        OUTPUT [patches of (RIGHT x) · (LEFT w)]
    grad_x = w* ⊗ grad    col2im of OUTPUT [(RIGHT grad) · (LEFT w*)ᵀ]
    grad_w = grad ⊗ x*    OUTPUT [Σ patches of (RIGHT x*)ᵀ · (LEFT grad)]

The products are stacks of matrices (K, G, rows, columns), which matmul passes to cuBLAS.
"""

from collections.abc import Callable

from ..backend import Array, xp
from .fast import stacks
from .fast.component_transforms import left_transform, right_transform
from .fast.stacks import Pair, Plan, make_plan
from .plain import block_weight

FLOPS_PER_ELEMENT_MOVED = 64  # float32 operations in the time of one memory access: A100 40, H100 80 (data sheets)


def is_profitable(kernel: tuple[int, ...]) -> bool:
    """Return whether eight products are faster than one real product for a quaternion kernel (4, KH, KW, C/G, O).

    For each pixel they save 16 KH·KW·C·O operations, and read or write 8 KH·KW·C + 16 O numbers more
    (docs/decisions/0013).
    """
    _, kh, kw, channels, outputs = kernel
    taps = kh * kw
    return 16 * taps * channels * outputs >= FLOPS_PER_ELEMENT_MOVED * (8 * taps * channels + 16 * outputs)


def expand_to_real(w: Array) -> Array:
    """Return a quaternion kernel for which eight products are not profitable as (1, KH, KW, 4C, 4O), others as is."""
    return block_weight(w)[None] if len(w) == 4 and not is_profitable(w.shape) else w


def convolve(x: Array, w: Array, stride: Pair, padding: Pair, dilation: Pair = (1, 1), groups: int = 1) -> Array:
    """Return w ⊗ x, for P = 1 the real correlation: (N, OH, OW, P·O)."""
    plan = make_plan(x.shape, w.shape, stride, padding, dilation, groups)
    return run(x, transform_kernel(w, groups), plan, stacks.transform_output)


def run(x: Array, kernel: Array, plan: Plan, epilogue: Callable[[Array, Plan], Array]) -> Array:
    """Return the convolution of `x` with a transformed `kernel`.

    `epilogue` computes the output rows (rows, P·O) from products (K, rows, O).
    """

    def work(images: Array) -> Array:
        rows = stacks.patches(images, plan, right_transform(plan.components))
        y = epilogue(stacks.merge_groups(rows @ kernel), plan)
        return y.reshape(len(images), *plan.size, y.shape[-1])

    return stacks.concatenate_batch([work(x[part]) for part in plan.batch_slices(len(x), x.itemsize)])


def transform_kernel(w: Array, groups: int = 1, *, conjugate: bool = False) -> Array:
    """Return the transformed components (K, G, KH·KW·C/G, O/G) of a kernel (P, KH, KW, C/G, O), or of its conjugate."""
    p, kh, kw, channels, outputs = w.shape
    transformed = stacks.transform_input(w.reshape(1, p, -1), left_transform(p, conjugate=conjugate))
    return stacks.split_groups(transformed.reshape(len(transformed), kh * kw * channels, outputs), groups)


def input_gradient(
    grad: Array,
    w: Array,
    shape: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Return w* ⊗ grad of `shape` (N, H, W, P·C), for the upstream gradient (N, OH, OW, P·O) of `convolve`."""
    plan = make_plan(shape, w.shape, stride, padding, dilation, groups)
    kernel = xp.ascontiguousarray(transform_kernel(w, groups, conjugate=True).swapaxes(-1, -2))  # for CuPy's matmul

    def work(grads: Array) -> Array:
        right = stacks.pixels(grads, plan, right_transform(plan.components))
        return stacks.sum_patches(right @ kernel, (len(grads), shape[1], shape[2], shape[3]), plan)

    return stacks.concatenate_batch([work(grad[part]) for part in plan.batch_slices(len(grad), grad.itemsize)])


def weight_gradient(
    x: Array,
    grad: Array,
    kernel: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Return grad ⊗ x* summed over pixels, of the shape `kernel` = (P, KH, KW, C/G, O)."""
    plan = make_plan(x.shape, kernel, stride, padding, dilation, groups)

    def work(part: slice) -> Array:
        right = stacks.patches(x[part], plan, right_transform(plan.components, conjugate=True))
        return _transposed_product(right, stacks.pixels(grad[part], plan, left_transform(plan.components)))

    total = stacks.merge_groups(sum(map(work, plan.batch_slices(len(x), x.itemsize))))  # (K, KH·KW·C/G, O)
    return stacks.transform_output(total.reshape(len(total), 1, -1), plan).reshape(kernel)


def _transposed_product(a: Array, b: Array) -> Array:
    """Return aᵀ b for each matrix of two stacks.

    CuPy copies a transposed stack of matrices before it multiplies, but not a single transposed matrix.
    """
    if a.shape[1] > 1:  # many small matrices: one copy costs less than many calls
        return a.swapaxes(-1, -2) @ b
    return xp.stack([p.T @ q for p, q in zip(a[:, 0], b[:, 0], strict=True)])[:, None]
