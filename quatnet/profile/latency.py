"""Measurement of the run time of a network and of its layers for one clip."""

import statistics
import time
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ..autodiff import Tensor, no_grad
from ..backend import xp
from ..models import LayerShape, Network


def milliseconds_per_clip(model: Callable[..., Any], *clip: np.ndarray, runs: int = 15) -> float:
    """Return the median run time in ms for one clip, such as (frames, mels, 4), after one warm-up run.

    `clip` are the inputs of the network without the batch axis.
    """
    return _median(lambda: model(*(array[None] for array in clip)), runs)


def layer_milliseconds(model: Network, frames: int, *, runs: int = 5) -> dict[str, float]:
    """Return the median run time in ms of each convolution and linear layer for one clip of `frames` frames.

    Each layer is measured separately, without batch norm, with a normally distributed input.
    """
    rng = np.random.default_rng(0)
    return {layer.name: _layer_time(model, layer, rng, runs) for layer in model.config.layers(frames)}


def _layer_time(model: Network, layer: LayerShape, rng: np.random.Generator, runs: int) -> float:
    module: Any = reduce(_submodule, layer.name.split("."), model)
    shape = (1, layer.in_channels) if layer.linear else (1, layer.height, layer.width, layer.in_channels)
    x = Tensor(xp.asarray(rng.standard_normal(shape, dtype=np.float32)))
    return _median(lambda: module(x), runs)


def _submodule(module: Any, key: str) -> Any:
    return module[int(key)] if key.isdigit() else getattr(module, key)


def _median(run: Callable[[], Tensor], runs: int) -> float:
    times = []
    with no_grad():
        for _ in range(runs + 1):
            start = time.perf_counter()
            float(run().data.ravel()[0])  # reading a value synchronizes the GPU
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])
