"""A trained network made ready for inference: batch norms folded, kernels transformed once, each layer one walk."""

import numpy as np

from ..backend import Array, xp
from ..errors import ConfigError
from ..fast import fused
from ..nn import BatchNorm
from ..nn.convolution import Convolution
from ..tensor import Tensor, no_grad
from .cnn import CNN

EPSILON = 1e-5  # of `ops.batch_norm`


class Compiled:
    """Call it like the network: input (N, frames, mels, 4) -> a tensor of logits (N, classes), without a graph.

    It follows the network: a layer is prepared again when an optimiser, `load_state` or a batch norm in training has
    given it another array. Writing into an array in place goes unnoticed.
    """

    def __init__(self, model: CNN) -> None:
        self.model = model
        self._layers: dict[int, tuple[tuple[Array, ...], fused.Layer]] = {}

    def __call__(self, x: Array) -> Tensor:
        with no_grad():
            h = self.model.normalised(x, train=False).data[:, :, :, None]  # (N, H, W, 1, C)
            for number, block in enumerate(self.model.blocks):
                pool = number + 1 < len(self.model.blocks)
                for n, (conv, norm) in enumerate(zip(block.convs, block.norms, strict=True)):
                    h = fused.apply(h, self._layer(conv, norm, pool=pool and n + 1 == len(block.convs)))
            h = h.reshape(*h.shape[:3], -1)
            return self.model.classifier(self.model.head(Tensor(h)))

    def _layer(self, conv: Convolution, norm: BatchNorm, *, pool: bool) -> fused.Layer:
        arrays = (conv.weight.data, norm.scale.data, norm.shift.data, norm.mean, norm.variance)
        known = self._layers.get(id(conv))
        if known is None or any(a is not b for a, b in zip(known[0], arrays, strict=True)):
            known = self._layers[id(conv)] = arrays, _folded(*arrays, pool=pool)
        return known[1]


def _folded(weight: Array, scale: Array, shift: Array, mean: Array, variance: Array, *, pool: bool) -> fused.Layer:
    factor = scale / np.sqrt(variance + variance.dtype.type(EPSILON))
    kernel = weight if weight.ndim == 5 else weight[None]
    return fused.layer(kernel, factor, shift - mean * factor, pool=pool)


def compile(model: CNN) -> Compiled:
    """Return the network for inference, equal to it but for rounding, and two to four times as fast.

    Raises ConfigError on a GPU, where there is nothing to prepare.

    >>> import numpy as np; from quatnet.models import CNN, small_cnn
    >>> model = CNN(small_cnn(classes=3), rng=np.random.default_rng(0))
    >>> compile(model)(np.zeros((1, 64, 64, 4), np.float32)).shape
    (1, 3)
    """
    if xp is not np:
        raise ConfigError(f"compile prepares networks for NumPy, and the array module is {xp.__name__}; call the model")
    return Compiled(model)
