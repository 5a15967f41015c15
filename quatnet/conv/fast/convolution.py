"""Convolution with kernels three rows high and stride 1, real and quaternion, and its two gradients.

A tile goes through five stages, in memory that stays in cache:

    open       rows of pixels with zeros around them, components apart             strips.open_rows
    transform  6 rows of 4 components to 6 x 8 planes, one matrix                  transforms.of_image
    multiply   each plane with its part of the transformed kernel                  one call of matmul
    transform  6 x 8 planes to 4 rows of 4 components, one matrix                  transforms.of_products
    close      into the image, components side by side                             strips.place

The gradient for the image is such a convolution too, w* ⊗ g with the kernel turned by 180 degrees. The gradient for
the kernel multiplies image and cotangent in the transformed domain: y = Aᵀ[(G w)·(Bᵀ d)] is linear in w, and its
adjoint is Gᵀ[(A g)·(Bᵀ d)].
"""

from collections.abc import Callable

import numpy as np

from ...backend import Array
from ...threads import map_on_cores, matmul, run_on_cores
from . import strips, transforms
from .tiles import LARGE, Plan, Tile, components_of, plan_of, scratch, slices, tiles
from .winograd import PRODUCTS, TAPS


def convolve(x: Array, w: Array, padding: tuple[int, int]) -> Array:
    """Return w ⊗ x: `x` (N, H, W, P·C), `w` (P, 3, KW, C, O) -> (N, OH, OW, P·O), P = 1 or 4 components."""
    return _convolve(x, transformed_kernel(w), plan_of(x.shape, w.shape, padding))


def input_gradient(g: Array, w: Array, padding: tuple[int, int]) -> Array:
    """Return w* ⊗ g for the cotangent `g` (N, OH, OW, P·O) of `convolve`: (N, H, W, P·C).

    That is a convolution with the kernel turned by 180 degrees, its channels exchanged, and conjugated.
    """
    turned = w[:, :, ::-1].swapaxes(3, 4)
    plan = plan_of(g.shape, turned.shape, (TAPS - 1 - padding[0], w.shape[2] - 1 - padding[1]))
    return _convolve(g, transformed_kernel(turned, turned=True), plan)


def _convolve(x: Array, kernel: Array, plan: Plan) -> Array:
    y = np.empty((plan.clips, plan.height, plan.width, plan.components * plan.outputs), dtype=x.dtype)
    x, images = components_of(x, plan.components), components_of(y, plan.components)
    run(x, kernel, plan, lambda rows, tile: np.copyto(*strips.place(rows, images, tile)))
    return y


def run(x: Array, kernel: Array, plan: Plan, close: Callable[[Array, Tile], None]) -> None:
    """Convolve `x` (N, H, W, P, C) with a transformed `kernel`; `close` is given the rows of each tile."""

    def work(tile: Tile) -> None:
        v = strips.transformed_image(x, plan, tile)
        m = _multiply(strips.patches(v, plan, tile), kernel[..., tile.outputs])
        close(strips.rows_of_products(m, plan, tile), tile)

    run_on_cores(work, tiles(plan, x.itemsize))


def _multiply(patches: Array, kernel: Array) -> Array:
    """Return the products (6, planes, pixels, O), the pixels of all phases in order."""
    k, planes, phases, count, _ = patches.shape
    m = scratch("products", (k, planes, count, phases, kernel.shape[-1]), patches.dtype)
    np.matmul(patches, kernel[:, :, None], out=m.transpose(0, 1, 3, 2, 4))
    return m.reshape(k, planes, count * phases, -1)


def transformed_kernel(w: Array, *, turned: bool = False) -> Array:
    """Return the left operands (6, planes, KW·C, O) of a kernel (P, 3, KW, C, O), or of w* with its rows turned."""
    components, _, taps, channels, outputs = w.shape
    matrix = transforms.of_kernel(components, w.dtype, turned=turned)
    u = np.empty((len(matrix), taps, channels, outputs), dtype=w.dtype)

    def work(part: slice) -> None:
        rows = np.ascontiguousarray(w[:, :, :, part].reshape(-1, taps, (part.stop - part.start) * outputs))
        np.matmul(matrix, rows.swapaxes(0, 1), out=u[:, :, part].reshape(len(u), taps, -1).swapaxes(0, 1))

    run_on_cores(work, slices(channels, max(1, (1 << 20) // u[:, :, 0].nbytes)))
    return u.reshape(PRODUCTS, -1, taps * channels, outputs)


def kernel_gradient(x: Array, g: Array, kernel: tuple[int, ...], padding: tuple[int, int]) -> Array:
    """Return g ⊗ x* summed over pixels, of the shape `kernel` = (P, 3, KW, C, O)."""
    plan = plan_of(x.shape, kernel, padding)
    plan = plan._replace(phases=plan.phases and kernel[3] * kernel[4] < LARGE)
    total = np.zeros((PRODUCTS, plan.planes, plan.taps * plan.channels, plan.outputs), dtype=x.dtype)
    cut = tiles(plan, x.itemsize)
    images, cotangents = components_of(x, plan.components), components_of(g, plan.components)

    def work(tile: Tile) -> Array:
        left = strips.transformed_cotangent(cotangents, plan, tile)
        right = strips.patches(strips.transformed_image(images, plan, tile, conjugated=True), plan, tile)
        left = left.reshape(*left.shape[:2], -1, right.shape[2], left.shape[-1]).swapaxes(2, 3)
        product = right.swapaxes(-1, -2) @ left
        return product.sum(axis=2) if plan.phases else product[:, :, 0]

    for tile, part in zip(cut, map_on_cores(work, cut), strict=True):
        total[..., tile.outputs] += part
    return matmul(transforms.to_kernel(kernel[0], x.dtype), total.reshape(PRODUCTS * plan.planes, -1)).reshape(kernel)
