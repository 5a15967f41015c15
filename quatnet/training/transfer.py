"""Transfer learning with a new classifier and a frozen backbone.

The classifier is the layer `classifier` of a network of `quatnet.models`, and the last linear layer of a `GraphModule`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ..checks import checked_count
from ..errors import ConfigError
from ..graph import GraphModule, Node
from ..models import Network, build
from ..models.build import rebuild
from ..nn import Linear

HEAD = "classifier."


def with_new_head(model: Network | GraphModule, classes: int, *, rng: np.random.Generator) -> Network | GraphModule:
    """Return a copy of the network for `classes` classes, with classifier weights drawn from `rng`.

    Raises ConfigError if `classes` is below 1, for a subclass of a network of quatnet and for any other network that is
    not traced, or if the output of a `GraphModule` is not the result of a linear layer.
    """
    if isinstance(model, GraphModule):
        return _graph_with_new_head(model, classes, rng)
    _check_network(model)
    config = replace(model.config, classes=classes)
    head = {name: array for name, array in build(config, rng=rng).state_dict().items() if name.startswith(HEAD)}
    network = rebuild(model, config, model.state_dict() | head)
    network.classifier.requires_grad_()
    return network


def _check_network(model: object) -> None:
    if not isinstance(model, Network | GraphModule):
        name = type(model).__name__
        raise ConfigError(f"expected a network of quatnet.models, got {name}; pass GraphModule(trace(model, example))")


def _graph_with_new_head(model: GraphModule, classes: int, rng: np.random.Generator) -> GraphModule:
    graph, old, names = model.current_graph(), _last_layer(model), _head_names(model)
    layer = Linear(len(graph.arrays[names[0]]), checked_count("classes", classes), bias=len(names) == 2, rng=rng)
    arrays = graph.arrays | {name: tensor.data for name, tensor in zip(names, layer.parameters(), strict=True)}
    nodes = [replace(node, shape=(*node.shape[:-1], classes)) if node is old else node for node in graph.nodes]
    kinds = graph.kinds | dict.fromkeys(names, "parameter")
    module = GraphModule(replace(graph, nodes=nodes, arrays=arrays, kinds=kinds))
    module.frontend_settings = model.frontend_settings
    return module


def _head_names(model: Network | GraphModule) -> list[str]:
    """Return the names of the weight and the bias of the classifier."""
    if isinstance(model, Network):
        return [name for name, _ in model.named_parameters() if name.startswith(HEAD)]
    arguments = _last_layer(model).arguments
    return [arguments[key].name for key in ("w", "bias") if arguments[key] is not None]


def _last_layer(model: GraphModule) -> Node:
    last = model.graph.nodes[-1]
    if last.op != "linear" or getattr(model.graph.outputs, "name", None) != last.name:
        raise ConfigError(f"expected a network whose last operation is a linear layer, got {last.op} ({last.name})")
    consumers = model.graph.consumers()
    weights = [ref.name for ref in (last.arguments["w"], last.arguments["bias"]) if ref is not None]
    if wrong := [name for name in weights if name not in model.graph.arrays or consumers[name] != [last.name]]:
        raise ConfigError(
            f"expected weights of the last layer {last.name} only, got {wrong[0]}, which is shared or a result"
        )
    return last


@contextmanager
def freeze_backbone(model: Network | GraphModule) -> Iterator[None]:
    """Disable the gradients of all parameters except the classifier inside the context.

    Batch norms still update their running statistics in training mode, as in the released code of PANNs. A traced
    network that is saved inside the context is loaded frozen; call `requires_grad_()` of it. Raises ConfigError as
    `with_new_head` does.
    """
    _check_network(model)
    head = _head_names(model)
    backbone = [tensor for name, tensor in model.named_parameters() if name not in head]
    for tensor in backbone:
        tensor.requires_grad = False
    try:
        yield
    finally:
        for tensor in backbone:
            tensor.requires_grad = True
