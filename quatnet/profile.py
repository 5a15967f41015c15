"""What a network costs: parameters, real multiplications counted from shapes, and milliseconds.

A quaternion convolution is counted twice: with the sixteen real products of its block matrix, as every
published figure does or should, and with the eight that a Hamilton product needs (`quaternion.eight_products`).
Batch norm, pooling and additions are not counted, nor is the spectrogram.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from . import nn
from .errors import ConfigError
from .models import Config, Network
from .tensor import no_grad

REAL = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
QUATERNION = (nn.QuaternionLinear, nn.QuaternionConv1d, nn.QuaternionConv2d, nn.QuaternionConvTranspose2d)


@dataclass(frozen=True)
class LayerCost:
    """One layer: its multiplications per clip with 16 and with 8 per quaternion product."""

    name: str
    multiplications_16: int
    multiplications_8: int


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable real numbers."""
    return sum(tensor.data.size for tensor in model.parameters().values())


def layer_cost(name: str, layer: nn.Module, pixels: int) -> LayerCost:
    """Return the cost of one layer whose kernel is laid on `pixels` places of a clip.

    Those are the pixels of the result, of the input where the layer is transposed, and 1 for a linear layer. The
    rotation layer multiplies by real 4x4 matrices, so eight products do not serve it. Raises ConfigError for a
    layer that is not counted.
    """
    if not isinstance(layer, (*REAL, *QUATERNION, nn.QuaternionRotationConv2d)):
        raise ConfigError(f"{name}: no count for {type(layer).__name__}; expected a linear or a convolution layer")
    products = pixels * vars(layer)["weight"].data.size * (1 if isinstance(layer, REAL) else 4)
    return _cost(name, products, isinstance(layer, QUATERNION))


def layer_costs(config: Config, frames: int) -> Iterator[LayerCost]:
    """Yield the cost of every convolution and linear layer for one clip of `frames` frames."""
    for layer in config.layers(frames):
        products = layer.height * layer.width * layer.kernel**2 * layer.channels * layer.outputs
        yield _cost(layer.name, products, layer.quaternion)


def _cost(name: str, products: int, quaternion: bool) -> LayerCost:
    return LayerCost(name, products, products // 2 if quaternion else products)


def multiplications(config: Config, frames: int) -> tuple[int, int]:
    """Return the real multiplications of one clip with 16 and with 8 per quaternion product."""
    costs = list(layer_costs(config, frames))
    return sum(cost.multiplications_16 for cost in costs), sum(cost.multiplications_8 for cost in costs)


def milliseconds_per_clip(model: Network, clip: np.ndarray, *, runs: int = 15) -> float:
    """Return the median time of one clip (frames, mels, 4) through the network, batch 1, after a warm-up."""
    times = []
    with no_grad():
        for _ in range(runs + 1):
            start = time.perf_counter()
            model(clip[None])
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])
