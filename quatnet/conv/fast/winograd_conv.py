"""Convolution with kernels three rows high and stride 1, real and quaternion, and its two gradients, by Winograd.

Each tile is computed in five steps, in memory that stays in cache. K = 8 for quaternions, 1 for real numbers:

    pad               rows of pixels, zero-padded, components separated         row_tiles.padded_rows
    input transform   6 rows of P components to 6 x K transformed, one matrix   transforms.input_transform
    multiply          by the transformed kernel, one call of matmul             _multiply
    output transform  6 x K products to 4 rows of P components, one matrix      transforms.output_transform
    epilogue          write to the image, channels last                         row_tiles.output_views

The input gradient is a convolution too: w* ⊗ grad, with the kernel rotated by 180 degrees. The weight gradient is
computed in the transformed domain: y = Aᵀ[(G w)·(Bᵀ d)] is linear in w, and its adjoint is Gᵀ[(A grad)·(Bᵀ d)].
"""

from collections.abc import Callable

import numpy as np

from ...backend import Array
from ...threads import matmul, parallel_for, parallel_map
from . import row_tiles, transforms
from .tiles import LARGE_KERNEL, Plan, Tile, even_slices, make_plan, make_tiles, split_components, workspace
from .winograd import PRODUCTS, TAPS


def convolve(x: Array, w: Array, padding: tuple[int, int]) -> Array:
    """Return w ⊗ x: `x` (N, H, W, P·C), `w` (P, 3, KW, C, O) -> (N, OH, OW, P·O), P = 1 or 4 components."""
    return _convolve(x, transform_kernel(w), make_plan(x.shape, w.shape, padding))


def input_gradient(grad: Array, w: Array, padding: tuple[int, int]) -> Array:
    """Return w* ⊗ grad (N, H, W, P·C) for the upstream gradient `grad` (N, OH, OW, P·O) of `convolve`.

    This is a convolution with the kernel conjugated, rotated by 180 degrees, and its channels in and out swapped.
    """
    flipped = w[:, :, ::-1].swapaxes(3, 4)  # the columns; `transform_kernel` flips the rows
    plan = make_plan(grad.shape, flipped.shape, (TAPS - 1 - padding[0], w.shape[2] - 1 - padding[1]))
    return _convolve(grad, transform_kernel(flipped, for_input_gradient=True), plan)


def _convolve(x: Array, kernel: Array, plan: Plan) -> Array:
    y = np.empty((plan.batch, plan.height, plan.width, plan.components * plan.out_channels), dtype=x.dtype)
    x, images = split_components(x, plan.components), split_components(y, plan.components)
    run(x, kernel, plan, lambda rows, tile: np.copyto(*row_tiles.output_views(rows, images, tile)))
    return y


def run(x: Array, kernel: Array, plan: Plan, epilogue: Callable[[Array, Tile], None]) -> None:
    """Convolve `x` (N, H, W, P, C) with a transformed `kernel`, and call `epilogue(rows, tile)` for each tile."""

    def work(tile: Tile) -> None:
        v = row_tiles.transform_input(x, plan, tile)
        m = _multiply(row_tiles.patches(v, plan, tile), kernel[..., tile.out_channels])
        epilogue(row_tiles.transform_output(m, plan, tile), tile)

    parallel_for(work, make_tiles(plan, x.itemsize))


def _multiply(patches: Array, kernel: Array) -> Array:
    """Return the products (6, K, pixels, O), the pixels of all phases in order."""
    k, transformed, phases, count, _ = patches.shape
    m = workspace("products", (k, transformed, count, phases, kernel.shape[-1]), patches.dtype)
    np.matmul(patches, kernel[:, :, None], out=m.transpose(0, 1, 3, 2, 4))
    return m.reshape(k, transformed, count * phases, -1)


def transform_kernel(w: Array, *, for_input_gradient: bool = False) -> Array:
    """Return the left operands (6, K, KW·C, O) of a kernel (P, 3, KW, C, O).

    With `for_input_gradient`, of w* with its rows flipped.
    """
    components, _, taps, channels, outputs = w.shape
    matrix = transforms.kernel_transform(components, w.dtype, for_input_gradient=for_input_gradient)
    u = np.empty((len(matrix), taps, channels, outputs), dtype=w.dtype)

    def work(part: slice) -> None:
        rows = np.ascontiguousarray(w[:, :, :, part].reshape(-1, taps, (part.stop - part.start) * outputs))
        np.matmul(matrix, rows.swapaxes(0, 1), out=u[:, :, part].reshape(len(u), taps, -1).swapaxes(0, 1))

    parallel_for(work, even_slices(channels, max(1, (1 << 20) // u[:, :, 0].nbytes)))
    return u.reshape(PRODUCTS, -1, taps * channels, outputs)


def weight_gradient(x: Array, grad: Array, kernel: tuple[int, ...], padding: tuple[int, int]) -> Array:
    """Return grad ⊗ x* summed over pixels, of the shape `kernel` = (P, 3, KW, C, O)."""
    plan = make_plan(x.shape, kernel, padding)
    plan = plan._replace(polyphase=plan.polyphase and kernel[3] * kernel[4] < LARGE_KERNEL)
    shape = (PRODUCTS, plan.num_transformed, plan.kernel_width * plan.in_channels, plan.out_channels)
    total = np.zeros(shape, dtype=x.dtype)
    tiles = make_tiles(plan, x.itemsize)
    x, grad = split_components(x, plan.components), split_components(grad, plan.components)

    def work(tile: Tile) -> Array:
        left = row_tiles.transform_grad(grad, plan, tile)
        right = row_tiles.patches(row_tiles.transform_input(x, plan, tile, conjugate=True), plan, tile)
        left = left.reshape(*left.shape[:2], -1, right.shape[2], left.shape[-1]).swapaxes(2, 3)
        product = right.swapaxes(-1, -2) @ left
        return product.sum(axis=2) if plan.polyphase else product[:, :, 0]

    for tile, part in zip(tiles, parallel_map(work, tiles), strict=True):
        total[..., tile.out_channels] += part
    matrix = transforms.weight_gradient_transform(kernel[0], total.dtype)
    return matmul(matrix, total.reshape(matrix.shape[1], -1)).reshape(kernel)
