"""The base class of all layers and networks."""

from collections.abc import Callable, Iterator, Mapping

from ..autodiff import Tensor
from ..backend import Array, asnumpy, xp
from ..errors import CheckpointError

Setter = Callable[[Array], None]


def parameter(array: Array) -> Tensor:
    """Return a trainable tensor of a host array, copied to the device of the backend."""
    return Tensor(xp.asarray(array), requires_grad=True)


class Module:
    """A layer or a network. Its attributes are its parameters, buffers and submodules.

    A `Tensor` is a parameter, an array is a buffer (such as running statistics), a `Module` is a submodule. All three
    are also found inside lists, tuples and dicts, nested to any depth. A subclass defines `__call__`.

    >>> import numpy as np; from quatnet import nn
    >>> layer = nn.Linear(3, 2, rng=np.random.default_rng(0))
    >>> [name for name, _ in layer.named_parameters()]
    ['weight', 'bias']
    """

    def parameters(self) -> Iterator[Tensor]:
        """Yield every trainable tensor once, for an optimizer."""
        return (tensor for _, tensor in self.named_parameters())

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (dotted name, tensor) for every trainable tensor; a shared tensor is yielded once."""
        seen: set[int] = set()
        for name, value, _ in self._entries():
            if isinstance(value, Tensor) and value.requires_grad and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def state_dict(self) -> dict[str, Array]:
        """Return {dotted name: host copy} of all parameters and buffers; a name is, e.g., `blocks.0.convs.1.weight`."""
        return {name: asnumpy(_array(value)).copy() for name, value, _ in self._entries()}

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Set every parameter and buffer to a C-ordered copy of its array; each keeps its current dtype.

        Raises CheckpointError if names or shapes differ; the module is then unchanged.
        """
        entries = {name: (value, set_array) for name, value, set_array in self._entries()}
        _check_arrays({name: _array(value).shape for name, (value, _) in entries.items()}, arrays)
        for name, (value, set_array) in entries.items():
            set_array(xp.array(arrays[name], dtype=_array(value).dtype, order="C"))

    def _entries(self, prefix: str = "", parents: tuple[int, ...] = ()) -> Iterator[tuple[str, Tensor | Array, Setter]]:
        """Yield (dotted name, tensor or array, setter of the array); references to parent modules are skipped."""
        if id(self) in parents:
            return
        for key, value in vars(self).items():
            for name, item in _flatten(f"{prefix}{key}", value):
                if isinstance(item, Module):
                    yield from item._entries(f"{name}.", (*parents, id(self)))
                elif isinstance(item, Tensor):
                    yield name, item, _tensor_setter(item)
                elif isinstance(item, xp.ndarray):
                    yield name, item, self._buffer_setter(key, item)

    def _buffer_setter(self, key: str, array: Array) -> Setter:
        """Return a function that rebinds attribute `key`, or overwrites `array` in place if it is in a container."""

        def set_array(new: Array) -> None:
            if vars(self)[key] is array:
                setattr(self, key, new)
            else:
                array[...] = new

        return set_array


def _tensor_setter(tensor: Tensor) -> Setter:
    def set_array(new: Array) -> None:
        tensor.data = new

    return set_array


def _flatten(name: str, value: object) -> Iterator[tuple[str, object]]:
    """Yield (dotted name, item) for every item of nested lists, tuples and dicts; any other `value` is one item."""
    if isinstance(value, list | tuple | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _flatten(f"{name}.{key}", item)
    else:
        yield name, value


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
            f"the arrays do not match this model; missing: {missing or 'none'}; unexpected: {unexpected or 'none'}; "
            f"wrong shape: {'; '.join(wrong_shape) or 'none'}"
        )
