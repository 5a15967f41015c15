"""Convolution on a GPU, real and quaternion, with all options: patches by a kernel, one batched product, a kernel back.

    x (N, H, W, P·C)    w (P, KH, KW, C/G, O)    y (N, OH, OW, P·O)    P = 1 real or 4 quaternion components, G groups

A quaternion takes eight planes through the product (`mixing`), a real number one. Kernels mix the components while they
write patches of them, and bring products back to components while they add patches up:

    y  = w ⊗ x     BACK [patches of (RIGHT x) · (LEFT w)]
    gx = w* ⊗ g    image of BACK [(RIGHT g) · (LEFT w*)ᵀ]
    gw = g ⊗ x*    BACK [Σ patches of (RIGHT x*)ᵀ · (LEFT g)]

The products are stacks of matrices (planes, G, rows, columns), which matmul gives to cuBLAS.
"""

from collections.abc import Callable

from ..backend import Array, xp
from .fast import mixing, stacks
from .fast.stacks import Pair, Plan, plan_of
from .plain import block_weight

OPERATIONS_A_NUMBER = 64  # of float32, in the time that it takes to move one: A100 40, H100 80, by their data sheets


def pays(kernel: tuple[int, ...]) -> bool:
    """Return whether a quaternion kernel (4, KH, KW, C/G, O) is better taken in eight products than as a real one.

    For each pixel they spare 16 KH·KW·C·O operations, and 8 KH·KW·C + 16 O numbers more are written or read
    (docs/decisions/0013).
    """
    _, kh, kw, channels, outputs = kernel
    taps = kh * kw
    return 16 * taps * channels * outputs >= OPERATIONS_A_NUMBER * (8 * taps * channels + 16 * outputs)


def widened(w: Array) -> Array:
    """Return a quaternion kernel for which eight products do not pay as (1, KH, KW, 4C, 4O), any other as it is."""
    return block_weight(w)[None] if len(w) == 4 and not pays(w.shape) else w


def convolve(x: Array, w: Array, stride: Pair, padding: Pair, dilation: Pair = (1, 1), groups: int = 1) -> Array:
    """Return w ⊗ x, for P = 1 the real correlation: (N, OH, OW, P·O)."""
    plan = plan_of(x.shape, w.shape, stride, padding, dilation, groups)
    return applied(x, left_operands(w, groups), plan, stacks.unmixed)


def applied(x: Array, left: Array, plan: Plan, close: Callable[[Array, Plan], Array]) -> Array:
    """Return the convolution of `x` with `left_operands`; `close` makes rows (rows, P·O) of products."""

    def work(clips: Array) -> Array:
        rows = stacks.patches(clips, plan, mixing.right(plan.components))
        y = close(stacks.ungrouped(rows @ left), plan)
        return y.reshape(len(clips), *plan.size, y.shape[-1])

    return stacks.joined_clips([work(x[part]) for part in plan.pieces(len(x), x.itemsize)])


def left_operands(w: Array, groups: int = 1, *, conjugated: bool = False) -> Array:
    """Return the planes (planes, G, KH·KW·C/G, O/G) of a kernel (P, KH, KW, C/G, O), or of its conjugate."""
    p, kh, kw, channels, outputs = w.shape
    planes = stacks.mixed(w.reshape(1, p, -1), mixing.left(p, conjugated=conjugated))
    return stacks.grouped(planes.reshape(len(planes), kh * kw * channels, outputs), groups)


def input_gradient(
    g: Array,
    w: Array,
    shape: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Return w* ⊗ g for the cotangent `g` (N, OH, OW, P·O) of `convolve`, as images of `shape` (N, H, W, P·C)."""
    plan = plan_of(shape, w.shape, stride, padding, dilation, groups)
    left = xp.ascontiguousarray(left_operands(w, groups, conjugated=True).swapaxes(-1, -2))  # CuPy's matmul asks for it

    def work(clips: Array) -> Array:
        right = stacks.pixels(clips, plan, mixing.right(plan.components))
        return stacks.image(right @ left, (len(clips), shape[1], shape[2], shape[3]), plan)

    return stacks.joined_clips([work(g[part]) for part in plan.pieces(len(g), g.itemsize)])


def kernel_gradient(
    x: Array,
    g: Array,
    kernel: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Return g ⊗ x* summed over pixels, of the shape `kernel` = (P, KH, KW, C/G, O)."""
    plan = plan_of(x.shape, kernel, stride, padding, dilation, groups)

    def work(part: slice) -> Array:
        right = stacks.patches(x[part], plan, mixing.right(plan.components, conjugated=True))
        return _transposed_product(right, stacks.pixels(g[part], plan, mixing.left(plan.components)))

    total = stacks.ungrouped(sum(map(work, plan.pieces(len(x), x.itemsize))))  # (planes, KH·KW·C/G, O)
    return stacks.unmixed(total.reshape(len(total), 1, -1), plan).reshape(kernel)


def _transposed_product(a: Array, b: Array) -> Array:
    """Return aᵀ b for each matrix of two stacks. CuPy copies what is transposed in a stack, but not a matrix alone."""
    if a.shape[1] > 1:  # many small matrices: a copy costs less than as many calls
        return a.swapaxes(-1, -2) @ b
    return xp.stack([p.T @ q for p, q in zip(a[:, 0], b[:, 0], strict=True)])[:, None]
