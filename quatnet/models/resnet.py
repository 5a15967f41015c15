"""ResNet38 and QResNet38: residual blocks between two plain ones, from one config.

    plain block; average pool 2x2 and dropout
    stages of residual blocks; the first block of each stage but the first halves the map
    average pool 2x2 and dropout; plain block; dropout

Before them the first batch norm and after them the head of `network.py`.

Source: Q. Kong and others, PANNs, 2020 (ResNet38); A. Singh, M. Plumbley, V. Abrol, 2025 (QResNet38).
"""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..errors import ConfigError
from .blocks import ConvBlock, ResidualBlock
from .config import Config
from .network import Network


@dataclass(frozen=True)
class ResNetConfig(Config):
    """What a residual network is made of; see `Config`.

    `widths` holds the plain block, each residual block, and the other plain block. `stages` counts the residual
    blocks of each stage. What is added must have the same channels: the last width of every block of a stage is one
    number, in the first stage that of the plain block before it.
    Raises ConfigError for values that cannot work.
    """

    stages: tuple[int, ...] = (3, 4, 6, 3)
    residual_dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages or min(self.stages) < 1 or len(self.widths) != sum(self.stages) + 2:
            raise ConfigError(f"expected widths of sum(stages) residual blocks between two plain ones, got {self}")
        if not 0 <= self.residual_dropout < 1:
            raise ConfigError(f"expected dropout rates in [0, 1), got {self}")
        for b, widths in enumerate(self.widths):
            if self.residual(b) and not self.shortcut(b) and widths[-1] != self.widths[b - 1][-1]:
                raise ConfigError(f"block {b} adds {self.widths[b - 1][-1]} channels to {widths[-1]}: make them equal")

    def pools(self, block: int) -> bool:
        """Return whether the result of `block` is pooled: those of the first and of the last but one are."""
        return block in (0, len(self.widths) - 2)

    def residual(self, block: int) -> bool:
        """Return whether `block` adds its input to its result."""
        return 0 < block < len(self.widths) - 1

    def shortcut(self, block: int) -> bool:
        """Return whether that input is first pooled, and goes through a 1 x 1 convolution."""
        return block in list(accumulate(self.stages, initial=1))[1:-1]


def resnet38(classes: int, *, quaternion: bool = False) -> ResNetConfig:
    """Return the config of ResNet38 (73.78 M parameters at 527 classes) or QResNet38 (19.28 M)."""
    stages = (3, 4, 6, 3)
    residual = [
        (width, width) for width, blocks in zip((64, 128, 256, 512), stages, strict=True) for _ in range(blocks)
    ]
    return ResNetConfig(classes, quaternion, ((64, 64), *residual, (2048, 2048)), embedding=2048, stages=stages)


class ResNet(Network):
    """The network of a `ResNetConfig`: (N, frames, mels, 4) -> logits (N, classes)."""

    config: ResNetConfig

    def __init__(self, config: ResNetConfig, *, rng: np.random.Generator) -> None:
        inputs = [config.in_channels] + [block[-1] for block in config.widths]
        super().__init__(config, [_block(config, b, inputs[b], rng) for b in range(len(config.widths))], rng=rng)

    def features(self, h: Tensor, *, train: bool, rng: np.random.Generator | None) -> Tensor:
        """Return the last feature map (N, T, M, C) of the normalized input channels."""
        first, *residual, last = self.blocks
        h = self._dropped(ops.avg_pool2d(first(h, train=train)), train, rng)
        for block in residual:
            h = block(h, train=train, rng=rng)
        h = self._dropped(ops.avg_pool2d(h), train, rng)
        return self._dropped(last(h, train=train), train, rng)

    def _dropped(self, h: Tensor, train: bool, rng: np.random.Generator | None) -> Tensor:
        return ops.dropout(h, self.config.block_dropout, rng=rng, train=train)


def _block(config: ResNetConfig, b: int, channels: int, rng: np.random.Generator) -> ConvBlock | ResidualBlock:
    if not config.residual(b):
        return ConvBlock(channels, config.widths[b], config, rng=rng)
    shortcut, dropout = config.shortcut(b), config.residual_dropout
    return ResidualBlock(channels, config.widths[b], config, shortcut=shortcut, dropout=dropout, rng=rng)
