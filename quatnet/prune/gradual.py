"""Pruning in rounds: cut a little, train on, look again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ..errors import ConfigError
from ..models import Config, Network, remaining_filters
from ..profile import network_cost
from .budget import Budget, check_reachable, select_for_budget
from .criteria import Criterion, l1
from .filters import KeepIndices, prune_filters
from .selection import select_counts

Choice = Callable[[Network], KeepIndices]  # made on the network as it is by then


def prune_gradually(model: Network, choices: Iterable[Choice], fine_tune: Callable[[Network], object]) -> Network:
    """Return the network after all cuts; after each, `fine_tune` trains it on. One choice is pruning in one shot.

    Source: P. Molchanov and others, Pruning convolutional neural networks for resource efficient inference, 2017.
    """
    for choice in choices:
        model = prune_filters(model, choice(model))
        fine_tune(model)
    return model


def ratio_rounds(
    config: Config, ratio: float, rounds: int, *, blocks: Sequence[int] | None = None, criterion: Criterion = l1
) -> list[Choice]:
    """Return choices that cut as many filters as `choose` at once, the same share of `config` in each of the rounds.

    Raises ConfigError for less than one round, and as `choose` does.
    """

    def choice(share: float) -> Choice:
        counts = remaining_filters(config, share, blocks=blocks)
        return lambda model: select_counts(model, counts, criterion=criterion)

    return [choice(ratio * (1 - left)) for left in _left_over(rounds)]


def budget_rounds(config: Config, budget: Budget, rounds: int, *, criterion: Criterion = l1) -> list[Choice]:
    """Return choices that reach `budget` in equal steps from what `config` costs.

    Raises ConfigError for less than one round, and for a budget that no cut reaches.
    """
    check_reachable(config, budget)
    cost = network_cost(config, budget.frames)

    def choice(left: float) -> Choice:
        step = replace(
            budget,
            multiplications=budget.multiplications
            + int(left * max(0, cost.multiplications_8 - budget.multiplications)),
            parameters=budget.parameters + int(left * max(0, cost.parameters - budget.parameters)),
        )
        return lambda model: select_for_budget(model, step, criterion=criterion)

    return [choice(left) for left in _left_over(rounds)]


def _left_over(rounds: int) -> list[float]:
    """The share of the way that is left after each round."""
    if rounds < 1:
        raise ConfigError(f"expected at least 1 round, got {rounds}")
    return [1 - done / rounds for done in range(1, rounds + 1)]
