"""Pruning to a budget of multiplications and parameters.

The filters of all layers are ranked together.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from ..models import Config, Network, shared_channels, with_filters
from ..profile import network_cost
from .criteria import Criterion, l1
from .filters import KeepIndices
from .selection import top_k


@dataclass(frozen=True)
class Budget:
    """Maximum cost of a network.

    Parameters
    ----------
    multiplications
        Maximum number of real multiplications for one clip, with 8 for each quaternion product.
    parameters
        Maximum number of trainable parameters.
    frames
        Length of the clip in frames.
    """

    multiplications: int
    parameters: int
    frames: int

    def __str__(self) -> str:
        return f"{self.multiplications:,} multiplications and {self.parameters:,} parameters"

    def fits(self, config: Config) -> bool:
        """Return whether the cost of a network (`profile.network_cost`) is within the budget."""
        cost = network_cost(config, self.frames)
        return cost.multiplications_8 <= self.multiplications and cost.parameters <= self.parameters


def budget_from_reference(
    reference: Config, frames: int, *, multiplications: float = 0.5, parameters: float = 0.2
) -> Budget:
    """Return a budget relative to the cost of `reference`.

    `multiplications` and `parameters` are fractions of the cost. Raises ConfigError unless both are above 0.
    """
    if not (multiplications > 0 and parameters > 0):
        raise ConfigError(f"expected multiplications and parameters above 0, got {multiplications} and {parameters}")
    cost = network_cost(reference, frames)
    return Budget(int(multiplications * cost.multiplications_8), int(parameters * cost.parameters), frames)


def check_reachable(config: Config, budget: Budget) -> None:
    """Raise ConfigError if the network exceeds the budget even with one filter in each layer."""
    smallest = with_filters(config, {group.producers[0]: 1 for group in shared_channels(config)})
    if not budget.fits(smallest):
        cost = network_cost(smallest, budget.frames)
        minimum = Budget(cost.multiplications_8, cost.parameters, budget.frames)
        raise ConfigError(f"with one filter in each layer the network still costs {minimum}; allow more than {budget}")


def select_for_budget(model: Network, budget: Budget, *, criterion: Criterion = l1) -> KeepIndices:
    """Return the filters to keep so that the network fits `budget`.

    Filters are removed in the order of increasing score, across all layers, until the network fits. The filter with the
    highest score in each layer is never removed. Raises ConfigError if the budget cannot be reached.
    """
    check_reachable(model.config, budget)
    state = model.state_dict()
    scores = {group.producers[0]: criterion(state, group) for group in shared_channels(model.config)}
    order = _removal_order(scores)

    def remaining_counts(num_removed: int) -> dict[str, int]:
        removed = order[:num_removed]
        return {name: len(layer_scores) - removed.count(name) for name, layer_scores in scores.items()}

    def fits(num_removed: int) -> bool:
        return budget.fits(with_filters(model.config, remaining_counts(num_removed)))

    num_removed = bisect_left(range(len(order)), True, key=fits)
    return {name: top_k(scores[name], count) for name, count in remaining_counts(num_removed).items()}


def _removal_order(scores: Mapping[str, np.ndarray]) -> list[str]:
    """Return the layer of each removable filter, in the order of increasing score.

    The filter with the highest score in a layer is not removable.
    """
    removable = [(score, name) for name, layer_scores in scores.items() for score in np.sort(layer_scores)[:-1]]
    return [name for _, name in sorted(removable, key=lambda item: item[0])]
