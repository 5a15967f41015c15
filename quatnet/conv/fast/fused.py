"""Convolution, scale and shift, relu and 2 x 2 average pool in one walk, for inference.

What follows a convolution is applied to the rows of a tile while they are in cache. A batch norm at evaluation is the
scale γ / sqrt(σ² + ε) and the shift β - μ γ / sqrt(σ² + ε); relu(s y) / 4 = relu(s y / 4), so the pool needs sums only.
And relu(y + b) = max(y, -b) + b: the shift is added on the way into the image, once for the four that a pool sums.

On a GPU a kernel does scale, shift and relu while it brings products back to components, and another one pools.
"""

from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np

from ... import kernels
from ...backend import Array
from .. import gpu
from . import convolution, direct, forms, mixing, patched, stacks, strips
from .tiles import Tile, components_of, plan_of, scratch


class Layer(NamedTuple):
    """A convolution that keeps the size, stride 1, with all that follows it."""

    weight: Array  # (P, KH, KW, C, O)
    scale: Array | None  # (P·O,), None where `weight` has it
    shift: Array  # (P·O,)
    pool: bool
    prepared: dict[Hashable, Array]  # what each form needs, when first used


def layer(weight: Array, scale: Array, shift: Array, *, pool: bool) -> Layer:
    """Return the layer of a kernel (P, KH, KW, C, O), P = 1 or 4, with what each form needs still to be prepared.

    A real kernel takes the scale with it. A quaternion kernel cannot: its four results have scales of their own.
    """
    if kernels.takes(weight, scale, shift):
        return Layer(gpu.widened(weight), scale, shift, pool, {})
    weight, share = forms.widened(weight), scale.dtype.type(0.25 if pool else 1)
    scale, shift = scale * share, shift * share
    return Layer(weight * scale, None, shift, pool, {}) if len(weight) == 1 else Layer(weight, scale, shift, pool, {})


