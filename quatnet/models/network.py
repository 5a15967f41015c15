"""Base class of all networks.

    1. batch norm of the input
    2. blocks, see cnn.py and resnet.py
    3. head: mean over mels, maximum over time + mean over time, dropout, linear, ReLU
    4. real linear classifier

The output of the head is the embedding. The output of the classifier is the logits.

Source: Q. Kong and others, PANNs, 2020.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..backend import Array, xp
from ..errors import ShapeError
from ..nn import BatchNorm, Linear, Module, QuaternionLinear
from ..nn.module import restores_buffers
from ..threads import single_threaded_blas
from .config import Config


class Network(Module, ABC):
    """Base class of networks built from a `Config`, which map (N, frames, mels, 4) to logits (N, classes).

    Subclasses implement `features`.
    """

    def __init__(self, config: Config, blocks: list[Any], *, rng: np.random.Generator) -> None:
        self.config = config
        self.frontend_settings: dict[str, Any] | None = None  # front end of the training clips, see FrontEnd.settings
        shared = config.input_norm == "mel"
        self.input_norm = BatchNorm(config.mels * (1 if shared else config.in_channels), affine=shared)
        self.blocks = blocks
        linear = QuaternionLinear if config.quaternion else Linear
        self.embedding = linear(config.widths[-1][-1], config.embedding, rng=rng)
        self.classifier = Linear(config.embedding, config.classes, rng=rng)

    def __call__(self, x: Array, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        """Return the logits (N, classes).

        With `train`, batch norms use batch statistics and dropout is active. The dropout masks are drawn from `rng`.
        """
        return self.classifier(self.embed(x, train=train, rng=rng))

    def example_input(self, frames: int | None = None) -> Array:
        """Return a clip (1, frames, mels, 4) of zeros, by default of the smallest length for the pooling layers."""
        blocks = range(len(self.config.widths))
        pools = sum(self.config.has_pool(block) + self.config.has_shortcut(block) for block in blocks)
        return xp.zeros((1, frames or 2**pools, self.config.mels, 4), dtype=np.float32)

    @single_threaded_blas()
    @restores_buffers
    def embed(self, x: Array, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        """Return the embedding (N, embedding) of the input (N, frames, mels, 4).

        The embedding is the input of the classifier. Raises ShapeError for an input of another shape, or with too few
        frames for the pooling layers.
        """
        h = self.features(self.apply_input_norm(x, train=train), train=train, rng=rng)
        return self.head(h, train=train, rng=rng)

    @abstractmethod
    def features(self, h: Tensor, *, train: bool, rng: np.random.Generator | None) -> Tensor:
        """Return the last feature map (N, H, W, C) for normalized inputs (N, frames, mels, 1 or 4)."""

    def head(self, h: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        """Return the embedding (N, embedding) of the last feature map (N, H, W, C)."""
        pooled = ops.mean(h, axis=2)  # shape (N, H, C)
        pooled = ops.max(pooled, axis=1) + ops.mean(pooled, axis=1)
        pooled = ops.dropout(pooled, self.config.head_dropout, rng=rng, train=train)
        return ops.relu(self.embedding(pooled))

    def apply_input_norm(self, x: Array, *, train: bool) -> Tensor:
        """Return the input channels (N, frames, mels, 1 or 4) after the input batch norm; see `Config.input_norm`.

        A real network uses channel 0, the log-mel spectrogram. A quaternion network uses all four channels. Raises
        ShapeError unless `x` has the shape (N, frames, mels, 4).
        """
        if x.ndim != 4 or x.shape[2:] != (self.config.mels, 4):
            raise ShapeError(f"expected input (N, frames, {self.config.mels}, 4), got {x.shape}")
        h = ops.getitem(x, np.s_[..., : self.config.in_channels])
        if self.config.input_norm == "mel":
            return ops.transpose(self.input_norm(ops.transpose(h, (0, 1, 3, 2)), train=train), (0, 1, 3, 2))
        frames, mels, channels = h.shape[1:]
        flat = self.input_norm(ops.reshape(h, (-1, frames, mels * channels)), train=train)
        return ops.reshape(flat, (-1, frames, mels, channels))
