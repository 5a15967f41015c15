"""Gradual pruning in several rounds of pruning and fine-tuning."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..checks import checked_count, checked_number, checked_type
from ..graph import count, prune_graph
from .budget import Budget
from .criteria import Criterion, l1
from .filters import KeepIndices, prune_filters, trace_groups
from .selection import filter_counts, select, selected_groups, top_k

Selector = Callable[[Any], KeepIndices]  # network -> filters to keep in one round


def prune_gradually(model: Any, selectors: Iterable[Selector], fine_tune: Callable[[Any], object]) -> Any:
    """Return the network after one round of pruning and fine-tuning for each selector.

    A round prunes the network and calls `fine_tune` with the pruned network. One selector gives one-shot pruning.

    Source: P. Molchanov and others, Pruning convolutional neural networks for resource efficient inference, 2017.
    """
    for selector in selectors:
        model = prune_filters(model, selector(model))
        fine_tune(model)
    return model


def ratio_selectors(
    model: Any,
    ratio: float,
    rounds: int,
    *,
    example: Any = None,
    blocks: Sequence[int] | None = None,
    criterion: Criterion | str = l1,
) -> list[Selector]:
    """Return one selector for each round of pruning by ratio.

    Together, the selectors remove the share `ratio` of the filters of `model` in equal steps. After the last round, as
    many filters remain as after `select` with the same arguments. Raises ConfigError if `rounds` is below 1, and as
    `select` does.
    """
    fractions, ratio = _remaining_fractions(rounds), checked_number("ratio", ratio, "[0, 1)")
    groups = selected_groups(model, trace_groups(model, example=example), blocks)
    counts = [filter_counts(groups, ratio * (1 - fraction)) for fraction in fractions]
    return [partial(select, counts=each, example=example, criterion=criterion) for each in counts]


def budget_selectors(
    model: Any, budget: Budget, rounds: int, *, example: Any = None, criterion: Criterion | str = l1
) -> list[Selector]:
    """Return one selector for each round of pruning to a budget.

    Together, the selectors reduce the multiplications and parameters of `model` to `budget` in equal steps.
    Raises ConfigError if `rounds` is below 1 or the budget cannot be reached.
    """
    fractions = _remaining_fractions(rounds)
    groups = trace_groups(model, example=example, frames=checked_type("budget", budget, Budget).frames)
    selected = selected_groups(model, groups, None)
    budget.check_reachable(prune_graph(groups, {g.name: top_k(np.zeros(g.size), 1, g.parts) for g in selected}))
    cost = count(groups.labels.graph)

    def limit(fraction: float) -> Budget:
        """Return the budget, enlarged by a fraction of the cost above the budget."""
        multiplications = budget.multiplications + int(
            fraction * max(0, cost.multiplications_8 - budget.multiplications)
        )
        parameters = budget.parameters + int(fraction * max(0, cost.parameters - budget.parameters))
        return replace(budget, multiplications=multiplications, parameters=parameters)

    return [partial(select, budget=limit(fraction), example=example, criterion=criterion) for fraction in fractions]


def _remaining_fractions(rounds: int) -> list[float]:
    """Return the fraction of the total reduction that remains after each round. The last fraction is 0."""
    rounds = checked_count("rounds", rounds)
    return [1 - number / rounds for number in range(1, rounds + 1)]
