"""Which filters matter least: a score for each filter of a group of shared channels, whoever writes them.

A `Criterion` takes the arrays of a network (`Module.state`) and the `Channels`, and gives (filters,). Scores have
mean 1 over a layer, so that small layers and large ones can be ranked together, and all writers of a residual sum count
alike. Dividing by a larger norm of the layer would let one wide layer lose nearly all of its filters first.
"""

from collections.abc import Callable, Mapping

import numpy as np

from ..errors import ConfigError
from ..models import ChannelGroup
from .scores import geometric_median_scores, l1_scores, l2_scores, operator_norm_scores, released_scores

Arrays = Mapping[str, np.ndarray]
Criterion = Callable[[Arrays, ChannelGroup], np.ndarray]


def by_weight(score: Callable[[np.ndarray], np.ndarray]) -> Criterion:
    """Return the criterion that scores the kernel of each writer by `score`: weight (..., filters) -> (filters,)."""

    def of(arrays: Arrays, channels: ChannelGroup) -> np.ndarray:
        scores = [_relative(score(arrays[f"{name}.weight"])) for name in channels.producers]
        return np.asarray(np.mean(scores, axis=0))

    return of


def batch_norm(arrays: Arrays, channels: ChannelGroup) -> np.ndarray:
    """Return the mean size of the scales in the batch norms of a filter: four of them for a quaternion filter.

    Source: Z. Liu and others, Learning efficient convolutional networks through network slimming, 2017.
    """
    filters = arrays[f"{channels.producers[0]}.weight"].shape[-1]
    scales = [np.abs(arrays[f"{name}.weight"]).reshape(-1, filters).mean(axis=0) for name in channels.norms]
    return np.asarray(np.mean([_relative(scale) for scale in scales], axis=0))


def random(rng: np.random.Generator) -> Criterion:
    """Return the control that every other criterion must beat: numbers drawn from `rng`."""

    def of(arrays: Arrays, channels: ChannelGroup) -> np.ndarray:
        return rng.random((arrays[f"{channels.producers[0]}.weight"].shape[-1],))

    return of


def _relative(scores: np.ndarray) -> np.ndarray:
    return scores / (float(scores.mean()) or 1.0)


l1 = by_weight(l1_scores)
CRITERIA: Mapping[str, Criterion] = {
    "l1": l1,
    "l2": by_weight(l2_scores),
    "geometric_median": by_weight(geometric_median_scores),
    "operator_norm": by_weight(operator_norm_scores),
    "batch_norm": batch_norm,
    "released": by_weight(released_scores),
}


def criterion_from_name(name: str, *, rng: np.random.Generator) -> Criterion:
    """Return the criterion of `CRITERIA` by its name; "random" draws from `rng`. Raises ConfigError for other names."""
    known = {**CRITERIA, "random": random(rng)}
    if name not in known:
        raise ConfigError(f"expected a criterion among {', '.join(known)}, got {name!r}")
    return known[name]
