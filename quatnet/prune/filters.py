"""What shrinks when filters go, and the smaller network.

A cut filter takes along its batch norm entries, the inputs of every layer that reads its map and, where a residual sum
adds maps, the same filter of every layer that writes into that sum.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from ..models import ChannelGroup, Config, Network, build, num_filters, shared_channels, with_filters

KeepIndices = Mapping[str, np.ndarray]  # first writer of shared channels -> indices of the filters that stay
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Slice:
    """Of array `name`, the entries `keep` along `axis` stay."""

    name: str
    axis: int
    keep: np.ndarray


def plan(config: Config, kept: KeepIndices) -> list[Slice]:
    """List everything that must shrink: filters, batch norms, and the inputs of whatever reads the map.

    Raises ConfigError for names that are no first writers of shared channels, and for filters that do not exist.
    """
    slices = []
    for group, filters in _groups(config, kept):
        channels = _real_channels(filters, num_filters(config, group), config.quaternion)
        slices += [Slice(f"{writer}.weight", -1, filters) for writer in group.producers]
        slices += [Slice(f"{norm}.{part}", 0, channels) for norm in group.norms for part in NORM_PARTS]
        slices += [Slice(f"{reader}.weight", -2, filters) for reader in group.consumers]
    return slices


def prune_filters(model: Network, kept: KeepIndices) -> Network:
    """Return a smaller network with only the filters in `kept`; layers not named stay whole. See `plan` for errors."""
    state = model.state_dict()
    for part in plan(model.config, kept):
        state[part.name] = np.take(state[part.name], part.keep, axis=part.axis)
    small = build(
        with_filters(model.config, {name: len(filters) for name, filters in kept.items()}),
        rng=np.random.default_rng(0),
    )
    small.load_state_dict(state)
    return small


def mask_filters(model: Network, kept: KeepIndices) -> Network:
    """Return a network of the same size whose other filters give 0: the plain twin of `cut`, with equal outputs."""
    state = model.state_dict()
    for group, filters in _groups(model.config, kept):
        count = num_filters(model.config, group)
        stays = np.tile(np.isin(np.arange(count), filters), 4 if model.config.quaternion else 1)
        for name in (f"{norm}.{part}" for norm in group.norms for part in ("weight", "bias")):
            state[name] *= stays
    masked = build(model.config, rng=np.random.default_rng(0))
    masked.load_state_dict(state)
    return masked


def _real_channels(filters: np.ndarray, count: int, quaternion: bool) -> np.ndarray:
    """A quaternion filter n of `count` writes the real channels n, C + n, 2C + n, 3C + n of the blocks r|i|j|k."""
    blocks = np.arange(4) * count if quaternion else np.zeros(1, int)
    return (blocks[:, None] + filters).ravel()


def _groups(config: Config, kept: KeepIndices) -> list[tuple[ChannelGroup, np.ndarray]]:
    groups = {group.producers[0]: group for group in shared_channels(config)}
    for name, filters in kept.items():
        if name not in groups:
            raise ConfigError(f"expected names among {', '.join(groups)}, got {name!r}")
        known, given = range(num_filters(config, groups[name])), [int(filter) for filter in filters]
        if not given or not set(given) <= set(known) or len(set(given)) < len(given):
            raise ConfigError(f"{name}: expected at least one of the filters 0 to {known[-1]}, each once, got {given}")
    return [(groups[name], np.sort(np.asarray(filters))) for name, filters in kept.items()]
