"""Convolution with kernels three rows high and stride 1, real and quaternion, and its two gradients.

A tile goes through five stages, in memory that stays in cache:

    open       rows of pixels with zeros around them, components apart             strips.open_rows
    transform  Bᵀ along the rows, then the sums of the eight products              winograd, mixing
    multiply   each of 6 x 8 planes with its part of the transformed kernel        one call of matmul
    transform  the sums that lead back to components, then Aᵀ                      mixing, winograd
    close      into the image, components side by side                             strips.close_rows

The gradient for the image is such a convolution too, w* ⊗ g with the kernel turned by 180 degrees. The gradient for
the kernel multiplies image and cotangent in the transformed domain: y = Aᵀ[(G w)·(Bᵀ d)] is linear in w, and its
adjoint is Gᵀ[(A g)·(Bᵀ d)].
"""

from collections.abc import Callable

import numpy as np

from ..backend import Array
from ..threads import map_on_cores, run_on_cores
from . import mixing, strips, winograd
from .tiles import LARGE, Plan, Tile, components_of, plan_of, scratch, slices, tiles
from .winograd import PRODUCTS, TAPS


def convolve(x: Array, w: Array, padding: tuple[int, int]) -> Array:
    """Return w ⊗ x: `x` (N, H, W, P·C), `w` (P, 3, KW, C, O) -> (N, OH, OW, P·O), P = 1 or 4 components."""
    return _convolve(x, transformed_kernel(w), plan_of(x.shape, w.shape, padding))


def input_gradient(g: Array, w: Array, padding: tuple[int, int]) -> Array:
    """Return w* ⊗ g for the cotangent `g` (N, OH, OW, P·O) of `convolve`: (N, H, W, P·C).

    That is a convolution with the kernel turned by 180 degrees, its channels exchanged, and conjugated.
    """
    turned = w[:, ::-1, ::-1].swapaxes(3, 4)
    plan = plan_of(g.shape, turned.shape, (TAPS - 1 - padding[0], w.shape[2] - 1 - padding[1]))
    return _convolve(g, transformed_kernel(turned, conjugated=True), plan)


def _convolve(x: Array, kernel: Array, plan: Plan) -> Array:
    y = np.empty((plan.clips, plan.height, plan.width, plan.components * plan.outputs), dtype=x.dtype)
    x, images = components_of(x, plan.components), components_of(y, plan.components)
    run(x, images, kernel, plan, lambda rows, tile: rows)
    return y


def run(x: Array, y: Array, kernel: Array, plan: Plan, finish: Callable[[Array, Tile], Array]) -> None:
    """Convolve `x` (N, H, W, P, C) with a transformed `kernel` into `y`; `finish` may change the rows of a tile."""

    def work(tile: Tile) -> None:
        v = strips.transformed_image(x, plan, tile)
        m = _multiply(strips.patches(v, plan, tile), kernel[..., tile.outputs])
        strips.close_rows(finish(strips.rows_of_products(m, plan, tile), tile), y, tile)

    run_on_cores(work, tiles(plan, x.itemsize))


def _multiply(patches: Array, kernel: Array) -> Array:
    """Return the products (6, planes, pixels, O), the pixels of all phases in order."""
    k, planes, phases, count, _ = patches.shape
    m = scratch("products", (k, planes, count, phases, kernel.shape[-1]), patches.dtype)
    np.matmul(patches, kernel[:, :, None], out=m.transpose(0, 1, 3, 2, 4))
    return m.reshape(k, planes, count * phases, -1)


def transformed_kernel(w: Array, *, conjugated: bool = False) -> Array:
    """Return the left operands (6, planes, KW·C, O) of a kernel (P, 3, KW, C, O), or of w*."""
    components, _, taps, channels, outputs = w.shape
    planes = mixing.PLANES if components == 4 else 1
    u = np.empty((PRODUCTS, planes, taps, channels, outputs), dtype=w.dtype)

    def work(part: slice) -> None:
        some = u[:, :, :, part]
        t = scratch("kernel", (2, 2, *some[:, 0].shape), w.dtype)
        for plane, component in enumerate(mixing.LEFT_ORDER[:components], planes - components):
            winograd.transform_taps(w[component, :, :, part], some[:, plane], t[0, 0, :4])
            if conjugated and component:
                np.multiply(some[:, plane], w.dtype.type(-1), out=some[:, plane])
        if components == 4:
            mixing.mix(some, mixing.LEFT_ORDER, t)
            mixing.scale(some)

    run_on_cores(work, slices(channels, max(1, (1 << 20) // u[:, :, :, 0].nbytes)))
    return u.reshape(PRODUCTS, planes, taps * channels, outputs)


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
    return _back_to_taps(total, kernel)


def _back_to_taps(total: Array, kernel: tuple[int, ...]) -> Array:
    """Leave the transformed domain: the factors and sums of the eight products, then Gᵀ."""
    if kernel[0] == 4:
        mixing.scale(total)
        total = mixing.unmix(total, np.empty((2, 2, *total[:, 0].shape), dtype=total.dtype))
    g = winograd.matrices()[1].astype(total.dtype)
    return np.moveaxis(np.tensordot(g, total, axes=(0, 0)), 0, 1).reshape(kernel)
