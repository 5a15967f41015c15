"""Iteration over the parameters of a module, to replace them by other tensors."""

from collections.abc import Iterator

from quatnet import Tensor
from quatnet.nn import Module


def parameter_attributes(module: Module) -> Iterator[tuple[Module, str]]:
    """Yield (module, attribute name) of every trainable tensor of a module and its submodules, in order."""
    for key, value in vars(module).items():
        if isinstance(value, Tensor) and value.requires_grad:
            yield module, key
        for submodule in value if isinstance(value, list) else [value]:
            if isinstance(submodule, Module):
                yield from parameter_attributes(submodule)
