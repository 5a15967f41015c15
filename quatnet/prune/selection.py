"""Which filters stay, where it is known how many: the highest scores of each layer."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import ConfigError
from ..models import Network, remaining_filters, shared_channels
from .criteria import Criterion, l1
from .filters import KeepIndices


def select(
    model: Network, ratio: float, *, blocks: Sequence[int] | None = None, criterion: Criterion = l1
) -> KeepIndices:
    """Return the filters to keep: 1 - `ratio` of those of each layer, of the highest scores.

    Cut are the layers of `blocks` (default: all); channels that a residual sum shares with other blocks stay. At
    least one filter stays. Raises ConfigError unless 0 <= ratio < 1 and the blocks exist.
    """
    return select_counts(model, remaining_filters(model.config, ratio, blocks=blocks), criterion=criterion)


def select_counts(model: Network, counts: Mapping[str, int], *, criterion: Criterion = l1) -> KeepIndices:
    """Return the filters to keep: as many as `counts` says, by the first writer of shared channels.

    Raises ConfigError for names that are no first writers.
    """
    arrays = model.state_dict()
    groups = {group.producers[0]: group for group in shared_channels(model.config)}
    if not counts.keys() <= groups.keys():
        raise ConfigError(f"expected names among {', '.join(groups)}, got {', '.join(counts)}")
    return {name: top_k(criterion(arrays, groups[name]), count) for name, count in counts.items()}


def top_k(scores: np.ndarray, count: int) -> np.ndarray:
    """Return the sorted indices of the `count` highest scores; of equals the first."""
    return np.sort(np.argsort(-scores, kind="stable")[:count])
