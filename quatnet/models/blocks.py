"""Plain and residual convolution blocks.

A CNN consists of blocks of type `ConvBlock`. A ResNet consists of a `ConvBlock`, several blocks of type `ResidualBlock`
and a `ConvBlock`.
"""

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..nn import BatchNorm, Conv2d, Module, QuaternionConv2d
from ..nn.convolution import Convolution
from .config import Config


class _Block(Module):
    """Convolution layers, each with a batch norm."""

    def __init__(self, in_channels: int, widths: tuple[int, ...], config: Config, *, rng: np.random.Generator) -> None:
        conv, pairs = _conv_class(config), zip((in_channels, *widths), widths, strict=False)
        self.convs = [conv(inputs, outputs, config.kernel_size, rng=rng) for inputs, outputs in pairs]
        self.norms = [BatchNorm(width) for width in widths]


class ConvBlock(_Block):
    """Sequence of convolution, batch norm and ReLU layers, which maps (N, H, W, C) to (N, H, W, widths[-1])."""

    def __call__(self, x: Tensor, *, train: bool, pool: bool = False) -> Tensor:
        """Return the feature map, average-pooled 2 x 2 if `pool`."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = conv(x)
            x = norm.relu_pool(x, train=train) if pool and norm is self.norms[-1] else norm(x, train=train, relu=True)
        return x


class ResidualBlock(_Block):
    """Residual block relu(x + f(x)), where f consists of convolutions and batch norms with relu and dropout between.

    Without `shortcut`, the block maps (N, H, W, C) to (N, H, W, C). With `shortcut`, the input x is first pooled
    2 x 2, and the output is relu(batch_norm(conv_1x1(x)) + f(x)), of shape (N, H // 2, W // 2, widths[-1]). The weight
    of the last batch norm is initialized to 0, so that f(x) = 0 at the start of training.

    Source: K. He and others, Deep residual learning for image recognition, 2016 (basic block). Pooling instead of
    strides, dropout and the zero initialization are those of PANNs, Q. Kong and others, 2020.
    """

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, ...],
        config: Config,
        *,
        shortcut: bool,
        dropout: float,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(in_channels, widths, config, rng=rng)
        self.norms[-1].weight.data[...] = 0
        self.shortcut = _conv_class(config)(in_channels, widths[-1], kernel_size=1, rng=rng) if shortcut else None
        self.shortcut_norm = BatchNorm(widths[-1]) if shortcut else None
        self.dropout = dropout

    def __call__(self, x: Tensor, *, train: bool, rng: np.random.Generator | None = None) -> Tensor:
        h = x = ops.avg_pool2d(x) if self.shortcut else x
        for conv, norm in zip(self.convs[:-1], self.norms[:-1], strict=True):
            h = ops.dropout(norm(conv(h), train=train, relu=True), self.dropout, rng=rng, train=train)
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = self.shortcut_norm(self.shortcut(x), train=train)
        return ops.relu(self.norms[-1](self.convs[-1](h), train=train) + x)


def _conv_class(config: Config) -> type[Convolution]:
    return QuaternionConv2d if config.quaternion else Conv2d
