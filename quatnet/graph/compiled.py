"""Compilation for inference: a folded graph with prepared weights, which follows the arrays of its network."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from operator import is_
from typing import Any

import numpy as np

from ..autodiff import Tensor, no_grad
from ..backend import Array, xp
from ..conv.fast import fused
from ..errors import ConfigError
from ..nn import Module
from ..nn.module import array_of
from ..threads import single_threaded_blas
from .fold import fold
from .module import GraphModule, as_graph
from .nodes import Graph, Node, Runtime, leaves, map_leaves
from .record import input_array
from .trace import lock_of, owner_entries, trace


class _Split(Tensor):
    """Result of a fused convolution with an axis for the components, (N, H, W, P, C)."""

    __slots__ = ()


class _Runner(GraphModule):
    """Folded graph whose convolution kernels are prepared once, and whose fused nodes exchange split components."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self._prepared = dict[str, fused.FusedConv2d]()
        split = {node.name for node in self.graph.nodes if node.op == "fused_conv2d"}
        self._merging = {node.name for node in self.graph.nodes if not split.isdisjoint(node.refs())}

    def _run(self, node: Node, arguments: dict[str, Any]) -> Tensor:
        if node.op != "fused_conv2d":
            arguments = map_leaves(_merged, arguments) if node.name in self._merging else arguments
            return super()._run(node, arguments)
        x, w, scale, shift = (arguments[key].data for key in ("x", "w", "scale", "shift"))
        if node.name not in self._prepared:
            self._prepared[node.name] = fused.make_layer(w, scale, shift, pool=arguments["pool"])
        x = x if isinstance(arguments["x"], _Split) else x[:, :, :, None]
        x = x if x.dtype.kind == "f" else x.astype(w.dtype)  # booleans
        return _Split(fused.fused_conv2d(x, self._prepared[node.name]))


def _merged(value: Any) -> Any:
    return Tensor(fused.merge_components(value.data)) if isinstance(value, _Split) else value


