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
from ..graph.count import Cost, layer_operations
from ..models import Config, LayerShape
from ..models.config import num_weights


@dataclass(frozen=True)
class LayerCost(Cost):
    """Cost of one layer for one clip, see `graph.Cost`.

    Parameters
    ----------
    multiplications_winograd
        Real multiplications of the algorithm that `conv.fast.algorithms` selects. Quaternion layers with at least 16
        quaternion input and output channels use 8 real products, other quaternion layers 16 real products. Winograd's
        algorithm (`conv.fast.winograd`) needs 6 multiplications instead of 12.
    """

    multiplications_winograd: int = 0


def layer_costs(config: Config, frames: int) -> Iterator[LayerCost]:
    """Yield the cost of every convolution and linear layer for one clip of `frames` frames.

    Raises ConfigError for too few frames, or for a network in place of a config.
    """
    if not isinstance(config, Config):
        raise ConfigError(
            f"expected the config of a network of quatnet.models, got {type(config).__name__}; "
            "graph.count counts other networks, from graph.trace(network, example)"
        )
    for layer in config.layers(frames):
        parameters = num_weights(layer) + layer.out_channels * (1 if layer.linear else 2)
        yield LayerCost(layer.name, parameters, *_operations(layer), _multiplications_winograd(layer))


def _operations(layer: LayerShape) -> tuple[int, int, int, int, int]:
    op, kernel = ("quaternion_conv2d", layer.kernel) if layer.quaternion else ("conv2d", layer.kernel[1:])
    x, y = ((layer.height, layer.width, channels) for channels in (layer.in_channels, layer.out_channels))
    return layer_operations(op, x, kernel, y, has_bias=layer.linear)


def _multiplications_winograd(layer: LayerShape) -> int:
    """Return the real multiplications of the algorithm that `conv.fast.algorithms` selects for one clip."""
    eight_products = layer.quaternion and min(layer.kernel[3:]) >= algorithms.MIN_QUATERNION_CHANNELS
    kernel = layer.kernel if eight_products else layer._replace(quaternion=False).kernel
    image, padding = (1, layer.height, layer.width, layer.in_channels), (layer.kernel_size // 2,) * 2
    per_row = layer.width * layer.kernel_size * layer.in_channels * layer.out_channels // (2 if eight_products else 1)
    if not algorithms.uses_winograd(image, kernel, (1, 1), padding):
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
