"""From a real network to its quaternion twin."""

from dataclasses import replace

import numpy as np

from ..errors import ConfigError
from .build import build
from .config import Config
from .network import Network


def convert(model: Network | Config, *, rng: np.random.Generator) -> Network:
    """Return the quaternion twin of a real network or of its config, with fresh weights drawn from `rng`.

    Layers, real channels and dropout are the same; convolutions and the embedding have a quarter of the weights,
    and the input is all four components instead of the log-mel alone. Weights cannot be taken over: the twin has a
    quarter of the numbers to say the same with.

    Raises
    ------
    ConfigError
        The network is a quaternion network already, a width is not divisible by 4, or `model` is something else.
    """
    config = model.config if isinstance(model, Network) else model
    if not isinstance(config, Config):
        raise ConfigError(f"expected a network or its config, got {type(model).__name__}")
    if config.quaternion:
        raise ConfigError("expected a real network, got a quaternion network; it is its own twin")
    return build(replace(config, quaternion=True), rng=rng)
