"""Gradual pruning in several rounds of pruning and fine-tuning."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ..errors import ConfigError
from ..models import Config, Network, remaining_filters
from ..profile import network_cost
from .budget import Budget, check_reachable, select_for_budget
from .criteria import Criterion, l1
from .filters import KeepIndices, prune_filters
from .selection import select_counts

Selector = Callable[[Network], KeepIndices]  # network -> filters to keep in one round


def prune_gradually(model: Network, selectors: Iterable[Selector], fine_tune: Callable[[Network], object]) -> Network:
    """Return the network after one round of pruning and fine-tuning for each selector.

    A round prunes the network and calls `fine_tune` with the pruned network. One selector gives one-shot pruning.

    Source: P. Molchanov and others, Pruning convolutional neural networks for resource efficient inference, 2017.
    """
    for selector in selectors:
        model = prune_filters(model, selector(model))
        fine_tune(model)
    return model


def ratio_selectors(
    config: Config, ratio: float, rounds: int, *, blocks: Sequence[int] | None = None, criterion: Criterion = l1
) -> list[Selector]:
    """Return one selector for each round of pruning by ratio.

    Together, the selectors remove the share `ratio` of the filters in equal steps.

    After the last round, as many filters remain as after `select` with the same `ratio` and `blocks`.
    Raises ConfigError if `rounds` is below 1, and as `select` does.
    """

    def selector(ratio: float) -> Selector:
        counts = remaining_filters(config, ratio, blocks=blocks)
        return lambda model: select_counts(model, counts, criterion=criterion)

    return [selector(ratio * (1 - fraction)) for fraction in _remaining_fractions(rounds)]


def budget_selectors(config: Config, budget: Budget, rounds: int, *, criterion: Criterion = l1) -> list[Selector]:
    """Return one selector for each round of pruning to a budget.

    Together, the selectors reduce the cost of `config` to `budget` in equal steps.
    Raises ConfigError if `rounds` is below 1 or the budget cannot be reached.
    """
    check_reachable(config, budget)
    cost = network_cost(config, budget.frames)

    def selector(fraction: float) -> Selector:
        excess_multiplications = max(0, cost.multiplications_8 - budget.multiplications)
        excess_parameters = max(0, cost.parameters - budget.parameters)
        step = replace(
            budget,
            multiplications=budget.multiplications + int(fraction * excess_multiplications),
            parameters=budget.parameters + int(fraction * excess_parameters),
        )
        return lambda model: select_for_budget(model, step, criterion=criterion)

    return [selector(fraction) for fraction in _remaining_fractions(rounds)]


def _remaining_fractions(rounds: int) -> list[float]:
    """Return the fraction of the total reduction that remains after each round. The last fraction is 0."""
    if rounds < 1:
        raise ConfigError(f"expected at least 1 round, got {rounds}")
    return [1 - number / rounds for number in range(1, rounds + 1)]
