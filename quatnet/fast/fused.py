"""Convolution, scale and shift, relu and 2 x 2 average pool in one walk, for inference.

What follows a convolution is applied to the rows of a tile while they are in cache. A batch norm at evaluation is the
scale γ / sqrt(σ² + ε) and the shift β - μ γ / sqrt(σ² + ε); relu(s y) / 4 = relu(s y / 4), so the pool needs sums only.
And relu(y + b) = max(y, -b) + b: the shift is added on the way into the image, once for the four that a pool sums.

On a GPU a kernel does scale, shift and relu while it brings products back to components, and another one pools.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import kernels
from ..backend import Array
from . import convolution, direct, forms, gpu, mixing, stacks, strips
from .tiles import Tile, components_of, plan_of, scratch

ENOUGH_PIXELS = 256  # the transformed kernel is there already, so it pays sooner than in training


class Layer(NamedTuple):
    """A convolution that keeps the size, stride 1, with all that follows it."""

    weight: Array  # (P, KH, KW, C, O)
    scale: Array  # (P·O,)
    shift: Array  # (P·O,)
    pool: bool
    kernels: dict[str, Array]  # `weight`, prepared for each form when first used


def layer(weight: Array, scale: Array, shift: Array, *, pool: bool) -> Layer:
    """Return the layer of a kernel (P, KH, KW, C, O), P = 1 or 4, with what each form needs still to be prepared."""
    if kernels.takes(weight, scale, shift):
        return Layer(gpu.widened(weight), scale, shift, pool, {})
    share = scale.dtype.type(0.25 if pool else 1)
    return Layer(forms.widened(weight), scale * share, shift * share, pool, {})


def apply(x: Array, layer: Layer) -> Array:
    """Return relu(scale · (w ⊗ x) + shift), pooled where the layer says so: (N, H, W, P, C) -> (N, H', W', P, O).

    The components of the result lie apart in memory: the next layer reads them in longer runs.
    """
    if kernels.takes(x, layer.weight):
        return _on_gpu(_closed(x), layer)
    x = _opened(x, len(layer.weight))
    padding = (layer.weight.shape[1] // 2, layer.weight.shape[2] // 2)
    if forms.takes_strips(x.shape, layer.weight.shape, (1, 1), padding, ENOUGH_PIXELS):
        return _strips(x, layer, padding)
    sums = _prepared(layer, "direct", direct.added)
    y = direct.convolve(_closed(x), layer.weight, (1, 1), padding, sums)
    np.add(np.multiply(y, layer.scale, out=y), layer.shift, out=y)
    np.maximum(y, 0, out=y)
    return _opened((_pooled(y) if layer.pool else y)[:, :, :, None], len(layer.weight))


def _on_gpu(x: Array, layer: Layer) -> Array:
    kernel = layer.weight.shape
    plan = gpu.plan_of(x.shape, kernel, (1, 1), (kernel[1] // 2, kernel[2] // 2), (1, 1), 1)

    def close(products: Array, plan: stacks.Plan) -> Array:
        if plan.components == 1:
            return kernels.normalise.affine(products[0], layer.scale, layer.shift, relu=True)
        y = kernels.eight.unmix_relu(products, mixing.back(4), layer.scale, layer.shift)
        return y.reshape(len(y), len(layer.scale))

    y = gpu.applied(x, _prepared(layer, "gpu", gpu.left_operands), plan, close)
    return _opened((kernels.pooling.average(y, 2) if layer.pool else y)[:, :, :, None], plan.components)


def _opened(x: Array, components: int) -> Array:
    """Return images of P components as images of another number of them."""
    return x if x.shape[3] == components else components_of(_closed(x), components)


def _closed(x: Array) -> Array:
    return x.reshape(*x.shape[:3], x.shape[3] * x.shape[4])


def _prepared(layer: Layer, form: str, prepare: Callable[[Array], Array]) -> Array:
    if form not in layer.kernels:
        layer.kernels[form] = prepare(layer.weight)
    return layer.kernels[form]


def _pooled(y: Array) -> Array:
    height, width = y.shape[1] // 2 * 2, y.shape[2] // 2 * 2
    corners = [y[:, i:height:2, j:width:2] for i in range(2) for j in range(2)]
    return corners[0] + corners[1] + corners[2] + corners[3]


def _strips(x: Array, layer: Layer, padding: tuple[int, int]) -> Array:
    components, _, _, _, outputs = layer.weight.shape
    plan, share = plan_of(x.shape, layer.weight.shape, padding), 2 if layer.pool else 1
    y = np.empty((components, plan.clips, plan.height // share, plan.width // share, outputs), dtype=x.dtype)
    images = y.transpose(1, 2, 3, 0, 4)
    kernel = _prepared(layer, "strips", convolution.transformed_kernel)
    convolution.run(x, kernel, plan, lambda rows, tile: _close(rows, layer, images, tile))
    return images


def _close(rows: Array, layer: Layer, images: Array, tile: Tile) -> None:
    """Scale, relu, pool and shift the rows (n, 4s, P, pitch, O) of a tile, on the way into `images`."""
    clips, height, components, pitch, outputs = rows.shape
    scale, shift = (v.reshape(components, 1, -1)[..., tile.outputs] for v in (layer.scale, layer.shift))
    wide = rows.reshape(clips * height, components, pitch * outputs)
    np.multiply(wide, _along(scale, pitch), out=wide)
    np.maximum(wide, _along(-shift, pitch), out=wide)
    target, source = strips.place(_summed(rows) if layer.pool else rows, images, tile)
    share = 4 if layer.pool else 1
    np.add(source, np.repeat(share * shift, source.shape[3], axis=1), out=target)


def _along(channel: Array, pitch: int) -> Array:
    """Repeat (P, 1, O) for all pixels of a row, (P, pitch·O): NumPy's inner loops are long then."""
    return np.tile(channel[:, 0], pitch)


def _summed(rows: Array) -> Array:
    """Return the sums of 2 x 2 pixels, in scratch memory; the rows are overwritten."""
    clips, height, components, pitch, outputs = rows.shape
    pairs = rows.reshape(clips, height // 2, 2, components, pitch, outputs)[:, :, :, :, : pitch // 2 * 2]
    added = np.add(pairs[:, :, 0], pairs[:, :, 1], out=pairs[:, :, 0])
    pooled = scratch("sums", (clips, height // 2, components, pitch // 2, outputs), rows.dtype)
    return np.add(added[:, :, :, 0::2], added[:, :, :, 1::2], out=pooled)
