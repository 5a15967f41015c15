"""Recording of the operations of a network: two runs with different inputs, merged into one graph."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..autodiff import Tensor, no_grad
from ..autodiff.op import tracing
from ..autodiff.tape import Node as TapeNode
from ..backend import Array, xp
from ..errors import ConfigError, QuatnetError, ShapeError
from ..nn import Module
from .nodes import Batch, Graph, Node, Ref, Runtime, leaves, map_leaves

NOTE = "The operations depend on training mode or on values; recorded: evaluation with the example input"


class Call(NamedTuple):
    """One recorded call."""

    op: str
    arguments: dict[str, Any]
    shape: tuple[int, ...]


class Mismatch(QuatnetError):
    """Exception for two runs that differ."""


class Recorder:
    """Tracer of one run. All tensors are kept, so that no id is used twice."""

    def __init__(self, names: dict[int, Ref], inputs: dict[str, Tensor]) -> None:
        self.refs = names | {id(tensor): Ref(name) for name, tensor in inputs.items()}
        self.input_data = {id(tensor.data): Ref(name) for name, tensor in inputs.items()}
        self.calls: list[Call] = []
        self.arrays: dict[str, tuple[Array, str]] = {}  # array and kind of tensors and arrays that no op has made
        self.kept: list[Any] = list(inputs.values())
        self.replaced: list[tuple[dict, str, Array]] = []
        self.depth, self.num_reads = 0, 0

    def call(self, name: str, function: Callable[..., Any], args: tuple, options: dict[str, Any]) -> Any:
        """Return function(*args, **options), and record the call unless another operation makes the call."""
        if self.depth:
            return function(*args, **options)
        bound = inspect.signature(function).bind(*args, **options)
        bound.apply_defaults()
        arguments = {key: self.encode(value) for key, value in bound.arguments.items()}
        layer = vars(bound.arguments["self"]) if name[0].isupper() else {}  # an op with a capital is a layer with state
        before = {key: value for key, value in layer.items() if isinstance(value, xp.ndarray)}
        for ref in (self.refs[id(array)] for array in before.values()):
            if ref.name in self.arrays:
                self.arrays[ref.name] = self.arrays[ref.name][0], "buffer"
        self.depth += 1
        try:
            result = function(*args, **options)
            if id(result) in self.refs:  # dropout in evaluation returns its argument
                result = Tensor.from_op(result.data, [result], lambda grad: (grad,))
        finally:
            self.depth -= 1
            for key, array in before.items():  # the running statistics of a layer have been replaced
                self.refs[id(layer[key])] = self.refs[id(array)]
                self.replaced.append((layer, key, array))
        self.refs[id(result)] = Ref(f"%{len(self.calls)}")
        self.kept += [result, *before.values()]
        self.calls.append(Call(name, arguments, result.shape))
        return result

    def result_of(self, backward: Callable[..., Any]) -> None:
        """Raise ConfigError for a tensor that is made outside the operations."""
        if not self.depth:
            name = backward.__qualname__.removesuffix(".<locals>.backward")
            raise ConfigError(
                f"{name} calls Tensor.from_op but is no op: put @quatnet.autodiff.op above its definition"
            )

    def read(self, node: TapeNode) -> None:
        """Count the values that Python code reads."""
        self.num_reads += not self.depth

    def encode(self, value: Any) -> Any:
        """Return an argument with a `Ref` in place of every tensor and array."""
        if isinstance(value, list | tuple):
            return [self.encode(item) for item in value] if isinstance(value, list) else tuple(map(self.encode, value))
        if isinstance(value, dict | slice):
            return map_leaves(self.encode, value)
        if isinstance(value, Tensor | xp.ndarray):
            return self._ref(value)
        if isinstance(value, np.random.Generator):
            return Runtime("rng")
        if isinstance(value, np.generic):
            return value.item()
        if value is None or value is ... or isinstance(value, bool | int | float | str):
            return value
        if hasattr(value, "__dict__"):  # a layer: its tensors, arrays and numbers
            kinds = Tensor | xp.ndarray | bool | int | float
            return {key: self.encode(item) for key, item in vars(value).items() if isinstance(item, kinds)}
        raise ConfigError(f"an op has an argument of type {type(value).__name__}, which a graph cannot contain")

    def _ref(self, value: Tensor | Array) -> Ref:
        is_tensor = isinstance(value, Tensor)
        data = value.data if isinstance(value, Tensor) else value
        known = self.refs.get(id(value)) or (self.input_data.get(id(data)) if is_tensor else None)
        if known is None:
            trained = isinstance(value, Tensor) and value.requires_grad
            kind = "parameter" if trained else "constant"
            known = self.refs[id(value)] = Ref(f"{kind}_{len(self.arrays)}", is_tensor)
            self.arrays[known.name] = data, kind
            self.kept.append(value)
        return known

    def restore(self) -> None:
        """Set the running statistics to the values before the run."""
        for layer, key, array in reversed(self.replaced):
            layer[key] = array


def trace(model: Callable[..., Any], example: Any) -> Graph:
    """Run a network and return its operations as a `Graph`.

    Parameters
    ----------
    model : a module, or a function of tensors that calls `quatnet.ops`. Its arguments `train` and `rng` are used if the
        function has them
    example : an input (N, ...), or a tuple of inputs. The graph works for every batch size N

    The network runs twice: in evaluation with `example`, and in training with other values and another batch size. A
    running statistic does not change. If the operations of both runs differ, the graph has the operations of the
    evaluation, and a warning says so.

    Raises
    ------
    ConfigError
        A tensor is made outside the operations, or an operation uses a value that is computed from the input outside
        the operations.
    ShapeError
        `example` is not an array with a batch axis.

    >>> import numpy as np; from quatnet import nn
    >>> net = nn.Sequential(nn.Linear(4, 2, rng=np.random.default_rng(0)), nn.ReLU())
    >>> [node.op for node in trace(net, np.zeros((3, 4), np.float32)).nodes]
    ['linear', 'relu']
    """
    arrays = [Tensor(item).data for item in (example if isinstance(example, tuple) else (example,))]
    if not arrays or any(array.ndim == 0 or not len(array) for array in arrays):
        raise ShapeError("expected an example input (N, ...) with a batch axis, or a tuple of inputs")
    keys = ["input"] if len(arrays) == 1 else [f"input_{n}" for n in range(len(arrays))]
    inputs, entries = dict(zip(keys, arrays, strict=True)), _entries(model)
    first = _run(model, inputs, entries, train=False)
    notes = ["Python code has read values of tensors; they are constants of the graph"] if first[0].num_reads else []
    try:
        second = _run(model, {key: _other_values(array) for key, array in inputs.items()}, entries, train=True)
        calls, outputs = _merge(first, second, len(arrays[0]))
    except Mismatch:
        similar = {key: _longer(array) * array.dtype.type(1 + 2**-10) for key, array in inputs.items()}
        calls, outputs = _merge(first, _run(model, similar, entries, train=False), len(arrays[0]))
        notes.append(NOTE)
        warnings.warn(NOTE, stacklevel=2)
    return _build(inputs, entries, calls, outputs, first[0].arrays, notes)


def _entries(model: Callable[..., Any]) -> dict[int, tuple[str, Any]]:
    """Return the name and the tensor or array for the id of every parameter and buffer of a module."""
    owner, entries = getattr(model, "__self__", model), dict[int, tuple[str, Any]]()
    for name, _, _, item in owner._entries() if isinstance(owner, Module) else ():
        entries.setdefault(id(item), (name, item))
    return entries


def _run(model: Callable[..., Any], arrays: dict, entries: dict, *, train: bool) -> tuple[Recorder, Any]:
    """Return the recorder and the encoded outputs of one run."""
    inputs = {key: Tensor(array) for key, array in arrays.items()}
    names = {key: Ref(name, isinstance(item, Tensor)) for key, (name, item) in entries.items()}
    recorder, known = Recorder(names, inputs), inspect.signature(model).parameters
    options = {"train": train, "rng": np.random.default_rng(0) if train else None}
    try:
        with no_grad(), tracing(recorder), np.errstate(all="ignore"):
            result = model(*inputs.values(), **{key: value for key, value in options.items() if key in known})
            return recorder, recorder.encode(result)
    except QuatnetError as error:
        if train and not isinstance(error, ConfigError):
            raise Mismatch(str(error)) from error
        raise
    finally:
        recorder.restore()


def _longer(array: Array) -> Array:
    """Return `array` with one more entry along the batch axis."""
    return xp.concatenate([array, array[:1]])


def _other_values(array: Array) -> Array:
    rng, longer = np.random.default_rng(0), _longer(array)
    if array.dtype.kind != "f":
        return xp.roll(longer, 1, axis=0)
    return xp.asarray(rng.standard_normal(longer.shape).astype(array.dtype)) - longer


def _merge(first: tuple[Recorder, Any], second: tuple[Recorder, Any], batch: int) -> tuple[list[Call], Any]:
    """Return the calls and outputs of two runs with batch sizes N and N + 1, in the order of the second run.

    Dropout may occur in the second run only.
    """
    pairs, same = _pair_calls(first[0].calls, second[0].calls)
    _check_constants(first[0].arrays, second[0].arrays)
    outputs = _merge_values(first[1], second[1], batch, same)
    return [_merge_calls(a, b, batch, same) for a, b in pairs], outputs


def _pair_calls(a: list[Call], b: list[Call]) -> tuple[list[tuple[Call | None, Call]], dict[str, str]]:
    """Return the pairs of equal calls, and the name in the first run of each value of the second run."""
    pairs: list[tuple[Call | None, Call]] = []
    same: dict[str, str] = {}
    position = 0
    for n, call in enumerate(b):
        if position < len(a) and a[position].op == call.op:
            pairs.append((a[position], call))
            same[f"%{n}"] = f"%{position}"
            position += 1
        elif call.op.endswith("dropout"):
            pairs.append((None, call))
            argument = call.arguments["x"].name
            same[f"%{n}"] = same.get(argument, argument)
        else:
            raise Mismatch("the runs have different operations")
    if position < len(a):
        raise Mismatch("the runs have different operations")
    return pairs, same


def _check_constants(a: dict[str, tuple[Array, str]], b: dict[str, tuple[Array, str]]) -> None:
    for name in a.keys() | b.keys():
        x, y = (arrays[name][0] if name in arrays else xp.zeros(0) for arrays in (a, b))
        if x.shape != y.shape or not xp.array_equal(x, y, equal_nan=True):
            raise ConfigError(
                f"a tensor or array of shape {x.shape} is computed from the input outside the ops, or differs in each "
                "call; use quatnet.ops instead of NumPy and .data"
            )


def _merge_calls(a: Call | None, b: Call, batch: int, same: dict[str, str]) -> Call:
    if a is None:  # dropout that the network calls in training only
        shape: Any = (Batch(b.shape[0] // (batch + 1)), *b.shape[1:])
        return Call(b.op, b.arguments | {"train": Runtime("train"), "rng": Runtime("rng")}, shape)
    arguments = _merge_values(a.arguments, b.arguments, batch, same)
    return Call(b.op, arguments, _merge_values(a.shape, b.shape, batch, same))


def _merge_values(a: Any, b: Any, batch: int, same: dict[str, str]) -> Any:
    """Return the common form of an argument in two runs with batch sizes N and N + 1."""
    if isinstance(a, slice) and isinstance(b, slice):
        parts = zip((a.start, a.stop, a.step), (b.start, b.stop, b.step), strict=True)
        return slice(*(_merge_values(x, y, batch, same) for x, y in parts))
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return {key: _merge_values(value, b[key], batch, same) for key, value in a.items()}
    if type(a) in (tuple, list) and type(a) is type(b) and len(a) == len(b):
        return type(a)(_merge_values(x, y, batch, same) for x, y in zip(a, b, strict=True))
    if isinstance(a, Ref) and isinstance(b, Ref) and a.name == same.get(b.name, b.name):
        return b
    if a is False and b is True:
        return Runtime("train")
    if a is None and isinstance(b, Runtime):
        return b
    if type(a) is type(b) is int and a != b and a % batch == 0 and b == a // batch * (batch + 1):
        return Batch(a // batch)
    if type(a) is type(b) and a == b:
        return a
    raise Mismatch(f"an argument is {a} in one run and {b} in the other")


def _build(inputs: dict, entries: dict, calls: list[Call], outputs: Any, arrays: dict, notes: list[str]) -> Graph:
    """Return the graph of merged calls, with names for the nodes."""
    refs = (ref for value in [outputs, *(call.arguments for call in calls)] for ref in leaves(value))
    used = {ref.name for ref in refs if isinstance(ref, Ref)}
    found = {name: (_data(item), _kind(item)) for name, item in entries.values() if name in used} | arrays
    names = _node_names(calls, {*found, *inputs})

    def rename(value: Any) -> Any:
        return Ref(names.get(value.name, value.name), value.tensor) if isinstance(value, Ref) else value

    nodes = [Node(names[f"%{n}"], op, map_leaves(rename, args), shape) for n, (op, args, shape) in enumerate(calls)]
    return Graph(
        {key: (Batch(), *array.shape[1:]) for key, array in inputs.items()},
        nodes,
        map_leaves(rename, outputs),
        {name: array for name, (array, _) in found.items()},
        {name: kind for name, (_, kind) in found.items()},
        notes,
    )


def _data(item: Tensor | Array) -> Array:
    return item.data if isinstance(item, Tensor) else item


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
        choices = [place, f"{place}.{call.op}", *(f"{place or call.op}.{k}" for k in range(1, n + 2))]
        names[f"%{n}"] = next(name for name in choices if name and name != f".{call.op}" and name not in taken)
        taken.add(names[f"%{n}"])
    return names
