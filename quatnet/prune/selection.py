"""Selection of the filters with the highest scores in each channel group."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..backend import asnumpy
from ..checks import as_scores, checked_count, checked_number, checked_type
from ..errors import ConfigError
from ..graph import ChannelGroup, ChannelGroups, prune_graph
from ..models import Network
from ..models.cnn import num_removed
from .budget import Budget
from .criteria import Criterion, criterion_from_name, l1
from .filters import KeepIndices, trace_groups


def select(
    model: Callable[..., Any],
    ratio: float | Mapping[str, int] | Budget | None = None,
    *,
    counts: Mapping[str, int] | None = None,
    budget: Budget | None = None,
    example: Any = None,
    blocks: Sequence[int] | None = None,
    criterion: Criterion | str = l1,
) -> KeepIndices:
    """Return the filters to keep in each channel group, which are the filters with the highest scores.

    Parameters
    ----------
    model
        Any network.
    ratio
        Share of the filters to remove from each group, 0 <= ratio < 1. At least one filter of each group is kept.
        `counts` or `budget` may be given in place of the ratio.
    counts
        Number of filters to keep, by the name of the group.
    budget
        Largest cost. Filters are removed in the order of increasing score, across all groups, until the network fits.
    example
        Example input, see `trace_groups`. A budget counts the cost for one clip of this size.
    blocks
        Numbers B of the blocks to prune. A group is pruned if the names of all its producers start with `blocks.B.`. By
        default, all groups are pruned, except the embedding of the networks of `quatnet.models`.
    criterion
        Function that computes the scores of the filters of a group, or its name, see `criterion_from_name`. The scores
        of "random" are drawn with the seed 0.

    Raises
    ------
    ConfigError
        A ratio, count, budget or criterion is invalid, a block or a group does not exist, the budget cannot be reached,
        or not exactly one of ratio, counts and budget is given.
    """
    targets = [target for target in (ratio, counts, budget) if target is not None]
    if len(targets) != 1:
        raise ConfigError(f"expected one of ratio, counts and budget, got {len(targets)} of them")
    if not isinstance(counts, Mapping | None) or not isinstance(budget, Budget | None):
        raise ConfigError(f"expected counts by group, or a prune.Budget, got {targets[0]!r}")
    target = targets[0]
    if isinstance(criterion, str):
        criterion = criterion_from_name(criterion, rng=np.random.default_rng(0))
    found = trace_groups(model, example=example, frames=target.frames if isinstance(target, Budget) else None)
    selected = selected_groups(model, found, blocks)
    arrays = {name: asnumpy(array) for name, array in found.labels.graph.arrays.items()}
    if isinstance(target, Budget):
        scores = {group.name: _scores(criterion, arrays, group) for group in selected}
        keep = _select_for_budget(found, selected, scores, target)
    else:
        numbers = target if isinstance(target, Mapping) else filter_counts(selected, target)
        groups = {group.name: group for group in selected}
        if not numbers.keys() <= groups.keys():
            raise ConfigError(f"expected names among {', '.join(groups)}, got {', '.join(numbers)}")
        for name, k in numbers.items():
            if checked_count(f"the number of filters of {name}", k) > groups[name].size:
                raise ConfigError(f"expected at most the {groups[name].size} filters of {name}, got {k}")
        keep = {n: top_k(_scores(criterion, arrays, groups[n]), k, groups[n].parts) for n, k in numbers.items()}
    result = KeepIndices(keep)
    result.graph, result.example = found.labels.graph, example
    return result


def _scores(criterion: Criterion, arrays: Mapping[str, np.ndarray], group: ChannelGroup) -> np.ndarray:
    """Return the scores of a group. Raises ConfigError unless the criterion returns one score for each filter."""
    expected = "expected a criterion as a name, or a function of (arrays, group) that returns scores (filters,)"
    try:
        scores = criterion(arrays, group)
    except TypeError as error:
        raise ConfigError(f"{expected}: {error}") from error
    if np.shape(scores) != (group.size,):
        raise ConfigError(f"{expected}: {group.name} has {group.size} filters, got scores {np.shape(scores)}")
    return scores


def selected_groups(
    model: Callable[..., Any], groups: ChannelGroups, blocks: Sequence[int] | None
) -> list[ChannelGroup]:
    """Return the groups in the given blocks. Raises ConfigError if a block does not exist."""
    names = {name for group in groups for name in group.producers if name.startswith("blocks.")}
    known = sorted({int(name.split(".")[1]) for name in names})
    blocks = None if blocks is None else checked_type("blocks", blocks, Collection)
    if blocks is not None and not set(map(str, blocks)) <= set(map(str, known)):
        raise ConfigError(f"expected blocks among {known}, got {blocks!r:.80}")
    prefixes: tuple[str, ...] = ("blocks.",) if isinstance(model, Network) else ("",)
    prefixes = prefixes if blocks is None else tuple(f"blocks.{block}." for block in blocks)
    return [group for group in groups if all(name.startswith(prefixes) for name in group.producers)]


def filter_counts(groups: Sequence[ChannelGroup], ratio: float) -> dict[str, int]:
    """Return the number of filters that remain in each group if the share `ratio` is removed.

    Raises ConfigError unless 0 <= ratio < 1.
    """
    ratio = checked_number("ratio, the share of the filters to prune,", ratio, "[0, 1)")
    checked = [checked_type("group", group, ChannelGroup) for group in checked_type("groups", groups, Iterable)]
    return {group.name: group.size - num_removed(ratio, group.size) for group in checked}


def top_k(scores: np.ndarray, k: int, parts: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Return the sorted indices of the `k` highest scores. Among equal scores, the first scores are selected.

    The highest score of each of the `parts` is added if no index of the part is selected. Raises ShapeError if the
    scores contain NaN.
    """
    scores, k = as_scores(scores).reshape(-1), checked_count("k", k, 0)
    chosen = set(np.argsort(-scores, kind="stable")[:k].tolist())
    for part in parts:
        if chosen.isdisjoint(part.tolist()):
            chosen.add(int(part[np.argmax(scores[part])]))
    return np.array(sorted(chosen))


def _select_for_budget(
    found: ChannelGroups, selected: list[ChannelGroup], scores: Mapping[str, np.ndarray], budget: Budget
) -> dict[str, np.ndarray]:
    # the filter with the highest score in a group is not removable
    removable = [(score, name) for name, group_scores in scores.items() for score in np.sort(group_scores)[:-1]]
    order = [name for _, name in sorted(removable, key=lambda item: item[0])]

    def keep(num_removed: int) -> dict[str, np.ndarray]:
        removed = order[:num_removed]
        return {g.name: top_k(scores[g.name], g.size - removed.count(g.name), g.parts) for g in selected}

    budget.check_reachable(prune_graph(found, keep(len(order))))
    fits = bisect_left(range(len(order)), True, key=lambda n: budget.fits(prune_graph(found, keep(n))))
    return keep(fits)
