"""The two kinds of blocks: a row of convolutions, and one that adds its input to its result."""

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..nn import BatchNorm, Conv2d, Module, QuaternionConv2d
from ..nn.convolution import Convolution
from .config import Config


class ConvBlock(Module):
    """Convolutions with batch norm and relu: (N, H, W, C) -> (N, H, W, widths[-1])."""

    def __init__(self, channels: int, widths: tuple[int, ...], config: Config, *, rng: np.random.Generator) -> None:
        self.convs = _convolutions(channels, widths, config, rng)
        self.norms = [BatchNorm(width) for width in widths]

    def __call__(self, x: Tensor, *, train: bool) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(x), train=train, relu=True)
        return x


class ResidualBlock(Module):
    """relu(x + convolutions of x), with batch norm, relu and dropout between those: (N, H, W, C) -> (N, H, W, C).

    With `shortcut` both ways start from x pooled 2 x 2, and the sum takes that through a 1 x 1 convolution and a
    batch norm: (N, H // 2, W // 2, widths[-1]). The scale of the last batch norm starts at 0: the block starts as
    relu(x), or relu(shortcut).

    Source: K. He and others, Deep residual learning for image recognition, 2016 (basic block); pools instead of
    strides, dropout and the first scale as in PANNs, Q. Kong and others, 2020.
    """

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        config: Config,
        *,
        shortcut: bool,
        dropout: float,
        rng: np.random.Generator,
    ) -> None:
        self.convs = _convolutions(channels, widths, config, rng)
        self.norms = [BatchNorm(width) for width in widths]
        self.norms[-1].weight.data[...] = 0
        self.shortcut = _layer(config)(channels, widths[-1], kernel_size=1, rng=rng) if shortcut else None
        self.shortcut_norm = BatchNorm(widths[-1]) if shortcut else None
        self.dropout = dropout

    def __call__(self, x: Tensor, *, train: bool, rng: np.random.Generator | None = None) -> Tensor:
        h = x = self.entered(x)
        for conv, norm in zip(self.convs[:-1], self.norms[:-1], strict=True):
            h = ops.dropout(norm(conv(h), train=train, relu=True), self.dropout, rng=rng, train=train)
        return self.joined(h, x, train=train)

    def entered(self, x: Tensor) -> Tensor:
        """Return where both ways start: the input, pooled if there is a shortcut."""
        return ops.avg_pool2d(x) if self.shortcut else x

    def joined(self, h: Tensor, x: Tensor, *, train: bool) -> Tensor:
        """Return where they meet: the last convolution of `h`, and `x`, added."""
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = self.shortcut_norm(self.shortcut(x), train=train)
        return ops.relu(self.norms[-1](self.convs[-1](h), train=train) + x)


def _layer(config: Config) -> type[Convolution]:
    return QuaternionConv2d if config.quaternion else Conv2d


def _convolutions(
    channels: int, widths: tuple[int, ...], config: Config, rng: np.random.Generator
) -> list[Convolution]:
    pairs = zip((channels, *widths), widths, strict=False)
    return [_layer(config)(before, after, kernel_size=config.kernel_size, rng=rng) for before, after in pairs]
