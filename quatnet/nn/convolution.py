"""Real convolution layers, and the base classes of all convolution layers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..checks import checked_count
from ..conv.im2col import Pair, pair, single
from ..errors import ConfigError, ShapeError
from ..ops.components import quaternion_channels
from .init import xavier_uniform
from .module import Module, parameter


def real_weights(shape: tuple[int, ...], group_shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return initial weights of `shape` (*kernel_size, C/G, O) for C input channels, O output channels and G groups.

    The weights of each group are drawn as those of a separate convolution, of `group_shape` (*kernel_size, C/G, O/G).
    """
    groups = range(shape[-1] // group_shape[-1])
    return np.concatenate([xavier_uniform(group_shape, rng=rng) for _ in groups], axis=-1)


class Convolution(Module):
    """Base class of the convolution layers.

    A subclass defines the convolution `op`, the function `init_weight` for the initial weights, `quaternion`, whether
    the channels are quaternion channels, and `ndim`, the number of spatial axes. The names of the tensors and options
    that are passed to `op` are in `weight_names` and `option_names`.

    Parameters
    ----------
    in_channels, out_channels : number of real channels of input and output
    kernel_size, stride, padding, dilation : an integer, or for 2d convolutions a pair (height, width).
        The default padding keeps the size if the stride is 1 and the kernel size is odd.
    groups : number of groups; the filters of a group use the input channels of this group only
    bias : whether a trainable bias, initially 0, is added to each output channel
    rng : generator of the initial weights

    Raises
    ------
    ShapeError
        A number of channels (in a quaternion layer, quaternion channels) is not divisible by `groups`. In a quaternion
        layer: a number of channels is not a positive multiple of 4.
    ConfigError
        A number of channels, `groups`, a kernel size, a stride or a dilation is less than 1, a padding is negative, or
        an option is neither an integer nor a pair of integers.
    """

    op: Callable[..., Tensor]
    init_weight: Callable[..., np.ndarray]
    quaternion = False
    ndim = 2
    weight_names: tuple[str, ...] = ("weight",)
    option_names: tuple[str, ...] = ("stride", "padding", "dilation", "groups")

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
        sizes, dilations = self._per_axis(kernel_size), self._per_axis(dilation)
        if min(*sizes, *dilations, *self._per_axis(stride)) < 1 or min(self._per_axis(padding or 0)) < 0:
            raise ConfigError(
                "expected kernel_size, stride and dilation of at least 1, and padding of at least 0, "
                f"got {kernel_size}, {stride}, {dilation} and {padding}"
            )
        channels = (in_channels, out_channels)
        inputs, filters = counts = tuple(map(quaternion_channels, channels)) if self.quaternion else channels
        if any(checked_count("channels", count) % checked_count("groups", groups) for count in counts):
            kind = "quaternion channels" if self.quaternion else "channels"
            raise ShapeError(f"expected numbers of {kind} that are divisible by groups={groups}, got {counts}")
        shape, group_shape = ((*sizes, inputs // groups, outputs) for outputs in (filters, filters // groups))
        self.weight = parameter(self.init_weight(shape, group_shape, rng))
        self.bias = parameter(np.zeros(out_channels, np.float32)) if bias else None
        self.stride, self.dilation, self.groups = stride, dilation, groups
        self.effective_kernel_size = tuple(d * (size - 1) + 1 for size, d in zip(sizes, dilations, strict=True))
        self.padding = self._default_padding() if padding is None else padding

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        weights = (getattr(self, name) for name in self.weight_names)
        y = self.op(x, *weights, **{name: getattr(self, name) for name in self.option_names})
        return y if self.bias is None else y + self.bias

    def _default_padding(self) -> Pair:
        return tuple(size // 2 for size in self.effective_kernel_size)

    def _per_axis(self, value: Pair) -> tuple[int, ...]:
        """Return the option `value` as one integer per spatial axis."""
        return pair(value) if self.ndim == 2 else (single(value),)


class TransposedConvolution(Convolution):
    """Base class of the transposed convolution layers.

    With the default options, the output is `stride` times as large as the input, except that an even kernel size with
    stride 1 adds one row and column. `output_padding` is added to the size of the output. `output_padding` is an
    integer or a pair (height, width), from 0 to stride - 1.
    """

    option_names = (*Convolution.option_names, "output_padding")

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
        self.output_padding = self._default_output_padding() if output_padding is None else output_padding
        limits = zip(self._per_axis(self.output_padding), self._per_axis(self.stride), strict=True)
        if not all(0 <= size < stride for size, stride in limits):
            raise ConfigError(f"expected output_padding from 0 to stride - 1, got {output_padding} and {self.stride}")

    def _default_padding(self) -> Pair:
        return tuple((size - 1) // 2 for size in self.effective_kernel_size)

    def _default_output_padding(self) -> Pair:
        """Return stride - effective kernel size + 2 · padding per axis, clipped to the range from 0 to stride - 1."""
        strides, paddings = self._per_axis(self.stride), self._per_axis(self.padding)
        differences = (s - k + 2 * p for s, k, p in zip(strides, self.effective_kernel_size, paddings, strict=True))
        return tuple(min(max(0, difference), s - 1) for difference, s in zip(differences, strides, strict=True))


class Conv1d(Convolution):
    """Real 1d convolution layer, (N, W, C) -> (N, OW, O). See `ops.conv1d`.

    The parameters are those of `nn.convolution.Convolution`.
    """

    op, init_weight, ndim = staticmethod(ops.conv1d), staticmethod(real_weights), 1


class Conv2d(Convolution):
    """Real 2d convolution layer, (N, H, W, C) -> (N, OH, OW, O). See `ops.conv2d`.

    The parameters are those of `nn.convolution.Convolution`.
    """

    op, init_weight = staticmethod(ops.conv2d), staticmethod(real_weights)


class ConvTranspose2d(TransposedConvolution):
    """Real transposed 2d convolution layer, the adjoint of `Conv2d`: (N, H, W, C) -> (N, OH, OW, O).

    The parameters are those of `nn.convolution.Convolution`, and `output_padding`, see `TransposedConvolution`.
    """

    op, init_weight = staticmethod(ops.conv_transpose2d), staticmethod(real_weights)
