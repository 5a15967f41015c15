"""The CNN14 family: one config gives the real network, its quaternion twin, a student, or a pruned network.

    batch norm over mels
    blocks of [conv 3x3 -> batch norm -> relu], then average pool 2x2 (not after the last) and dropout
    mean over mels; maximum over time + mean over time
    dropout; linear -> relu (the embedding); real linear -> logits

Source: Q. Kong and others, PANNs, 2020 (CNN14); A. Singh, M. Plumbley, V. Abrol, 2025 (QCNN14).
"""

from dataclasses import dataclass, replace

import numpy as np

from .. import ops
from ..backend import Array, xp
from ..errors import ConfigError, ShapeError
from ..nn import BatchNorm, Conv2d, Linear, Module, QuaternionConv2d, QuaternionLinear
from ..tensor import Tensor


@dataclass(frozen=True)
class CNNConfig:
    """What a network is made of.

    `widths` holds, for each block, the real output channels of each convolution in it; in a quaternion network
    each is a multiple of 4. Pruning gives them values of their own. A real network reads the log-mel alone, a
    quaternion network all four components. `input_norm` "mel" is the paper's: the components of a mel bin share
    mean, variance, and a trained scale and shift. "cell" gives each component of a bin a mean and variance of its
    own and nothing to train, since the slopes are ten times smaller than the log-mel.
    Raises ConfigError for values that cannot work.
    """

    classes: int
    quaternion: bool
    widths: tuple[tuple[int, ...], ...]
    embedding: int
    mels: int = 64
    block_dropout: float = 0.2
    head_dropout: float = 0.5
    input_norm: str = "mel"

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(tuple(block) for block in self.widths))
        channels = [width for block in self.widths for width in block] + [self.embedding]
        if not self.widths or not all(self.widths) or min(*channels, self.classes, self.mels) < 1:
            raise ConfigError(f"expected positive widths, embedding, classes and mels, got {self}")
        if self.quaternion and any(width % 4 for width in channels):
            raise ConfigError(f"a quaternion network needs widths divisible by 4, got {self}")
        if not (0 <= self.block_dropout < 1 and 0 <= self.head_dropout < 1):
            raise ConfigError(f"expected dropout rates in [0, 1), got {self}")
        if self.input_norm not in ("mel", "cell"):
            raise ConfigError(f"expected input_norm 'mel' or 'cell', got {self.input_norm!r}")

    @property
    def inputs(self) -> int:
        """Input channels: log-mel alone, or with its three slopes."""
        return 4 if self.quaternion else 1


def cnn14(classes: int, *, quaternion: bool = False) -> CNNConfig:
    """Return the config of CNN14 (80.75 M parameters at 527 classes) or QCNN14 (21.01 M)."""
    widths = tuple((width, width) for width in (64, 128, 256, 512, 1024, 2048))
    return CNNConfig(classes, quaternion, widths, embedding=2048)


def small_cnn(classes: int, *, quaternion: bool = True, width: int = 16) -> CNNConfig:
    """Return the network of `examples/esc50.py`, which a laptop trains in minutes: large maps get one convolution."""
    widths = ((width,), (2 * width,), (4 * width,) * 2, (8 * width,) * 2, (16 * width,))
    return CNNConfig(
        classes, quaternion, widths, embedding=8 * width, block_dropout=0.0, head_dropout=0.2, input_norm="cell"
    )


def student_of(config: CNNConfig) -> CNNConfig:
    """Return the same network at half the width: a quarter of the parameters and of the multiplications."""
    widths = tuple(tuple(width // 2 for width in block) for block in config.widths)
    return replace(config, widths=widths, embedding=config.embedding // 2)


class ConvBlock(Module):
    """Convolutions with batch norm and relu: (N, H, W, C) -> (N, H, W, widths[-1])."""

    def __init__(self, channels: int, widths: tuple[int, ...], quaternion: bool, *, rng: np.random.Generator):
        layer = QuaternionConv2d if quaternion else Conv2d
        pairs = zip((channels, *widths), widths, strict=False)
        self.convs = [layer(before, after, rng=rng) for before, after in pairs]
        self.norms = [BatchNorm(width) for width in widths]

    def __call__(self, x: Tensor, *, train: bool) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(x), train=train, relu=True)
        return x


class CNN(Module):
    """The network of a `CNNConfig`: (N, frames, mels, 4) -> logits (N, classes)."""

    def __init__(self, config: CNNConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        shared = config.input_norm == "mel"
        self.input_norm = BatchNorm(config.mels * (1 if shared else config.inputs), affine=shared)
        inputs = [config.inputs] + [block[-1] for block in config.widths]
        self.blocks = [
            ConvBlock(channels, widths, config.quaternion, rng=rng)
            for channels, widths in zip(inputs, config.widths, strict=False)
        ]
        linear = QuaternionLinear if config.quaternion else Linear
        self.embedding = linear(inputs[-1], config.embedding, rng=rng)
        self.classifier = Linear(config.embedding, config.classes, rng=rng)

    def __call__(self, x: Array, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        """Return logits; `train` uses batch statistics and dropout, which draws from `rng`."""
        return self.classifier(self.embed(x, train=train, rng=rng))

    def embed(self, x: Array, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        """Return the embedding (N, embedding) of the input (N, frames, mels, 4): what transfers to other data.

        Raises ShapeError for another layout, or for too few frames for the pools.
        """
        return self.head(self._features(self.normalised(x, train=train), train, rng), train=train, rng=rng)

    def head(self, h: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        """Return the embedding of the last feature map (N, T, M, C)."""
        pooled = ops.mean(h, axis=2)  # (N, T, C): mels are gone
        pooled = ops.max(pooled, axis=1) + ops.mean(pooled, axis=1)
        pooled = ops.dropout(pooled, self.config.head_dropout, rng=rng, train=train)
        return ops.relu(self.embedding(pooled))

    def _features(self, h: Tensor, train: bool, rng: np.random.Generator | None) -> Tensor:
        for number, block in enumerate(self.blocks):
            h = block(h, train=train)
            if number + 1 < len(self.blocks):
                h = ops.average_pool(h)
            h = ops.dropout(h, self.config.block_dropout, rng=rng, train=train)
        return h

    def normalised(self, x: Array, *, train: bool) -> Tensor:
        """Return the input channels after the first batch norm; see `CNNConfig.input_norm`."""
        if x.ndim != 4 or x.shape[2:] != (self.config.mels, 4):
            raise ShapeError(f"expected input (N, frames, {self.config.mels}, 4), got {x.shape}")
        x = xp.asarray(x[..., : self.config.inputs])
        if self.config.input_norm == "mel":
            mels_last = self.input_norm(Tensor(x.transpose(0, 1, 3, 2)), train=train)
            return ops.transpose(mels_last, (0, 1, 3, 2))
        cells_last = self.input_norm(Tensor(x.reshape(*x.shape[:2], -1)), train=train)
        return ops.reshape(cells_last, x.shape)
