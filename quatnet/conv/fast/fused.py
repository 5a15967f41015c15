"""Convolution fused with scale, shift, ReLU and 2 x 2 average pooling, for inference.

The epilogue of a convolution is applied to the rows of a tile while the rows are in the cache. A batch norm in
evaluation is the scale γ / sqrt(σ² + ε) and the shift β - μ γ / sqrt(σ² + ε), with weight γ, bias β, mean μ and
variance σ². Because relu(s y) / 4 = relu(s y / 4), the factor 1/4 of the pooling is part of the scale s. Because
relu(y + b) = max(y, -b) + b, the shift b is added while the outputs are written, after the pooling.

On a GPU, one CUDA kernel computes output transform, scale, shift and ReLU. Another CUDA kernel computes the pooling.
"""

from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np

from ... import kernels
from ...backend import Array
from .. import gpu
from . import algorithms, component_transforms, direct, gpu_layout, im2col_conv, row_tiles, winograd_conv
from .tiles import Tile, make_shape, split_components, workspace


class FusedConv2d(NamedTuple):
    """A convolution with stride 1 and "same" padding, and its epilogue. P is the number of components."""

    weight: Array  # (P, KH, KW, C, O)
    scale: Array | None  # (P·O,), or None if `weight` includes the scale
    shift: Array  # (P·O,)
    pool: bool
    cache: dict[Hashable, Array]  # transformed kernels and tiled vectors, computed at the first use


def make_layer(weight: Array, scale: Array, shift: Array, *, pool: bool) -> FusedConv2d:
    """Return the fused convolution of a real kernel `weight` (KH, KW, C, O) or a quaternion kernel (4, KH, KW, C, O).

    A real kernel is multiplied by the scale. A quaternion kernel is not multiplied by the scale, because the four
    output components have different scales.
    """
    weight = weight if weight.ndim == 5 else weight[None]
    if kernels.supports(weight, scale, shift):
        return FusedConv2d(gpu.expand_to_real(weight), scale, shift, pool, {})
    weight, factor = algorithms.expand_to_real(weight), scale.dtype.type(0.25 if pool else 1)
    separate, weight = (None, weight * (scale * factor)) if len(weight) == 1 else (scale * factor, weight)
    return FusedConv2d(weight, separate, shift * factor, pool, {})


