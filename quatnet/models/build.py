"""Construction of networks from configs, and of configs from the names of published networks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..autodiff import Tensor
from ..backend import xp
from ..errors import CheckpointError, ConfigError
from ..nn import Module
from .cnn import CNN, CNNConfig, cnn6, cnn10, cnn14, small_cnn
from .config import Config, num_weights
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


def check_size(config: Config, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise CheckpointError if the network of `config` has more weights than the arrays.

    The check prevents that memory is taken for a very large layer of a damaged file.
    """
    weights = config.mels + sum(map(num_weights, config.layers(frames=1 << 60)))
    if weights > (size := sum(array.size for array in arrays.values())):
        raise CheckpointError(f"the layers have {weights} parameters and the file has {size}: the shapes do not match")


def is_built_in(model: Any) -> bool:
    """Return whether a network consists of classes of quatnet only and is thus defined by its config and its arrays.

    A subclass, and a network with a replaced layer or method or another option, can compute something else. The options
    are compared with those of a new network with 4 channels per layer, because they do not depend on the widths.
    """
    if type(model) not in (CNN, ResNet) or type(model.config) not in (CNNConfig, ResNetConfig):
        return False
    parts = [model.config, *model.modules()]
    replaced = [value for part in parts for value in vars(part).values() if callable(value)]
    widths = tuple((4,) * len(block) for block in model.config.widths)
    plain = build(replace(model.config, widths=widths, embedding=4), rng=np.random.default_rng(0))
    return (
        all(type(part).__module__.startswith("quatnet.") for part in parts + replaced)
        and _has_options(model, plain)
        and [name for name, *_ in model._entries()] == [name for name, *_ in plain._entries()]
    )


def _has_options(found: Any, plain: Any) -> bool:
    """Return whether `found` has the types and the attributes of `plain`, apart from entries of arrays."""
    if type(found) is not type(plain):
        return False
    if isinstance(plain, Module):
        options = vars(plain).keys() - {"config", "frontend_settings", "synchronized"}
        return all(_has_options(vars(found).get(name), vars(plain)[name]) for name in options)
    if isinstance(plain, list | tuple):
        return len(found) == len(plain) and all(map(_has_options, found, plain))
    return isinstance(plain, Tensor | xp.ndarray) or found == plain


def check_built_in(model: Any) -> None:
    """Raise ConfigError unless `is_built_in(model)`."""
    if not is_built_in(model):
        raise ConfigError(
            f"expected a CNN or ResNet of quatnet.models with its own layers, got {type(model).__name__}: "
            "a subclass or a changed layer would be lost"
        )


def rebuild(model: Network, config: Config, state: Mapping[str, np.ndarray]) -> Network:
    """Return the network of `config` with the arrays `state`, and the frozen parameters and settings of `model`.

    Raises ConfigError unless `is_built_in(model)`.
    """
    check_built_in(model)
    network = build(config, rng=np.random.default_rng(0))
    network.load_state_dict(state)
    network.frontend_settings = model.frontend_settings
    old = model._entries_by_name()
    for name, (*_, tensor) in network._entries_by_name().items():
        if isinstance(tensor, Tensor):
            tensor.requires_grad = old[name][2].requires_grad
    return network


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
