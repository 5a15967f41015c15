"""Removal of filters, and of the array entries that depend on the filters, from a network.

The batch norm entries of the filter and the corresponding input channels of all consumer layers are also removed. If
the output of the filter is part of a residual sum, the same filter is removed from all producers of the sum.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from ..models import ChannelGroup, Config, Network, num_filters, shared_channels, with_filters
from ..models.build import rebuild

KeepIndices = Mapping[str, np.ndarray]  # first producer of a channel group -> indices of the filters to keep
NORM_ARRAYS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class AxisSelection:
    """Selection of the entries to keep along one axis of a network array."""

    name: str
    axis: int
    indices: np.ndarray


def plan_pruning(config: Config, keep: KeepIndices) -> list[AxisSelection]:
    """Return one `AxisSelection` for each array axis that becomes shorter.

    These arrays are the weights of producers and consumers, and the arrays of batch norms. Raises ConfigError if a
    name is not the first producer of a channel group or an index is invalid.
    """
    selections = []
    for group, filters in _groups(config, keep):
        channels = _real_channels(filters, num_filters(config, group), config.quaternion)
        selections += [AxisSelection(f"{producer}.weight", -1, filters) for producer in group.producers]
        selections += [AxisSelection(f"{norm}.{array}", 0, channels) for norm in group.norms for array in NORM_ARRAYS]
        selections += [AxisSelection(f"{consumer}.weight", -2, filters) for consumer in group.consumers]
    return selections


def prune_filters(model: Network, keep: KeepIndices) -> Network:
    """Return a smaller network that contains only the filters in `keep`.

    Layers that are not in `keep` are not pruned. Raises ConfigError as `plan_pruning` does, and for a subclass of a
    network of quatnet or a network with replaced layers.
    """
    state = model.state_dict()
    for entry in plan_pruning(model.config, keep):
        state[entry.name] = np.take(state[entry.name], entry.indices, axis=entry.axis)
    config = with_filters(model.config, {name: len(filters) for name, filters in keep.items()})
    return rebuild(model, config, state)


def mask_filters(model: Network, keep: KeepIndices) -> Network:
    """Return a network of the same size in which the output of all filters not in `keep` is 0.

    The outputs are equal to the outputs of `prune_filters(model, keep)`. Raises ConfigError as `prune_filters` does.
    """
    state = model.state_dict()
    for group, filters in _groups(model.config, keep):
        count = num_filters(model.config, group)
        mask = np.tile(np.isin(np.arange(count), filters), 4 if model.config.quaternion else 1)
        for name in (f"{norm}.{array}" for norm in group.norms for array in ("weight", "bias")):
            state[name] *= mask
    return rebuild(model, model.config, state)


def _real_channels(filters: np.ndarray, count: int, quaternion: bool) -> np.ndarray:
    """Return the indices of the real output channels of `filters`.

    Quaternion filter n of `count` filters has the channels n, count + n, 2 count + n and 3 count + n.
    """
    offsets = np.arange(4) * count if quaternion else np.zeros(1, int)
    return (offsets[:, None] + filters).ravel()


def _groups(config: Config, keep: KeepIndices) -> list[tuple[ChannelGroup, np.ndarray]]:
    """Return the channel groups named in `keep`, each with its sorted filter indices."""
    groups = {group.producers[0]: group for group in shared_channels(config)}
    for name, filters in keep.items():
        if name not in groups:
            raise ConfigError(f"expected names among {', '.join(groups)}, got {name!r}")
        valid, indices = range(num_filters(config, groups[name])), [int(index) for index in filters]
        if not indices or not set(indices) <= set(valid) or len(set(indices)) < len(indices):
            raise ConfigError(
                f"{name}: expected at least one of the filters 0 to {valid[-1]}, each once, got {indices}"
            )
    return [(groups[name], np.sort(np.asarray(filters))) for name, filters in keep.items()]
