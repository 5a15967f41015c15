"""Which arrays share channels: what pruning must cut together for the network to stay whole."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..errors import ConfigError
from .cnn import AnyConfig
from .config import Config


class ChannelGroup(NamedTuple):
    """Channels that are one and the same wherever they appear, and so can only be cut everywhere at once.

    `producers` are the convolutions whose filters make them (the last axis of their `weight`), `norms` the batch
    norms with an entry for each (`scale`, `shift`, `mean`, `variance`), `consumers` the layers that take them in (the
    last axis but one of their `weight`). A quaternion layer holds four real channels in one entry of its weight.
    """

    producers: list[str]
    norms: list[str]
    consumers: list[str]


def shared_channels(config: Config) -> list[ChannelGroup]:
    """Return the channels of a network by who shares them, in the order of the first writer.

    In a plain block each convolution has channels of its own. A residual block adds its last convolution to what
    came before, so a whole stage, and the shortcut or plain block that it begins with, writes the same ones. The name
    `blocks.B.convs.C` belongs to `config.widths[B][C]`; a shortcut has the last width of its block. What the embedding
    writes is not among them.

    >>> from quatnet.models import CNNConfig
    >>> shared_channels(CNNConfig(3, False, ((8,), (16,)), embedding=4))[0]
    ChannelGroup(producers=['blocks.0.convs.0'], norms=['blocks.0.norms.0'], consumers=['blocks.1.convs.0'])
    """
    found: list[ChannelGroup] = []
    stream = ChannelGroup([], [], [])  # what flows from block to block; at first the input, which nothing writes
    for b, widths in enumerate(config.widths):
        before, here = stream, f"blocks.{b}"
        if config.shortcut(b) or not config.residual(b):
            stream = ChannelGroup([], [], [])
        if config.shortcut(b):
            before.consumers.append(f"{here}.shortcut")
            _written(stream, f"{here}.shortcut", f"{here}.shortcut_norm", found)
        for c in range(len(widths)):
            before.consumers.append(f"{here}.convs.{c}")
            before = stream if c + 1 == len(widths) else ChannelGroup([], [], [])
            _written(before, f"{here}.convs.{c}", f"{here}.norms.{c}", found)
    stream.consumers.append("embedding")
    return found


def _written(channels: ChannelGroup, writer: str, norm: str, found: list[ChannelGroup]) -> None:
    if not channels.producers:
        found.append(channels)
    channels.producers.append(writer)
    channels.norms.append(norm)


def num_filters(config: Config, channels: ChannelGroup) -> int:
    """Return how many filters write these channels, in each of their writers: a quaternion filter writes four."""
    _, block, kind, *number = channels.producers[0].split(".")
    width = config.widths[int(block)][int(number[0]) if kind == "convs" else -1]
    return width // (4 if config.quaternion else 1)


def remaining_filters(config: Config, ratio: float, *, blocks: Sequence[int] | None = None) -> dict[str, int]:
    """Return how many filters of shared channels stay, by their first writer, after the share `ratio` of them is cut.

    Named are the channels that `blocks` alone write (default: all blocks). At least one filter stays. Raises
    ConfigError unless 0 <= ratio < 1 and the blocks exist.
    """
    known = range(len(config.widths))
    chosen = known if blocks is None else blocks
    if not 0 <= ratio < 1:
        raise ConfigError(f"expected a share of filters to prune, 0 <= ratio < 1, got {ratio}")
    if not set(chosen) <= set(known):
        raise ConfigError(f"expected blocks among {list(known)}, got {list(chosen)}")
    inside = tuple(f"blocks.{b}." for b in chosen)
    groups = [group for group in shared_channels(config) if all(name.startswith(inside) for name in group.producers)]
    counts = {group.producers[0]: num_filters(config, group) for group in groups}
    return {name: filters - int(ratio * filters) for name, filters in counts.items()}


def with_filters(config: AnyConfig, filters: Mapping[str, int]) -> AnyConfig:
    """Return the config whose shared channels have as many filters as `filters` says, by the first writer of each.

    Raises ConfigError for a name that is not the first writer of any, and for a number below 1.
    """
    groups = {group.producers[0]: group.producers for group in shared_channels(config)}
    if not filters.keys() <= groups.keys():
        raise ConfigError(f"expected names among {', '.join(groups)}, got {', '.join(filters)}")
    size = 4 if config.quaternion else 1
    widths = {writer: size * count for name, count in filters.items() for writer in groups[name]}
    blocks = [
        tuple(widths.get(f"blocks.{b}.convs.{c}", width) for c, width in enumerate(block))
        for b, block in enumerate(config.widths)
    ]
    return replace(config, widths=tuple(blocks))


def pruned_config(config: AnyConfig, ratio: float) -> AnyConfig:
    """Return the config after the share `ratio` of the filters was cut in the later half of the blocks.

    Those are blocks 4 to 6 of CNN14, which the paper prunes. Channels that a residual sum shares with earlier blocks
    stay. At least one filter stays. Raises ConfigError unless 0 <= ratio < 1.
    """
    late = range(len(config.widths) // 2, len(config.widths))
    return with_filters(config, remaining_filters(config, ratio, blocks=late))
