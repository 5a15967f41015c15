"""Measurement of the run time of a network and of its layers for one clip."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..autodiff import Tensor, no_grad
from ..backend import xp
from ..checks import checked_count
from ..graph import Graph, GraphModule, Node, Ref
from ..graph.count import LAYERS
from ..graph.module import as_graph
from ..graph.nodes import leaves, sizes


def milliseconds_per_clip(model: Callable[..., Any], *clip: np.ndarray, runs: int = 15) -> float:
    """Return the median run time in ms for one clip, such as (frames, mels, 4), after one warm-up run.

    `clip` are the inputs of the network without the batch axis. Raises ConfigError for fewer than one run.
    """
    return _median(lambda: model(*(array[None] for array in clip)), runs)


def layer_milliseconds(graph: Graph | GraphModule, *, runs: int = 5) -> dict[str, float]:
    """Return the median run time in ms of each convolution and linear node of a graph for one clip.

    Each node is measured separately, with a normally distributed input.
    """
    graph, rng = as_graph(graph), np.random.default_rng(0)
    return {node.name: _layer_time(graph, node, rng, runs) for node in graph.nodes if node.op in LAYERS}


def _layer_time(graph: Graph, node: Node, rng: np.random.Generator, runs: int) -> float:
    inputs = {name: graph.shape(name) for name in node.refs() if name not in graph.arrays}
    layer = GraphModule(replace(graph, inputs=inputs, nodes=[node], outputs=Ref(node.name)))
    x = [Tensor(xp.asarray(rng.standard_normal(sizes(shape), dtype=np.float32))) for shape in inputs.values()]
    return _median(lambda: layer(*x), runs)


def _median(run: Callable[[], Any], runs: int) -> float:
    times = []
    with no_grad():
        for _ in range(checked_count("runs", runs) + 1):
            start = time.perf_counter()
            float(next(leaves(run())).data.ravel()[0])  # reading a value synchronizes the GPU
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])
