"""Where the parameters of a network are, so that a test can replace them by other tensors."""

from collections.abc import Iterator

from quatnet import Tensor
from quatnet.nn import Module


def parameter_places(module: Module) -> Iterator[tuple[Module, str]]:
    """Yield (owner, attribute) of every trainable tensor that is an attribute of a module, in order."""
    for key, value in vars(module).items():
        if isinstance(value, Tensor) and value.requires_grad:
            yield module, key
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Module):
                yield from parameter_places(part)
