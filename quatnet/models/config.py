"""Configuration of a network: the hyperparameters that define its layers."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..checks import checked_count, checked_number
from ..errors import ConfigError


class LayerShape(NamedTuple):
    """Kernel size, channels and output size of one layer for one clip.

    `height` and `width` are the size of the output. A convolution has a `kernel_size` x `kernel_size` kernel, a batch
    norm and no bias. A linear layer has a bias, no batch norm, and an output of 1 x 1.
    """

    name: str
    kernel_size: int
    in_channels: int
    out_channels: int
    height: int
    width: int
    quaternion: bool
    linear: bool = False

    @property
    def filters(self) -> int:
        """Number of real or quaternion output channels."""
        return self.kernel[-1]

    @property
    def kernel(self) -> tuple[int, ...]:
        """Shape (P, KH, KW, C, O) of the kernel with P components: 4 of a quaternion layer, 1 of a real layer."""
        components, size = 4 if self.quaternion else 1, self.kernel_size
        return (components, size, size, self.in_channels // components, self.out_channels // components)


def num_weights(layer: LayerShape) -> int:
    """Return the number of real weights of a layer. A quaternion weight counts as 4 real weights."""
    return math.prod(layer.kernel)


@dataclass(frozen=True)
class Config:
    """Hyperparameters of a network.

    Parameters
    ----------
    classes
        Number of classes.
    quaternion
        Whether the layers are quaternion layers. A real network uses only the log-mel spectrogram. A quaternion network
        uses all four components of the input.
    widths
        Numbers of real output channels of the convolutions, one tuple per block. In a quaternion network, each number
        is a multiple of 4.
    embedding
        Number of real output channels of the embedding.
    mels
        Number of mel bins of the input.
    block_dropout, head_dropout
        Dropout rates after each block and before the embedding.
    input_norm
        "mel", as in the paper: the components of a mel bin share one mean and variance. Weight and bias are trained.
        "cell": each component of a mel bin has a separate mean and variance, without weight and bias. Separate
        statistics correct the scale of the deltas, which is about a tenth of the scale of the log-mel spectrogram.
    kernel_size
        Height and width of the convolution kernels, an odd number.

    Raises
    ------
    ConfigError
        A value is invalid.
    """

    classes: int
    quaternion: bool
    widths: tuple[tuple[int, ...], ...]
    embedding: int
    mels: int = 64
    block_dropout: float = 0.2
    head_dropout: float = 0.5
    input_norm: str = "mel"
    kernel_size: int = 3

    def __post_init__(self) -> None:
        count = partial(checked_count, "each of widths, embedding, classes, mels and kernel_size")
        self._convert("widths", lambda widths: tuple(tuple(map(count, block)) for block in widths))
        for name in ("classes", "embedding", "mels", "kernel_size"):
            self._convert(name, count)
        for name in ("block_dropout", "head_dropout"):
            self._convert(name, partial(checked_number, name, interval="[0, 1)"))
        if not isinstance(self.quaternion, bool | np.bool_):
            raise ConfigError(f"expected quaternion to be True or False, got {self.quaternion!r:.80}")
        self._convert("quaternion", bool)
        channels = [width for block in self.widths for width in block] + [self.embedding]
        if not self.widths or not all(self.widths):
            raise ConfigError(f"expected at least one width in each block, got {self}")
        if self.quaternion and any(width % 4 for width in channels):
            raise ConfigError(f"a quaternion network needs widths divisible by 4, got {self}")
        if not isinstance(self.input_norm, str) or self.input_norm not in ("mel", "cell"):
            raise ConfigError(f"expected input_norm 'mel' or 'cell', got {self.input_norm!r}")
        if self.kernel_size % 2 == 0:
            raise ConfigError(
                f"expected an odd kernel_size, which keeps the size of a feature map, got {self.kernel_size}"
            )

    def _convert(self, name: str, convert: Callable[[Any], Any]) -> None:
        """Replace a field by its value as a Python number, which JSON supports. Raises ConfigError for another type."""
        value = getattr(self, name)
        try:
            object.__setattr__(self, name, convert(value))
        except TypeError as error:
            raise ConfigError(f"{name}: expected a number or tuples of integers, got {value!r:.80}") from error

    @property
    def in_channels(self) -> int:
        """Number of input channels: 1 (log-mel) or 4 (log-mel and its three delta features)."""
        return 4 if self.quaternion else 1

    def has_pool(self, block: int) -> bool:
        """Return whether the output of `block` is pooled 2 x 2."""
        return block + 1 < len(self.widths)

    def is_residual(self, block: int) -> bool:
        """Return whether `block` is a residual block."""
        return False

    def has_shortcut(self, block: int) -> bool:
        """Return whether `block` is a residual block with a pooled input and a 1 x 1 convolution in its shortcut."""
        return False

    def layers(self, frames: int) -> Iterator[LayerShape]:
        """Yield the shape of every convolution and linear layer for a clip of `frames` frames.

        Raises ConfigError if a feature map would be empty.
        """
        height, width = checked_count("frames", frames), self.mels
        channels, quaternion = self.in_channels, self.quaternion
        for b, widths in enumerate(self.widths):
            if self.has_shortcut(b):
                height, width = height // 2, width // 2
                yield LayerShape(f"blocks.{b}.shortcut", 1, channels, widths[-1], height, width, quaternion)
            for c, outputs in enumerate(widths):
                name = f"blocks.{b}.convs.{c}"
                yield LayerShape(name, self.kernel_size, channels, outputs, height, width, quaternion)
                channels = outputs
            if self.has_pool(b):
                height, width = height // 2, width // 2
            if min(height, width) < 1:
                raise ConfigError(
                    f"{frames} frames of {self.mels} mels are too few for the pooling layers: use longer clips"
                )
        yield LayerShape("embedding", 1, channels, self.embedding, 1, 1, quaternion, linear=True)
        yield LayerShape("classifier", 1, self.embedding, self.classes, 1, 1, False, linear=True)
