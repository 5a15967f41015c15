"""What a network is made of: everything that costs, pruning and checkpoints need, without its numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import ConfigError


class LayerShape(NamedTuple):
    """A layer on one clip: `kernel_size` x `kernel_size` taps on each pixel of a result of `height` x `width`.

    A convolution has a batch norm and no bias; a linear layer, of one pixel, a bias and no batch norm.
    """

    name: str
    kernel_size: int
    in_channels: int
    out_channels: int
    height: int
    width: int
    quaternion: bool
    linear: bool = False


@dataclass(frozen=True)
class Config:
    """What a network is made of.

    `widths` holds, for each block, the real output channels of each convolution in it; in a quaternion network
    each is a multiple of 4. Pruning gives them values of their own. A real network reads the log-mel alone, a
    quaternion network all four components. `input_norm` "mel" is the paper's: the components of a mel bin share
    mean, variance, and a trained scale and shift. "cell" gives each component of a bin a mean and variance of its
    own and nothing to train, since the deltas are ten times smaller than the log-mel. Kernels are `kernel_size` x
    `kernel_size`.
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
    kernel_size: int = 3

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
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ConfigError(f"expected an odd kernel, which keeps the size of a map, got {self.kernel_size}")

    @property
    def in_channels(self) -> int:
        """Input channels: log-mel alone, or with its three slopes."""
        return 4 if self.quaternion else 1

    def pools(self, block: int) -> bool:
        """Return whether the result of `block` is pooled to half its height and width."""
        return block + 1 < len(self.widths)

    def residual(self, block: int) -> bool:
        """Return whether `block` adds its input to its result."""
        return False

    def shortcut(self, block: int) -> bool:
        """Return whether that input is first pooled, and goes through a 1 x 1 convolution."""
        return False

    def layers(self, frames: int) -> Iterator[LayerShape]:
        """Yield every convolution and linear layer as it meets a clip of `frames` frames.

        Raises ConfigError where nothing is left of a map.
        """
        height, width, channels, four = frames, self.mels, self.in_channels, self.quaternion
        for b, widths in enumerate(self.widths):
            if self.shortcut(b):
                height, width = height // 2, width // 2
                yield LayerShape(f"blocks.{b}.shortcut", 1, channels, widths[-1], height, width, four)
            for c, outputs in enumerate(widths):
                yield LayerShape(f"blocks.{b}.convs.{c}", self.kernel_size, channels, outputs, height, width, four)
                channels = outputs
            if self.pools(b):
                height, width = height // 2, width // 2
            if min(height, width) < 1:
                raise ConfigError(f"{frames} frames of {self.mels} mels are too few for the pools: make clips longer")
        yield LayerShape("embedding", 1, channels, self.embedding, 1, 1, four, linear=True)
        yield LayerShape("classifier", 1, self.embedding, self.classes, 1, 1, False, linear=True)
