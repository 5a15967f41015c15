"""Pruning criteria, which compute one score for each filter of a channel group.

A `Criterion` takes the arrays of a network (`Module.state_dict`) and a `ChannelGroup`, and returns scores (filters,).
The scores of each layer are divided by their mean. The scores of different layers are then comparable, and all
producers of a residual sum have the same weight. With the L2 norm or the maximum of the scores as divisor, nearly all
filters of a wide layer would be removed first.
"""

from collections.abc import Callable, Mapping

import numpy as np

from ..checks import checked_rng
from ..errors import ConfigError
from ..graph import ChannelGroup
from .scores import geometric_median_scores, l1_scores, l2_scores, operator_norm_scores

Arrays = Mapping[str, np.ndarray]
Criterion = Callable[[Arrays, ChannelGroup], np.ndarray]


def weight_criterion(score: Callable[[np.ndarray], np.ndarray]) -> Criterion:
    """Return a criterion that averages the scores of all producers of a channel group.

    `score` maps a weight (KH, KW, C, filters) or (4, KH, KW, C, filters) to scores (filters,).
    """

    def criterion(arrays: Arrays, group: ChannelGroup) -> np.ndarray:
        shapes = {name: (4, -1, 1) if name in group.quaternion else (-1, 1) for name in group.producers}
        weights = {name: arrays[name].reshape(*shape, *arrays[name].shape[-2:]) for name, shape in shapes.items()}
        return _average({name: score(weight) for name, weight in weights.items()}, group.producers, group.size)

    return criterion


def batch_norm(arrays: Arrays, group: ChannelGroup) -> np.ndarray:
    """Return the mean absolute batch norm weight of each filter.

    A quaternion filter has four weights in each batch norm. A group without batch norm has the scores of `l1`.

    Source: Z. Liu and others, Learning efficient convolutional networks through network slimming, 2017.
    """
    if not group.norms:
        return l1(arrays, group)
    scales = {name: np.abs(arrays[name]).reshape(-1, arrays[name].shape[-1]).mean(axis=0) for name in group.norms}
    return _average(scales, group.norms, group.size)


def random(rng: np.random.Generator) -> Criterion:
    """Return a criterion that draws uniform random scores from `rng`, as a baseline for the other criteria."""
    rng = checked_rng(rng)
    return lambda arrays, group: rng.random((group.size,))


def _average(scores: Arrays, channels: Mapping[str, np.ndarray], size: int) -> np.ndarray:
    """Return the mean score of each channel of a group: over its filters, and over all arrays.

    The scores of each array are divided by their mean, unless the mean is 0.
    """
    total, number = np.zeros(size), np.zeros(size)
    for name, positions in channels.items():
        valid = positions >= 0
        filters = np.bincount(positions[valid], minlength=size)
        means = np.bincount(positions[valid], scores[name][valid], size) / np.maximum(filters, 1)
        total += means / (float(means[filters > 0].mean()) or 1.0)
        number += filters > 0
    return total / np.maximum(number, 1)


l1 = weight_criterion(l1_scores)
CRITERIA: Mapping[str, Criterion] = {
    "l1": l1,
    "l2": weight_criterion(l2_scores),
    "geometric_median": weight_criterion(geometric_median_scores),
    "operator_norm": weight_criterion(operator_norm_scores),
    "batch_norm": batch_norm,
}


def criterion_from_name(name: str, *, rng: np.random.Generator) -> Criterion:
    """Return the criterion with the given name, which is a key of `CRITERIA` or "random".

    The scores of "random" are drawn from `rng`. Raises ConfigError for any other name.
    """
    criteria = {**CRITERIA, "random": random(rng)}
    if not isinstance(name, str) or name not in criteria:
        raise ConfigError(f"expected a criterion among {', '.join(criteria)}, got {name!r}")
    return criteria[name]
