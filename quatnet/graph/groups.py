"""Groups of parameters that share channels, and removal of channels from a graph."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..backend import Array, asnumpy, xp
from ..checks import checked_type
from ..errors import ConfigError
from .labels import Labels, connected, expand_index, is_depthwise, is_norm
from .module import GraphModule, as_graph
from .nodes import Graph, Node


@dataclass(frozen=True)
class ChannelGroup:
    """Parameters that share channels. A channel is removed from all of them together.

    One channel of the group is one filter, or several filters whose results are combined. The dicts map the names of
    arrays to the channel of each position, or to -1 for a position that does not belong to the group.

    Parameters
    ----------
    name : node of the first producer
    size : number of channels
    producers : weights that compute the channels, by filter (last axis)
    norms : scales of the batch norms of the channels
    consumers : weights that take the channels as input, by input channel (last but one axis)
    quaternion : the producers that are weights of quaternion operations
    parts : channels that an axis consists of, if it has only some of the channels; one of each part must be kept
    labels : label of each channel
    """

    name: str
    size: int
    producers: dict[str, np.ndarray]
    norms: dict[str, np.ndarray]
    consumers: dict[str, np.ndarray]
    quaternion: frozenset[str]
    parts: tuple[np.ndarray, ...]
    labels: np.ndarray


class ChannelGroups(list[ChannelGroup]):
    """The channel groups of a graph, in the order of the first producers.

    `fixed` maps the weights whose filters cannot be removed to the reason. `labels` are the labels of the graph.
    """

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        outputs = {weight: labels.of[weight][-1] for weight in labels.producers}
        free = {weight: axis[~np.isin(axis, list(labels.reasons))] for weight, axis in outputs.items()}
        self.fixed = {name: labels.reasons[int(outputs[name][0])] for name, axis in free.items() if not axis.size}
        group_of = connected(labels.count, [np.stack([axis[:-1], axis[1:]]) for axis in free.values()])
        members: dict[int, dict[str, np.ndarray]] = {}  # weights and their labels by group
        for weight, axis in free.items():
            if axis.size:
                members.setdefault(int(group_of[axis[0]]), {})[weight] = axis
        axes = sorted({tuple(np.unique(axis)) for axes in labels.of.values() for axis in axes})
        super().__init__(self._group(weights, axes) for weights in members.values())

    def _group(self, weights: dict[str, np.ndarray], axes: list[tuple[int, ...]]) -> ChannelGroup:
        of, graph = self.labels.of, self.labels.graph
        labels = np.array(list(dict.fromkeys(np.concatenate(list(weights.values())).tolist())))
        channel = np.full(self.labels.count, -1)  # channel of each label
        channel[labels] = np.arange(len(labels))

        def select(names: Iterable[str], axis: int) -> dict[str, np.ndarray]:
            found = {name: channel[of[name][axis]] for name in names}
            return {name: channels for name, channels in found.items() if (channels >= 0).any()}

        scales = [node.arguments.get("self", node.arguments)["weight"].name for node in filter(is_norm, graph.nodes)]
        norms = [name for name in scales if name in graph.arrays]  # other scales are computed
        # an axis with channels of several groups has one channel of the group of its first label
        found = [channel[list(axis)] for axis in axes if axis and channel[axis[0]] >= 0]
        parts = tuple(part[part >= 0] for part in found if (part >= 0).sum() < len(labels))
        nodes = {name: graph.node(self.labels.producers[name]) for name in weights}
        layers = {name: node for name, node in nodes.items() if node.op.startswith("quaternion")}
        quaternion = frozenset(name for name, node in layers.items() if node.arguments["w"].name == name)  # no scales
        producers, of_norms, consumers = select(weights, -1), select(norms, -1), select(self.labels.consumers, -2)
        name = next(iter(nodes.values())).name
        return ChannelGroup(name, len(labels), producers, of_norms, consumers, quaternion, parts, labels)


def channel_groups(graph: Graph | GraphModule) -> ChannelGroups:
    """Return the groups of parameters that share channels.

    Convolutions, linear layers, batch norms, activations, pooling, sums, concatenation, slices and reshapes are
    followed. Channels that another operation combines are not pruned, see `ChannelGroups.fixed`.

    >>> import numpy as np; from quatnet import graph, nn
    >>> rng = np.random.default_rng(0)
    >>> net = nn.Sequential(nn.Linear(4, 8, rng=rng), nn.ReLU(), nn.Linear(8, 2, rng=rng))
    >>> groups = channel_groups(graph.trace(net, np.zeros((1, 4), np.float32)))
    >>> [(group.name, group.size, list(group.consumers)) for group in groups], groups.fixed
    ([('layers.0', 8, ['layers.2.weight'])], {'layers.2.weight': 'output of the network'})
    """
    return ChannelGroups(Labels(as_graph(graph)))


def _removed_labels(groups: ChannelGroups, keep: Mapping[str, Any]) -> np.ndarray:
    """Return the labels to remove for the channels to keep of each group.

    Raises ConfigError for an unknown group, for an unknown or repeated channel, and for a group without channels.
    """
    by_name, removed = {group.name: group for group in groups}, [np.zeros(0, int)]
    for name, channels in checked_type("the filters to keep by group", keep, Mapping).items():
        if name not in by_name:
            raise ConfigError(f"expected names among {', '.join(by_name)}, got {name!r}")
        size = by_name[name].size
        try:
            indices = asnumpy(channels)
        except ValueError as error:  # nested lists of different lengths
            raise ConfigError(f"{name}: expected a list of filters, got {channels!r:.80}") from error
        valid = indices.dtype.kind in "iu" and indices.ndim == 1 and set(indices.tolist()) <= set(range(size))
        if not valid or not len(indices) == len(set(indices.tolist())) > 0:
            found = indices.tolist()
            raise ConfigError(f"{name}: expected at least one of the filters 0 to {size - 1}, each once, got {found}")
        removed.append(np.delete(by_name[name].labels, indices))
    return np.concatenate(removed)


def prune_graph(groups: ChannelGroups, keep: Mapping[str, Any]) -> Graph:
    """Return the graph with only the channels in `keep`. Groups that are not in `keep` are not pruned.

    `keep` maps the name of a group to the indices of the channels to keep. Raises ConfigError for an unknown group,
    for an unknown or repeated channel, and for a group or a slice without a channel to keep.
    """
    graph, removed = checked_type("groups", groups, ChannelGroups).labels.graph, _removed_labels(groups, keep)
    kept = {name: [~np.isin(axis, removed) for axis in axes] for name, axes in groups.labels.of.items()}
    for name, axes in kept.items():
        if any(axis.size and not axis.any() for axis in axes):
            raise ConfigError(f"no channel of {name} is kept; keep at least one")
    nodes = [_prune_node(graph, node, kept) for node in graph.nodes]
    return replace(graph, nodes=nodes, arrays={name: _take(a, kept[name]) for name, a in graph.arrays.items()})


def _take(array: Array, kept: list[np.ndarray]) -> Array:
    """Return the entries of an array at the positions that are kept along each axis."""
    for axis, mask in enumerate(kept):
        array = array if mask.all() else xp.take(array, xp.asarray(np.flatnonzero(mask)), axis=axis)
    return array


def _prune_node(graph: Graph, node: Node, kept: dict[str, list[np.ndarray]]) -> Node:
    """Return a node with the new shape, and with the arguments that depend on numbers of channels."""
    masks, arguments = kept[node.name], dict(node.arguments)
    shape = tuple(n if mask.all() else int(mask.sum()) for n, mask in zip(node.shape, masks, strict=True))
    if node.op == "reshape":
        given = arguments["shape"] if type(arguments["shape"]) in (tuple, list) else (arguments["shape"],)
        pairs = zip(given, node.shape, shape, strict=True)
        arguments["shape"] = tuple(new if old != new else length for length, old, new in pairs)
    if node.op == "getitem" and not all(mask.all() for mask in kept[arguments["x"].name]):
        arguments["index"] = _prune_index(node, kept[arguments["x"].name])
    if is_depthwise(graph, node):
        channels = int(kept[arguments["x"].name][-1].sum())
        arguments["groups"] = channels // (4 if node.op.startswith("quaternion") else 1)
    return replace(node, arguments=arguments, shape=shape)


def _prune_index(node: Node, kept: list[np.ndarray]) -> tuple[Any, ...]:
    """Return the index that selects the same channels of the pruned argument."""
    axes, result = iter(kept), []
    for item in expand_index(node.arguments["index"], len(kept)):
        mask = np.ones(1, bool) if item is None else next(axes)
        if isinstance(item, slice | list) and not mask.all():
            old = np.arange(len(mask))[item]
            new = (np.cumsum(mask) - 1)[old[mask[old]]]
            first, last = new[[0, -1]].tolist() if new.size else (0, -1)
            item = slice(first, last + 1) if (np.diff(new) == 1).all() else new.tolist()
        result.append(item)
    lists = sum(isinstance(item, list) for item in result)
    if lists and lists + sum(isinstance(item, int) for item in result) > 1:
        raise ConfigError(f"{node.name}: the kept channels are not a slice; use one index for each axis")
    return tuple(result)


def mask_graph(groups: ChannelGroups, keep: Mapping[str, Any]) -> dict[str, Array]:
    """Return the arrays of the graph with weights of 0 for all inputs that are channels not in `keep`.

    The outputs of the network with these arrays are equal to the outputs of the pruned network. Raises ConfigError as
    `prune_graph` does.
    """
    arrays = dict(checked_type("groups", groups, ChannelGroups).labels.graph.arrays)
    removed = _removed_labels(groups, keep)
    for name in groups.labels.consumers:
        mask = ~np.isin(groups.labels.of[name][-2], removed)
        arrays[name] = arrays[name] * xp.asarray(mask[:, None], dtype=arrays[name].dtype)
    return arrays
