"""Pruning to a budget: so many multiplications and parameters, and the weakest filters of the whole network go."""

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
    """What one clip of `frames` frames may cost: real multiplications, 8 for a quaternion product; and parameters."""

    multiplications: int
    parameters: int
    frames: int

    def __str__(self) -> str:
        return f"{self.multiplications:,} multiplications and {self.parameters:,} parameters"

    def fits(self, config: Config) -> bool:
        """Return whether the network of this config costs no more, as `profile.network_cost` counts it."""
        cost = network_cost(config, self.frames)
        return cost.multiplications_8 <= self.multiplications and cost.parameters <= self.parameters


def budget_from_reference(
    reference: Config, frames: int, *, multiplications: float = 0.5, parameters: float = 0.2
) -> Budget:
    """Return these shares of what the `reference` network costs. Raises ConfigError unless they are above 0."""
    if not (multiplications > 0 and parameters > 0):
        raise ConfigError(f"expected shares above 0, got {multiplications} and {parameters}")
    cost = network_cost(reference, frames)
    return Budget(int(multiplications * cost.multiplications_8), int(parameters * cost.parameters), frames)


def check_reachable(config: Config, budget: Budget) -> None:
    """Raise ConfigError where a network of this config costs more even with one filter in each layer."""
    least = with_filters(config, {group.producers[0]: 1 for group in shared_channels(config)})
    if not budget.fits(least):
        cost = network_cost(least, budget.frames)
        smallest = Budget(cost.multiplications_8, cost.parameters, budget.frames)
        raise ConfigError(f"with one filter in each layer the network still costs {smallest}; allow more than {budget}")


def select_for_budget(model: Network, budget: Budget, *, criterion: Criterion = l1) -> KeepIndices:
    """Return the filters to keep within `budget`: those of the lowest scores in all layers go, and no more than needed.

    A score counts beside the mean of its own layer, the way criteria give it. The strongest filter of each layer stays.
    Raises ConfigError where even those alone cost too much.
    """
    check_reachable(model.config, budget)
    arrays = model.state_dict()
    scores = {group.producers[0]: criterion(arrays, group) for group in shared_channels(model.config)}
    order = _weakest_first(scores)

    def left(removed: int) -> dict[str, int]:
        gone = order[:removed]
        return {name: len(part) - gone.count(name) for name, part in scores.items()}

    needed = bisect_left(
        range(len(order)), True, key=lambda removed: budget.fits(with_filters(model.config, left(removed)))
    )
    return {name: top_k(scores[name], count) for name, count in left(needed).items()}


def _weakest_first(scores: Mapping[str, np.ndarray]) -> list[str]:
    """The name of the layer that loses a filter, in the order in which they go; the last filter of each stays."""
    going = [(score, name) for name, part in scores.items() for score in np.sort(part)[:-1]]
    return [name for _, name in sorted(going, key=lambda item: item[0])]