class Compiled:
    """Network compiled for inference, called with the inputs only, and without gradients. See `compile`."""

    def __init__(self, model: Callable[..., Any]) -> None:
        self.model, self._owner = model, getattr(model, "__self__", model)
        self._places = dict[str, tuple[Any, Any]]()
        self._structure: Any = None  # see `_find_arrays`
        self._contents = list[tuple[Any, list]]()  # containers of the model, and their items when they were read
        # shapes of the inputs -> graph with the arrays of the last fold, and the folded network
        self._compiled = dict[Any, tuple[Graph, _Runner]]()

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to copy the network: a copy compiles its own model."""
        return type(self), (self.model,)

    def __call__(self, *inputs: Any) -> Any:
        arrays = self.arrays(inputs)
        runner = self.prepare(arrays)
        with no_grad(), single_threaded_blas():
            return map_leaves(_merged, runner(*arrays))

    def arrays(self, inputs: tuple[Any, ...]) -> tuple[Array, ...]:
        """Return the inputs as arrays. Plain arrays other than float32 get the dtype of the weights."""
        if all(isinstance(item, Tensor) or getattr(item, "dtype", None) == np.float32 for item in inputs):
            return tuple(Tensor(item).data for item in inputs)
        return tuple(input_array(item, [weight for *_, weight in owner_entries(self.model)]) for item in inputs)

    @property
    def frontend_settings(self) -> dict[str, Any] | None:
        """Settings of the front end of the model, if they are known."""
        return getattr(self.model, "frontend_settings", None)

    def prepare(self, inputs: tuple[Array, ...]) -> _Runner:
        """Return the folded network for inputs of these shapes, with the present arrays of the model."""
        with lock_of(self._owner if isinstance(self._owner, Module) else self):  # `trace` changes running statistics
            self._find_arrays()
            key = tuple((array.shape[1:], array.dtype) for array in inputs)
            graph, runner = self._compiled.get(key) or self._trace(inputs)
            present = {name: self._present(name, array) for name, array in graph.arrays.items()}
            if any(present[name].shape != array.shape for name, array in graph.arrays.items()):
                graph, runner = self._trace(inputs)
            elif any(present[name] is not array for name, array in graph.arrays.items()):
                graph = replace(graph, arrays=present)
                runner = _Runner(fold(graph))
            self._compiled[key] = graph, runner
            return runner

    def _trace(self, inputs: tuple[Array, ...]) -> tuple[Graph, _Runner]:
        example = tuple(a if len(a) else xp.zeros((1, *a.shape[1:]), a.dtype) for a in inputs)
        graph = as_graph(self.model) if type(self.model) is GraphModule else trace(self.model, example)
        for node in graph.nodes:
            is_random = Runtime("rng") in leaves(node.arguments) and node.arguments.get("p") != 0
            if is_random and node.arguments.get("train") is True:
                raise ConfigError(f"{node.op} ({node.name}) is active in evaluation; call the network itself")
        return graph, _Runner(fold(graph))

    def _find_arrays(self) -> None:
        """Find the arrays of the model. Delete the traces if layers, containers, shapes or shared arrays changed."""
        if self._contents and all(_has_items(container, items) for container, items in self._contents):
            return
        contents = [(container, list(_items(container))) for container in _containers(self._owner, set())]
        entries, first = owner_entries(self.model), dict[int, str]()
        layers = [(id(container), [id(item) for item in items if callable(item)]) for container, items in contents]
        arrays = [(name, id(place), first.setdefault(id(item), name), item.shape) for name, place, _, item in entries]
        structure = layers, arrays
        if structure != self._structure:
            self._compiled.clear()
        self._structure, self._contents = structure, contents  # the contents keep the objects, so that no id is reused
        self._places = {name: (container, key) for name, container, key, _ in entries}

    def _present(self, name: str, array: Array) -> Array:
        if name not in self._places:
            return array
        container, key = self._places[name]
        return array_of(container[key])


def _containers(item: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the attributes of a module and of its submodules, and their nested lists, tuples and dicts."""
    container = vars(item) if isinstance(item, Module) else item
    if isinstance(container, dict | list | tuple) and id(container) not in seen:
        seen.add(id(container))
        yield container
        for each in _items(container):
            yield from _containers(each, seen)


def _items(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _has_items(container: Any, items: list) -> bool:
    """Return whether a container contains the same objects as `items`."""
    return len(container) == len(items) and all(map(is_, _items(container), items))


def compile(model: Callable[..., Any], example: Any = None) -> Compiled:
    """Return a network for inference whose outputs are equal to the outputs of `model` up to rounding.

    Parameters
    ----------
    model : any network or function of tensors, see `trace`
    example : an input (N, ...), or a tuple of inputs. Without example, the network is compiled at the first call for
        each size of the inputs

    The weights are prepared again after an array has been replaced by an optimizer, by `load_state_dict` or by a batch
    norm in training mode. In-place changes of an array are not detected. The network is traced again after a layer, or
    a function in a list of layers, has been replaced. Other attributes, such as numbers, variables of functions, and
    values computed from parameters with `.data` are read at compile time. Several threads may call the result.

    Raises ConfigError and ShapeError as `trace` does, and ConfigError if dropout is active in evaluation.

    >>> import numpy as np; import quatnet as qn
    >>> net = qn.nn.Sequential(qn.nn.Conv2d(1, 4, rng=np.random.default_rng(0)), qn.nn.BatchNorm(4), qn.nn.ReLU())
    >>> compile(net, np.zeros((1, 8, 8, 1), np.float32))(np.zeros((2, 8, 8, 1), np.float32)).shape
    (2, 8, 8, 4)
    """
    compiled = Compiled(model)
    if example is not None:
        compiled.prepare(compiled.arrays(example if isinstance(example, tuple) else (example,)))
    return compiled
