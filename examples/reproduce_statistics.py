"""From the runs of a row to a mean, and how far it can be trusted."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Runs = Sequence[Mapping[str, Any]]


class Spread(NamedTuple):
    """A mean and its standard error; nan where there is none."""

    mean: float
    error: float

    def text(self, *, sign: bool = False) -> str:
        """Return percent, "90.1 ± 1.2"; "-" where there is nothing."""
        if np.isnan(self.mean):
            return "-"
        mean = f"{round(100 * self.mean, 1) + 0.0:{'+' if sign else ''}.1f}"  # no "-0.0"
        return mean if np.isnan(self.error) else f"{mean} ± {100 * self.error:.1f}"


def accuracies(runs: Runs) -> dict[tuple[int, int], float]:
    """Return the accuracy of each (fold, seed) that did not fail."""
    return {(run["fold"], run["seed"]): run["accuracy"] for run in runs if "failed" not in run}


def spread(values: Mapping[tuple[int, int], float]) -> Spread:
    """Return the spread of a value for each (fold, seed): where seeds are missing in a fold, of the folds alone."""
    if not values:
        return Spread(np.nan, np.nan)
    folds, seeds = (sorted({place[axis] for place in values}) for axis in (0, 1))
    grid = np.array([[values.get((fold, seed), np.nan) for seed in seeds] for fold in folds])
    grid = np.nanmean(grid, axis=1, keepdims=True) if np.isnan(grid).any() else grid
    return Spread(float(grid.mean()), float(np.sqrt(variance_of_mean(grid))))


def variance_of_mean(grid: np.ndarray) -> float:
    """Return how far the mean of a grid (folds, seeds) would vary with other folds and other seeds.

    The variances of the means by fold and by seed add up, less what is counted in both: the chance of a single run
    (two-way analysis of variance, both factors random). At least that chance is left. nan for a single run.
    """
    means = [side for side in (grid.mean(axis=1), grid.mean(axis=0)) if len(side) > 1]
    parts = [float(side.var(ddof=1)) / len(side) for side in means]
    if len(parts) < 2:
        return parts[0] if parts else np.nan
    rest = grid - grid.mean(axis=1, keepdims=True) - grid.mean(axis=0) + grid.mean()
    chance = float(np.sum(rest**2)) / np.prod(np.subtract(grid.shape, 1)) / grid.size
    return max(sum(parts) - chance, chance)


def difference(runs: Runs, others: Runs) -> Spread:
    """Return the spread of how much `runs` are better than `others`, pair by pair of the same fold and seed."""
    mine, theirs = accuracies(runs), accuracies(others)
    return spread({place: mine[place] - theirs[place] for place in mine.keys() & theirs.keys()})


def failures(runs: Runs) -> int:
    return sum("failed" in run for run in runs)


def middle(runs: Runs, key: str) -> float:
    """Return the median of a figure over the runs that did not fail; nan without any."""
    figures = [run[key] for run in runs if key in run]
    return float(np.median(figures)) if figures else np.nan
