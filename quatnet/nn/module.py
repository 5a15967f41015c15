"""A module is an object whose attributes are its parameters, its buffers and its parts. Nothing else."""

from collections.abc import Iterator, Mapping

from ..autodiff import Tensor
from ..backend import Array, asnumpy, xp
from ..errors import CheckpointError


class Module:
    """Tensors among the attributes are parameters, arrays are buffers, modules (or lists of them) are parts."""

    def parameters(self) -> dict[str, Tensor]:
        """Return what is to be trained by its dotted name, such as `blocks.0.convs.1.weight`."""
        tensors = ((name, value) for name, _, _, value in self._walk() if isinstance(value, Tensor))
        return {name: tensor for name, tensor in tensors if tensor.requires_grad}

    def state(self) -> dict[str, Array]:
        """Return a host copy of every tensor and buffer by its dotted name."""
        return {name: asnumpy(_array(value)).copy() for name, _, _, value in self._walk()}

    def load_state(self, arrays: Mapping[str, Array]) -> None:
        """Set every parameter and buffer to a copy in C order, however the axes of the array lie in memory.

        Raises CheckpointError, before anything is set, where names or shapes differ.
        """
        places = {name: (owner, key, value) for name, owner, key, value in self._walk()}
        _compare({name: _array(value).shape for name, (_, _, value) in places.items()}, arrays)
        for name, (owner, key, value) in places.items():
            array = xp.array(arrays[name], dtype=_array(value).dtype, order="C")
            if isinstance(value, Tensor):
                value.data = array
            else:
                setattr(owner, key, array)

    def _walk(self, prefix: str = "") -> Iterator[tuple[str, "Module", str, Tensor | Array]]:
        for key, value in vars(self).items():
            for name, part in _parts(key, value):
                if isinstance(part, Module):
                    yield from part._walk(f"{prefix}{name}.")
                elif isinstance(part, Tensor | xp.ndarray):
                    yield f"{prefix}{name}", self, key, part


def _parts(key: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, list):
        yield from ((f"{key}.{number}", part) for number, part in enumerate(value))
    else:
        yield key, value


def _array(value: Tensor | Array) -> Array:
    return value.data if isinstance(value, Tensor) else value


def _compare(expected: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Array]) -> None:
    missing = sorted(expected.keys() - arrays.keys())
    unexpected = sorted(arrays.keys() - expected.keys())
    wrong = [
        f"{name}: expected {shape}, got {arrays[name].shape}"
        for name, shape in expected.items()
        if name in arrays and arrays[name].shape != shape
    ]
    if missing or unexpected or wrong:
        raise CheckpointError(
            f"the arrays do not fit this model; missing: {missing or 'none'}; unexpected: {unexpected or 'none'}; "
            f"wrong shape: {'; '.join(wrong) or 'none'}"
        )
