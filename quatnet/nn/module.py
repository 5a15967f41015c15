"""Base class of all layers and networks."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..autodiff import Tensor
from ..backend import Array, asnumpy, xp
from ..errors import CheckpointError


def parameter(array: Array) -> Tensor:
    """Return a trainable tensor with the entries of `array`, on the device of the backend."""
    return Tensor(xp.asarray(array), requires_grad=True)


class Module:
    """Base class of a layer or network with parameters, buffers and submodules as attributes.

    An attribute of type `Tensor` is a parameter. An array is a buffer, such as running statistics. A `Module` is a
    submodule. Items of nested lists, tuples and dicts are found too. A subclass defines `__call__`.

    >>> import numpy as np; from quatnet import nn
    >>> layer = nn.Linear(3, 2, rng=np.random.default_rng(0))
    >>> [name for name, _ in layer.named_parameters()]
    ['weight', 'bias']
    """

    def parameters(self) -> Iterator[Tensor]:
        """Yield every trainable tensor once."""
        return (tensor for _, tensor in self.named_parameters())

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (dotted name, tensor) for every trainable tensor. A tensor with several names is yielded once."""
        seen: set[int] = set()
        for name, _, _, value in self._entries():
            if isinstance(value, Tensor) and value.requires_grad and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def modules(self, parents: tuple[int, ...] = ()) -> Iterator["Module"]:
        """Yield this module and all submodules; references to the `parents` (ids of modules) are skipped."""
        yield self
        for *_, item in _flatten("", vars(self)):
            if isinstance(item, Module) and id(item) not in (*parents, id(self)):
                yield from item.modules((*parents, id(self)))

    def state_dict(self) -> dict[str, Array]:
        """Return NumPy copies of all parameters and buffers by dotted name, such as `blocks.0.convs.1.weight`."""
        return {name: asnumpy(_array(value)).copy() for name, _, _, value in self._entries()}

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Set every parameter and buffer to a C-ordered copy of the array with its dotted name. Dtypes do not change.

        Raises CheckpointError if names or shapes differ. In this case the module does not change.
        """
        entries = {name: entry for name, *entry in self._entries()}
        _check_arrays({name: _array(item).shape for name, (_, _, item) in entries.items()}, arrays)
        for name, (container, key, item) in entries.items():
            array = xp.array(arrays[name], dtype=_array(item).dtype, order="C")
            if isinstance(item, Tensor):
                item.data = array
            elif isinstance(container, tuple):
                item[...] = array
            else:
                container[key] = array

    def _entries(self, prefix: str = "", parents: tuple[int, ...] = ()) -> Iterator[tuple[str, Any, Any, Any]]:
        """Yield (dotted name, container, key, item) for every parameter and buffer; item is container[key].

        The container of an attribute is the `vars` of its module. References to parent modules are skipped.
        """
        if id(self) in parents:
            return
        for name, container, key, item in _flatten(prefix, vars(self)):
            if isinstance(item, Module):
                yield from item._entries(f"{name}.", (*parents, id(self)))
            elif isinstance(item, Tensor | xp.ndarray):
                yield name, container, key, item


def _flatten(prefix: str, container: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield (dotted name, container, key, item) for every item of nested lists, tuples and dicts."""
    for key, item in container.items() if isinstance(container, dict) else enumerate(container):
        if isinstance(item, list | tuple | dict):
            yield from _flatten(f"{prefix}{key}.", item)
        else:
            yield f"{prefix}{key}", container, key, item


def _array(value: Tensor | Array) -> Array:
    return value.data if isinstance(value, Tensor) else value


def _check_arrays(expected: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Array]) -> None:
    missing = sorted(expected.keys() - arrays.keys())
    unexpected = sorted(arrays.keys() - expected.keys())
    wrong_shape = [
        f"{name}: expected {shape}, got {arrays[name].shape}"
        for name, shape in expected.items()
        if name in arrays and arrays[name].shape != shape
    ]
    if missing or unexpected or wrong_shape:
        raise CheckpointError(
            f"expected the arrays of this model; missing: {missing or 'none'}; unexpected: {unexpected or 'none'}; "
            f"wrong shape: {'; '.join(wrong_shape) or 'none'}"
        )
