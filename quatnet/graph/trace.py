"""Tracing of a network: two runs with different inputs, merged into one graph."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain, count
from threading import RLock
from typing import Any
from weakref import finalize

import numpy as np

from ..autodiff import Tensor, no_grad
from ..autodiff.op import tracing
from ..backend import Array, xp
from ..errors import ConfigError, QuatnetError, ShapeError
from ..nn import Module
from ..nn.module import array_of
from ..threads import fork_safe_lock, register_at_fork
from .merge import Mismatch, merge
from .nodes import Batch, Graph, Node, Ref, free_name, leaves, rename_refs
from .record import DRAWN, OWN_RNG, Call, Recorder, input_array

NOTE = "The operations depend on training mode or on values; recorded: evaluation with the example input"


_locks = dict[int, RLock]()  # by the id of the owner
_locks_lock = fork_safe_lock()
register_at_fork(after_in_child=_locks.clear)  # another thread may have held a lock


def lock_of(owner: Any) -> AbstractContextManager:
    """Return the lock of a module or a compiled network, so that one thread at a time traces the network."""
    with _locks_lock:
        if id(owner) not in _locks:
            _locks[id(owner)] = RLock()
            finalize(owner, _locks.pop, id(owner), None)
        return _locks[id(owner)]


def trace(model: Callable[..., Any], example: Any) -> Graph:
    """Run a network and return its operations as a `Graph`.

    Parameters
    ----------
    model : a module, or a function of tensors that calls `quatnet.ops`. The arguments `train` and `rng` are passed if
        the function has arguments of these names
    example : an input (N, ...), or a tuple of inputs. The graph works for every batch size N

    The network runs twice: in evaluation with `example`, and in training with other values and another batch size. A
    running statistic does not change. If the operations of both runs differ, the graph has the operations of the
    evaluation. A warning is then raised and a note is added to the graph. There is also a warning and a note if a part
    of the network runs in `no_grad`, if an operation uses another generator than `rng`, if Python code draws numbers
    from `rng`, and if Python code reads values with `item`, `float`, `bool` or `numpy`. These values are constants of
    the graph. Reading `.data`, and a decision that depends on the batch size, give no warning. The network must not be
    used by another thread during the call.

    Raises
    ------
    ConfigError
        `model` is not callable, a tensor is made outside the operations, an operation uses a value that is computed
        from the input outside the operations, or the result is not a tensor or a nested tuple, list or dict of tensors.
    ShapeError
        `example` is not an array with a batch axis, or the inputs have different batch sizes.

    >>> import numpy as np; from quatnet import nn
    >>> net = nn.Sequential(nn.Linear(4, 2, rng=np.random.default_rng(0)), nn.ReLU())
    >>> [node.op for node in trace(net, np.zeros((3, 4), np.float32)).nodes]
    ['linear', 'relu']
    """
    if not callable(model):
        raise ConfigError(f"expected a network, which is a module or a function of tensors, got {model!r:.80}")
    items, weights = example if isinstance(example, tuple) else (example,), [item for *_, item in owner_entries(model)]
    arrays = [input_array(item, weights).copy() for item in items]
    if not arrays or any(array.ndim == 0 or not len(array) for array in arrays):
        raise ShapeError("expected an example input (N, ...) with a batch axis, or a tuple of inputs")
    if len({len(array) for array in arrays}) > 1:
        sizes = " and ".join(str(array.shape) for array in arrays)
        raise ShapeError(f"expected inputs of one batch size, got {sizes}; make other arrays attributes of the network")
    owner = getattr(model, "__self__", model)
    with lock_of(owner) if isinstance(owner, Module) else nullcontext():  # the running statistics change temporarily
        return _trace(model, arrays)


def _trace(model: Callable[..., Any], arrays: list[Array]) -> Graph:
    entries = _entries(model)
    inputs = dict(zip(_input_names(model, len(arrays), entries), arrays, strict=True))
    first = _run(model, inputs, entries, train=False)
    notes = list(first[0].notes)
    try:
        second = _run(model, {key: _other_values(array) for key, array in inputs.items()}, entries, train=True)
        calls, outputs = _merge(model, inputs, entries, first, second)
        notes += [note for note in (DRAWN, OWN_RNG) if note in second[0].notes and note not in notes]
    except Mismatch:
        similar = {key: _longer(array) * array.dtype.type(1 + 2**-10) for key, array in inputs.items()}
        calls, outputs = _merge(model, inputs, entries, first, _run(model, similar, entries, train=False))
        notes.append(NOTE)
    for note in notes:
        warnings.warn(note, stacklevel=3)
    return _build(inputs, entries, calls, outputs, first[0].arrays, notes)


def _merge(model: Callable[..., Any], inputs: dict, entries: dict, first: Any, second: Any) -> tuple[list[Call], Any]:
    """Return the calls and outputs of two runs. A third run checks that no number equals a batch size by chance."""
    batch = len(next(iter(inputs.values())))
    calls, outputs = merge(first, second, (batch, 2 * batch + 1))
    if num_batches := _num_batches(calls):
        longer = {key: xp.concatenate([_longer(array), array, array]) for key, array in inputs.items()}
        third = _run(model, longer, entries, train=False)
        if _num_batches(merge(first, third, (batch, 4 * batch + 1))[0]) != num_batches:
            raise Mismatch("a number depends on the batch size, but is not a multiple of it, or differs in training")
    return calls, outputs


def _num_batches(calls: list[Call]) -> int:
    """Return the number of arguments that are multiples of the batch size."""
    return sum(isinstance(item, Batch) for call in calls for item in leaves(call.arguments))


def _entries(model: Callable[..., Any]) -> dict[int, tuple[str, Any]]:
    """Return the name and the tensor or array for the id of every parameter and buffer of a module."""
    entries = dict[int, tuple[str, Any]]()
    for name, _, _, item in owner_entries(model):
        entries.setdefault(id(item), (name, item))
    return entries


def owner_entries(model: Callable[..., Any]) -> list[tuple[str, Any, Any, Any]]:
    """Return (name, container, key, item) for the parameters and buffers of a module, or of the module of a method."""
    owner = getattr(model, "__self__", model)
    return [(name, *entry) for name, entry in owner._entries_by_name().items()] if isinstance(owner, Module) else []


@contextmanager
def _restored_entries(model: Callable[..., Any]) -> Iterator[None]:
    """Set the parameters and buffers of a module to their previous arrays and values at the end."""
    before = [(*entry, array_of(entry[3]), array_of(entry[3]).copy()) for entry in owner_entries(model)]
    try:
        yield
    finally:
        for _, container, key, item, data, values in before:
            if isinstance(item, Tensor):
                item.data = data
            if not isinstance(container, tuple):
                container[key] = item
            if not xp.array_equal(data, values, equal_nan=True):
                data[...] = values


def _input_names(model: Callable[..., Any], count: int, entries: dict) -> list[str]:
    """Return "input", or the names of the arguments of the network if it has several inputs."""
    arguments = [p.name for p in inspect.signature(model).parameters.values() if p.kind <= p.POSITIONAL_OR_KEYWORD]
    known = {name for name, _ in entries.values()}
    if len(arguments) < count or known & set(arguments):
        arguments = [f"input_{n}" for n in range(count)]
    return [free_name(name, known) for name in (["input"] if count == 1 else arguments[:count])]


def _run(model: Callable[..., Any], arrays: dict, entries: dict, *, train: bool) -> tuple[Recorder, Any]:
    """Return the recorder and the encoded outputs of one run."""
    inputs = {key: Tensor(array) for key, array in arrays.items()}
    names = {key: Ref(name, isinstance(item, Tensor)) for key, (name, item) in entries.items()}
    recorder, known = Recorder(names, inputs), inspect.signature(model).parameters.values()
    accepted = {"train", "rng"} if any(p.kind is p.VAR_KEYWORD for p in known) else {p.name for p in known}
    options = {"train": train, "rng": recorder.rng if train else None}
    try:
        with _restored_entries(model), no_grad(), tracing(recorder), np.errstate(all="ignore"):
            result = model(*inputs.values(), **{key: value for key, value in options.items() if key in accepted})
            recorder.check_draws()
            return recorder, recorder.encode(result)
    except QuatnetError as error:
        if train and not isinstance(error, ConfigError):
            raise Mismatch(str(error)) from error
        raise
    finally:
        recorder.restore()


def _longer(array: Array) -> Array:
    """Return `array` (N, ...) with 2N + 1 entries along the batch axis."""
    return xp.concatenate([array, array, array[:1]])


def _other_values(array: Array) -> Array:
    rng, longer = np.random.default_rng(0), _longer(array)
    if array.dtype.kind != "f":
        return xp.roll(longer, 1, axis=0)
    return xp.asarray(rng.standard_normal(longer.shape).astype(array.dtype)) - longer


def _build(inputs: dict, entries: dict, calls: list[Call], outputs: Any, arrays: dict, notes: list[str]) -> Graph:
    """Return the graph of merged calls, with names for the nodes."""
    if wrong := [item for item in leaves(outputs) if not isinstance(item, Ref)]:
        raise ConfigError(f"expected a network that returns tensors, got {wrong[0]!r:.80}")
    refs = (ref for value in [outputs, *(call.arguments for call in calls)] for ref in leaves(value))
    used = {ref.name for ref in refs if isinstance(ref, Ref)}
    found = {name: (array_of(item), _kind(item)) for name, item in entries.values() if name in used} | arrays
    names = _node_names(calls, {*found, *inputs})
    nodes = [Node(names[f"%{n}"], op, rename_refs(names, args), shape) for n, (op, args, shape) in enumerate(calls)]
    shapes = {key: (Batch(), *array.shape[1:]) for key, array in inputs.items()}
    values = {name: array for name, (array, _) in found.items()}
    kinds = {name: kind for name, (_, kind) in found.items()}
    return Graph(shapes, nodes, rename_refs(names, outputs), values, kinds, notes)


def _kind(item: Tensor | Array) -> str:
    if not isinstance(item, Tensor):
        return "buffer"
    return "parameter" if item.requires_grad else "fixed"


def _node_names(calls: list[Call], taken: set[str]) -> dict[str, str]:
    """Return the name of each node: the place of its parameters in the network, or the op with a number."""
    names: dict[str, str] = {}
    for n, call in enumerate(calls):
        places = [ref.name.rpartition(".")[0] for ref in leaves(call.arguments) if isinstance(ref, Ref)]
        place = next(filter(None, places), "")
        choices = chain([place, f"{place}.{call.op}"], (f"{place or call.op}.{k}" for k in count(1)))
        names[f"%{n}"] = next(name for name in choices if name and name != f".{call.op}" and name not in taken)
        taken.add(names[f"%{n}"])
    return names
