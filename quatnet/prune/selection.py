"""Selection of the filters with the highest scores in each layer."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..checks import as_scores
from ..errors import ConfigError
from ..models import Network, remaining_filters, shared_channels
from .criteria import Criterion, l1
from .filters import KeepIndices


def select(
    model: Network, ratio: float, *, blocks: Sequence[int] | None = None, criterion: Criterion = l1
) -> KeepIndices:
    """Return the filters to keep if the share `ratio` with the lowest scores is removed from each layer.

    Parameters
    ----------
    model
        The network to prune.
    ratio
        Share of the filters to remove, 0 <= ratio < 1. At least one filter of each layer is kept.
    blocks
        Blocks to prune (default: all). Channels that a residual sum shares with other blocks are not pruned.
    criterion
        Function that computes the scores of the filters.

    Raises
    ------
    ConfigError
        `ratio` is out of range or a block does not exist.
    """
    return select_counts(model, remaining_filters(model.config, ratio, blocks=blocks), criterion=criterion)


def select_counts(model: Network, counts: Mapping[str, int], *, criterion: Criterion = l1) -> KeepIndices:
    """Return the filters with the highest scores in each channel group of `counts`.

    `counts` maps the first producer of a channel group to the number of filters to keep. Raises ConfigError for other
    names.
    """
    arrays = model.state_dict()
    groups = {group.producers[0]: group for group in shared_channels(model.config)}
    if not counts.keys() <= groups.keys():
        raise ConfigError(f"expected names among {', '.join(groups)}, got {', '.join(counts)}")
    return {name: top_k(criterion(arrays, groups[name]), count) for name, count in counts.items()}


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the sorted indices of the `k` highest scores. Among equal scores, the first scores are selected.

    Raises ShapeError if the scores contain NaN.
    """
    return np.sort(np.argsort(-as_scores(scores), kind="stable")[:k])