def apply(x: Array, layer: Layer) -> Array:
    """Return relu(scale · (w ⊗ x) + shift), pooled where the layer says so: (N, H, W, P, C) -> (N, H', W', P, O).

    The components of the result lie apart in memory: the next layer reads them in longer runs.
    """
    if kernels.takes(x, layer.weight):
        return _on_gpu(_closed(x), layer)
    x = _split_components(x, len(layer.weight))
    padding = (layer.weight.shape[1] // 2, layer.weight.shape[2] // 2)
    if forms.takes_strips(x.shape, layer.weight.shape, (1, 1), padding, ready=True):
        return _strips(x, layer, padding)
    if forms.takes_patches(x.shape, layer.weight.shape):
        return _patched(x, layer, padding)
    sums = _prepared(layer, "direct", direct.added)
    y = direct.convolve(_closed(x), layer.weight, (1, 1), padding, sums)
    if layer.scale is not None:
        np.multiply(y, layer.scale, out=y)
    np.add(y, layer.shift, out=y)
    np.maximum(y, 0, out=y)
    return _split_components((_pooled(y) if layer.pool else y)[:, :, :, None], len(layer.weight))


def _on_gpu(x: Array, layer: Layer) -> Array:
    kernel = layer.weight.shape
    plan = gpu.plan_of(x.shape, kernel, (1, 1), (kernel[1] // 2, kernel[2] // 2), (1, 1), 1)

    def close(products: Array, plan: stacks.Plan) -> Array:
        if plan.components == 1:
            return kernels.normalize.affine(products[0], layer.scale, layer.shift, relu=True)
        y = kernels.eight.unmix_relu(products, mixing.back(4), layer.scale, layer.shift)
        return y.reshape(len(y), len(layer.shift))

    y = gpu.applied(x, _prepared(layer, "gpu", gpu.left_operands), plan, close)
    return _split_components((kernels.pooling.average(y, 2) if layer.pool else y)[:, :, :, None], plan.components)


def _split_components(x: Array, components: int) -> Array:
    """Return images of P components as images of another number of them."""
    return x if x.shape[3] == components else components_of(_closed(x), components)


def _closed(x: Array) -> Array:
    return x.reshape(*x.shape[:3], x.shape[3] * x.shape[4])


def _prepared(layer: Layer, form: str, prepare: Callable[[Array], Array]) -> Array:
    if form not in layer.prepared:
        layer.prepared[form] = prepare(layer.weight)
    return layer.prepared[form]


def _pooled(y: Array) -> Array:
    height, width = y.shape[1] // 2 * 2, y.shape[2] // 2 * 2
    corners = [y[:, i:height:2, j:width:2] for i in range(2) for j in range(2)]
    return corners[0] + corners[1] + corners[2] + corners[3]


def _strips(x: Array, layer: Layer, padding: tuple[int, int]) -> Array:
    images = _empty(x, layer)
    kernel = _prepared(layer, "strips", convolution.transformed_kernel)

    def close(rows: Array, tile: Tile) -> None:
        target, source = strips.place(_relu(rows, layer, tile.outputs), images, tile)
        _shift(source, layer, tile.outputs, target)

    convolution.run(x, kernel, plan_of(x.shape, layer.weight.shape, padding), close)
    return images


def _patched(x: Array, layer: Layer, padding: tuple[int, int]) -> Array:
    images, window = _empty(x, layer), direct.Window(layer.weight.shape[1:3], (1, 1), padding)

    def close(rows: Array, clips: slice) -> None:
        every = slice(None)
        _shift(_relu(rows.swapaxes(2, 3), layer, every), layer, every, images[clips].swapaxes(2, 3))

    patched.run(x, _prepared(layer, "patched", patched.left_operand), window, close)
    return images


def _empty(x: Array, layer: Layer) -> Array:
    """Return memory for the result, (N, H', W', P, O), components apart."""
    (n, height, width), share = x.shape[:3], 2 if layer.pool else 1
    y = np.empty((len(layer.weight), n, height // share, width // share, layer.weight.shape[4]), dtype=x.dtype)
    return y.transpose(1, 2, 3, 0, 4)


def _relu(rows: Array, layer: Layer, outputs: slice) -> Array:
    """Return max(scale · rows, -shift) for rows (n, h, P, w, o) of some outputs, and 4 times their mean if pooled."""
    clips, height, components, width, count = rows.shape
    wide = rows.reshape(clips * height, components, width * count)
    if layer.scale is not None:
        np.multiply(wide, _along(layer, "scale", outputs, width), out=wide)
    np.maximum(wide, _along(layer, "least", outputs, width), out=wide)
    return _summed(rows) if layer.pool else rows


def _shift(rows: Array, layer: Layer, outputs: slice, out: Array) -> None:
    """Write `rows` (n, h, P, w, o) + shift to `out`, for each of the four rows that a pool has summed."""
    np.add(rows, _along(layer, "shift", outputs, rows.shape[3]).reshape(rows.shape[2:]), out=out)


def _along(layer: Layer, name: str, outputs: slice, width: int) -> Array:
    """Return a vector for some outputs of all pixels of a row, (P, w·o): NumPy's inner loops are long then."""
    key = name, outputs.start, width
    if key not in layer.prepared:
        vectors = {"scale": layer.scale, "least": -layer.shift, "shift": layer.shift * (4 if layer.pool else 1)}
        layer.prepared[key] = np.tile(vectors[name].reshape(len(layer.weight), -1)[:, outputs], width)
    return layer.prepared[key]


def _summed(rows: Array) -> Array:
    """Return the sums of 2 x 2 pixels, in scratch memory; the rows are overwritten."""
    clips, height, components, width, outputs = rows.shape
    height, width = height // 2, width // 2
    pairs = rows[:, : 2 * height, :, : 2 * width].reshape(clips, height, 2, components, 2 * width, outputs)
    added = np.add(pairs[:, :, 0], pairs[:, :, 1], out=pairs[:, :, 0])
    pooled = scratch("sums", (clips, height, components, width, outputs), rows.dtype)
    return np.add(added[:, :, :, 0::2], added[:, :, :, 1::2], out=pooled)
