"""Compilation of a network for inference: folded batch norms, prepared weights and fused layers."""

from collections.abc import Callable
from functools import partial
from typing import Any

from .. import ops
from ..autodiff import Tensor, no_grad
from ..backend import Array, xp
from ..conv.fast import algorithms, fused
from ..conv.plain import quaternion_to_real_kernel
from ..nn import BatchNorm, Linear, QuaternionLinear
from ..nn.convolution import Convolution
from ..threads import single_threaded_blas
from .blocks import ConvBlock, ResidualBlock
from .build import check_built_in
from .network import Network


class Compiled:
    """Network compiled for inference, which maps (N, frames, mels, 4) to logits (N, classes) without gradients.

    The weights are shared with the network. A layer is prepared again after one of its arrays has been replaced by an
    optimizer, by `load_state_dict` or by a batch norm in training mode. In-place changes of an array are not detected.
    """

    def __init__(self, model: Network) -> None:
        check_built_in(model)
        self.model, self.frontend_settings = model, model.frontend_settings
        # id of a layer -> arrays of the layer, and prepared arrays
        self._cache: dict[int, tuple[tuple[Array, ...], Any]] = {}

    def __call__(self, x: Array) -> Tensor:
        with no_grad(), single_threaded_blas():
            h = self._input_norm(x)[:, :, :, None]  # shape (N, H, W, 1, C)
            for number, block in enumerate(self.model.blocks):
                apply_block = self._residual_block if self.model.config.is_residual(number) else self._conv_block
                h = apply_block(h, block, pool=self.model.config.has_pool(number))
            return Tensor(self._head(h))

    def _input_norm(self, x: Array) -> Array:
        """Return the input channels after the input batch norm."""
        x, norm = self.model.select_input_channels(x), self.model.input_norm
        scale, shift = self._prepared(norm, _arrays(norm), partial(_scale_and_shift, eps=norm.eps))
        # the shape is (mels, 1) if `input_norm` is "mel": all channels of a mel bin have the same scale and shift
        shape = (self.model.config.mels, -1)
        return x * scale.reshape(shape) + shift.reshape(shape)

    def _head(self, h: Array) -> Array:
        pooled = h.mean(axis=2)
        pooled = (pooled.max(axis=1) + pooled.mean(axis=1)).reshape(len(h), -1)
        return self._linear(xp.maximum(self._linear(pooled, self.model.embedding), 0), self.model.classifier)

    def _linear(self, x: Array, layer: Linear | QuaternionLinear) -> Array:
        """Return the output of a linear layer. A small quaternion layer is computed as one real matrix product."""
        weight = layer.weight.data
        if weight.ndim == 3 and not algorithms.is_small(weight.shape):
            return layer(Tensor(x)).data
        matrix = self._prepared(layer, (weight,), _real_matrix) if weight.ndim == 3 else weight
        return x @ matrix if layer.bias is None else x @ matrix + layer.bias.data

    def _conv_block(self, h: Array, block: ConvBlock, *, pool: bool) -> Array:
        for n, (conv, norm) in enumerate(zip(block.convs, block.norms, strict=True), 1):
            h = fused.fused_conv2d(h, self._layer(conv, norm, pool=pool and n == len(block.convs)))
        return h

    def _residual_block(self, h: Array, block: ResidualBlock, *, pool: bool) -> Array:
        """Return the output of a residual block.

        The last convolution is not fused, because the sum is computed between its batch norm and relu.
        """
        x = block.residual_input(_merge_components(h))
        h = x.data[:, :, :, None]
        for conv, norm in zip(block.convs[:-1], block.norms[:-1], strict=True):
            h = fused.fused_conv2d(h, self._layer(conv, norm, pool=False))
        y = block.residual_add(_merge_components(h), x, train=False)
        return (ops.avg_pool2d(y) if pool else y).data[:, :, :, None]

    def _layer(self, conv: Convolution, norm: BatchNorm, *, pool: bool) -> fused.FusedConv2d:
        arrays = (conv.weight.data, *_arrays(norm))
        return self._prepared(conv, arrays, partial(_fold_batch_norm, eps=norm.eps, pool=pool))

    def _prepared(self, layer: object, arrays: tuple[Array, ...], prepare: Callable[..., Any]) -> Any:
        """Return prepare(*arrays), cached for the layer until one of its arrays is replaced."""
        cached = self._cache.get(id(layer))
        if cached is None or any(a is not b for a, b in zip(cached[0], arrays, strict=True)):
            cached = self._cache[id(layer)] = arrays, prepare(*arrays)
        return cached[1]


def _merge_components(h: Array) -> Tensor:
    return Tensor(h.reshape(*h.shape[:3], -1))


def _arrays(norm: BatchNorm) -> tuple[Array, ...]:
    return norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var


def _scale_and_shift(weight: Array, bias: Array, mean: Array, variance: Array, *, eps: float) -> tuple[Array, Array]:
    """Return the scale and the shift of each channel of a batch norm in evaluation mode."""
    scale = weight / xp.sqrt(variance + variance.dtype.type(eps))
    return scale, bias - mean * scale


def _fold_batch_norm(weight: Array, *norm: Array, eps: float, pool: bool) -> fused.FusedConv2d:
    return fused.make_layer(weight if weight.ndim == 5 else weight[None], *_scale_and_shift(*norm, eps=eps), pool=pool)


def _real_matrix(weight: Array) -> Array:
    """Return the real matrix (4C, 4O) of a quaternion weight (4, C, O) with C inputs and O outputs."""
    return quaternion_to_real_kernel(weight[:, None, None])[0, 0]


def compile(model: Network) -> Compiled:
    """Return a network for inference whose outputs are equal to the outputs of `model` up to rounding.

    On a CPU, plain convolution blocks are two to four times as fast. On a GPU, a quaternion convolution with eight
    products needs one pass over memory less. All other layers run as in `model`. Raises ConfigError for a subclass of a
    network of quatnet and for a network with replaced layers.

    >>> import numpy as np; from quatnet.models import CNN, small_cnn
    >>> model = CNN(small_cnn(classes=3), rng=np.random.default_rng(0))
    >>> compile(model)(np.zeros((1, 64, 64, 4), np.float32)).shape
    (1, 3)
    """
    return Compiled(model)
