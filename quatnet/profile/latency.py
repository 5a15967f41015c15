"""What a network takes: milliseconds for one clip, of all of it and of each layer by itself."""

import statistics
import time
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ..autodiff import Tensor, no_grad
from ..backend import xp
from ..models import LayerShape, Network


def milliseconds_per_clip(model: Callable[[Any], Tensor], clip: np.ndarray, *, runs: int = 15) -> float:
    """Return the median time of one clip (frames, mels, 4) through the network, batch 1, after a warm-up."""
    return _median(lambda: model(clip[None]), runs)


def layer_milliseconds(model: Network, frames: int, *, runs: int = 5) -> dict[str, float]:
    """Return the median time of each convolution and linear layer on the map that it has for `frames` frames.

    Each runs by itself on normal numbers, without its batch norm.
    """
    rng = np.random.default_rng(0)
    return {layer.name: _layer_time(model, layer, rng, runs) for layer in model.config.layers(frames)}


def _layer_time(model: Network, layer: LayerShape, rng: np.random.Generator, runs: int) -> float:
    module: Any = reduce(_part, layer.name.split("."), model)
    shape = (1, layer.in_channels) if layer.linear else (1, layer.height, layer.width, layer.in_channels)
    x = Tensor(xp.asarray(rng.standard_normal(shape, dtype=np.float32)))
    return _median(lambda: module(x), runs)


def _part(owner: Any, key: str) -> Any:
    return owner[int(key)] if key.isdigit() else getattr(owner, key)


def _median(run: Callable[[], Tensor], runs: int) -> float:
    times = []
    with no_grad():
        for _ in range(runs + 1):
            start = time.perf_counter()
            float(run().data.ravel()[0])  # waits for a GPU
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])
