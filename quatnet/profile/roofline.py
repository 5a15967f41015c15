"""The roofline: the least time that a training step takes on a GPU, from its bytes, its operations and a data sheet.

A pass over memory, be it a kernel or a product, cannot be faster than its bytes through the memory, nor than its
operations through the arithmetic units: it takes the larger of the two times, and a step the sum over its passes. They
are those of `fast.gpu` and `kernels`; what is read several times comes from cache but for the first. Starts of kernels,
losses and copies from the host are left out. This predicts; nothing here was measured.

Source: S. Williams, A. Waterman, D. Patterson, Roofline: an insightful visual performance model for multicore
architectures, 2009.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ..conv import gpu
from ..models import Config, LayerShape
from .counts import FLOAT_BYTES, weights


class Card(NamedTuple):
    """A GPU as its data sheet has it: operations a second in float32 and, by tensor cores, in TF32; bytes a second."""

    name: str
    operations: float
    tensor_operations: float
    bytes: float


# NVIDIA A100 and H100 Tensor Core GPU data sheets, SXM; TF32 without sparsity, half of what the sheets print with it.
A100 = Card("A100 80 GB", 19.5e12, 156e12, 2.039e12)
H100 = Card("H100 80 GB", 67e12, 494.5e12, 3.35e12)
PARTS = ("patches", "products", "components", "batch norm and relu", "pools", "dropout", "weights and Adam")


class Pass(NamedTuple):
    """One pass over memory: what it belongs to, the numbers that it reads and writes, and its operations."""

    part: str
    numbers: int
    operations: int = 0

    def seconds(self, card: Card) -> float:
        """Return the time under the roofline."""
        return max(self.memory_seconds(card), self.operations / card.operations)

    def memory_seconds(self, card: Card) -> float:
        """Return the time of its bytes alone."""
        return FLOAT_BYTES * self.numbers / card.bytes


def layer_passes(config: Config, frames: int, batch: int, *, fused: bool = False) -> dict[str, list[Pass]]:
    """Return the passes of a training step by the name of the layer; pool and dropout are with the layer before them.

    With `fused`, a convolution makes its patches and sums where it multiplies, and none of them is in memory: the next
    kernel to write. Raises ConfigError for too few frames.
    """
    convolution = _fused if fused else _convolution
    passes = {layer.name: [*convolution(layer, batch), *_adam(layer)] for layer in config.layers(frames)}
    for layer in config.layers(frames):
        if not layer.linear:
            passes[layer.name] += _around(batch * layer.height * layer.width * layer.out_channels)
    for name, y, pools in _ends(config, frames, batch):
        passes[name] += [Pass("pools", 5 * y)] * 2 if pools else []
        passes[name] += [Pass("dropout", 3 * y)] * 2 if config.block_dropout else []
    return passes


def host_numbers(config: Config, frames: int, batch: int) -> int:
    """Return the numbers copied to the GPU for a step: the clips, and what dropout drew between the blocks."""
    drawn = sum(y for _, y, _ in _ends(config, frames, batch)) if config.block_dropout else 0
    return batch * frames * config.mels * 4 + drawn


def _ends(config: Config, frames: int, batch: int) -> Iterator[tuple[str, int, bool]]:
    """The last convolution of each block, the numbers in the block's result, and whether they were pooled."""
    layers = {layer.name: layer for layer in config.layers(frames)}
    for b, widths in enumerate(config.widths):
        layer, half = layers[f"blocks.{b}.convs.{len(widths) - 1}"], 2 if config.pools(b) else 1
        yield layer.name, batch * (layer.height // half) * (layer.width // half) * layer.out_channels, half == 2


def in_eight(layer: LayerShape) -> bool:
    """Return whether a layer is taken in eight products on a GPU."""
    wide = gpu.pays((4, layer.kernel_size, layer.kernel_size, layer.in_channels // 4, layer.out_channels // 4))
    return layer.quaternion and not layer.linear and wide


def _sizes(layer: LayerShape, batch: int) -> tuple[int, int, int, int, int, int]:
    """Numbers in the input, its patches, the products, the result and the kernel, in its planes; operations."""
    pixels, (planes, four) = batch * layer.height * layer.width, (8, 4) if in_eight(layer) else (1, 1)
    channels, outputs, taps = layer.in_channels // four, layer.out_channels // four, layer.kernel_size**2
    patches, kernel = planes * pixels * taps * channels, planes * taps * channels * outputs
    operations = 2 * pixels * kernel
    return (
        pixels * layer.in_channels,
        patches,
        planes * pixels * outputs,
        pixels * layer.out_channels,
        kernel,
        operations,
    )


def _convolution(layer: LayerShape, batch: int) -> Iterator[Pass]:
    """Forwards, the input's gradient, and the kernel's: as `fast.gpu` has them."""
    x, patches, products, y, kernel, operations = _sizes(layer, batch)
    eight, has_patches = in_eight(layer), in_eight(layer) or layer.kernel_size > 1
    if layer.quaternion:
        yield Pass("weights and Adam", 3 * (weights(layer) + kernel))  # to planes twice or to blocks, and back
    if has_patches:
        part = "patches" if layer.kernel_size > 1 else "components"
        yield from [Pass(part, x + patches)] * 3  # written twice, and added up
    else:
        patches = x
    yield from [Pass("products", patches + kernel + products, operations)] * 3
    if eight:
        yield from [Pass("components", products + y)] * 3  # of the result, and of its gradient for both products


def _fused(layer: LayerShape, batch: int) -> Iterator[Pass]:
    """The same three with all patches, planes and sums on chip."""
    x, _, _, y, _, operations = _sizes(layer, batch)
    yield from [Pass("products", x + y + weights(layer), operations)] * 3


def _around(y: int) -> Iterator[Pass]:
    """Batch norm with relu for a result of `y` numbers: it reads them, then reads and writes; back 3, then 3 and 1."""
    yield from (Pass("batch norm and relu", numbers * y) for numbers in (1, 2, 3, 4))


def _adam(layer: LayerShape) -> Iterator[Pass]:
    """Four arrays read, three written."""
    yield Pass("weights and Adam", 7 * weights(layer))


def total_seconds(passes: dict[str, list[Pass]], card: Card) -> float:
    """Return the time of a step."""
    return sum(each.seconds(card) for of_layer in passes.values() for each in of_layer)


def share_of_memory(passes: list[Pass], card: Card) -> float:
    """Return the share of the time that is spent in passes which wait for memory."""
    waiting = sum(each.seconds(card) for each in passes if each.seconds(card) == each.memory_seconds(card))
    return waiting / sum(each.seconds(card) for each in passes)


def seconds_by_part(passes: dict[str, list[Pass]], card: Card) -> dict[str, float]:
    """Return the time of each of `PARTS` in a step."""
    every = [each for of_layer in passes.values() for each in of_layer]
    return {part: sum(each.seconds(card) for each in every if each.part == part) for part in PARTS}
