"""Pruning criteria: one score for each filter of a channel group.

A `Criterion` takes the arrays of a network (`Module.state_dict`) and a `ChannelGroup`, and returns scores (filters,).
The scores of each layer are divided by their mean, so that all layers can be ranked together and all producers of a
residual sum have the same weight. With the L2 norm or the maximum of the layer as divisor, one wide layer would lose
nearly all of its filters first.
"""

from collections.abc import Callable, Mapping

import numpy as np

from ..errors import ConfigError
from ..models import ChannelGroup
from .scores import geometric_median_scores, l1_scores, l2_scores, operator_norm_scores

Arrays = Mapping[str, np.ndarray]
Criterion = Callable[[Arrays, ChannelGroup], np.ndarray]


def by_weight(score: Callable[[np.ndarray], np.ndarray]) -> Criterion:
    """Return a criterion that applies `score`, weight (..., filters) -> (filters,), and averages over all producers."""

    def criterion(arrays: Arrays, group: ChannelGroup) -> np.ndarray:
        scores = [_normalize(score(arrays[f"{name}.weight"])) for name in group.producers]
        return np.asarray(np.mean(scores, axis=0))

    return criterion


def batch_norm(arrays: Arrays, group: ChannelGroup) -> np.ndarray:
    """Return the mean absolute batch norm weight of each filter; a quaternion filter has four weights per batch norm.

    Source: Z. Liu and others, Learning efficient convolutional networks through network slimming, 2017.
    """
    filters = arrays[f"{group.producers[0]}.weight"].shape[-1]
    scales = [np.abs(arrays[f"{name}.weight"]).reshape(-1, filters).mean(axis=0) for name in group.norms]
    return np.asarray(np.mean([_normalize(scale) for scale in scales], axis=0))


def random(rng: np.random.Generator) -> Criterion:
    """Return a criterion that draws uniform random scores from `rng`: the baseline for all other criteria."""

    def criterion(arrays: Arrays, group: ChannelGroup) -> np.ndarray:
        return rng.random((arrays[f"{group.producers[0]}.weight"].shape[-1],))

    return criterion


def _normalize(scores: np.ndarray) -> np.ndarray:
    """Divide by the mean; all zeros remain zeros."""
    return scores / (float(scores.mean()) or 1.0)


l1 = by_weight(l1_scores)
CRITERIA: Mapping[str, Criterion] = {
    "l1": l1,
    "l2": by_weight(l2_scores),
    "geometric_median": by_weight(geometric_median_scores),
    "operator_norm": by_weight(operator_norm_scores),
    "batch_norm": batch_norm,
}


def criterion_from_name(name: str, *, rng: np.random.Generator) -> Criterion:
    """Return a criterion of `CRITERIA` by name, or "random", which draws from `rng`. Raises ConfigError if unknown."""
    criteria = {**CRITERIA, "random": random(rng)}
    if name not in criteria:
        raise ConfigError(f"expected a criterion among {', '.join(criteria)}, got {name!r}")
    return criteria[name]
