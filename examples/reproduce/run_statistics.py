"""Means over the runs of a row, and their standard errors."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Runs = Sequence[Mapping[str, Any]]


class MeanAndError(NamedTuple):
    """A mean and its standard error; nan if there is none."""

    mean: float
    error: float

    def to_text(self, *, signed: bool = False) -> str:
        """Return the mean and the error in percent, such as "90.1 ± 1.2"; "-" without a mean."""
        if np.isnan(self.mean):
            return "-"
        mean = f"{round(100 * self.mean, 1) + 0.0:{'+' if signed else ''}.1f}"  # + 0.0: no "-0.0"
        return mean if np.isnan(self.error) else f"{mean} ± {100 * self.error:.1f}"


def accuracies(runs: Runs) -> dict[tuple[int, int], float]:
    """Return the accuracy of each (fold, seed). Failed runs are left out."""
    return {(run["fold"], run["seed"]): run["accuracy"] for run in runs if "failed" not in run}


def mean_and_error(values: Mapping[tuple[int, int], float]) -> MeanAndError:
    """Return the mean and the standard error of one value per (fold, seed).

    If a fold has runs of only some seeds, the seeds are averaged first, and the error is that of the mean over folds.
    """
    if not values:
        return MeanAndError(np.nan, np.nan)
    folds, seeds = (sorted({split[axis] for split in values}) for axis in (0, 1))
    grid = np.array([[values.get((fold, seed), np.nan) for seed in seeds] for fold in folds])
    grid = np.nanmean(grid, axis=1, keepdims=True) if np.isnan(grid).any() else grid
    return MeanAndError(float(grid.mean()), float(np.sqrt(variance_of_mean(grid))))


def variance_of_mean(grid: np.ndarray) -> float:
    """Return the variance of the mean of a grid (folds, seeds), over a new draw of folds and seeds.

    Two-way analysis of variance, both factors random: the variance of the mean is that of the fold means plus that
    of the seed means, less the residual variance, which both contain. The result is at least the residual variance.
    It is nan for a single run.
    """
    means = [side for side in (grid.mean(axis=1), grid.mean(axis=0)) if len(side) > 1]
    variances = [float(side.var(ddof=1)) / len(side) for side in means]
    if len(variances) < 2:
        return variances[0] if variances else np.nan
    residuals = grid - grid.mean(axis=1, keepdims=True) - grid.mean(axis=0) + grid.mean()
    residual_variance = float(np.sum(residuals**2)) / np.prod(np.subtract(grid.shape, 1)) / grid.size
    return max(sum(variances) - residual_variance, residual_variance)


def accuracy_difference(runs: Runs, reference: Runs) -> MeanAndError:
    """Return the mean accuracy difference to `reference`, over pairs of runs with the same fold and seed."""
    ours, theirs = accuracies(runs), accuracies(reference)
    return mean_and_error({split: ours[split] - theirs[split] for split in ours.keys() & theirs.keys()})


def num_failed(runs: Runs) -> int:
    return sum("failed" in run for run in runs)


def median(runs: Runs, key: str) -> float:
    """Return the median of a field over the runs that have it; nan if none has."""
    values = [run[key] for run in runs if key in run]
    return float(np.median(values)) if values else np.nan
