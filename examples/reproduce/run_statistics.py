"""Means and standard errors over the runs of a row."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Runs = Sequence[Mapping[str, Any]]


class MeanAndError(NamedTuple):
    """A mean and its standard error. Mean and error are nan without runs, and the error is nan for one run."""

    mean: float
    error: float

    def to_text(self, *, signed: bool = False) -> str:
        """Return the mean and the standard error in percent, such as "90.1 ± 1.2". Return "-" without runs."""
        if np.isnan(self.mean):
            return "-"
        mean = f"{round(100 * self.mean, 1) + 0.0:{'+' if signed else ''}.1f}"  # + 0.0 replaces -0.0 by 0.0
        return mean if np.isnan(self.error) else f"{mean} ± {100 * self.error:.1f}"


def accuracies(runs: Runs) -> dict[tuple[int, int], float]:
    """Return the accuracy of each (fold, seed). Failed runs are excluded."""
    return {(run["fold"], run["seed"]): run["accuracy"] for run in runs if "failed" not in run}


def mean_and_error(values: Mapping[tuple[int, int], float]) -> MeanAndError:
    """Return the mean and the standard error of one value per (fold, seed).

    If the runs of some seeds are missing, the seeds of each fold are averaged. The standard error is then computed from
    the means of the folds.
    """
    if not values:
        return MeanAndError(np.nan, np.nan)
    folds, seeds = (sorted({split[axis] for split in values}) for axis in (0, 1))
    grid = np.array([[values.get((fold, seed), np.nan) for seed in seeds] for fold in folds])
    grid = np.nanmean(grid, axis=1, keepdims=True) if np.isnan(grid).any() else grid
    return MeanAndError(float(grid.mean()), float(np.sqrt(variance_of_mean(grid))))


def variance_of_mean(grid: np.ndarray) -> float:
    """Return the variance of the mean of a grid (folds, seeds), with folds and seeds as random factors.

    By two-way analysis of variance, the variance is the sum of two variances minus the residual variance. The two
    variances are the variance of the mean over folds and the variance of the mean over seeds. Both variances include
    the residual variance. The result is at least the residual variance, and nan for a single run.
    """
    means = [side for side in (grid.mean(axis=1), grid.mean(axis=0)) if len(side) > 1]
    variances = [float(side.var(ddof=1)) / len(side) for side in means]
    if len(variances) < 2:
        return variances[0] if variances else np.nan
    residuals = grid - grid.mean(axis=1, keepdims=True) - grid.mean(axis=0) + grid.mean()
    residual_variance = float(np.sum(residuals**2)) / np.prod(np.subtract(grid.shape, 1)) / grid.size
    return max(sum(variances) - residual_variance, residual_variance)


def accuracy_difference(runs: Runs, reference: Runs) -> MeanAndError:
    """Return the mean accuracy difference to `reference` over pairs of runs with the same fold and seed."""
    ours, theirs = accuracies(runs), accuracies(reference)
    return mean_and_error({split: ours[split] - theirs[split] for split in ours.keys() & theirs.keys()})


def num_failed(runs: Runs) -> int:
    return sum("failed" in run for run in runs)


def median(runs: Runs, key: str) -> float:
    """Return the median of a field over the runs that have the field. Return nan without such runs."""
    values = [run[key] for run in runs if key in run]
    return float(np.median(values)) if values else np.nan
