"""ResNet38 and QResNet38: residual blocks between two plain blocks.

    1. plain block, average pooling 2 x 2, dropout
    2. stages of residual blocks, average pooling 2 x 2, dropout
    3. plain block, dropout

The first block of every stage except the first pools its input 2 x 2. The input batch norm and the head are in
`network.py`.

Source: Q. Kong and others, PANNs, 2020 (ResNet38). A. Singh, M. Plumbley, V. Abrol, 2025 (QResNet38).
"""

from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from operator import index

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..checks import checked_number
from ..errors import ConfigError
from .blocks import ConvBlock, ResidualBlock
from .config import Config
from .network import Network


@dataclass(frozen=True)
class ResNetConfig(Config):
    """Hyperparameters of a residual network, see `Config`.

    `widths` contains the first plain block, all residual blocks, and the last plain block. `stages` contains the number
    of residual blocks in each stage. `residual_dropout` is the dropout rate inside residual blocks. All blocks of a
    stage have the same last width, because their outputs are added. In the first stage, this width is also the last
    width of the first plain block. Raises ConfigError for invalid values.
    """

    stages: tuple[int, ...] = (3, 4, 6, 3)
    residual_dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._convert("stages", lambda stages: tuple(map(index, stages)))
        self._convert("residual_dropout", partial(checked_number, "residual_dropout", interval="[0, 1)"))
        if not self.stages or min(self.stages) < 1 or len(self.widths) != sum(self.stages) + 2:
            raise ConfigError(f"expected widths of sum(stages) residual blocks between two plain blocks, got {self}")
        for b, widths in enumerate(self.widths):
            if self.is_residual(b) and not self.has_shortcut(b) and widths[-1] != self.widths[b - 1][-1]:
                raise ConfigError(f"block {b} adds {self.widths[b - 1][-1]} channels to {widths[-1]}: make them equal")

    def has_pool(self, block: int) -> bool:
        """Return whether `block` is the first plain or the last residual block, whose outputs are pooled 2 x 2."""
        return block in (0, len(self.widths) - 2)

    def is_residual(self, block: int) -> bool:
        """Return whether `block` is a residual block."""
        return 0 < block < len(self.widths) - 1

    def has_shortcut(self, block: int) -> bool:
        """Return whether `block` is a residual block with a pooled input and a 1 x 1 convolution in its shortcut."""
        return block in list(accumulate(self.stages, initial=1))[1:-1]


def resnet38(classes: int, *, quaternion: bool = False) -> ResNetConfig:
    """Return the config of ResNet38 (73.78 M parameters at 527 classes) or QResNet38 (19.28 M)."""
    residual = [(64, 64)] * 3 + [(128, 128)] * 4 + [(256, 256)] * 6 + [(512, 512)] * 3
    widths = ((64, 64), *residual, (2048, 2048))
    return ResNetConfig(classes, quaternion, widths, embedding=2048, stages=(3, 4, 6, 3))


class ResNet(Network):
    """Residual network, which maps clips (N, frames, mels, 4) to logits (N, classes)."""

    config: ResNetConfig

    def __init__(self, config: ResNetConfig, *, rng: np.random.Generator) -> None:
        inputs = [config.in_channels] + [block[-1] for block in config.widths]
        super().__init__(config, [_block(config, b, inputs[b], rng) for b in range(len(config.widths))], rng=rng)

    def features(self, h: Tensor, *, train: bool, rng: np.random.Generator | None) -> Tensor:
        """Return the last feature map (N, H, W, C) for normalized inputs (N, frames, mels, 1 or 4)."""
        first, *residual, last = self.blocks
        h = self._dropout(first(h, train=train, pool=True), train, rng)
        for block in residual:
            h = block(h, train=train, rng=rng)
        h = self._dropout(ops.avg_pool2d(h), train, rng)
        return self._dropout(last(h, train=train), train, rng)

    def _dropout(self, h: Tensor, train: bool, rng: np.random.Generator | None) -> Tensor:
        return ops.dropout(h, self.config.block_dropout, rng=rng, train=train)


def _block(config: ResNetConfig, b: int, in_channels: int, rng: np.random.Generator) -> ConvBlock | ResidualBlock:
    if not config.is_residual(b):
        return ConvBlock(in_channels, config.widths[b], config, rng=rng)
    shortcut, dropout = config.has_shortcut(b), config.residual_dropout
    return ResidualBlock(in_channels, config.widths[b], config, shortcut=shortcut, dropout=dropout, rng=rng)
