"""Cost of a network for one clip, computed from the shapes of its layers.

The multiplications of a quaternion layer are counted in two ways: with the 16 real products of its block matrix, for
comparison with published numbers, and with the 8 real products of `quaternion.eight_products`. The parameters of a
batch norm are added to the parameters of its convolution. The multiplications of batch norms, pooling, the transforms
of weights and the spectrogram are not counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from .. import nn
from ..conv.fast import algorithms, winograd
from ..errors import ConfigError
from ..models import Config, LayerShape

REAL_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
QUATERNION_LAYERS = (nn.QuaternionLinear, nn.QuaternionConv1d, nn.QuaternionConv2d, nn.QuaternionConvTranspose2d)
FLOAT_BYTES = 4


@dataclass(frozen=True)
class LayerCost:
    """Cost of one layer for one clip.

    Parameters
    ----------
    multiplications_16, multiplications_8
        Real multiplications with 16 and with 8 real products for each quaternion product. The numbers are equal for a
        real layer.
    multiplications_winograd
        Real multiplications of the algorithm that `conv.fast.algorithms` selects. Quaternion layers with at least 16
        quaternion input and output channels use 8 real products, other quaternion layers 16 real products. Winograd's
        algorithm (`conv.fast.winograd`) needs 6 multiplications instead of 12.
    additions_16, additions_8
        Real additions with 16 and with 8 real products for each quaternion product.
    activation_bytes
        Size of the float32 output in bytes. A training step stores the output before and after the batch norm.
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
            parameters=num_weights(layer) + layer.out_channels * (1 if layer.linear else 2),
            multiplications_16=products,
            multiplications_8=products // 2 if layer.quaternion else products,
            multiplications_winograd=_multiplications_winograd(layer),
            additions_16=pixels * layer.out_channels * (terms - 1 + layer.linear),
            additions_8=_additions_8(layer),
            activation_bytes=FLOAT_BYTES * pixels * layer.out_channels,
        )


def num_weights(layer: LayerShape) -> int:
    """Return the number of real weights of a layer. A quaternion weight counts as 4 real weights."""
    return layer.kernel_size**2 * layer.in_channels * layer.out_channels // (4 if layer.quaternion else 1)


def _additions_8(layer: LayerShape) -> int:
    """Return the number of real additions with 8 real products for each quaternion product.

    A quaternion layer needs 8 additions for each input quaternion, the additions of the 8 products between the
    transformed components, and 12 additions for each output quaternion.
    """
    pixels, unit = layer.height * layer.width, 4 if layer.quaternion else 1
    inputs, outputs = layer.in_channels // unit, layer.out_channels // unit
    additions = layer.kernel_size**2 * inputs - 1  # for each output of a transformed component
    if not layer.quaternion:
        return pixels * outputs * (additions + layer.linear)
    return pixels * (8 * inputs + 8 * outputs * additions + 12 * outputs + layer.out_channels * layer.linear)


def _multiplications_winograd(layer: LayerShape) -> int:
    """Return the real multiplications of the algorithm that `conv.fast.algorithms` selects for one clip."""
    eight_products = (
        layer.quaternion and min(layer.in_channels, layer.out_channels) >= 4 * algorithms.MIN_QUATERNION_CHANNELS
    )
    per_row = layer.width * layer.kernel_size * layer.in_channels * layer.out_channels // (2 if eight_products else 1)
    components, padding = 4 if eight_products else 1, layer.kernel_size // 2
    image = (1, layer.height, layer.width, layer.in_channels)
    kernel = (
        components,
        layer.kernel_size,
        layer.kernel_size,
        layer.in_channels // components,
        layer.out_channels // components,
    )
    if not algorithms.uses_winograd(image, kernel, (1, 1), (padding, padding)):
        return per_row * layer.height * layer.kernel_size
    return per_row * -(-layer.height // winograd.OUTPUTS) * winograd.PRODUCTS


def network_cost(config: Config, frames: int) -> LayerCost:
    """Return the sum of the costs of all layers and the parameters of the input batch norm."""
    costs = list(layer_costs(config, frames))
    totals = {field.name: sum(getattr(cost, field.name) for cost in costs) for field in fields(LayerCost)[1:]}
    return LayerCost("network", **totals | {"parameters": totals["parameters"] + input_norm_parameters(config)})


def input_norm_parameters(config: Config) -> int:
    """Return the number of weights and biases of the input batch norm."""
    return 2 * config.mels if config.input_norm == "mel" else 0


def multiplications(config: Config, frames: int) -> tuple[int, int]:
    """Return the real multiplications for one clip, with 16 and with 8 for each quaternion product."""
    total = network_cost(config, frames)
    return total.multiplications_16, total.multiplications_8


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters of a module."""
    return sum(tensor.data.size for tensor in model.parameters())


def layer_multiplications(layer: nn.Module, pixels: int) -> tuple[int, int]:
    """Return the real multiplications of a layer, with 16 and with 8 for each quaternion product.

    Both counts are equal for real layers and for the rotation layer, which multiplies by real 4 x 4 matrices.

    Parameters
    ----------
    layer
        A linear or convolution layer.
    pixels
        Number of output pixels, or of input pixels for a transposed convolution. Use 1 for a linear layer.

    Raises
    ------
    ConfigError
        `layer` is not a linear or convolution layer.
    """
    if not isinstance(layer, (*REAL_LAYERS, *QUATERNION_LAYERS, nn.QuaternionRotationConv2d)):
        raise ConfigError(f"no count for {type(layer).__name__}; expected a linear or a convolution layer")
    products = pixels * vars(layer)["weight"].data.size * (1 if isinstance(layer, REAL_LAYERS) else 4)
    return products, products // 2 if isinstance(layer, QUATERNION_LAYERS) else products
