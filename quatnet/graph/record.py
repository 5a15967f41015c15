"""Recording of the operations of one run of a network."""

import inspect
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from ..autodiff import Tensor
from ..autodiff.op import OPS
from ..autodiff.tape import Node as TapeNode
from ..autodiff.tape import open_statements
from ..backend import Array, xp
from ..checks import as_array
from ..errors import ConfigError
from ..nn import Module
from ..nn.module import array_of
from .nodes import Ref, Runtime, Shape, free_name, leaves, map_leaves


def input_array(item: Any, weights: Iterable[Any]) -> Array:
    """Return the array of an input of a network, a plain array in the dtype of the first float tensor of `weights`.

    Operations convert plain arrays in the same way.
    """
    array = Tensor(item).data
    if isinstance(item, Tensor):
        return array
    dtypes = (weight.data.dtype for weight in weights if isinstance(weight, Tensor))
    dtype = next((dtype for dtype in dtypes if dtype.kind == "f"), array.dtype)
    return array if array.dtype == dtype else array.astype(dtype)  # a tracer knows the array itself


READ = "Python code has read values of tensors; they are constants of the graph"
NO_GRAD = "A part of the network runs in no_grad; the graph computes its gradients: use requires_grad=False or detach()"
DRAWN = "Python code has drawn random numbers; the graph has the operations of one run, as if the numbers were constant"
OWN_RNG = "An operation uses a generator of the network; the graph uses the argument rng of its call instead"


class Call(NamedTuple):
    """One recorded call."""

    op: str
    arguments: dict[str, Any]
    shape: Shape