def fused_conv2d(x: Array, layer: FusedConv2d) -> Array:
    """Return relu(scale · (w ⊗ x) + shift), followed by average pooling if `layer.pool`.

    `x` has the shape (N, H, W, P, C), with P components. The result has the shape (N, H, W, P, O), or
    (N, H // 2, W // 2, P, O) after pooling. On a CPU, P is the first axis of the result in memory, so that the next
    layer reads longer contiguous rows.
    """
    if kernels.supports(x, layer.weight):
        return _gpu(merge_components(x), layer)
    if x.shape[3] != len(layer.weight):
        x = split_components(merge_components(x), len(layer.weight))
    padding = (layer.weight.shape[1] // 2, layer.weight.shape[2] // 2)
    if algorithms.uses_winograd(x.shape, layer.weight.shape, (1, 1), padding, transformed=True):
        return _winograd(x, layer, padding)
    if algorithms.uses_im2col(x.shape, layer.weight.shape):
        return _im2col(x, layer, padding)
    kernel_sums = _cached_kernel(layer, "direct", direct.hadamard_sums)
    y = direct.convolve(merge_components(x), layer.weight, (1, 1), padding, kernel_sums=kernel_sums)
    if layer.scale is not None:
        np.multiply(y, layer.scale, out=y)
    np.add(y, layer.shift, out=y)
    np.maximum(y, 0, out=y)
    y = _sum_pool_in_place(y[:, :, None])[:, :, 0].copy() if layer.pool else y
    return split_components(y, len(layer.weight))


def _gpu(x: Array, layer: FusedConv2d) -> Array:
    kernel = layer.weight.shape
    conv = gpu_layout.make_shape(x.shape, kernel, (1, 1), (kernel[1] // 2, kernel[2] // 2), (1, 1), 1)

    def epilogue(products: Array, conv: gpu_layout.ConvShape) -> Array:
        if conv.components == 1:
            return kernels.normalize.affine(products[0], layer.scale, layer.shift, relu=True)
        matrix = component_transforms.output_transform(4)
        y = kernels.eight_products.output_transform_relu(products, matrix, layer.scale, layer.shift)
        return y.reshape(len(y), len(layer.shift))

    y = gpu.run(x, _cached_kernel(layer, "gpu", gpu.transform_kernel), conv, epilogue)
    return split_components(kernels.pooling.average(y, 2) if layer.pool else y, conv.components)


def merge_components(x: Array) -> Array:
    """Return images `x` (N, H, W, P, C) as (N, H, W, P·C)."""
    return x.reshape(*x.shape[:3], x.shape[3] * x.shape[4])


def _cached_kernel(layer: FusedConv2d, algorithm: str, transform: Callable[[Array], Array]) -> Array:
    if algorithm not in layer.cache:
        layer.cache[algorithm] = transform(layer.weight)
    return layer.cache[algorithm]


def _winograd(x: Array, layer: FusedConv2d, padding: tuple[int, int]) -> Array:
    images = _empty_output(x, layer)
    conv = make_shape(x.shape, layer.weight.shape, padding)
    kernel = _cached_kernel(layer, "winograd", winograd_conv.transform_kernel)

    def epilogue(products: Array, tile: Tile) -> None:
        rows = row_tiles.transform_output(products, conv, tile)
        target, source = row_tiles.output_views(_scale_relu_pool(rows, layer, tile.out_channels), images, tile)
        _add_shift(source, layer, tile.out_channels, target)

    winograd_conv.run(x, kernel, conv, epilogue)
    return images


def _im2col(x: Array, layer: FusedConv2d, padding: tuple[int, int]) -> Array:
    images, options = _empty_output(x, layer), direct.ConvOptions(layer.weight.shape[1:3], (1, 1), padding)

    def epilogue(rows: Array, part: slice) -> None:
        channels = slice(None)
        pooled = _scale_relu_pool(rows.swapaxes(2, 3), layer, channels)
        _add_shift(pooled, layer, channels, images[part].swapaxes(2, 3))

    im2col_conv.run(x, _cached_kernel(layer, "im2col", im2col_conv.transform_kernel), options, epilogue)
    return images


def _empty_output(x: Array, layer: FusedConv2d) -> Array:
    """Return an uninitialized array for the result of `fused_conv2d`, with P as the first axis in memory."""
    (n, height, width), size = x.shape[:3], 2 if layer.pool else 1
    y = np.empty((len(layer.weight), n, height // size, width // size, layer.weight.shape[4]), dtype=x.dtype)
    return y.transpose(1, 2, 3, 0, 4)


def _scale_relu_pool(rows: Array, layer: FusedConv2d, channels: slice) -> Array:
    """Return max(scale · rows, -shift), followed by sums over 2 x 2 pixels if `layer.pool`. `rows` is overwritten.

    `rows` (n, h, P, w, o) has n images, h rows, P components, w columns and the o output channels of `channels`.
    """
    images, height, components, width, count = rows.shape
    flat = rows.reshape(images * height, components, width * count)
    if layer.scale is not None:
        np.multiply(flat, _row_vector(layer, "scale", channels, width), out=flat)
    np.maximum(flat, _row_vector(layer, "minimum", channels, width), out=flat)
    return _sum_pool_in_place(rows) if layer.pool else rows


def _add_shift(rows: Array, layer: FusedConv2d, channels: slice, out: Array) -> None:
    """Write the sum of `rows` and the shift to `out`. After pooling, the shift is added four times.

    `rows` (n, h, P, w, o) has n images, h rows, P components, w columns and the o output channels of `channels`.
    """
    np.add(rows, _row_vector(layer, "shift", channels, rows.shape[3]).reshape(rows.shape[2:]), out=out)


def _row_vector(layer: FusedConv2d, name: str, channels: slice, width: int) -> Array:
    """Return the vector `name` for the o output channels of `channels`, repeated `width` times: (P, width·o).

    P is the number of components. With the repeated vector, the inner loops of NumPy are longer.
    """
    key = name, channels.start, width
    if key not in layer.cache:
        vectors = {"scale": layer.scale, "minimum": -layer.shift, "shift": layer.shift * (4 if layer.pool else 1)}
        layer.cache[key] = np.tile(vectors[name].reshape(len(layer.weight), -1)[:, channels], width)
    return layer.cache[key]


def _sum_pool_in_place(rows: Array) -> Array:
    """Return the sums of 2 x 2 pixels, in workspace memory. `rows` is overwritten.

    `rows` (n, h, P, w, o) has n images, h rows, P components, w columns and o output channels.
    """
    images, height, components, width, outputs = rows.shape
    height, width = height // 2, width // 2
    pairs = rows[:, : 2 * height, :, : 2 * width].reshape(images, height, 2, components, 2 * width, outputs)
    sums = np.add(pairs[:, :, 0], pairs[:, :, 1], out=pairs[:, :, 0])
    pooled = workspace("sums", (images, height, components, width, outputs), rows.dtype)
    return np.add(sums[:, :, :, 0::2], sums[:, :, :, 1::2], out=pooled)
