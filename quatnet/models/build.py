"""Construction of networks from configs, and of configs from the names of published networks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ConfigError
from .cnn import CNN, CNNConfig, cnn6, cnn10, cnn14, small_cnn
from .config import Config
from .network import Network
from .resnet import ResNet, ResNetConfig, resnet38

PRESETS = {"cnn6": cnn6, "cnn10": cnn10, "cnn14": cnn14, "resnet38": resnet38, "small_cnn": small_cnn}
NAMES = (*PRESETS, *(f"q{name}" for name in PRESETS))


def build(config: Config, *, rng: np.random.Generator) -> Network:
    """Return the network of a `CNNConfig` or a `ResNetConfig`, with weights drawn from `rng`.

    Raises ConfigError for any other `config`.

    >>> import numpy as np; from quatnet.models import small_cnn
    >>> build(small_cnn(classes=3), rng=np.random.default_rng(0)).config.classes
    3
    """
    if isinstance(config, CNNConfig):
        return CNN(config, rng=rng)
    if isinstance(config, ResNetConfig):
        return ResNet(config, rng=rng)
    raise ConfigError(f"expected a CNNConfig or a ResNetConfig, got {type(config).__name__}")


def from_name(name: str, classes: int) -> Config:
    """Return the config of a network by name, such as "cnn14" (real) or "qcnn14" (quaternion).

    Raises ConfigError for a name that is not in `NAMES`.
    """
    if name not in NAMES:
        raise ConfigError(f"expected a network among {', '.join(NAMES)}, got {name!r}")
    return PRESETS[name.removeprefix("q")](classes, quaternion=name.startswith("q"))


def config_from_dict(fields: Mapping[str, Any]) -> Config:
    """Return the config with the given `fields`, the inverse of `dataclasses.asdict`.

    The result is a `ResNetConfig` if `fields` contains "stages", otherwise a `CNNConfig`. Raises TypeError for missing
    or unknown fields and ConfigError for invalid values.
    """
    return ResNetConfig(**fields) if "stages" in fields else CNNConfig(**fields)


def resized_config(config: Config, arrays: Mapping[str, Any]) -> Config:
    """Return `config` with the numbers of channels of `arrays`, which belong to a pruned network of `config`."""
    biases = {b: [f"blocks.{b}.norms.{c}.bias" for c in range(len(block))] for b, block in enumerate(config.widths)}
    widths = tuple(tuple(len(arrays[name]) for name in names) for names in biases.values())
    return replace(config, widths=widths, embedding=len(arrays["embedding.bias"]))
