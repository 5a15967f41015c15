"""Sequential container and flatten layer."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..checks import call_error
from ..errors import ConfigError
from .module import Module

Layer = Callable[..., Tensor]


class Sequential(Module):
    """Network that applies `layers` in order.

    Each layer is a module, or a function that is called as layer(x, train=..., rng=...).

    >>> import numpy as np; from quatnet import nn
    >>> rng = np.random.default_rng(0)
    >>> net = nn.Sequential(nn.Linear(4, 8, rng=rng), nn.ReLU(), nn.Linear(8, 2, rng=rng))
    >>> net(Tensor(np.zeros((3, 4), np.float32))).shape
    (3, 2)
    """

    def __init__(self, *layers: Layer) -> None:
        if wrong := [layer for layer in layers if not callable(layer)]:
            raise ConfigError(f"expected layers as separate arguments, as in Sequential(*layers), got {wrong[0]!r}")
        for layer in layers:
            if error := call_error(layer, None, train=False, rng=None):
                raise ConfigError(
                    f"expected layers that are called as layer(x, train=..., rng=...), got {layer!r:.80}: {error}; "
                    "use a module, such as nn.ReLU(), and define __call__(self, x, *, train=False, rng=None)"
                )
        self.layers = list(layers)

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        for layer in self.layers:
            x = layer(x, train=train, rng=rng)
        return x

    def __getitem__(self, index: int | slice) -> Layer:
        """Return a layer, or for a slice the `Sequential` of these layers."""
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)


class Flatten(Module):
    """Layer that flattens all axes except the first: (N, ...) -> (N, product of the other lengths)."""

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return ops.reshape(x, (len(x), math.prod(x.shape[1:])))
