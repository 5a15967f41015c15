"""The CNN14 family: real, quaternion, half-width and pruned networks.

A `CNNConfig` defines a network of blocks [convolution -> batch norm -> ReLU]. Each block is followed by average pooling
2 x 2 and dropout. The last block is pooled only if `last_pool` is set. The input batch norm and the head are in
`network.py`.

Source: Q. Kong and others, PANNs, 2020 (CNN6, CNN10, CNN14). A. Singh, M. Plumbley, V. Abrol, 2025 (QCNN14).
"""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..checks import checked_number, checked_type
from .blocks import ConvBlock
from .config import Config
from .network import Network

AnyConfig = TypeVar("AnyConfig", bound=Config)


@dataclass(frozen=True)
class CNNConfig(Config):
    """Hyperparameters of a network of plain blocks, see `Config`. With `last_pool`, the last block is also pooled."""

    last_pool: bool = False

    def has_pool(self, block: int) -> bool:
        """Return whether the output of `block` is pooled 2 x 2."""
        return self.last_pool or super().has_pool(block)


def cnn14(classes: int, *, quaternion: bool = False) -> CNNConfig:
    """Return the config of CNN14 (80.75 M parameters at 527 classes) or QCNN14 (21.01 M)."""
    widths = tuple((width, width) for width in (64, 128, 256, 512, 1024, 2048))
    return CNNConfig(classes, quaternion, widths, embedding=2048)


def cnn10(classes: int, *, quaternion: bool = False) -> CNNConfig:
    """Return the config of CNN10 (5.22 M parameters at 527 classes) or its quaternion counterpart."""
    widths = tuple((width, width) for width in (64, 128, 256, 512))
    return CNNConfig(classes, quaternion, widths, embedding=512, last_pool=True)


def cnn6(classes: int, *, quaternion: bool = False) -> CNNConfig:
    """Return the config of CNN6 (4.84 M parameters at 527 classes) or its quaternion counterpart.

    The convolution kernels are 5 x 5.
    """
    widths = tuple((width,) for width in (64, 128, 256, 512))
    return CNNConfig(classes, quaternion, widths, embedding=512, last_pool=True, kernel_size=5)


def small_cnn(classes: int, *, quaternion: bool = True, width: int = 16) -> CNNConfig:
    """Return the config of the network of `examples/esc50.py`, which trains in minutes on a laptop."""
    widths = ((width,), (2 * width,), (4 * width,) * 2, (8 * width,) * 2, (16 * width,))
    return CNNConfig(
        classes, quaternion, widths, embedding=8 * width, block_dropout=0.0, head_dropout=0.2, input_norm="cell"
    )


def half_width(config: AnyConfig) -> AnyConfig:
    """Return the config at half the width, with about a quarter of the parameters and multiplications.

    Each layer has half as many channels, rounded down, but at least one. In a quaternion network, quaternion channels
    are counted.
    """
    unit = 4 if config.quaternion else 1

    def half(width: int) -> int:
        return unit * max(1, width // (2 * unit))

    widths = tuple(tuple(map(half, block)) for block in config.widths)
    return replace(config, widths=widths, embedding=half(config.embedding))


def num_removed(ratio: float, size: int) -> int:
    """Return the number of filters to remove: `ratio` · `size`, rounded down, and at most `size` - 1.

    The product is first rounded to nine decimals, because 0.29 · 100 is 28.999999999999996.
    """
    return min(size - 1, int(round(ratio * size, 9)))


def pruned_config(config: AnyConfig, ratio: float) -> AnyConfig:
    """Return the config after removing the share `ratio` of the filters in the second half of the blocks.

    In CNN14, the second half is blocks 4 to 6, as in the paper. Channels that a residual sum shares with earlier blocks
    are not pruned. At least one filter of each layer remains. Raises ConfigError unless 0 <= ratio < 1.
    """
    ratio = checked_number("ratio, the share of the filters to prune,", ratio, "[0, 1)")
    checked_type("config", config, Config)
    unit, half, widths, sum_start = 4 if config.quaternion else 1, len(config.widths) // 2, list(config.widths), 0
    for b, block in enumerate(config.widths):
        if not config.is_residual(b) or config.has_shortcut(b):
            sum_start = b  # first block of the residual sum that the last width of block `b` belongs to
        smaller = [width - unit * num_removed(ratio, width // unit) for width in block]
        if b >= half:
            widths[b] = (*smaller[:-1], smaller[-1] if sum_start >= half else block[-1])
    return replace(config, widths=tuple(widths))


class CNN(Network):
    """Network of plain blocks, which maps clips (N, frames, mels, 4) to logits (N, classes)."""

    config: CNNConfig

    def __init__(self, config: CNNConfig, *, rng: np.random.Generator) -> None:
        inputs = [config.in_channels] + [block[-1] for block in config.widths]
        pairs = zip(inputs, config.widths, strict=False)
        super().__init__(config, [ConvBlock(channels, widths, config, rng=rng) for channels, widths in pairs], rng=rng)

    def features(self, h: Tensor, *, train: bool, rng: np.random.Generator | None) -> Tensor:
        """Return the last feature map (N, H, W, C) for normalized inputs (N, frames, mels, 1 or 4)."""
        for number, block in enumerate(self.blocks):
            h = block(h, train=train, pool=self.config.has_pool(number))
            h = ops.dropout(h, self.config.block_dropout, rng=rng, train=train)
        return h
