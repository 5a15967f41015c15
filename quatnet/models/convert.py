"""Conversion of a real network to its quaternion counterpart."""

from dataclasses import replace

import numpy as np

from ..errors import ConfigError
from .build import build, check_built_in
from .config import Config
from .network import Network


def convert(model: Network | Config, *, rng: np.random.Generator) -> Network:
    """Return the quaternion counterpart of a real network or of its config, with new weights drawn from `rng`.

    The layers, the numbers of real channels and the dropout rates do not change. The convolutions and the embedding
    have a quarter of the weights. The input has four components instead of the log-mel spectrogram alone. The weights
    of the real network are not used, because a quaternion layer cannot represent an arbitrary real layer.

    Raises
    ------
    ConfigError
        The network is already a quaternion network, a width is not divisible by 4, or `model` is neither a network nor
        a config. The network is a subclass or has replaced layers.
    """
    if isinstance(model, Network):
        check_built_in(model)
    config = model.config if isinstance(model, Network) else model
    if not isinstance(config, Config):
        raise ConfigError(f"expected a network or its config, got {type(model).__name__}")
    if config.quaternion:
        raise ConfigError("expected a real network, got a quaternion network; no conversion is needed")
    return build(replace(config, quaternion=True), rng=rng)
