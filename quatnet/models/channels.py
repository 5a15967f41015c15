"""Groups of layers that share channels, and configs of networks with fewer channels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..errors import ConfigError
from .cnn import AnyConfig
from .config import Config


class ChannelGroup(NamedTuple):
    """Group of layers that share channels. A channel is removed from all layers of the group together.

    `producers` are the convolutions that compute the channels (last axis of their `weight`). `norms` are the batch
    norms of the channels (axis of `weight`, `bias`, `running_mean` and `running_var`). `consumers` are the layers that
    take the channels as input (last but one axis of their `weight`). In the weight of a quaternion layer, one index
    along the channel axes corresponds to four real channels.
    """

    producers: list[str]
    norms: list[str]
    consumers: list[str]


def shared_channels(config: Config) -> list[ChannelGroup]:
    """Return the channel groups of a network, ordered by their first producer.

    In a plain block, each convolution has a separate group. A residual block adds its input to the output of its last
    convolution. The last convolutions of all residual blocks of a stage are therefore in one group, together with the
    shortcut or the plain block before the first sum of the stage. The layer `blocks.B.convs.C` has
    `config.widths[B][C]` output channels. A shortcut has the last width of its block. The output channels of the
    embedding are not included.

    >>> from quatnet.models import CNNConfig
    >>> shared_channels(CNNConfig(3, False, ((8,), (16,)), embedding=4))[0]
    ChannelGroup(producers=['blocks.0.convs.0'], norms=['blocks.0.norms.0'], consumers=['blocks.1.convs.0'])
    """
    groups: list[ChannelGroup] = []
    block_output = ChannelGroup([], [], [])  # the input of the network has no producer
    for b, widths in enumerate(config.widths):
        inputs, prefix = block_output, f"blocks.{b}"
        if config.has_shortcut(b) or not config.is_residual(b):
            block_output = ChannelGroup([], [], [])
        if config.has_shortcut(b):
            inputs.consumers.append(f"{prefix}.shortcut")
            _add_producer(block_output, f"{prefix}.shortcut", f"{prefix}.shortcut_norm", groups)
        for c in range(len(widths)):
            inputs.consumers.append(f"{prefix}.convs.{c}")
            inputs = block_output if c + 1 == len(widths) else ChannelGroup([], [], [])
            _add_producer(inputs, f"{prefix}.convs.{c}", f"{prefix}.norms.{c}", groups)
    block_output.consumers.append("embedding")
    return groups


def _add_producer(group: ChannelGroup, producer: str, norm: str, groups: list[ChannelGroup]) -> None:
    if not group.producers:
        groups.append(group)
    group.producers.append(producer)
    group.norms.append(norm)


def num_filters(config: Config, group: ChannelGroup) -> int:
    """Return the number of filters in each producer of a group. A quaternion filter produces four real channels."""
    _, block, kind, *number = group.producers[0].split(".")
    width = config.widths[int(block)][int(number[0]) if kind == "convs" else -1]
    return width // (4 if config.quaternion else 1)


def remaining_filters(config: Config, ratio: float, *, blocks: Sequence[int] | None = None) -> dict[str, int]:
    """Return the number of filters that remain in each channel group if the share `ratio` is removed.

    Parameters
    ----------
    config
        The network before pruning.
    ratio
        Share of the filters to remove, 0 <= ratio < 1. At least one filter of each group remains.
    blocks
        Blocks to prune (default: all). Only groups with all producers in these blocks are pruned.

    Returns
    -------
    Number of remaining filters of each pruned group, by the name of the first producer.

    Raises
    ------
    ConfigError
        `ratio` is out of range or a block does not exist.
    """
    all_blocks = range(len(config.widths))
    selected = all_blocks if blocks is None else blocks
    if not 0 <= ratio < 1:
        raise ConfigError(f"expected a share of filters to prune, 0 <= ratio < 1, got {ratio}")
    if not set(selected) <= set(all_blocks):
        raise ConfigError(f"expected blocks among {list(all_blocks)}, got {list(selected)}")
    prefixes = tuple(f"blocks.{b}." for b in selected)
    groups = [group for group in shared_channels(config) if all(name.startswith(prefixes) for name in group.producers)]
    counts = {group.producers[0]: num_filters(config, group) for group in groups}
    return {name: count - int(ratio * count) for name, count in counts.items()}


def with_filters(config: AnyConfig, filters: Mapping[str, int]) -> AnyConfig:
    """Return `config` with the given numbers of filters.

    `filters` maps the first producer of a channel group to the new number of filters of the group. Raises ConfigError
    if a name is not the first producer of a group, or a number is below 1.
    """
    producers = {group.producers[0]: group.producers for group in shared_channels(config)}
    if not filters.keys() <= producers.keys():
        raise ConfigError(f"expected names among {', '.join(producers)}, got {', '.join(filters)}")
    unit = 4 if config.quaternion else 1
    widths = {producer: unit * count for name, count in filters.items() for producer in producers[name]}
    blocks = [
        tuple(widths.get(f"blocks.{b}.convs.{c}", width) for c, width in enumerate(block))
        for b, block in enumerate(config.widths)
    ]
    return replace(config, widths=tuple(blocks))


def pruned_config(config: AnyConfig, ratio: float) -> AnyConfig:
    """Return the config after removing the share `ratio` of the filters in the second half of the blocks.

    In CNN14, the second half is blocks 4 to 6, as in the paper. Channels that a residual sum shares with earlier
    blocks are not pruned. At least one filter of each group remains. Raises ConfigError unless 0 <= ratio < 1.
    """
    second_half = range(len(config.widths) // 2, len(config.widths))
    return with_filters(config, remaining_filters(config, ratio, blocks=second_half))
