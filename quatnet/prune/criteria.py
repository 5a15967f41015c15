"""Pruning criteria, which compute one score for each filter of a channel group.

A `Criterion` takes the arrays of a network (`Module.state_dict`) and a `ChannelGroup`, and returns scores (filters,).
The scores of each layer are divided by their mean. The scores of different layers are then comparable, and all
producers of a residual sum have the same weight. With the L2 norm or the maximum of the scores as divisor, nearly all
filters of a wide layer would be removed first.
"""

from collections.abc import Callable, Mapping

import numpy as np

from ..errors import ConfigError
from ..models import ChannelGroup
from .scores import geometric_median_scores, l1_scores, l2_scores, operator_norm_scores

Arrays = Mapping[str, np.ndarray]
Criterion = Callable[[Arrays, ChannelGroup], np.ndarray]


def weight_criterion(score: Callable[[np.ndarray], np.ndarray]) -> Criterion:
    """Return a criterion that averages the scores of all producers of a channel group.

    `score` maps a weight (..., filters) to scores (filters,).
    """

    def criterion(arrays: Arrays, group: ChannelGroup) -> np.ndarray:
        scores = [_normalize(score(arrays[f"{name}.weight"])) for name in group.producers]
        return np.asarray(np.mean(scores, axis=0))

    return criterion


def batch_norm(arrays: Arrays, group: ChannelGroup) -> np.ndarray:
    """Return the mean absolute batch norm weight of each filter.

    A quaternion filter has four weights in each batch norm.

    Source: Z. Liu and others, Learning efficient convolutional networks through network slimming, 2017.
    """
    filters = arrays[f"{group.producers[0]}.weight"].shape[-1]
    scales = [np.abs(arrays[f"{name}.weight"]).reshape(-1, filters).mean(axis=0) for name in group.norms]
    return np.asarray(np.mean([_normalize(scale) for scale in scales], axis=0))


def random(rng: np.random.Generator) -> Criterion:
    """Return a criterion that draws uniform random scores from `rng`, as a baseline for the other criteria."""

    def criterion(arrays: Arrays, group: ChannelGroup) -> np.ndarray:
        return rng.random((arrays[f"{group.producers[0]}.weight"].shape[-1],))

    return criterion


def _normalize(scores: np.ndarray) -> np.ndarray:
    """Return the scores divided by their mean, or unchanged if the mean is 0."""
    return scores / (float(scores.mean()) or 1.0)


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
    if name not in criteria:
        raise ConfigError(f"expected a criterion among {', '.join(criteria)}, got {name!r}")
    return criteria[name]
