"""Transfer: a trained network goes on with other classes. It keeps what it hears, and learns anew what to call it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ..models import Network, build

HEAD = "classifier."


def with_new_head(model: Network, classes: int, *, rng: np.random.Generator) -> Network:
    """Return a copy of the network for `classes` classes: only the classifier is new, drawn from `rng`.

    Raises ConfigError for fewer classes than 1.
    """
    fresh = build(replace(model.config, classes=classes), rng=rng)
    head = {name: array for name, array in fresh.state_dict().items() if name.startswith(HEAD)}
    fresh.load_state_dict(model.state_dict() | head)
    return fresh


@contextmanager
def frozen(model: Network) -> Iterator[None]:
    """Inside, only the classifier is a parameter; the others get no gradient, and are parameters again afterwards.

    Batch norms go on counting means and variances, as in the released code of PANNs: they follow the new recordings.
    """
    held = [tensor for name, tensor in model.named_parameters() if not name.startswith(HEAD)]
    for tensor in held:
        tensor.requires_grad = False
    try:
        yield
    finally:
        for tensor in held:
            tensor.requires_grad = True
