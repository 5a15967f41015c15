"""Base class of all layers and networks."""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import wraps
from reprlib import recursive_repr
from typing import Any

from ..autodiff import Tensor
from ..backend import Array, asnumpy, xp
from ..checks import checked_type, shape_and_dtype
from ..errors import CheckpointError, ConfigError

_in_call = ContextVar("in_call", default=False)  # whether a module is being called


def restores_buffers(call: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the method `call` of a module, so that the running statistics do not change if the call raises an error.

    The outermost call restores the running statistics of all its submodules.
    """

    @wraps(call)
    def restoring_call(self: "Module", *args: Any, **options: Any) -> Any:
        if _in_call.get():
            return call(self, *args, **options)
        before, token = list(self._entries()), _in_call.set(True)
        try:
            return call(self, *args, **options)
        except BaseException:
            for _, container, key, item in before:
                if not isinstance(container, tuple):
                    container[key] = item
            raise
        finally:
            _in_call.reset(token)

    return restoring_call


def parameter(array: Array) -> Tensor:
    """Return a trainable tensor with the entries and the dtype of `array`, on the device of the backend.

    The layers of `nn` have float32 parameters.
    """
    return Tensor(xp.asarray(array), requires_grad=True)


class Module:
    """Base class of a layer or network with parameters, buffers and submodules as attributes.

    An attribute of type `Tensor` is a parameter, unless it is the result of an operation with a gradient. It is trained
    if it requires a gradient, as the result of `nn.parameter(array)`. An array is a buffer, such as running statistics.
    A `Module` is a submodule. Items of nested lists, tuples and dicts are found too. A subclass defines `__call__`.
    If a call raises an error, the running statistics do not change.

    >>> import numpy as np; from quatnet import nn
    >>> layer = nn.Linear(3, 2, rng=np.random.default_rng(0))
    >>> [name for name, _ in layer.named_parameters()]
    ['weight', 'bias']
    """

    frontend_settings: dict[str, Any] | None  # front end of the training clips, of a trained network

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__call__" in vars(cls):
            cls.__call__ = restores_buffers(cls.__call__)  # type: ignore[method-assign]

    def __call__(self, *_args: Any, **_options: Any) -> Any:
        name = type(self).__name__
        raise TypeError(f"{name}: define __call__(self, x, *, train=False, rng=None); quatnet has no forward")

    @recursive_repr()
    def __repr__(self) -> str:
        layers = {name: item for name, *_, item in _flatten("", vars(self)) if isinstance(item, Module)}
        lines = [f"{name}: {layer!r}".replace("\n", "\n  ") for name, layer in layers.items()]
        return "\n  ".join([type(self).__name__, *lines])

    def requires_grad_(self, requires_grad: bool = True) -> "Module":
        """Set `requires_grad` of all tensors and return the module.

        With True, all frozen tensors are trained, also the weight and the bias of a batch norm with `affine=False`.
        """
        for *_, item in self._entries():
            if isinstance(item, Tensor):
                item.requires_grad = requires_grad
        return self

    def parameters(self) -> Iterator[Tensor]:
        """Yield every trainable tensor once. `requires_grad_()` makes frozen parameters trainable again."""
        return (tensor for _, tensor in self.named_parameters())

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (dotted name, tensor) for every trainable tensor. A tensor with several names is yielded once."""
        seen: set[int] = set()
        for name, _, _, value in self._entries():
            if isinstance(value, Tensor) and value.requires_grad and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def modules(self, parents: tuple[int, ...] = ()) -> Iterator["Module"]:
        """Yield this module and all submodules. A submodule with several names is yielded several times.

        References to the `parents` (ids of modules) are skipped.
        """
        yield self
        for *_, item in _flatten("", vars(self)):
            if isinstance(item, Module) and id(item) not in (*parents, id(self)):
                yield from item.modules((*parents, id(self)))

    def state_dict(self) -> dict[str, Array]:
        """Return NumPy copies of all parameters and buffers by dotted name, such as `blocks.0.convs.1.weight`.

        Raises ConfigError if two parameters or buffers have the same dotted name.
        """
        return {name: asnumpy(array_of(item)).copy() for name, (_, _, item) in self._entries_by_name().items()}

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Set every parameter and buffer to a C-ordered copy of the array with its dotted name. Dtypes do not change.

        Raises CheckpointError and ConfigError as `check_state_dict` does. In this case the module does not change.
        """
        self.check_state_dict(arrays)
        for name, (container, key, item) in self._entries_by_name().items():
            array = xp.array(arrays[name], dtype=array_of(item).dtype, order="C")
            if isinstance(item, Tensor):
                item.data = array
            elif isinstance(container, tuple):
                item[...] = array
            else:
                container[key] = array

    def check_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Raise CheckpointError if the names, the shapes or the kinds of dtypes differ from those of the module.

        Raises ConfigError unless `arrays` is a dict.
        """
        checked_type("a state dict", arrays, Mapping)
        _check_arrays({name: array_of(item) for name, (_, _, item) in self._entries_by_name().items()}, arrays)

    def _entries_by_name(self) -> dict[str, tuple[Any, Any, Any]]:
        entries = dict[str, tuple[Any, Any, Any]]()
        for name, container, key, item in self._entries():
            if name in entries:
                raise ConfigError(
                    f"two parameters or buffers have the name {name!r}; use other keys in a dict of layers"
                )
            entries[name] = container, key, item
        return entries

    def _entries(self, prefix: str = "", parents: tuple[int, ...] = ()) -> Iterator[tuple[str, Any, Any, Any]]:
        """Yield (dotted name, container, key, item) for every parameter and buffer; item is container[key].

        The container of an attribute is the `vars` of its module. References to parent modules are skipped.
        """
        if id(self) in parents:
            return
        for name, container, key, item in _flatten(prefix, vars(self)):
            if isinstance(item, Module):
                yield from item._entries(f"{name}.", (*parents, id(self)))
            elif isinstance(item, xp.ndarray) or (isinstance(item, Tensor) and item._backward is None):
                yield name, container, key, item


def _flatten(prefix: str, container: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield (dotted name, container, key, item) for every item of nested lists, tuples and dicts."""
    for key, item in container.items() if isinstance(container, dict) else enumerate(container):
        if isinstance(item, list | tuple | dict):
            yield from _flatten(f"{prefix}{key}.", item)
        else:
            yield f"{prefix}{key}", container, key, item


def array_of(value: Tensor | Array) -> Array:
    """Return the array of a tensor, or the array itself."""
    return value.data if isinstance(value, Tensor) else value


def _check_arrays(expected: Mapping[str, Array], arrays: Mapping[str, Array]) -> None:
    missing = sorted(expected.keys() - arrays.keys())
    unexpected = sorted(arrays.keys() - expected.keys())
    found = {name: shape_and_dtype(arrays[name]) for name in expected if name in arrays}
    wrong_shape = [
        f"{name}: expected {expected[name].shape} {expected[name].dtype}, got {shape} {dtype}"
        for name, (shape, dtype) in found.items()
        if (shape, getattr(dtype, "kind", "")) != (expected[name].shape, expected[name].dtype.kind)
    ]
    if missing or unexpected or wrong_shape:
        raise CheckpointError(
            f"expected the arrays of this model; missing: {missing or 'none'}; unexpected: {unexpected or 'none'}; "
            f"wrong shape: {'; '.join(wrong_shape) or 'none'}"
        )
