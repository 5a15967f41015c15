"""Transfer learning with a new classifier and a frozen backbone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ..models import Network, build
from ..models.build import rebuild

HEAD = "classifier."


def with_new_head(model: Network, classes: int, *, rng: np.random.Generator) -> Network:
    """Return a copy of the network for `classes` classes, with classifier weights drawn from `rng`.

    Raises ConfigError if `classes` is below 1, or for a subclass of a network of quatnet.
    """
    config = replace(model.config, classes=classes)
    head = {name: array for name, array in build(config, rng=rng).state_dict().items() if name.startswith(HEAD)}
    return rebuild(model, config, model.state_dict() | head)


@contextmanager
def freeze_backbone(model: Network) -> Iterator[None]:
    """Disable the gradients of all parameters except the classifier inside the context.

    Batch norms still update their running statistics in training mode, as in the released code of PANNs.
    """
    backbone = [tensor for name, tensor in model.named_parameters() if not name.startswith(HEAD)]
    for tensor in backbone:
        tensor.requires_grad = False
    try:
        yield
    finally:
        for tensor in backbone:
            tensor.requires_grad = True
