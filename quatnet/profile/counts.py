"""What a network costs for one clip, counted from the shapes of its layers.

A quaternion layer is counted twice: with the sixteen real products of its block matrix, as every published figure does
or should, and with the eight that a Hamilton product needs (`quaternion.eight_products`). A convolution has its batch
norm's parameters with it, but no product for it: at inference that is folded into the next sums. Pools, products with
the constants 2 and 1/4 (they belong to the kernel) and the spectrogram are not counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from .. import nn
from ..conv.fast import forms, winograd
from ..errors import ConfigError
from ..models import Config, LayerShape

REAL = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
QUATERNION = (nn.QuaternionLinear, nn.QuaternionConv1d, nn.QuaternionConv2d, nn.QuaternionConvTranspose2d)
FLOAT_BYTES = 4


@dataclass(frozen=True)
class LayerCost:
    """One layer on one clip.

    `_16` and `_8` are with so many real products for a quaternion product; `multiplications_winograd` are those of the
    forms that quatnet takes: eight products from sixteen quaternion channels on, sixteen below, and six for twelve
    (`fast.winograd`) where `fast.forms` says that it pays. `activation_bytes` are those of the result in float32; a
    training step keeps it before and after its batch norm.
    """

    name: str
    parameters: int
    multiplications_16: int
    multiplications_8: int
    multiplications_winograd: int
    additions_16: int
    additions_8: int
    activation_bytes: int


def layer_costs(config: Config, frames: int) -> Iterator[LayerCost]:
    """Yield the cost of every convolution and linear layer for one clip of `frames` frames.

    Raises ConfigError for too few frames.
    """
    for layer in config.layers(frames):
        pixels, terms = layer.height * layer.width, layer.kernel_size**2 * layer.in_channels
        products = pixels * terms * layer.out_channels
        yield LayerCost(
            layer.name,
            parameters=weights(layer) + layer.out_channels * (1 if layer.linear else 2),
            multiplications_16=products,
            multiplications_8=products // 2 if layer.quaternion else products,
            multiplications_winograd=_by_form(layer),
            additions_16=pixels * layer.out_channels * (terms - 1 + layer.linear),
            additions_8=_additions_8(layer),
            activation_bytes=FLOAT_BYTES * pixels * layer.out_channels,
        )


def weights(layer: LayerShape) -> int:
    """Return the real numbers in the kernel: a quaternion has 4 of them for the 16 of its block matrix."""
    return layer.kernel_size**2 * layer.in_channels * layer.out_channels // (4 if layer.quaternion else 1)


def _additions_8(layer: LayerShape) -> int:
    """8 sums of each quaternion that comes in, 8 planes of products added up, and 12 sums of each that goes out."""
    pixels, four = layer.height * layer.width, 4 if layer.quaternion else 1
    channels, outputs = layer.in_channels // four, layer.out_channels // four
    added = layer.kernel_size**2 * channels - 1
    if not layer.quaternion:
        return pixels * outputs * (added + layer.linear)
    return pixels * (8 * channels + 8 * outputs * added + 12 * outputs + layer.out_channels * layer.linear)


def _by_form(layer: LayerShape) -> int:
    """Products of the forms that `fast.forms` chooses for one clip."""
    wide = layer.quaternion and min(layer.in_channels, layer.out_channels) >= 4 * forms.FEWEST_CHANNELS
    columns = layer.width * layer.kernel_size * layer.in_channels * layer.out_channels // (2 if wide else 1)
    four, padding = 4 if wide else 1, layer.kernel_size // 2
    image = (1, layer.height, layer.width, layer.in_channels)
    kernel = (four, layer.kernel_size, layer.kernel_size, layer.in_channels // four, layer.out_channels // four)
    if not forms.takes_strips(image, kernel, (1, 1), (padding, padding)):
        return columns * layer.height * layer.kernel_size
    return columns * -(-layer.height // winograd.OUTPUTS) * winograd.PRODUCTS


def network_cost(config: Config, frames: int) -> LayerCost:
    """Return the sums over all layers under the name "network", with the parameters of the first batch norm."""
    costs = list(layer_costs(config, frames))
    sums = {part.name: sum(getattr(cost, part.name) for cost in costs) for part in fields(LayerCost)[1:]}
    return LayerCost("network", **sums | {"parameters": sums["parameters"] + input_norm_parameters(config)})


def input_norm_parameters(config: Config) -> int:
    """Return the scales and shifts of the first batch norm."""
    return 2 * config.mels if config.input_norm == "mel" else 0


def multiplications(config: Config, frames: int) -> tuple[int, int]:
    """Return the real multiplications of one clip with 16 and with 8 per quaternion product."""
    total = network_cost(config, frames)
    return total.multiplications_16, total.multiplications_8


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable real numbers."""
    return sum(tensor.data.size for tensor in model.parameters())


def layer_multiplications(layer: nn.Module, pixels: int) -> tuple[int, int]:
    """Return the multiplications, with 16 and with 8, of a layer whose kernel is laid on `pixels` places of a clip.

    Those are the pixels of the result, of the input where the layer is transposed, and 1 for a linear layer. The
    rotation layer multiplies by real 4x4 matrices, so eight products do not serve it. Raises ConfigError for a
    layer that is not counted.
    """
    if not isinstance(layer, (*REAL, *QUATERNION, nn.QuaternionRotationConv2d)):
        raise ConfigError(f"no count for {type(layer).__name__}; expected a linear or a convolution layer")
    products = pixels * vars(layer)["weight"].data.size * (1 if isinstance(layer, REAL) else 4)
    return products, products // 2 if isinstance(layer, QUATERNION) else products
