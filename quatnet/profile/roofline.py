"""Roofline model: a lower bound on the time of a training step on a GPU, from a data sheet. Nothing is measured.

The time of a pass over memory (an elementwise kernel or a matrix product) is at least its bytes divided by the memory
bandwidth, and at least its operations divided by the arithmetic throughput. The model takes the larger of both times,
and sums over the passes of `conv.gpu` and `kernels`. Repeated reads of the same array are assumed to come from cache.
Kernel launches, losses and copies from the host are neglected.

Source: S. Williams, A. Waterman, D. Patterson, Roofline: an insightful visual performance model for multicore
architectures, 2009.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ..conv import gpu
from ..models import Config, LayerShape
from .counts import FLOAT_BYTES, num_weights


class GpuSpec(NamedTuple):
    """Data sheet of a GPU: operations per second in float32 and in TF32 (tensor cores), and memory bandwidth in B/s."""

    name: str
    operations: float
    tensor_operations: float
    bandwidth: float


# NVIDIA A100 and H100 Tensor Core GPU data sheets, SXM; TF32 without sparsity (the data sheets print twice as much).
A100 = GpuSpec("A100 80 GB", 19.5e12, 156e12, 2.039e12)
H100 = GpuSpec("H100 80 GB", 67e12, 494.5e12, 3.35e12)
CATEGORIES = ("patches", "products", "components", "batch norm and relu", "pools", "dropout", "weights and Adam")


class Pass(NamedTuple):
    """One pass over memory: its category, the number of array elements read and written, and its operations."""

    category: str
    elements: int
    operations: int = 0

    def seconds(self, spec: GpuSpec) -> float:
        """Return the time of the pass in the roofline model."""
        return max(self.memory_seconds(spec), self.operations / spec.operations)

    def memory_seconds(self, spec: GpuSpec) -> float:
        """Return the time of the memory traffic alone."""
        return FLOAT_BYTES * self.elements / spec.bandwidth


def layer_passes(config: Config, frames: int, batch: int, *, fused: bool = False) -> dict[str, list[Pass]]:
    """Return the passes of one training step by layer name. Pooling and dropout belong to the layer before them.

    With `fused`, convolutions are modeled as fused kernels without im2col patches or transformed components in memory.
    quatnet has no such kernel yet. Raises ConfigError for too few frames.
    """
    convolution = _fused if fused else _convolution
    passes = {layer.name: [*convolution(layer, batch), *_adam(layer)] for layer in config.layers(frames)}
    for layer in config.layers(frames):
        if not layer.linear:
            passes[layer.name] += _norm_passes(batch * layer.height * layer.width * layer.out_channels)
    for name, outputs, has_pool in _block_outputs(config, frames, batch):
        passes[name] += [Pass("pools", 5 * outputs)] * 2 if has_pool else []
        passes[name] += [Pass("dropout", 3 * outputs)] * 2 if config.block_dropout else []
    return passes


def host_elements(config: Config, frames: int, batch: int) -> int:
    """Return the array elements copied to the GPU for one step: the clips and the dropout masks between the blocks."""
    masks = sum(outputs for _, outputs, _ in _block_outputs(config, frames, batch)) if config.block_dropout else 0
    return batch * frames * config.mels * 4 + masks


def _block_outputs(config: Config, frames: int, batch: int) -> Iterator[tuple[str, int, bool]]:
    """Yield the name of the last convolution of each block, the elements of its output, and whether it is pooled."""
    layers = {layer.name: layer for layer in config.layers(frames)}
    for b, widths in enumerate(config.widths):
        layer, half = layers[f"blocks.{b}.convs.{len(widths) - 1}"], 2 if config.has_pool(b) else 1
        yield layer.name, batch * (layer.height // half) * (layer.width // half) * layer.out_channels, half == 2


def uses_eight_products(layer: LayerShape) -> bool:
    """Return whether a layer is computed with eight products on a GPU."""
    is_wide = gpu.is_profitable(
        (4, layer.kernel_size, layer.kernel_size, layer.in_channels // 4, layer.out_channels // 4)
    )
    return layer.quaternion and not layer.linear and is_wide


def _sizes(layer: LayerShape, batch: int) -> tuple[int, int, int, int, int, int]:
    """Return the elements of input, im2col patches, products, output and prepared kernel, and the operations."""
    pixels, (products, unit) = batch * layer.height * layer.width, (8, 4) if uses_eight_products(layer) else (1, 1)
    inputs, outputs, taps = layer.in_channels // unit, layer.out_channels // unit, layer.kernel_size**2
    patches, kernel = products * pixels * taps * inputs, products * taps * inputs * outputs
    operations = 2 * pixels * kernel
    return (
        pixels * layer.in_channels,
        patches,
        products * pixels * outputs,
        pixels * layer.out_channels,
        kernel,
        operations,
    )


def _convolution(layer: LayerShape, batch: int) -> Iterator[Pass]:
    """Yield the passes of forward, input gradient and weight gradient, as implemented in `conv.gpu`."""
    x, patches, products, y, kernel, operations = _sizes(layer, batch)
    eight_products = uses_eight_products(layer)
    if layer.quaternion:
        # the transform of the kernel twice, and that of its gradient once
        yield Pass("weights and Adam", 3 * (num_weights(layer) + kernel))
    if eight_products or layer.kernel_size > 1:
        category = "patches" if layer.kernel_size > 1 else "components"
        yield from [Pass(category, x + patches)] * 3  # im2col twice, col2im once
    else:
        patches = x
    yield from [Pass("products", patches + kernel + products, operations)] * 3
    if eight_products:
        yield from [Pass("components", products + y)] * 3  # output, and its gradient for both gradient products


def _fused(layer: LayerShape, batch: int) -> Iterator[Pass]:
    """Yield the passes of `_convolution` with patches and transformed components in on-chip memory only."""
    x, _, _, y, _, operations = _sizes(layer, batch)
    yield from [Pass("products", x + y + num_weights(layer), operations)] * 3


def _norm_passes(outputs: int) -> Iterator[Pass]:
    """Yield the passes of batch norm with relu over `outputs` elements: two forward (1, 2) and two backward (3, 4)."""
    yield from (Pass("batch norm and relu", arrays * outputs) for arrays in (1, 2, 3, 4))


def _adam(layer: LayerShape) -> Iterator[Pass]:
    """Yield the Adam update: four arrays read, three written."""
    yield Pass("weights and Adam", 7 * num_weights(layer))


def total_seconds(passes: dict[str, list[Pass]], spec: GpuSpec) -> float:
    """Return the time of all passes of all layers."""
    return sum(each.seconds(spec) for layer in passes.values() for each in layer)


def memory_bound_fraction(passes: list[Pass], spec: GpuSpec) -> float:
    """Return the fraction of the time that is spent in passes limited by memory bandwidth."""
    memory_bound = sum(each.seconds(spec) for each in passes if each.seconds(spec) == each.memory_seconds(spec))
    return memory_bound / sum(each.seconds(spec) for each in passes)


def seconds_by_category(passes: dict[str, list[Pass]], spec: GpuSpec) -> dict[str, float]:
    """Return the time of the passes in each of `CATEGORIES`."""
    all_passes = [each for layer in passes.values() for each in layer]
    return {name: sum(each.seconds(spec) for each in all_passes if each.category == name) for name in CATEGORIES}
