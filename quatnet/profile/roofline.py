"""Roofline model of the time of a training step on a GPU.

The model is a lower bound computed from the data sheet of the GPU. The time of a CUDA kernel is at least its memory
traffic divided by the memory bandwidth, and at least its operations divided by the arithmetic throughput. The model
takes the larger of the two times and adds the times of all CUDA kernels of `conv.gpu` and `kernels`. Repeated reads of
the same array are assumed to hit the cache. Kernel launches, losses and copies from the host are neglected.

Source: S. Williams, A. Waterman, D. Patterson, Roofline: an insightful visual performance model for multicore
architectures, 2009.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ..conv import gpu
from ..models import Config, LayerShape
from .counts import FLOAT_BYTES, num_weights


class GpuSpec(NamedTuple):
    """Specification of a GPU.

    `operations` and `tensor_operations` are the operations per second in float32 and in TF32 (tensor cores).
    `bandwidth` is the memory bandwidth in bytes per second.
    """

    name: str
    operations: float
    tensor_operations: float
    bandwidth: float


# Source: data sheets of the NVIDIA A100 and H100 SXM. TF32 throughput is without sparsity (half of the printed value).
A100 = GpuSpec("A100 80 GB", 19.5e12, 156e12, 2.039e12)
H100 = GpuSpec("H100 80 GB", 67e12, 494.5e12, 3.35e12)
CATEGORIES = ("patches", "products", "components", "batch norm and relu", "pools", "dropout", "weights and Adam")


class KernelCost(NamedTuple):
    """Cost of one CUDA kernel: array elements read and written, and arithmetic operations."""

    category: str
    elements: int
    operations: int = 0

    def seconds(self, spec: GpuSpec) -> float:
        """Return the time in seconds in the roofline model."""
        return max(self.memory_seconds(spec), self.operations / spec.operations)

    def memory_seconds(self, spec: GpuSpec) -> float:
        """Return the time of the memory traffic in seconds."""
        return FLOAT_BYTES * self.elements / spec.bandwidth


def layer_kernel_costs(config: Config, frames: int, batch: int, *, fused: bool = False) -> dict[str, list[KernelCost]]:
    """Return the CUDA kernels of one training step by layer name.

    Pooling and dropout are added to the preceding layer. With `fused`, each convolution is modeled as a fused CUDA
    kernel that does not write im2col patches or transformed components to memory. quatnet does not implement such a
    kernel. Raises ConfigError for too few frames.
    """
    convolution = _fused if fused else _convolution
    passes = {layer.name: [*convolution(layer, batch), *_adam(layer)] for layer in config.layers(frames)}
    for layer in config.layers(frames):
        if not layer.linear:
            passes[layer.name] += _norm_passes(batch * layer.height * layer.width * layer.out_channels)
    for name, outputs, has_pool in _block_outputs(config, frames, batch):
        passes[name] += [KernelCost("pools", 5 * outputs)] * 2 if has_pool else []
        passes[name] += [KernelCost("dropout", 3 * outputs)] * 2 if config.block_dropout else []
    return passes


def host_to_device_elements(config: Config, frames: int, batch: int) -> int:
    """Return the number of array elements copied to the GPU for one training step.

    These elements are the clips and the dropout masks of the blocks.
    """
    masks = sum(outputs for _, outputs, _ in _block_outputs(config, frames, batch)) if config.block_dropout else 0
    return batch * frames * config.mels * 4 + masks


def _block_outputs(config: Config, frames: int, batch: int) -> Iterator[tuple[str, int, bool]]:
    """Yield (name of the last convolution, number of output elements, whether the output is pooled) of each block."""
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
    """Return the sizes of the arrays of a convolution in elements, and the number of arithmetic operations.

    The arrays are the input, the im2col patches, the products, the output and the transformed weight.
    """
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


def _convolution(layer: LayerShape, batch: int) -> Iterator[KernelCost]:
    """Yield the CUDA kernels of forward pass, input gradient and weight gradient in `conv.gpu`."""
    x, patches, products, y, kernel, operations = _sizes(layer, batch)
    eight_products = uses_eight_products(layer)
    if layer.quaternion:
        # transforms: the weight in both passes, the weight gradient in the backward pass
        yield KernelCost("weights and Adam", 3 * (num_weights(layer) + kernel))
    if eight_products or layer.kernel_size > 1:
        category = "patches" if layer.kernel_size > 1 else "components"
        yield from [KernelCost(category, x + patches)] * 3  # two im2col kernels and one col2im kernel
    else:
        patches = x
    yield from [KernelCost("products", patches + kernel + products, operations)] * 3
    if eight_products:
        # one transform of the output and two transforms of the output gradient
        yield from [KernelCost("components", products + y)] * 3


def _fused(layer: LayerShape, batch: int) -> Iterator[KernelCost]:
    """Yield the CUDA kernels of a convolution with patches and transformed components in on-chip memory."""
    x, _, _, y, _, operations = _sizes(layer, batch)
    yield from [KernelCost("products", x + y + num_weights(layer), operations)] * 3


def _norm_passes(outputs: int) -> Iterator[KernelCost]:
    """Yield the two forward and two backward CUDA kernels of batch norm with relu over `outputs` elements."""
    yield from (KernelCost("batch norm and relu", arrays * outputs) for arrays in (1, 2, 3, 4))


def _adam(layer: LayerShape) -> Iterator[KernelCost]:
    """Yield the CUDA kernel of the Adam update, which reads four arrays and writes three arrays."""
    yield KernelCost("weights and Adam", 7 * num_weights(layer))


def total_seconds(passes: dict[str, list[KernelCost]], spec: GpuSpec) -> float:
    """Return the total time in seconds of all CUDA kernels of all layers."""
    return sum(each.seconds(spec) for layer in passes.values() for each in layer)


def memory_bound_fraction(passes: list[KernelCost], spec: GpuSpec) -> float:
    """Return the fraction of the time that is spent in memory-bound CUDA kernels."""
    memory_bound = sum(each.seconds(spec) for each in passes if each.seconds(spec) == each.memory_seconds(spec))
    return memory_bound / sum(each.seconds(spec) for each in passes)


def seconds_by_category(passes: dict[str, list[KernelCost]], spec: GpuSpec) -> dict[str, float]:
    """Return the time in seconds of the CUDA kernels of each category in `CATEGORIES`."""
    all_passes = [each for layer in passes.values() for each in layer]
    return {name: sum(each.seconds(spec) for each in all_passes if each.category == name) for name in CATEGORIES}