class Recorder:
    """Tracer of one run. All tensors are kept, so that no id is used twice."""

    def __init__(self, names: dict[int, Ref], inputs: dict[str, Tensor]) -> None:
        self.refs = names | {id(tensor): Ref(name) for name, tensor in inputs.items()}
        self.data_refs = {key: Ref(ref.name) for key, ref in names.items() if not ref.tensor}
        self.data_refs |= {id(tensor.data): Ref(name) for name, tensor in inputs.items()}
        self.inputs, self.generators = set(inputs), dict[int, tuple[np.random.Generator, Any]]()
        self.taken = {*inputs, *(ref.name for ref in names.values())}
        self.calls: list[Call] = []
        self.arrays: dict[str, tuple[Array, str]] = {}  # array and kind of tensors and arrays that no op has made
        self.kept: list[Any] = list(inputs.values())
        self.replaced: list[tuple[dict, str, Array]] = []
        self.depth, self.notes, self.num_no_grad = 0, dict[str, None](), len(open_statements()) + 1
        self.rng = np.random.default_rng(0)
        self.rng_state = self.rng.bit_generator.state

    def call(self, name: str, function: Callable[..., Any], args: tuple, options: dict[str, Any]) -> Any:
        """Return function(*args, **options), and record the call unless another operation makes the call."""
        if self.depth:
            return function(*args, **options)
        if getattr(OPS[name], "__wrapped__", None) is not function:
            raise ConfigError(f"two ops have the name {name!r}, which a graph cannot distinguish; rename one of them")
        if len(open_statements()) > self.num_no_grad:
            self.notes[NO_GRAD] = None
        self.check_draws()
        try:
            bound = inspect.signature(function).bind(*args, **options)
        except TypeError as error:
            raise TypeError(f"{name}() {error}") from None
        bound.apply_defaults()
        operand = bound.arguments.get("other")
        if isinstance(operand, list | tuple) and function.__module__ == Tensor.__module__:  # a constant of the graph
            bound.arguments["other"] = as_array(operand)
        arguments = {key: self.encode(value) for key, value in bound.arguments.items()}
        if type(arguments.get("train")) is int:
            arguments["train"] = bool(arguments["train"])
        generator = bound.arguments.get("rng")
        if isinstance(generator, np.random.Generator) and generator is not self.rng and bound.arguments.get("train", 1):
            self.notes[OWN_RNG] = None
            self.generators.setdefault(id(generator), (generator, generator.bit_generator.state))
        owner = bound.arguments.get("self")
        layer = vars(owner) if isinstance(owner, Module | SimpleNamespace) else {}
        before = {key: value for key, value in layer.items() if isinstance(value, xp.ndarray)}
        for ref in (self.refs[id(array)] for array in before.values()):
            if ref.name in self.arrays:
                self.arrays[ref.name] = self.arrays[ref.name][0], "buffer"
        self.depth += 1
        try:
            result = function(*args, **options)
            if not isinstance(result, Tensor):
                raise ConfigError(f"the op {name} returns a {type(result).__name__}; expected one tensor")
            if id(result) in self.refs:  # dropout in evaluation returns its argument
                result = Tensor.from_op(result.data, [result], lambda grad: (grad,))
        finally:
            self.depth -= 1
            self.rng_state = self.rng.bit_generator.state
            for key, array in before.items():  # the running statistics of a layer have been replaced
                self.refs[id(layer[key])] = self.refs[id(array)]
                self.replaced.append((layer, key, array))
        self.refs[id(result)] = Ref(f"%{len(self.calls)}")
        self.kept += [result, *before.values()]
        self.calls.append(Call(name, arguments, result.shape))
        return result

    def check_draws(self) -> None:
        """Note that Python code has drawn random numbers since the last operation."""
        if self.rng.bit_generator.state != self.rng_state:
            self.notes[DRAWN] = None

    def result_of(self, backward: Callable[..., Any]) -> None:
        """Raise ConfigError for a tensor that is made outside the operations."""
        if not self.depth:
            name = backward.__qualname__.removesuffix(".<locals>.backward")
            raise ConfigError(
                f"{name} calls Tensor.from_op but is no op: put @quatnet.autodiff.op above its definition"
            )

    def read(self, node: TapeNode) -> None:
        """Note that Python code reads a value."""
        if not self.depth:
            self.notes[READ] = None

    def converted(self, array: Any, tensor: Tensor) -> None:
        """Refer to a known array in place of its conversion to a tensor."""
        if id(array) in self.refs:
            self.refs[id(tensor)] = self.refs[id(array)]
            self.kept.append(tensor)

    def converted_operand(self, array: Any, like: Tensor) -> None:
        """Raise ConfigError for a known array on the left of an operator with a tensor of another dtype."""
        if isinstance(array, xp.ndarray) and id(array) in self.refs and not self.depth:
            name = self.refs[id(array)].name
            raise ConfigError(f"{name}: expected an array of dtype {like.dtype}, got {array.dtype}; convert {name}")

    def encode(self, value: Any) -> Any:
        """Return an argument with a `Ref` in place of every tensor and array."""
        if type(value) in (list, tuple):
            return type(value)(map(self.encode, value))
        if isinstance(value, slice) or (isinstance(value, dict) and all(isinstance(key, str) for key in value)):
            return map_leaves(self.encode, value)
        if isinstance(value, Tensor | xp.ndarray):
            return self._ref(value)
        if isinstance(value, np.random.Generator):
            return Runtime("rng")
        if isinstance(value, np.generic):
            return value.item()
        if value is None or value is ... or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Module | SimpleNamespace):  # a layer: its tensors, arrays, numbers and text
            return {key: self._encode_attribute(key, item) for key, item in vars(value).items()}
        raise ConfigError(
            f"an argument of an op or an output has the type {type(value).__name__}, which a graph cannot contain; "
            "expected tensors, numbers, plain lists and tuples, and dicts with string keys"
        )

    def _encode_attribute(self, key: str, value: Any) -> Any:
        plain = np.generic | bool | int | float | str | None
        if isinstance(value, Tensor | xp.ndarray) or all(isinstance(item, plain) for item in leaves(value)):
            return self.encode(value)
        raise ConfigError(
            f"a layer whose __call__ is an op has the attribute {key!r} of type {type(value).__name__}; expected "
            "tensors, arrays, numbers, strings, or lists of numbers or strings, or a __call__ without @op"
        )

    def _ref(self, value: Tensor | Array) -> Ref:
        is_tensor, data = isinstance(value, Tensor), array_of(value)
        known = self.refs.get(id(value)) or (self.data_refs.get(id(data)) if is_tensor else None)
        if known is None:
            kind = "parameter" if getattr(value, "requires_grad", False) else "constant"
            known = Ref(free_name(f"{kind}_{len(self.arrays)}", self.taken), is_tensor)
            self.refs[id(value)], self.arrays[known.name] = known, (data, kind)
            self.kept.append(value)
        return known

    def restore(self) -> None:
        """Set the running statistics to those before the run, and generators of the network to those before an op."""
        for layer, key, array in reversed(self.replaced):
            layer[key] = array
        for generator, state in self.generators.values():
            generator.bit_generator.state = state
