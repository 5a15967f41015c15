"""Real convolution layers, and what all convolution layers share."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..conv.im2col import Pair, pair, single
from ..errors import ConfigError, ShapeError
from .init import xavier_uniform
from .module import Module
from .real import parameter


def real_weights(
    taps: tuple[int, ...], in_channels: int, out_channels: int, groups: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw (*taps, C/G, O), each of the G groups as a convolution of its own."""
    c, o = per_group(groups, in_channels, out_channels)
    return np.concatenate([xavier_uniform((*taps, c, o), rng=rng) for _ in range(groups)], axis=-1)


def per_group(groups: int, *channels: int) -> list[int]:
    """Return how many of the `channels` a group has; ShapeError where the groups do not come out equal."""
    if groups < 1 or any(count % groups for count in channels):
        raise ShapeError(f"expected channels in {groups} equal groups, got {channels}")
    return [count // groups for count in channels]


class Convolution(Module):
    """A weight, a bias where wanted, and the options of an op; a subclass names the op and how weights are drawn.

    Parameters
    ----------
    in_channels, out_channels : real channels in and out
    kernel_size, stride, padding, dilation : a number, or a pair (height, width); a signal has the number only.
        The default padding keeps the size where the stride is 1 and the kernel odd.
    groups : the filters of a group see the channels of that group only
    bias : add a trained number to each output channel, 0 at first
    rng : draws the weights

    Raises
    ------
    ShapeError
        The channels do not fall into equal groups (of quaternions, in a quaternion layer).
    ConfigError
        The kernel has no taps, or an option is no whole number and no pair of them.
    """

    op: Callable[..., Tensor]
    draw: Callable[..., np.ndarray]
    ndim = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 3,
        *,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = False,
        rng: np.random.Generator,
    ) -> None:
        taps, steps = self._each(kernel_size), self._each(dilation)
        if min(*taps, *steps) < 1:
            raise ConfigError(f"expected a kernel and a dilation of at least 1, got {kernel_size} and {dilation}")
        self.weight = parameter(self.draw(taps, in_channels, out_channels, groups, rng))
        self.bias = parameter(np.zeros(out_channels, np.float32)) if bias else None
        self.stride, self.dilation, self.groups = stride, dilation, groups
        self.effective_kernel_size = tuple(step * (length - 1) + 1 for length, step in zip(taps, steps, strict=True))
        self.padding = self._default_padding() if padding is None else padding

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        y = self.op(x, *self._weights(), **self._options())
        return y if self.bias is None else y + self.bias

    def _weights(self) -> tuple[Tensor, ...]:
        return (self.weight,)

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("stride", "padding", "dilation", "groups")}

    def _default_padding(self) -> Pair:
        return tuple(size // 2 for size in self.effective_kernel_size)

    def _each(self, value: Pair) -> tuple[int, ...]:
        """An option as one number for each direction."""
        return pair(value) if self.ndim == 2 else (single(value),)


class TransposedConvolution(Convolution):
    """A `Convolution` that spreads its input out; without paddings given it multiplies the size by the stride.

    `output_padding`, 0 to stride - 1 (a number, or a pair), is added to the size of the result.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 3,
        *,
        output_padding: Pair | None = None,
        **options: Any,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **options)
        self.output_padding = self._missing() if output_padding is None else output_padding

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "output_padding": self.output_padding}

    def _default_padding(self) -> Pair:
        return tuple((size - 1) // 2 for size in self.effective_kernel_size)

    def _missing(self) -> Pair:
        """The output padding that gives stride times the size, where possible: stride - effective kernel size + 2 padding."""
        steps, paddings = self._each(self.stride), self._each(self.padding)
        lacking = (s - r + 2 * p for s, r, p in zip(steps, self.effective_kernel_size, paddings, strict=True))
        return tuple(min(max(0, lack), s - 1) for lack, s in zip(lacking, steps, strict=True))


class Conv1d(Convolution):
    """Correlation of a signal with a real kernel: (N, L, C) -> (N, OL, O)."""

    op, draw, ndim = staticmethod(ops.conv1d), staticmethod(real_weights), 1


class Conv2d(Convolution):
    """Correlation with a real kernel: (N, H, W, C) -> (N, OH, OW, O)."""

    op, draw = staticmethod(ops.conv2d), staticmethod(real_weights)


class ConvTranspose2d(TransposedConvolution):
    """The way back through a real convolution: (N, H, W, C) -> (N, OH, OW, O)."""

    op, draw = staticmethod(ops.conv_transpose2d), staticmethod(real_weights)
