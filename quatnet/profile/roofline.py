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

from ..conv import gpu, gpu_winograd
from ..graph.count import FLOAT_BYTES
from ..models import Config, LayerShape
from .counts import num_weights


class GpuSpec(NamedTuple):
    """Specification of a GPU.

    `operations` and `tensor_operations` are the operations per second in float32 and in TF32 (tensor cores).
    `bandwidth` is the memory bandwidth in bytes per second.
    """

    name: str
    operations: float
    tensor_operations: float
    bandwidth: float


# Source: data sheets of the NVIDIA A100, H100 and H200 SXM. TF32: half of the value with sparsity.
A100 = GpuSpec("A100 80 GB", 19.5e12, 156e12, 2.039e12)
H100 = GpuSpec("H100 80 GB", 67e12, 494.5e12, 3.35e12)
H200 = GpuSpec("H200 141 GB", 67e12, 494.5e12, 4.8e12)
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


def layer_kernel_costs(
    config: Config, frames: int, batch: int, *, fused: bool = False, tf32: bool = False
) -> dict[str, list[KernelCost]]:
    """Return the CUDA kernels of one training step by layer name.

    Pooling and dropout are added to the preceding layer. With `fused`, each convolution is modeled as a fused CUDA
    kernel that does not write patches, tiles or transformed components to memory. quatnet does not implement such a
    kernel. With `tf32`, the algorithms are those of TF32. Raises ConfigError for too few frames.
    """
    layers, passes = {layer.name: layer for layer in config.layers(frames)}, dict[str, list[KernelCost]]()
    for name, layer in layers.items():
        adam = KernelCost("weights and Adam", 7 * num_weights(layer))  # reads four arrays and writes three arrays
        passes[name] = [*_convolution(layer, batch, fused, tf32), adam]
        if not layer.linear:  # two forward and two backward CUDA kernels of batch norm with relu
            outputs = batch * layer.height * layer.width * layer.out_channels
            passes[name] += [KernelCost("batch norm and relu", arrays * outputs) for arrays in (1, 2, 3, 4)]
    for b, widths in enumerate(config.widths):
        name, half = f"blocks.{b}.convs.{len(widths) - 1}", 2 if config.has_pool(b) else 1
        outputs = batch * (layers[name].height // half) * (layers[name].width // half) * layers[name].out_channels
        passes[name] += [KernelCost("pools", 5 * outputs)] * 2 if half == 2 else []
        passes[name] += [KernelCost("dropout", 2 * outputs)] * 2 if config.block_dropout else []
    return passes


def uses_eight_products(layer: LayerShape, tf32: bool = False) -> bool:
    """Return whether a layer is computed with eight products on a GPU."""
    return layer.quaternion and not layer.linear and gpu.is_profitable(layer.kernel, tf32)


def uses_winograd(layer: LayerShape, tf32: bool = False) -> bool:
    """Return whether a layer is computed with Winograd's algorithm on a GPU."""
    channels = layer.in_channels // (4 if uses_eight_products(layer, tf32) else 1)
    return layer.kernel_size == 3 and not layer.linear and not tf32 and channels >= gpu_winograd.MIN_CHANNELS


def _convolution(layer: LayerShape, batch: int, fused: bool, tf32: bool) -> Iterator[KernelCost]:
    """Yield the CUDA kernels of forward pass, input gradient and weight gradient in `conv.gpu`."""
    x, y = (batch * layer.height * layer.width * n for n in (layer.in_channels, layer.out_channels))
    components, unit = (8, 4) if uses_eight_products(layer, tf32) else (1, 1)
    algorithm = _winograd if uses_winograd(layer, tf32) else _im2col
    tiles, results, kernel, operations = algorithm(layer, batch, components, unit)
    if fused:
        yield from [KernelCost("products", x + y + num_weights(layer), operations)] * 3
        return
    yield from [KernelCost("products", tiles + kernel + results, operations)] * 3
    if algorithm is _winograd:
        images = components // unit  # transformed components take two times the memory of the components
        yield from [KernelCost("patches", images * (x + y) + tiles + results)] * 3
        yield from [KernelCost("components", 3 * (x + y))] * 3 if components == 8 else []
    elif components == 8 or layer.kernel_size > 1:
        yield from [KernelCost("patches" if layer.kernel_size > 1 else "components", x + tiles)] * 3
        # one transform of the output and two transforms of the output gradient
        yield from [KernelCost("components", results + y)] * 3 if components == 8 else []
    if layer.quaternion:  # transforms of the weight in both passes, and of the weight gradient
        yield KernelCost("weights and Adam", 3 * (num_weights(layer) + kernel))


def _im2col(layer: LayerShape, batch: int, components: int, unit: int) -> tuple[int, int, int, int]:
    """Return the elements of patches, products and transformed weight, and the number of arithmetic operations."""
    pixels, inputs, outputs = batch * layer.height * layer.width, layer.in_channels // unit, layer.out_channels // unit
    kernel = components * layer.kernel_size**2 * inputs * outputs
    patches = components * pixels * layer.kernel_size**2 * inputs
    return patches, components * pixels * outputs, kernel, 2 * pixels * kernel


def _winograd(layer: LayerShape, batch: int, components: int, unit: int) -> tuple[int, int, int, int]:
    """Return the elements of tiles, products and transformed weight, and the number of arithmetic operations."""
    tiles = batch * -(-layer.height // 4) * -(-layer.width // 4)
    inputs, outputs = layer.in_channels // unit, layer.out_channels // unit
    kernel = 36 * components * inputs * outputs
    return 36 * components * tiles * inputs, 36 * components * tiles * outputs, kernel, 2 * tiles * kernel


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
