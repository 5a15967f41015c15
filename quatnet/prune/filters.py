"""Removal of filters, and of the array entries that depend on the filters, from a network.

The groups of parameters that share channels are found in the traced graph of the network, see `graph.channel_groups`.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..autodiff import Tensor
from ..backend import xp
from ..checks import checked_type
from ..errors import ConfigError
from ..graph import ChannelGroups, Graph, GraphModule, channel_groups, mask_graph, prune_graph, trace
from ..graph.trace import owner_entries
from ..models import Network, resized_config
from ..models.build import is_built_in, rebuild
from ..nn import Module


class KeepIndices(dict[str, np.ndarray]):
    """The filters to keep by the name of the channel group, with the graph and the example input of the network."""

    graph: Graph | None = None
    example: Any = None


def trace_groups(
    model: Callable[..., Any], keep: Mapping[str, Any] | None = None, example: Any = None, frames: int | None = None
) -> ChannelGroups:
    """Return the channel groups of a network, with the present values of its arrays, and which of them are trained.

    `example` is an example input. `example` is not needed for networks of `quatnet.models`, whose example then has
    `frames` frames, for a `GraphModule`, and if `keep` is the result of `select`. Raises ConfigError if it is needed
    and missing, or if no filters can be removed.
    """
    owner = getattr(model, "__self__", model)
    if example is None and not isinstance(owner, Module):  # the graph has the arrays of the time of its trace
        example = getattr(keep, "example", None)
    graph = model.current_graph() if isinstance(model, GraphModule) else getattr(keep, "graph", None)
    if graph is None or example is not None:
        if example is None and isinstance(model, Network):
            example = model.example_input(frames)
        if example is None:
            raise ConfigError("expected an example input of the network; pass example=")
        graph = trace(model, example)
    state: Mapping[str, Any] = owner.state_dict() if isinstance(owner, Module) else graph.arrays
    for name, array in graph.arrays.items():
        known = graph.kinds[name] == "constant" or name.startswith(("parameter_", "constant_"))
        if state[name].shape != array.shape if name in state else not known:
            raise ConfigError(f"keep is the selection of another network: {name} {array.shape}; select again")
    tensors = {name: item for name, *_, item in owner_entries(model) if isinstance(item, Tensor)}
    trained = {name: "parameter" if tensors[name].requires_grad else "fixed" for name in graph.kinds.keys() & tensors}
    arrays = {name: xp.asarray(state.get(name, array)) for name, array in graph.arrays.items()}
    groups = channel_groups(replace(graph, arrays=arrays, kinds=graph.kinds | trained))
    if not groups:
        reasons = "; ".join(f"{weight}: {reason}" for weight, reason in groups.fixed.items())
        raise ConfigError(f"no filters of the network can be removed ({reasons or 'it has no layers with filters'})")
    return groups


def prune_filters(model: Any, keep: Mapping[str, Any], *, example: Any = None) -> Any:
    """Return a smaller copy of a network that contains only the filters in `keep`.

    Parameters
    ----------
    model
        Any network. The network is not modified. The result is a network of the same class for a network of
        `quatnet.models`, and otherwise a `GraphModule`.
    keep
        Indices of the filters to keep, by the name of the channel group. Other groups are not pruned.
    example
        Example input, see `trace_groups`.

    Raises
    ------
    ConfigError
        A name is not a channel group of the network, or an index is invalid.
    """
    graph = prune_graph(trace_groups(model, keep, example), keep)
    if not is_built_in(model):
        module = GraphModule(graph)
        module.frontend_settings = getattr(model, "frontend_settings", None)
        return module
    return rebuild(model, resized_config(model.config, graph.arrays), graph.arrays)


def mask_filters(model: Any, keep: Mapping[str, Any], *, example: Any = None) -> Any:
    """Return a network of the same size in which no layer uses the output of the filters that are not in `keep`.

    The outputs are equal to the outputs of `prune_filters(model, keep)`. Raises ConfigError as `prune_filters` does,
    and if a layer to mask is no attribute of a module, so that the network has no parameter of its name.
    """
    masked = copy.deepcopy(checked_type("model", model, Module))
    groups = trace_groups(model, keep, example)
    arrays, old, names = mask_graph(groups, keep), groups.labels.graph.arrays, dict[int, str]()
    first = {name: names.setdefault(id(item), name) for name, _, _, item in owner_entries(masked)}  # of shared arrays
    state = masked.state_dict()
    for name in arrays.keys() - state.keys():
        if not xp.array_equal(arrays[name], old[name], equal_nan=True):
            raise ConfigError(f"{name} is no parameter of the network, and cannot be masked; use prune_filters")
    masked.load_state_dict({name: arrays.get(first[name], array) for name, array in state.items()})
    return masked
